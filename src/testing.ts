/**
 * A ThingSpace made of one `fetch`-shaped function: token endpoint, revocation, M2M session, API calls and
 * their faults. It is written from the servers' documentation alone and shares no code with the client, so
 * that neither can hide the other's mistakes. It opens no socket. Before the first request it reads no clock
 * and draws no random number. Everything that it hands out is invented and numbered: `mock-access-token-1`,
 * `mock-session-token-1`.
 *
 * @module
 */

import { type Assertion, assertionFault, type ClientKey, readAssertion } from './testing/assertions.ts';
import type { PublicJwk, VerificationKey } from './testing/jws.ts';
import { type Proof, proofFault, readProof } from './testing/proofs.ts';

export type { PublicJwk, VerificationKey } from './testing/jws.ts';

type FetchInput = Parameters<typeof fetch>[0];
type FetchInit = Parameters<typeof fetch>[1];

/**
 * Options of {@link createMockServer}. All of them are optional, and unknown keys are ignored. Without
 * options the server behaves like ThingSpace and accepts any credentials.
 */
export interface MockServerOptions {
  /** Lifetime of a token in seconds. `0` makes tokens that have ended when they arrive. @default 3600 */
  readonly expiresIn?: number;
  /**
   * The scopes that may be granted; any other scope is refused with `invalid_scope`. A request that asks for
   * none is granted all of them. Absent: any scope is granted.
   */
  readonly scopes?: readonly string[];
  /**
   * Client ids, each with its secret or its public key. A secret is for Basic, or for an assertion by
   * `client_secret_jwt`. A public key (a `CryptoKey` or a JWK) is for an assertion by `private_key_jwt`.
   * Other clients are refused with `invalid_client`. Absent: any client is accepted, and any signature of an
   * assertion.
   */
  readonly clients?: Readonly<Record<string, string | VerificationKey | PublicJwk>>;
  /**
   * Whether tokens are bound to a key (DPoP, RFC 9449). Token requests and all requests with a token then
   * need a proof with the server's nonce. Answers to such requests bring the nonce. The nonces of the OAuth
   * endpoints and of the API differ, and so do those of different origins. @default false
   */
  readonly dpop?: boolean;
  /**
   * User names with their passwords for the M2M login. Five wrong passwords in a row lock a user.
   * Absent: any login is accepted.
   */
  readonly users?: Readonly<Record<string, string>>;
  /**
   * Whether requests of one client for the same scopes get the same token until it ends or is revoked.
   * @default true
   */
  readonly sameToken?: boolean;
  /**
   * `true`: `expires_in` of a repeated token is the time that it has left. `false`: always the full lifetime.
   * @default true
   */
  readonly countsDown?: boolean;
  /**
   * How many milliseconds an answer is held back; the request takes effect before that. `0`: no timer.
   * @default 0
   */
  readonly latencyMs?: number;
  /**
   * The time of the server's clock, in milliseconds since 1970. Only `advance` moves it. Absent: the real
   * clock, moved by `advance`.
   */
  readonly startTime?: number;
  /**
   * Rewrites the answer that grants a token, so that it looks like that of another server. It gets the body,
   * and returns an object (sent as JSON), a string or a `Response`. Absent: the answer stays as it is.
   */
  readonly tokenResponse?: (body: Record<string, unknown>) => unknown;
  /**
   * Says who sent a request to an OAuth endpoint: returns the client's id, or `undefined` to refuse. Use it
   * for clients that send the secret in the body, and for public clients. It replaces `clients` and the check
   * of Basic headers and assertions. Absent: that check is made (the default).
   */
  readonly identifyClient?: (request: Omit<MockRequest, 'status'>) => string | undefined;
}

/** What came in, frozen. */
export interface MockRequest {
  /** The method, in upper case. */
  readonly method: string;
  /** The whole URL. */
  readonly url: string;
  /** The URL's path, without its query. */
  readonly path: string;
  /** The headers, by their names in lower case. Credentials are left in, for tests to look at. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body as text; empty where there is none. */
  readonly body: string;
  /** The HTTP status of the answer; `0` where `failNext` made it a rejection. */
  readonly status: number;
}

