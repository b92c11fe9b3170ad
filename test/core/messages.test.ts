/**
 * The messages that people read when something goes wrong, in one table: the mistake or failure, and the
 * line that someone finds in a log at night. It says what happened, where (origin and path), and what to do.
 * The mistakes stand here and the lines in `messages.json`, which `npm run test:update` writes anew from the
 * code: to reword a message is a diff to read.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import {
  ApiError,
  type ClientConfig,
  type ClientCredentials,
  configFromEnvironment,
  createClient,
  type Fetch,
  type OAuthToken,
  reviveToken,
  revokeToken,
} from 'thingspace-auth';
import { discover } from 'thingspace-auth/discover';
import { createDpop } from 'thingspace-auth/dpop';
import { clientAssertion, clientSecretJwt, privateKeyJwt } from 'thingspace-auth/jwt';
import { createSession, sessionFromEnvironment } from 'thingspace-auth/session';
import { encryptedStore, storedToken } from 'thingspace-auth/stores';
import { fileStore } from 'thingspace-auth/stores/file';
import { redisStore } from 'thingspace-auth/stores/redis';
import { createMockServer } from 'thingspace-auth/testing';
import { fakeClock } from '../support/server.ts';

const REGIONS = 'https://5gedge.verizon.com/api/mec/eds/regions';
const DEVICES = 'https://thingspace.verizon.com/api/m2m/v1/devices/actions/list';
const CUSTOM = { tokenUrl: 'https://auth.example.com/token', apiOrigins: ['https://api.example.com'] };
const HELD = { oauthToken: { accessToken: 'held-token', tokenType: 'Bearer' } } as const;

/** The token endpoint's URL, and its login's, as they stand in messages. */
const TOKEN = 'https://thingspace.verizon.com/api/ts/v1/oauth2/token';
const LOGIN = 'https://thingspace.verizon.com/api/m2m/v1/session/login';

/** `npm run test:update` */
const isUpdate = process.env['UPDATE'] === 'messages';

const LOGIN_OF_A_USER = { username: 'invented-user', password: 'invented-password' };
const STORE = { get: () => null, set: () => {}, delete: () => {} };

