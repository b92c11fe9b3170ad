// Proofs of possession (RFC 9449) without keys: WebCrypto would run outside the virtual clock. A proof is
// plain JSON that the simulated servers can read.

/** What makes a proof too old for a server, or too new: less than a clock ten minutes off. */
const TOLERANCE_MS = 120_000;

export const THUMBPRINT = 'invented-thumbprint';

/** Stands in for what `createDpop` returns, by the contract of its interface alone. */
export function createProofs(clock) {
  const nonces = new Map();
  let made = 0;

  async function createProof(request) {
    const { method, url, accessToken } = request;
    const iat = Math.floor(clock.wallMs() / 1000);
    return JSON.stringify({
      jti: ++made,
      htm: method,
      htu: url,
      iat,
      ath: accessToken,
      nonce: nonces.get(serverOf(request)),
    });
  }

  function noteNonce(request, { status, headers }) {
    const nonce = headers.get('dpop-nonce');
    if (!nonce) return undefined;
    nonces.set(serverOf(request), nonce);
    return status === 401 && headers.get('www-authenticate')?.includes('error="use_dpop_nonce"')
      ? 'nonce'
      : undefined;
  }

  return Object.freeze({ createProof, noteNonce, getThumbprint: async () => THUMBPRINT });
}

/** Nonces of authorization server and resource are kept apart, and so are those of different origins. */
function serverOf({ url, accessToken }) {
  return `${accessToken === undefined ? 'token' : 'api'} ${new URL(url).origin}`;
}

/** The proof that came with a request; `undefined`: none. */
export function readProof(headers) {
  const header = headers.get('dpop');
  return header === null ? undefined : JSON.parse(header);
}

/**
 * How one server, `name`, judges proofs: which nonce it demands and tells, and whether it takes any proof at
 * all.
 */
export function createJudge(name, nonceMood, clock, oracle, note) {
  const judge = { isRefusing: false };
  let nonce;
  let mood;
  let count = 0;

  const renew = () => void (nonce = `${name}-nonce-${++count}`);

  /** A new nonce; `off`: none is demanded any more. */
  judge.demand = (newMood) => {
    mood = newMood;
    renew();
  };

  /** The error of the answer; `undefined`: there is nothing against the proof. */
  judge.faultOf = (proof) => {
    const isStale = Math.abs(proof.iat * 1000 - clock.trueMs()) > TOLERANCE_MS;
    if (judge.isRefusing || isStale) {
      note(`proof ${isStale ? 'stale' : 'refused'} at ${name}`);
      return 'invalid_dpop_proof';
    }
    if (mood !== 'off' && proof.nonce !== nonce) {
      note(`nonce ${mood} at ${name}`);
      return 'use_dpop_nonce';
    }
    if (mood === 'once') renew();
    return undefined;
  };

  /**
   * The headers in which an answer tells the nonce: one that demands it, and each answer where nonces serve
   * once.
   */
  judge.tell = (fault) => {
    const isTold = mood === 'once' || (mood === 'rotate' && fault === 'use_dpop_nonce');
    if (!isTold) return {};
    oracle.nonceTold(name, nonce);
    return { 'dpop-nonce': nonce };
  };

  judge.demand(nonceMood);
  return judge;
}