/** Kinds of request: token endpoint, M2M login, and all the rest (API calls, revocation, logout). */
export type MockTarget = 'token' | 'api' | 'login';

/** What {@link createMockServer} returns. Frozen; every function works when destructured. */
export interface MockServer {
  /**
   * The server. Give it as `config.fetch`, or as the handler of a server or Worker: what such a platform
   * passes beside a `Request` is ignored. Rejects with an error of `failNext`, or with the reason of the
   * request's signal.
   */
  readonly fetch: {
    (input: FetchInput, init?: FetchInit): Promise<Response>;
    (request: Request, ...platform: unknown[]): Promise<Response>;
  };
  /**
   * All requests, in the order in which their bodies arrived. A request with an assertion or a proof comes in
   * when its signatures have been verified. To start afresh, set `length` to 0.
   */
  readonly requests: MockRequest[];
  /**
   * Moves the server's clock ahead by this many seconds. Tokens and idle sessions end by that. Assertions
   * end, too, if the client's clock does not move along.
   */
  advance(seconds: number): void;
  /**
   * Queues the answer to the next `count` requests of this kind, which then have no other effect. Without
   * `count` it is one request. The answer is a status (sent with a gateway's body), a `Response` (each
   * request gets a copy) or an error to reject with. `Infinity` lasts until it is called off: a count of `0`
   * calls off all that is queued for the target.
   */
  failNext(target: MockTarget, answer: number | Response | Error, count?: number): void;
  /** Revokes every token; the next token request gets a new one. */
  revokeAll(): void;
  /** Ends every M2M session. */
  lapseSessions(): void;
  /** With `dpop`: changes the nonces. The next request is told the new one. */
  rotateNonces(): void;
}

type Received = Omit<MockRequest, 'status'>;
type Failure = { readonly answer: number | Response | Error; count: number };
type State = ReturnType<typeof createState>;
/** What takes time to verify in a request. */
type Evidence = { readonly assertion: Assertion | undefined; readonly proof: Proof | undefined };

const SESSION_IDLE_MS = 1_200_000; // 20 minutes
const LOGIN_FAILURES_TO_LOCK = 5;

const RESOURCES: Readonly<Record<string, unknown>> = {
  'GET /api/mec/eds/regions': {
    regions: [{ regionId: 'mock-region-1', name: 'MOCK_EAST', countryCode: 'US' }],
  },
  'GET /api/mec/eds/mecplatforms': {
    mecPlatforms: [{ ern: 'mock-ern-1', region: 'MOCK_EAST', status: 'active' }],
  },
  'GET /api/mec/eds/serviceendpoints': {
    serviceEndpoints: [{ ern: 'mock-ern-1', uri: 'https://edge.example' }],
  },
  'GET /api/mec/eds/serviceprofiles': { serviceProfileList: ['mock-service-profile-1'] },
  'POST /api/m2m/v1/devices/actions/list': {
    hasMoreData: false,
    devices: [{ deviceIds: [{ id: 'mock-1' }] }],
  },
};

/**
 * Makes a ThingSpace with a state of its own, for tests and local work. Only the path of a URL counts, not
 * the host.
 *
 * - `POST …/oauth2/token` and `…/oauth2/revoke` want a form, and Basic credentials or an assertion. Any other
 *   path wants a live bearer.
 * - `POST …/session/login` begins an M2M session and `…/session/logout` ends it. A session also ends after 20
 *   idle minutes. Paths below `/api/m2m/v1/`, `/api/loc/v1/` and `/api/cc/v1/` want a session. Each of these
 *   three APIs refuses a call without one in its own words.
 * - Edge Discovery and the device list answer with invented data, any other path with its `{ method, path }`.
 *   The wording of refused and locked logins is invented.
 * - A `GET` of `/.well-known/oauth-authorization-server` or `/.well-known/openid-configuration` says where
 *   the two OAuth endpoints are, for an issuer without a path or with one (RFC 8414 section 3).
 *
 * @see https://thingspace.verizon.com/documentation/apis/software-management/getting-started/get-credentials.html
 *
 * @example
 * const server = createMockServer({ clients: { 'mock-id': 'mock-secret' } });
 * const response = await server.fetch('https://thingspace.verizon.com/api/mec/eds/regions');
 * // 401 {"fault":{"code":"900902", …
 */