/** What goes wrong, and how. */
const TABLE: readonly (readonly [wrong: string, run: (clock: () => Clock) => unknown])[] = [
  // The server refuses
  [
    'id and secret swapped',
    () => make({ oauthClientId: 'invented-secret', oauthClientSecret: 'invented-key' }).fetchToken(),
  ],
  [
    'a staging key in production',
    () => make({}, {}, { clients: { 'production-key': 'production-secret' } }).fetchToken(),
  ],
  ['a typo in a scope', () => make({ oauthScopes: ['discovery:raed'] }).fetchToken()],
  ['the name of a scope for its value', () => make({ oauthScopes: ['Discoveryread'] }).fetchToken()],
  ['a refusal of another kind', () => failing(json(400, { error: 'unsupported_grant_type' })).fetchToken()],

  // Something answers, but no token comes
  ['a token endpoint that throttles', () => failing(text(429, 'text/plain', 'slow down')).fetchToken()],
  [
    'a token endpoint that says how long it throttles',
    () =>
      failing(
        () => new Response('slow down', { status: 429, headers: { 'retry-after': '30' } }),
      ).fetchToken(),
  ],
  [
    'a gateway that throttles',
    () => failing(json(429, { fault: { code: '900800', message: 'Message throttled out' } })).fetchToken(),
  ],
  ['a token endpoint that is down', () => failing(text(503, 'text/html', '<html>')).fetchToken()],
  ['a token endpoint that waited in vain', () => failing(text(408, 'text/plain', '')).fetchToken()],
  ['a token endpoint that has failed', () => failing(text(500, 'text/plain', 'oops')).fetchToken()],
  [
    'a gateway that does not know the client',
    () => failing(json(401, { fault: { code: 900902, message: 'Missing Credentials' } })).fetchToken(),
  ],
  [
    'a gateway that says so in XML',
    () =>
      failing(
        text(403, 'application/xml', '<am:fault xmlns:am="urn:x"><am:code>900908</am:code></am:fault>'),
      ).fetchToken(),
  ],
  [
    'a gateway that says so in XML without namespace',
    () => failing(text(403, 'application/xml', '<fault><code>900908</code></fault>')).fetchToken(),
  ],
  ['a proxy that answers with a page', () => failing(text(200, 'text/html', '<html>')).fetchToken()],
  [
    'a tokenUrl that redirects',
    () =>
      failing(
        () => new Response(null, { status: 301, headers: { location: 'https://www.example.com/' } }),
      ).fetchToken(),
  ],
  [
    'a tokenUrl that redirects, in a browser, which shows nothing of that',
    () => failing(() => Response.error()).fetchToken(),
  ],
  ['a tokenUrl that does not exist', () => failing(json(404, { message: 'none' })).fetchToken()],
  ['an answer without a token', () => failing(json(200, { message: 'hello' })).fetchToken()],
  ['an answer that is no JSON', () => failing(text(200, 'text/plain', 'hello')).fetchToken()],
  [
    'an answer that holds a form only behind other text',
    () => failing(text(400, 'text/plain', 'oops&error=invented')).fetchToken(),
  ],
  ['an answer that is too large', () => failing(text(200, 'text/plain', 'x'.repeat(70_000))).fetchToken()],

  // Nothing answers
  [
    'a host that cannot be reached',
    () =>
      make(
        {},
        { fetch: undefined, environment: { ...CUSTOM, tokenUrl: 'https://127.0.0.1:49/token?key=invented' } },
      ).fetchToken(),
  ],
  [
    'a platform that says nothing of why',
    () => make({}, { fetch: () => Promise.reject(new TypeError('Load failed')) }).fetchToken(),
  ],
  [
    'a permission that Node denies',
    () => {
      const denied = Object.assign(new Error('Access to this API has been restricted.'), {
        code: 'ERR_ACCESS_DENIED',
        permission: 'Net',
      });
      return make(
        {},
        { fetch: () => Promise.reject(new TypeError('fetch failed', { cause: denied })) },
      ).fetchToken();
    },
  ],
  [
    'a permission that Deno denies',
    () => {
      const denied = Object.assign(new Error('Requires net access'), { name: 'NotCapable' });
      return make({}, { fetch: () => Promise.reject(denied) }).fetchToken();
    },
  ],
  ['timeout in seconds', () => make({}, { timeout: 30, fetch: () => new Promise(() => {}) }).fetchToken()],
  [
    'an API that takes too long',
    () =>
      make(HELD, {
        timeout: 30,
        fetch: (_: unknown, { signal }: RequestInit) => untilAborted(signal),
      }).authorizedFetch(`${REGIONS}?key=invented`),
  ],
  [
    'a provider that hangs',
    async (clock) => {
      const { advance } = clock();
      const call = make({ oauthTokenProvider: () => new Promise(() => {}) }).getToken();
      setImmediate(advance, 60_000);
      return call;
    },
  ],

  // The fetch that is used
  ['a module for fetch', () => make({}, { fetch: { default: fetch } })],
  ['no fetch at all', () => withoutFetch(() => make({}, { fetch: undefined }).fetchToken())],
  [
    'no fetch for a call',
    () => withoutFetch(() => make(HELD, { fetch: undefined }).authorizedFetch(REGIONS)),
  ],
  [
    "an old node-fetch's answer",
    () =>
      make(
        {},
        {
          fetch: async () => ({ ok: true, status: 200, headers: new Headers(), body: Readable.from(['{}']) }),
        },
      ).fetchToken(),
  ],
  [
    'a mock without headers',
    () =>
      make(HELD, { fetch: async () => ({ ok: false, status: 401, json: async () => ({}) }) }).authorizedFetch(
        REGIONS,
      ),
  ],
  [
    'a mock that answers nothing',
    () => make(HELD, { fetch: async () => undefined }).authorizedFetch(REGIONS),
  ],

  // Calls
  ['an API of another host', () => make({}).authorizedFetch('https://api.example.com/orders')],
  [
    'a relative URL outside a browser',
    () => make({}).authorizedFetch('/api/mec/eds/regions?secret=invented'),
  ],
  ['a URL without a scheme', () => make({}).authorizedFetch('5gedge.verizon.com/api/mec/eds/regions')],
  [
    'a redirect mode in capitals',
    () => make(HELD).authorizedFetch(REGIONS, { redirect: 'Manual' } as unknown as RequestInit),
  ],
  [
    'a redirect that is not wanted',
    () =>
      make(HELD, { fetch: async () => Response.redirect(REGIONS) }).authorizedFetch(
        `${REGIONS}?key=invented`,
        { redirect: 'error' },
      ),
  ],
  [
    'redirects in a circle',
    () => make(HELD, { fetch: async () => Response.redirect(REGIONS) }).authorizedFetch(REGIONS),
  ],
  [
    'a renewal that fails after a 401',
    () =>
      make(HELD, {
        fetch: async (url: string) =>
          url === TOKEN
            ? Response.json({ error: 'access_denied' }, { status: 400 })
            : new Response(null, { status: 401 }),
      }).authorizedFetch(REGIONS),
  ],
  [
    'no session token on an M2M call',
    async () => {
      const response = await make({}).authorizedFetch(DEVICES, { method: 'POST' });
      throw new Error(`${response.status} ${await response.text()}`);
    },
  ],

  // Credentials that are missing
  ['the variable with the id is not set', () => make({ oauthClientId: undefined })],
  ['the variable with the secret is not set', () => make({ oauthClientSecret: undefined }).fetchToken()],
  [
    'a secret read from a file, which ends with a line break',
    () => make({ oauthClientSecret: 'invented-secret\n' }),
  ],
  ['the variable with the secret is empty', () => make({ oauthClientSecret: '' })],
  [
    'a stored token that has ended, and no secret',
    () =>
      make({ oauthClientSecret: undefined, oauthToken: { accessToken: 'old', expiry: 1 } }).authorizedFetch(
        REGIONS,
      ),
  ],
  [
    "somebody else's assertion in a file that is not there",
    () =>
      make({ clientAuthentication: clientAssertion(() => readFile('/missing/jwt', 'utf8')) }).fetchToken(),
  ],
  [
    "somebody else's assertion in a file that is empty",
    () =>
      make({ clientAuthentication: clientAssertion(() => '\n') }, { retry: { attempts: 1 } }).fetchToken(),
  ],
  [
    "somebody else's assertion as bytes",
    () => make({ clientAuthentication: clientAssertion(() => Buffer.from('a.b.c') as any) }).fetchToken(),
  ],
  ["somebody else's assertion, read once", () => clientAssertion('a.b.c' as any)],
  ['no revocation endpoint', () => revokeToken(configOf({}, { environment: CUSTOM }), HELD.oauthToken)],

  // Variables
  ['no variable at all', () => configFromEnvironment({ env: {} })],
  [
    'a time limit with its unit',
    () => configFromEnvironment({ env: { THINGSPACE_CLIENT_ID: 'invented-key', THINGSPACE_TIMEOUT: '30s' } }),
  ],
  [
    'an environment in lower case, by variable',
    () =>
      configFromEnvironment({
        env: { THINGSPACE_CLIENT_ID: 'invented-key', THINGSPACE_ENVIRONMENT: 'production' },
      }),
  ],
  [
    "half an environment of one's own",
    () =>
      configFromEnvironment({
        env: { THINGSPACE_CLIENT_ID: 'invented-key', THINGSPACE_TOKEN_URL: CUSTOM.tokenUrl },
      }),
  ],

  [
    'scopes with commas between them',
    () =>
      configFromEnvironment({
        env: { THINGSPACE_CLIENT_ID: 'invented-key', THINGSPACE_SCOPES: 'discovery:read,read' },
      }),
  ],
  [
    'a token URL without https://',
    () =>
      configFromEnvironment({
        env: {
          THINGSPACE_CLIENT_ID: 'invented-key',
          THINGSPACE_TOKEN_URL: 'auth.example.com/token',
          THINGSPACE_API_ORIGINS: 'https://api.example.com',
        },
      }),
  ],

  // The shape of the configuration
  ['no configuration', () => createClient(undefined as unknown as ClientConfig)],
  [
    'the credentials at the top',
    () => createClient({ oauthClientId: 'invented-key' } as unknown as ClientConfig),
  ],
  ['a typo in an option', () => make({ oauthScope: [] })],
  ['a name that every object has', () => make({ constructor: Object })],
  ['scopes as one string', () => make({ oauthScopes: 'discovery:read' })],
  ['two scopes in one string', () => make({ oauthScopes: ['discovery:read serviceprofile:read'] })],
  ['a scope among the parameters', () => make({ oauthParams: { scope: 'read' } })],
  ['a negative time limit', () => make({}, { timeout: -1 })],
  ['a number of retries', () => make({}, { retry: 3 })],
  ['no retries', () => make({}, { retry: false })],
  ['a flag for DPoP', () => make({}, { dpop: true })],
  ['no attempts', () => make({}, { retry: { attempts: 0 } })],

  // Environments
  ['an environment in lower case', () => make({}, { environment: 'production' })],
  [
    "the generated SDK's name of an environment",
    () => make({}, { environment: 'Mock server for limited availability, see quick start' }),
  ],
  [
    'an http tokenUrl',
    () => make({}, { environment: { ...CUSTOM, tokenUrl: 'http://auth.example.com/token' } }),
  ],
  [
    'a sessionUrl with a password',
    () => make({}, { environment: { ...CUSTOM, sessionUrl: 'https://user:invented@example.com/' } }),
  ],
  [
    'an origin with a last slash',
    () => make({}, { environment: { ...CUSTOM, apiOrigins: ['https://api.example.com/'] } }),
  ],
  [
    'an origin with a path',
    () => make({}, { environment: { ...CUSTOM, apiOrigins: ['https://api.example.com/v1'] } }),
  ],
  [
    'a bare host for an origin',
    () => make({}, { environment: { ...CUSTOM, apiOrigins: ['api.example.com'] } }),
  ],
  ['no origins', () => make({}, { environment: { tokenUrl: CUSTOM.tokenUrl } })],
  [
    'a word for the permission of http',
    () => make({}, { environment: { ...CUSTOM, allowInsecureRequests: 'yes' } }),
  ],

  // Tokens
  ['a token with "Bearer " in front', () => make({ oauthToken: { accessToken: 'Bearer pasted' } })],
  ['the bare access token for a token', () => make({ oauthToken: 'pasted' })],
  [
    "the server's own answer for a token",
    () => make({}).withToken({ access_token: 'pasted' } as unknown as OAuthToken),
  ],
  ['a stored token that was not parsed', () => reviveToken('{"accessToken":"saved"}')],
  ['a stored token of another type', () => reviveToken({ accessToken: 'saved', tokenType: 'mac' })],
  [
    'a stored token with a date for its end',
    () => reviveToken({ accessToken: 'saved', expiry: '2030-01-01' }),
  ],
  [
    'a stored token with milliseconds for its end',
    () => reviveToken({ accessToken: 'saved', expiry: 1_893_456_000_000 }),
  ],
  [
    'a given token with milliseconds for its end',
    () => make({ oauthToken: { accessToken: 'saved', expiry: 1_893_456_000_000 } }),
  ],
  [
    'a token for another client with milliseconds for its end',
    () => make({}).withToken({ accessToken: 'saved', tokenType: 'Bearer', expiry: 1_893_456_000_000 }),
  ],
  [
    'a provider that returns milliseconds for the end',
    () =>
      make({
        oauthTokenProvider: () => ({ accessToken: 'a', expiry: 1_893_456_000_000 }),
      }).getToken(),
  ],
  ['a stored token with a list of scopes', () => reviveToken({ accessToken: 'saved', scope: ['read'] })],
  ['a DPoP token without dpop', () => make({ oauthToken: { accessToken: 'saved', tokenType: 'DPoP' } })],
  ['a provider that returns nothing', () => make({ oauthTokenProvider: () => undefined }).getToken()],
  [
    'a provider that hands on an error',
    () => make({ oauthTokenProvider: async () => 'login required' }).getToken(),
  ],
  [
    'a provider whose token has ended',
    () => make({ oauthTokenProvider: async () => ({ accessToken: 'old', expiry: 1 }) }).getToken(),
  ],

  // Assertions, proofs, discovery
  ['an assertion for nobody', () => clientSecretJwt({ audience: '' })],
  ['a lifetime in fractions of a second', () => clientSecretJwt({ lifetime: 0.5 })],
  ['a PEM for a key', () => privateKeyJwt({ key: '-----BEGIN PRIVATE KEY-----' as never })],
  ['a signer without its algorithm', () => privateKeyJwt({ key: () => new Uint8Array(64) } as never)],
  ['half a key pair', () => createDpop({ keyPair: {} as never })],
  ['an issuer with a query', () => discover('https://auth.example.com/?tenant=1', { apiOrigins: [] })],
  ['a discovery without origins', () => discover('https://auth.example.com', {} as never)],
  [
    'a discovery with a controller for its signal',
    () => discover('https://auth.example.com', { apiOrigins: [], signal: new AbortController() as never }),
  ],

  // The M2M session
  [
    'no password for the M2M login',
    () => createSession({ username: 'invented-user', password: undefined as unknown as string }),
  ],
  ['a wrong password for the M2M login', () => logIn({ users: { 'invented-user': 'right' } })],
  ['an M2M service that is down', () => logIn({}, text(503, 'text/plain', 'later'))],
  ['an M2M login at a URL that there is not', () => logIn({}, text(404, 'text/plain', 'not found'))],
  ['an M2M login behind a gateway that takes too long', () => logIn({}, text(504, 'text/plain', 'later'))],
  ['an M2M login without an answer', () => logIn({}, () => Promise.reject(new TypeError('fetch failed')))],
  ['a misspelt option of a session', () => createSession({ ...LOGIN_OF_A_USER, stor: STORE } as never)],
  [
    'a store for a session that cannot compare',
    () => createSession({ ...LOGIN_OF_A_USER, store: STORE } as never),
  ],
  ['a user name that is not set', () => sessionFromEnvironment({ env: {} })],
  [
    'a password that is empty',
    () => sessionFromEnvironment({ env: { THINGSPACE_USERNAME: 'invented-user', THINGSPACE_PASSWORD: ' ' } }),
  ],
  ['a misspelt option of a session from variables', () => sessionFromEnvironment({ stor: STORE } as never)],
  ['a session token with a line break', () => make({}, { vZM2mToken: 'pasted\n' })],
  ['the M2M login for a session', () => make({}, { vZM2mToken: LOGIN_OF_A_USER })],

  // Stores
  ['a URL for a store', () => storedToken('redis://localhost' as never)],
  ["a URL for Redis's client", () => redisStore('redis://localhost' as never)],
  ['a password for an encryption key', () => encryptedStore(STORE, 'invented-password' as never)],
  ['a store of files without a folder', () => fileStore('')],
];

