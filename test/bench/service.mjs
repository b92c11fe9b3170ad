// The counted server: a token endpoint and an API behind one function, in the time of `Date.now` and `setTimeout`, so
// that fake clocks move it too. Lifetimes count from the arrival of the token request.

export const CREDENTIALS = { clientId: 'invented-client', clientSecret: 'invented-secret' };

/** In the place of a status: the connection ends without an answer, as where nothing listens. */
export const CUT_OFF = 0;

export function createService({ expiresIn = 3600, latencyMs = 0 } = {}) {
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
    const token = `invented-token-${++service.tokenRequests}`;
    if (latencyMs) {
      service.pending++;
      await new Promise((resolve) => setTimeout(resolve, latencyMs));
      service.pending--;
    }
    if (isDown) {
      service.refused++;
      return { status: CUT_OFF };
    }
    ends.set(token, nowMs + expiresIn * 1000);
    return { status: 200, body: { access_token: token, token_type: 'Bearer', expires_in: expiresIn } };
  }

  function serve(authorization = '') {
    const end = ends.get(authorization.replace(/^Bearer /, ''));
    if (Number.isFinite(end) && end <= Date.now()) service.sentExpired++;
    return end > Date.now() ? { status: 200, body: { ok: true } } : { status: 401, body: { ok: false } };
  }
}