export function createMockServer(options: MockServerOptions = {}): MockServer {
  const requests: MockRequest[] = [];
  const state = createState(options);
  return Object.freeze({ fetch, requests, advance, failNext, revokeAll, lapseSessions, rotateNonces });

  async function fetch(input: FetchInput, init?: unknown): Promise<Response> {
    const request = toRequest(input, init);
    request.signal?.throwIfAborted(); // workerd may have no signal here
    const received = await receive(request);
    const answer = answerTo(state, received, await readEvidence(options, received));
    requests.push(Object.freeze({ ...received, status: answer instanceof Response ? answer.status : 0 }));
    if (options.latencyMs) await wait(options.latencyMs, request);
    if (answer instanceof Response) return answer;
    throw answer;
  }

  function advance(seconds: number): void {
    state.advancedMs += seconds * 1000;
  }

  function failNext(target: MockTarget, answer: number | Response | Error, count: number = 1): void {
    if (count > 0) state.failures[target].push({ answer, count });
    else state.failures[target].length = 0;
  }

  function revokeAll(): void {
    state.tokens.clear();
  }

  function lapseSessions(): void {
    state.sessions.clear();
  }

  function rotateNonces(): void {
    state.nonceCount += 1;
  }
}

function createState(options: MockServerOptions) {
  return {
    options,
    // `thumbprint`: that of the key it is bound to.
    tokens: new Map<
      string,
      { key: string; clientId: string; endsMs: number; thumbprint: string | undefined }
    >(),
    seenIds: new Set<string>(), // of assertions and proofs
    sessions: new Map<string, number>(), // session token: time of its last use
    failedLogins: new Map<string, number>(), // user name: failures in a row
    failures: { token: [] as Failure[], api: [] as Failure[], login: [] as Failure[] },
    advancedMs: 0,
    nonceCount: 1,
    tokenCount: 0,
    sessionCount: 0,
  };
}

/**
 * Deno, Bun and workerd pass things of their own beside a `Request`. An object with `headers` is an `init`.
 */
function toRequest(input: FetchInput, init: unknown): Request {
  const isPlatform = typeof input === 'object' && 'url' in input && !Object(init).headers;
  return isPlatform ? input : new Request(input, init as FetchInit);
}

async function receive(request: Request): Promise<Received> {
  const { method, url } = request;
  const headers = Object.freeze(Object.fromEntries(request.headers));
  return { method, url, path: new URL(url).pathname, headers, body: await request.text() };
}

/**
 * Listens on the signal of the request itself. On a signal that many calls share, that many listeners would
 * cause the warning of a leak.
 */
function wait(ms: number, request: Request): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    request.signal?.addEventListener('abort', stop);
    if (request.signal?.aborted) stop();

    function stop(): void {
      clearTimeout(timer);
      reject(request.signal.reason);
    }
  });
}

async function readEvidence(
  { clients, dpop }: MockServerOptions,
  { path, headers, body }: Received,
): Promise<Evidence> {
  const assertion = isClientEndpoint(path)
    ? await readAssertion(new URLSearchParams(body), clients)
    : undefined;
  const proof = dpop ? await readProof(headers['dpop'], tokenOf(headers, 'DPoP') ?? '') : undefined;
  return { assertion, proof };
}

function isClientEndpoint(path: string): boolean {
  return /\/oauth2\/(token|revoke)$/.test(path);
}

function tokenOf(headers: Received['headers'], scheme: string): string | undefined {
  const [, given, token] = /^(\S+) (.+)$/.exec(headers['authorization'] ?? '') ?? [];
  return given === scheme ? token : undefined;
}

function answerTo(state: State, request: Received, evidence: Evidence): Response | Error {
  const { method, path } = request;
  const isToken = path.endsWith('/oauth2/token');
  const target = isToken ? 'token' : path.endsWith('/session/login') ? 'login' : 'api';
  const failure = nextFailure(state.failures[target]);
  if (failure !== undefined) return failure;
  const issuer = method === 'GET' ? issuerOf(request) : undefined;
  if (issuer !== undefined) return describe(state, issuer);
  const answer = isClientEndpoint(path)
    ? answerClient(state, request, evidence)
    : answerBearer(state, request, evidence);
  if (state.options.dpop) answer.headers.set('dpop-nonce', nonceFor(state, request));
  return answer;
}