const FILE = join(import.meta.dirname, '../../../test/core/messages.json');
/** What is read: the error's name, its code, its message; in brackets its cause's. */
const expected: Readonly<Record<string, string>> = JSON.parse(readFileSync(FILE, 'utf8'));
const told: Record<string, string> = {};

for (const [wrong, run] of TABLE) {
  test(`says what to do about ${wrong}`, async (t) => {
    const error = await Promise.resolve()
      .then(() => run(() => fakeClock(t)))
      .then(
        () => assert.fail('no error'),
        (thrown: Error & { code?: string }) => thrown,
      );
    const cause = error instanceof ApiError && error.cause ? ` (${(error.cause as Error).message})` : '';
    const text = `${error.name}${error.code ? ` ${error.code}` : ''}: ${error.message}${cause}`;
    told[wrong] = text.replace(/\d{4}-\S+Z/, 'TIME');

    if (!isUpdate) assert.equal(told[wrong], expected[wrong]);
  });
}

test('has a line for each mistake, and none besides', () => {
  const wrongs = TABLE.map(([wrong]) => wrong);
  assert.equal(new Set(wrongs).size, wrongs.length);
  if (isUpdate) writeFileSync(FILE, `${JSON.stringify(told, null, 2)}\n`);
  else assert.deepEqual(Object.keys(expected), wrongs);
});

