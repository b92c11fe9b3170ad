// The world outside the client: a token endpoint, an API and a token provider, each in the mood of the
// moment. They know the steady time, so that a wrong wall clock is the client's trouble alone.
import { createJudge, readProof } from './proofs.mjs';

export const TOKEN_URL = 'https://login.example.com/token';
export const API_URL = 'https://api.example.com/';

const LATENCY_MS = 20;
const SLOW_MS = 6000;
/** Three of these take longer than a renewal may. */
const VERY_SLOW_MS = 25_000;
const HALF_AN_HOUR_MS = 1_800_000;

/** `oracle` is told of all that happens; `note` counts what has occurred. */
export function createServer({ identity, lifetime, isMidHour, isBound, nonces }, clock, oracle, note) {
  const server = { mood: 'ok', apiMood: 'ok', providerAnswer: 'exchange', identity, lifetime };
  if (isBound)
    server.judges = {
      token: createJudge('token', nonces, clock, oracle, note),
      api: createJudge('api', nonces, clock, oracle, note),
    };
  const tokens = new Map();
  let current;
  if (isMidHour) current = issue(3600, clock.nowMs - HALF_AN_HOUR_MS);

  /**
   * Remembers a token; one without a lifetime lasts half an hour, which only the server knows. Every fourth
   * is bound to no key.
   */
  function issue(seconds, atMs = clock.nowMs) {
    const lifetimeMs = seconds === 'missing' ? HALF_AN_HOUR_MS : seconds * 1000;
    const number = tokens.size + 1;
    const type = isBound && number % 4 ? 'DPoP' : 'Bearer';
    const token = {
      accessToken: `token-${number}`,
      type,
      seconds,
      endMs: atMs + lifetimeMs,
      isRevoked: false,
    };
    tokens.set(token.accessToken, token);
    return token;
  }

  /** What the endpoint gives out now: the token and the lifetime it names. */
  function grant() {
    const isAlive =
      current && !current.isRevoked && (server.identity === 'sticky' || current.endMs > clock.nowMs);
    const isNew = server.identity === 'fresh' || !isAlive;
    if (isNew) current = issue(server.lifetime);
    else if (server.identity === 'sticky')
      current.endMs = Math.max(current.endMs, clock.nowMs + HALF_AN_HOUR_MS);
    note(`identity ${isNew ? 'new' : server.identity}`);
    note(`lifetime ${current.seconds}`);
    const remaining = Math.floor((current.endMs - clock.nowMs) / 1000);
    return {
      accessToken: current.accessToken,
      type: current.type,
      seconds: server.identity === 'countdown' ? remaining : current.seconds,
    };
  }

  function answerToken(request, settle) {
    const { mood } = server;
    note(`server ${mood}`);
    if (mood === 'hanging') return;
    const delayMs = { slow: SLOW_MS, slowError: VERY_SLOW_MS }[mood] ?? LATENCY_MS;
    after(clock, delayMs, () => {
      if (!request.isOver) settle(judgeRequest(request, mood));
    });
  }

  function judgeRequest(request, mood) {
    const isGranting = GRANTING.has(mood);
    const fault = isBound && isGranting ? server.judges.token.faultOf(request.proof) : undefined;
    if (fault) {
      const refusal = json({ error: fault }, 400);
      const told = tellNonce(refusal, fault);
      const isChallenge = fault === 'use_dpop_nonce' && 'dpop-nonce' in told;
      oracle.requestAnswered(request, { mood: fault, granted: undefined, isChallenge });
      return refusal;
    }
    const granted = isGranting ? grant() : undefined;
    const answer = TOKEN_ANSWERS[mood]({ granted, signal: request.signal, clock });
    if (mood === 'bodyHanging') return answer;
    if (isBound && !(answer instanceof Error)) tellNonce(answer);
    oracle.requestAnswered(request, { mood, granted, isChallenge: false });
    return answer;
  }

  function tellNonce(answer, fault) {
    const told = server.judges.token.tell(fault);
    for (const name in told) answer.headers.set(name, told[name]);
    return told;
  }

  function tokenRequest({ signal, headers, method }) {
    return new Promise((resolve, reject) => {
      const request = oracle.requestBegun(signal, readProof(headers), { method, url: TOKEN_URL });
      const abort = () => {
        if (!request.isOver) oracle.requestAborted(request);
        reject(signal.reason);
      };
      if (signal.aborted) return abort();
      onAbort(signal, abort);
      answerToken(request, (answer) => (answer instanceof Error ? reject(answer) : resolve(answer)));
    });
  }

  function apiRequest(url, init, method) {
    const caller = oracle.callers[Number(url.slice(API_URL.length))];
    const [type, bearer] = init.headers.get('authorization').split(' ');
    const { signal } = init;
    const proof = readProof(init.headers);
    oracle.apiSent(caller, bearer, proof, {
      url,
      method,
      type,
      isRightType: type === tokens.get(bearer)?.type,
    });
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      let isOver = false;
      onAbort(signal, () => ((isOver = true), reject(signal.reason)));
      const delayMs = server.apiMood === 'slow' ? SLOW_MS : LATENCY_MS;
      after(
        clock,
        delayMs,
        () => isOver || answerCall(caller, bearer, proof, resolve, reject),
        caller.context,
      );
    });
  }

  function answerCall(caller, bearer, proof, resolve, reject) {
    const { apiMood } = server;
    if (apiMood === 'network') {
      note('api network');
      caller.networkError = new TypeError('fetch failed');
      return reject(caller.networkError);
    }
    const fault = proof && apiMood !== 'failing' ? server.judges.api.faultOf(proof) : undefined;
    const status = statusOf(fault, bearer);
    if (!fault) note(`api ${status === 401 ? 'rejecting' : apiMood}`);
    const headers = {
      ...(fault && { 'www-authenticate': `DPoP error="${fault}"` }),
      ...(proof && server.judges.api.tell(fault)),
    };
    oracle.apiAnswered(caller, bearer, status, fault === 'use_dpop_nonce' && 'dpop-nonce' in headers);
    resolve(new Response(null, { status, headers }));
  }

  function statusOf(fault, bearer) {
    const { apiMood } = server;
    if (fault || apiMood === 'rejecting' || !isGood(bearer)) return 401;
    return apiMood === 'failing' ? 500 : 200;
  }

  /** Two seconds are forgiven, as servers do. */
  function isGood(bearer) {
    const token = tokens.get(bearer);
    return token !== undefined && !token.isRevoked && token.endMs + 2000 > clock.nowMs;
  }

  server.revoke = () => tokens.forEach((token) => (token.isRevoked = true));
  server.fetch = (input, init) => {
    const url = String(input.url ?? input);
    return url === TOKEN_URL
      ? tokenRequest(init)
      : apiRequest(url, init, init.method ?? input.method ?? 'GET');
  };
  server.provider = createProvider(server, issue, clock, oracle, note);
  /** A token from an earlier run, as the application stored it. */
  server.stored = (kind) => {
    const seconds = { valid: 3600, ending: 60, ended: 0, endless: 'missing' }[kind];
    const { accessToken, type } = issue(seconds);
    const expiry = Math.floor(clock.wallMs() / 1000) + seconds;
    return { accessToken, tokenType: type, ...(seconds !== 'missing' && { expiresIn: seconds, expiry }) };
  };
  return server;
}