/**
 * The issuer whose metadata is asked for. Its path stands behind the well-known part, or, with OpenID
 * Connect, before it.
 */
function issuerOf({ url, path }: Received): string | undefined {
  const oauth = /^\/\.well-known\/oauth-authorization-server(\/.+)?$/.exec(path);
  const found = oauth ?? /^(.*)\/\.well-known\/openid-configuration$/.exec(path);
  return found ? new URL(url).origin + (found[1] ?? '') : undefined;
}

function describe({ options: { scopes, dpop } }: State, issuer: string): Response {
  const algorithms = [
    'ES256',
    'ES384',
    'ES512',
    'RS256',
    'RS384',
    'RS512',
    'PS256',
    'PS384',
    'PS512',
    'EdDSA',
  ];
  return json(200, {
    issuer,
    token_endpoint: `${issuer}/oauth2/token`,
    revocation_endpoint: `${issuer}/oauth2/revoke`,
    grant_types_supported: ['client_credentials'],
    response_types_supported: [],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_jwt', 'private_key_jwt'],
    token_endpoint_auth_signing_alg_values_supported: ['HS256', ...algorithms],
    scopes_supported: scopes,
    ...(dpop && { dpop_signing_alg_values_supported: algorithms }),
  });
}

/**
 * The nonce that is wanted: for each origin one at its OAuth endpoints, and one at its API (RFC 9449 section
 * 8.2).
 */
function nonceFor({ nonceCount }: State, { url, path }: Received): string {
  return `mock-${isClientEndpoint(path) ? 'token' : 'api'}-nonce-${nonceCount}@${new URL(url).host}`;
}

function nextFailure(queue: Failure[]): Response | Error | undefined {
  const failure = queue[0];
  if (failure === undefined) return undefined;
  failure.count -= 1;
  if (failure.count < 1) queue.shift();
  const { answer } = failure;
  if (typeof answer === 'number') return gatewayAnswer(answer);
  return answer instanceof Response ? answer.clone() : answer;
}

/**
 * Answers at the two OAuth endpoints. First it looks at who is asking, then at the key, then at what is asked
 * for.
 */
function answerClient(state: State, request: Received, { assertion, proof }: Evidence): Response {
  const { clients, dpop, identifyClient } = state.options;
  const { method, path, headers } = request;
  if (method !== 'POST') return gatewayAnswer(400);
  const form = new URLSearchParams(request.body);
  if (!identifyClient && !assertion && !headers['authorization']) return missingCredentials();
  // An assertion is used up even if the answer only asks for a nonce.
  const fault =
    assertion &&
    !identifyClient &&
    assertionFault(assertion, form, audiencesOf(request), nowMs(state), state.seenIds);
  if (fault) return oauthError(401, 'invalid_client', fault);
  const asserted: string | undefined = assertion?.jws?.claims.sub;
  const clientId = identifyClient
    ? identifyClient(request)
    : (asserted ?? basicClient(headers['authorization'], clients));
  if (clientId === undefined) return oauthError(401, 'invalid_client', 'Client authentication failed.');
  if (!headers['content-type']?.startsWith('application/x-www-form-urlencoded')) {
    return oauthError(400, 'invalid_request', 'The body is no form.');
  }
  if (path.endsWith('/revoke')) return revokeToken(state, clientId, form);
  const unproven =
    dpop &&
    proofFault(proof, { ...request, hasToken: false, nonce: nonceFor(state, request) }, state.seenIds);
  if (unproven) return oauthError(400, ...unproven);
  return grantToken(state, clientId, form, proof?.thumbprint);
}

/** Whom an assertion may be for: the token endpoint, the endpoint asked, the issuer. */
function audiencesOf({ url }: Received): string[] {
  const [asked = ''] = url.split('?');
  const issuer = asked.replace(/\/oauth2\/\w+$/, '');
  return [...new Set([`${issuer}/oauth2/token`, asked, issuer])];
}

/**
 * The id of a Basic header, if id and secret are those of a known client. Both are form-encoded (RFC 6749
 * section 2.3.1).
 */