type Clock = ReturnType<typeof fakeClock>;

/** A configuration with one mistake in it; junk that TypeScript would refuse comes from JavaScript. */
function configOf(credentials: object, options: object = {}, server: object = {}): ClientConfig {
  const mock = createMockServer({
    clients: { 'invented-key': 'invented-secret' },
    scopes: ['discovery:read'],
    ...server,
  });
  const known: ClientCredentials = { oauthClientId: 'invented-key', oauthClientSecret: 'invented-secret' };
  return {
    clientCredentialsAuthCredentials: { ...known, ...credentials },
    retry: { attempts: 1 },
    fetch: mock.fetch,
    ...options,
  } as ClientConfig;
}

function make(...parts: Parameters<typeof configOf>) {
  return createClient(configOf(...parts));
}

/** A client whose every request gets this answer. */
function failing(answer: () => Response) {
  return make({}, { fetch: async () => answer() });
}

function json(status: number, body: object): () => Response {
  return () => Response.json(body, { status });
}

function text(status: number, contentType: string, body: string): () => Response {
  return () => new Response(body, { status, headers: { 'content-type': contentType } });
}

/** A call that logs in first; `answer` stands in the place of the login's. */
function logIn(server: object, answer?: () => Response | Promise<Response>): Promise<Response> {
  const mock = createMockServer(server);
  const fetch: Fetch = async (input, init) =>
    answer && input === LOGIN ? answer() : mock.fetch(input, init);
  const vZM2mToken = createSession({ username: 'invented-user', password: 'invented-password' });
  return make({}, { fetch, vZM2mToken }).authorizedFetch(DEVICES);
}

async function withoutFetch(run: () => Promise<unknown>): Promise<unknown> {
  const { fetch } = globalThis;
  Reflect.deleteProperty(globalThis, 'fetch');
  try {
    return await run();
  } finally {
    globalThis.fetch = fetch;
  }
}

function untilAborted(signal: AbortSignal | null | undefined): Promise<never> {
  return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
}