/** Moods whose answer holds a token, in whatever shape. */
const GRANTING = new Set(['ok', 'slow', 'oddToken', 'bodyHanging']);

const TOKEN_ANSWERS = {
  ok: ({ granted }) => json(tokenBody(granted)),
  slow: ({ granted }) => json(tokenBody(granted)),
  serverError: () => new Response('', { status: 500 }),
  slowError: () => json({}, 503),
  tooMany: () => new Response('', { status: 429 }),
  retrySoon: () => json({}, 503, { 'retry-after': '3' }),
  retryLate: () => json({}, 429, { 'retry-after': '90' }),
  retryDate: ({ clock }) => json({}, 503, { 'retry-after': new Date(clock.wallMs() + 4000).toUTCString() }),
  retryJunk: () => json({}, 503, { 'retry-after': 'in a while' }),
  network: () => new TypeError('fetch failed'),
  refusal: () => json({ error: 'invalid_client' }, 401),
  bodyHanging: ({ granted, signal }) => new Response(unfinished(JSON.stringify(tokenBody(granted)), signal)),
  gateway: () =>
    new Response('<html>Bad gateway</html>', { status: 502, headers: { 'content-type': 'text/html' } }),
  oddToken: ({ granted: { accessToken, type, seconds } }) =>
    new Response(
      `\uFEFF${JSON.stringify({ access_token: accessToken, token_type: type.toUpperCase(), expires_in: seconds === 'missing' ? 'soon' : String(seconds), scope: ['a'] })}`,
    ),
  noToken: () => json({ access_token: 'two words', token_type: 'Bearer', expires_in: 3600 }),
};