function basicClient(header: string = '', clients: MockServerOptions['clients']): string | undefined {
  try {
    const bytes = Uint8Array.from(atob(/^Basic (.+)$/.exec(header)![1]!), (character) =>
      character.charCodeAt(0),
    );
    const pair = /^([^:]+):(.*)$/s.exec(new TextDecoder().decode(bytes))!;
    const [id, secret] = [formDecode(pair[1]!), formDecode(pair[2]!)];
    return isKnown(clients, id, secret) ? id : undefined;
  } catch {
    return undefined; // another scheme, no base64, no pair or no form encoding
  }
}

function formDecode(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}

function isKnown(
  known: Readonly<Record<string, ClientKey>> | undefined,
  name: string,
  secret: string,
): boolean {
  return known === undefined || known[name] === secret;
}

function grantToken(
  state: State,
  clientId: string,
  form: URLSearchParams,
  thumbprint: string | undefined,
): Response {
  const { scopes, tokenResponse } = state.options;
  const grantType = form.get('grant_type');
  if (!grantType) return oauthError(400, 'invalid_request', 'grant_type is missing.');
  if (grantType !== 'client_credentials') return oauthError(400, 'unsupported_grant_type', 'Not supported.');
  const scope = form.get('scope') ?? scopes?.join(' ');
  const asked = scope?.split(' ') ?? [];
  if (scopes && !asked.every((each) => scopes.includes(each)))
    return oauthError(400, 'invalid_scope', 'Not granted.');

  const token = currentToken(
    state,
    clientId,
    JSON.stringify([clientId, thumbprint, ...asked.sort()]),
    thumbprint,
  );
  const body = { ...token, token_type: thumbprint ? 'DPoP' : 'Bearer', scope };
  const answer = tokenResponse ? tokenResponse(body) : body;
  if (answer instanceof Response) return answer;
  return typeof answer === 'string'
    ? new Response(answer)
    : json(200, answer, { 'cache-control': 'no-store' });
}

function currentToken(
  state: State,
  clientId: string,
  key: string,
  thumbprint: string | undefined,
): { access_token: string; expires_in: number } {
  const { expiresIn = 3600, sameToken = true, countsDown = true } = state.options;
  const now = nowMs(state);
  const held = sameToken && [...state.tokens].find(([, token]) => token.key === key && token.endsMs > now);
  if (held) {
    const [accessToken, { endsMs }] = held;
    return {
      access_token: accessToken,
      expires_in: countsDown ? Math.floor((endsMs - now) / 1000) : expiresIn,
    };
  }
  const accessToken = `mock-access-token-${++state.tokenCount}`;
  state.tokens.set(accessToken, { key, clientId, thumbprint, endsMs: now + expiresIn * 1000 });
  return { access_token: accessToken, expires_in: expiresIn };
}

function nowMs(state: State): number {
  return (state.options.startTime ?? Date.now()) + state.advancedMs;
}

/**
 * The answer is the same for a token that is unknown or another client's (RFC 7009 section 2.2).
 * Such a token stays as it is.
 */
function revokeToken(state: State, clientId: string, form: URLSearchParams): Response {
  const token = form.get('token');
  if (!token) return oauthError(400, 'invalid_request', 'token is missing.');
  if (state.tokens.get(token)?.clientId === clientId) state.tokens.delete(token);
  return new Response(null);
}

/** Answers everything that wants a token. */
function answerBearer(state: State, request: Received, { proof }: Evidence): Response {
  const { method, path, headers } = request;
  const { dpop } = state.options;
  const bearer = tokenOf(headers, dpop ? 'DPoP' : 'Bearer');
  if (bearer === undefined) return missingCredentials();
  const unproven =
    dpop && proofFault(proof, { ...request, hasToken: true, nonce: nonceFor(state, request) }, state.seenIds);
  if (unproven) return challenge(...unproven);
  const token = state.tokens.get(bearer);
  const isGood = token !== undefined && token.endsMs > nowMs(state) && token.thumbprint === proof?.thumbprint;
  if (!isGood)
    return dpop
      ? challenge('invalid_token', 'It has ended, is unknown, or is bound to another key.')
      : gatewayAnswer(401);
  if (path.endsWith('/session/login')) return logIn(state, request.body);

  const isLogout = path.endsWith('/session/logout');
  const sessionToken = headers['vz-m2m-token'] ?? '';
  const api = isLogout ? 'm2m' : /\/api\/(m2m|loc|cc)\/v1\//.exec(path)?.[1];
  if (api !== undefined && !useSession(state, sessionToken)) return sessionEnded(api);
  if (isLogout) state.sessions.delete(sessionToken);
  return json(200, RESOURCES[`${method} ${path}`] ?? { method, path });
}

