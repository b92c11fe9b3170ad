// The counted server: a token endpoint and an API behind one function, in the time of `Date.now` and
// `setTimeout`, so that fake clocks move it too. Lifetimes count from the arrival of the token request.

export const CREDENTIALS = { clientId: 'invented-client', clientSecret: 'invented-secret' };

/** In the place of a status: the connection ends without an answer, as where nothing listens. */
export const CUT_OFF = 0;

/**
 * `repeats`: a live token is handed out again until it ends, as ThingSpace does it; `expires_in` is then what
 * is `'left'` of it, or always the `'full'` lifetime (which of the two ThingSpace says is documented
 * nowhere).
 */
export function createService({ expiresIn = 3600, latencyMs = 0, repeats } = {}) {
  const ends = new Map();
  const service = {
    tokenRequests: 0,
    refused: 0,
    sentExpired: 0,
    /** Token requests that are not answered yet. */
    pending: 0,
    requestedAtMs: [],
    isDown: () => false,
    revokeAll: () => ends.forEach((_end, token) => ends.set(token, -Infinity)),
    hasValidToken: () => [...ends.values()].some((end) => end > Date.now()),
    answer: (path, authorization) => (path === '/token' ? issue() : serve(authorization)),
  };
  return service;

  async function issue() {
    const nowMs = Date.now();
    const isDown = service.isDown(nowMs);
    service.requestedAtMs.push(nowMs);
    const token = (repeats && liveToken()) || `invented-token-${service.tokenRequests + 1}`;
    service.tokenRequests++;
    if (latencyMs) {
      service.pending++;
      await new Promise((resolve) => setTimeout(resolve, latencyMs));
      service.pending--;
    }
    if (isDown) {
      service.refused++;
      return { status: CUT_OFF };
    }
    if (!(ends.get(token) > nowMs)) ends.set(token, nowMs + expiresIn * 1000);
    const leftSeconds = repeats === 'left' ? Math.ceil((ends.get(token) - nowMs) / 1000) : expiresIn;
    return { status: 200, body: { access_token: token, token_type: 'Bearer', expires_in: leftSeconds } };
  }

  function liveToken() {
    return [...ends.keys()].findLast((token) => ends.get(token) > Date.now());
  }

  function serve(authorization = '') {
    const end = ends.get(authorization.replace(/^Bearer /, ''));
    if (Number.isFinite(end) && end <= Date.now()) service.sentExpired++;
    return end > Date.now() ? { status: 200, body: { ok: true } } : { status: 401, body: { ok: false } };
  }
}