function tokenBody({ accessToken, type, seconds }) {
  return {
    access_token: accessToken,
    token_type: type,
    ...(seconds !== 'missing' && { expires_in: seconds }),
  };
}

function json(body, status = 200, headers = {}) {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', ...headers },
  });
}

/** A body whose end never comes, until its request is given up. */
function unfinished(text, signal) {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(text));
      onAbort(signal, () => controller.error(signal.reason));
    },
  });
}

/**
 * A token provider in the mood of the moment. What it throws is remembered, since callers must get it
 * unchanged.
 */
function createProvider(server, issue, clock, oracle, note) {
  const answers = {
    exchange: (call, request) => exchange(call, request),
    throws: () => {
      throw oracle.ownError(new Error('the broker is down'));
    },
    hangs: () => new Promise(() => {}),
    last: (call) => call.lastToken,
    junk: () => ({ token: 'none' }),
    another: () => storedToken(),
    ended: () => ({ ...storedToken(), expiry: Math.floor(clock.wallMs() / 1000) - 100 }),
    slow: async (call, request) => {
      await sleep(clock, SLOW_MS);
      return exchange(call, request);
    },
    late: async (call, request) => {
      await sleep(clock, 70_000);
      return exchange(call, request);
    },
    fallback: async (call, request) => {
      try {
        return await exchange(call, request);
      } catch {
        return storedToken();
      }
    },
  };

  async function exchange(call, request) {
    const exchanged = oracle.exchangeAsked(call);
    try {
      return (call.exchanged = await request.fetchToken());
    } finally {
      oracle.exchangeOver(exchanged);
    }
  }

  /** What another process has stored: half of them know when it was issued. */
  function storedToken() {
    const { accessToken, type, seconds } = issue(server.lifetime);
    const expiry = Math.floor(clock.wallMs() / 1000) + seconds;
    return {
      accessToken,
      tokenType: type,
      ...(seconds !== 'missing' && { expiresIn: seconds, ...(accessToken.length % 2 && { expiry }) }),
    };
  }

  return async (lastToken, request) => {
    const call = oracle.providerCalled(lastToken, request);
    const answer = server.providerAnswer;
    note(`provider ${answer}`);
    try {
      const token = await answers[answer](call, request);
      oracle.providerAnswered(call, token);
      return token;
    } finally {
      call.isOver = true;
    }
  };
}

function sleep(clock, ms) {
  return new Promise((resolve) => after(clock, ms, resolve));
}

/** A timer of the world outside, which keeps nobody's process alive. */
function after(clock, ms, callback, context = clock.context) {
  clock.setTimeout(callback, ms, context).unref();
}

/** One listener for each signal, so that a listener warning can only be the client's doing. */
const followers = new WeakMap();

function onAbort(signal, listener) {
  if (!signal) return;
  if (!followers.has(signal)) {
    followers.set(signal, []);
    signal.addEventListener('abort', () => followers.get(signal).forEach((follow) => follow()), {
      once: true,
    });
  }
  followers.get(signal).push(listener);
}