function logIn(state: State, body: string): Response {
  const { username, password } = parseLogin(body);
  if (typeof username !== 'string' || typeof password !== 'string') {
    return connectivityError(400, 'INPUT_INVALID.Credentials.Missing', 'Username and password are required.');
  }
  const failures = state.failedLogins.get(username) ?? 0;
  if (failures >= LOGIN_FAILURES_TO_LOCK) {
    return connectivityError(403, 'REQUEST_FAILED.Account.Locked', 'The account is locked.');
  }
  if (!isKnown(state.options.users, username, password)) {
    state.failedLogins.set(username, failures + 1);
    return connectivityError(401, 'REQUEST_FAILED.Credentials.Invalid', 'The username or password is wrong.');
  }
  state.failedLogins.delete(username);
  const sessionToken = `mock-session-token-${++state.sessionCount}`;
  state.sessions.set(sessionToken, nowMs(state));
  return json(200, { sessionToken });
}

function parseLogin(body: string): { username?: unknown; password?: unknown } {
  try {
    return JSON.parse(body) ?? {};
  } catch {
    return {};
  }
}

/** Uses a session, which keeps it alive, and says whether it is alive. A session that has ended stays so. */
function useSession(state: State, sessionToken: string): boolean {
  const now = nowMs(state);
  const lastUse = state.sessions.get(sessionToken);
  if (lastUse === undefined || now - lastUse >= SESSION_IDLE_MS) return false;
  state.sessions.set(sessionToken, now);
  return true;
}

/**
 * Each API says in its own way that the session has ended. Which status Cloud Connector sends is not
 * documented; 401 is the harder case for a client.
 */
function sessionEnded(api: string): Response {
  const loc = {
    errorCode: 'INVALID_PARAMETER',
    errorMessage: 'UWS verification failure (The Session has expired.)',
  };
  const cc = {
    error: 'unauthorized',
    error_description: 'Failure response received for UWS V1 REST accounts: [400]',
  };
  if (api === 'loc') return json(400, loc);
  if (api === 'cc') return json(401, cc);
  return connectivityError(400, 'REQUEST_FAILED.SessionToken.Expired', 'The session token has expired.');
}

function connectivityError(status: number, code: string, errorMessage: string): Response {
  return json(status, { errorCode: `UnifiedWebService.${code}`, errorMessage });
}

function oauthError(status: number, error: string, description: string): Response {
  const challenge = status === 401 ? { 'www-authenticate': 'Basic realm="mock"' } : {};
  return json(status, { error, error_description: description }, challenge);
}

/** RFC 9449 section 7.1. */
function challenge(error: string, description: string): Response {
  return json(
    401,
    { error, error_description: description },
    { 'www-authenticate': `DPoP error="${error}", error_description="${description}"` },
  );
}

/** The gateway's own errors: a fault without `WWW-Authenticate`, or, from status 500 on, a page. */
function gatewayAnswer(status: number): Response {
  if (status < 400) return new Response(null, { status });
  if (status === 401) return fault(401, '900901', 'Invalid Credentials');
  if (status === 429) return fault(429, '900800', 'Message throttled out');
  if (status < 500) return fault(status, '900906', 'No matching resource found');
  const page = `<html><head><title>${status}</title></head><body><h1>${status}</h1></body></html>`;
  return new Response(page, { status, headers: { 'content-type': 'text/html' } });
}

function missingCredentials(): Response {
  return fault(401, '900902', 'Missing Credentials');
}

function fault(status: number, code: string, message: string): Response {
  return json(status, { fault: { code, message, description: `${message}, says an invented gateway.` } });
}

function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', ...headers },
  });
}
