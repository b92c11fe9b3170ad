/**
 * What people read when something goes wrong, in one table: the mistake or failure, and the line that someone
 * finds in a log at night. It says what happened, where (origin and path), and what to do. The table is the
 * test.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
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

const NO_CREDENTIALS =
  'ApiError no_credentials: No valid token: give oauthClientSecret or oauthTokenProvider';
const WRONG_PAIR = `OAuthProviderError oauth_error: ${TOKEN} refused with invalid_client (check oauthClientId, oauthClientSecret and environment): Client authentication failed.`;
const WRONG_SCOPE = `OAuthProviderError oauth_error: ${TOKEN} refused with invalid_scope (check oauthScopes): Not granted.`;
const NO_TOKEN = 'oauthToken.accessToken must be visible ASCII without spaces';
const NO_SECONDS = 'oauthToken.expiry must be a number of seconds, not milliseconds';
const NO_RESPONSE =
  'TypeError: fetch must answer with a Response: status, headers, and a stream or null as body';
const PLAIN_HTTP = 'http needs a loopback host or allowInsecureRequests';
const URL_RULE = `must be an https URL without credentials; ${PLAIN_HTTP}`;
const ORIGIN_RULE = `TypeError: apiOrigins must be an array of https origins without path; ${PLAIN_HTTP}`;
const SCOPE_RULE = 'TypeError: oauthScopes must be an array of strings without spaces';
const ENVIRONMENT_RULE =
  'TypeError: environment must be Production, MockServerForLimitedAvailabilitySeeQuickStart, Staging, or an object';
const SESSION_RULE = 'TypeError: vZM2mToken must be visible ASCII, or from createSession';
const REDIRECT_RULE = 'is refused: over 20, not safe, or against redirect or integrity';

const LOGIN_OF_A_USER = { username: 'invented-user', password: 'invented-password' };
const STORE = { get: () => null, set: () => {}, delete: () => {} };

/**
 * What goes wrong, how, and what is read then: the error's name, its code, its message; in brackets its
 * cause's.
 */
const TABLE: readonly (readonly [wrong: string, run: (clock: () => Clock) => unknown, text: string])[] = [
  // The server refuses
  [
    'id and secret swapped',
    () => make({ oauthClientId: 'invented-secret', oauthClientSecret: 'invented-key' }).fetchToken(),
    WRONG_PAIR,
  ],
  [
    'a staging key in production',
    () => make({}, {}, { clients: { 'production-key': 'production-secret' } }).fetchToken(),
    WRONG_PAIR,
  ],
  ['a typo in a scope', () => make({ oauthScopes: ['discovery:raed'] }).fetchToken(), WRONG_SCOPE],
  [
    'the name of a scope for its value',
    () => make({ oauthScopes: ['Discoveryread'] }).fetchToken(),
    WRONG_SCOPE,
  ],
  [
    'a refusal of another kind',
    () => failing(json(400, { error: 'unsupported_grant_type' })).fetchToken(),
    `OAuthProviderError oauth_error: ${TOKEN} refused with unsupported_grant_type`,
  ],

  // Something answers, but no token comes
  [
    'a token endpoint that throttles',
    () => failing(text(429, 'text/plain', 'slow down')).fetchToken(),
    `ApiError gateway_fault: ${TOKEN} answered 429 text/plain: it throttles; try again later`,
  ],
  [
    'a token endpoint that says how long it throttles',
    () =>
      failing(
        () => new Response('slow down', { status: 429, headers: { 'retry-after': '30' } }),
      ).fetchToken(),
    `ApiError gateway_fault: ${TOKEN} answered 429 text/plain;charset=UTF-8 (Retry-After: 30): it throttles; try again later`,
  ],
  [
    'a gateway that throttles',
    () => failing(json(429, { fault: { code: '900800', message: 'Message throttled out' } })).fetchToken(),
    `ApiError gateway_fault: ${TOKEN} answered 429 application/json (fault 900800): it throttles; try again later`,
  ],
  [
    'a token endpoint that is down',
    () => failing(text(503, 'text/html', '<html>')).fetchToken(),
    `ApiError gateway_fault: ${TOKEN} answered 503 text/html: it is unavailable; try again later`,
  ],
  [
    'a token endpoint that has failed',
    () => failing(text(500, 'text/plain', 'oops')).fetchToken(),
    `ApiError gateway_fault: ${TOKEN} answered 500 text/plain: it is unavailable; try again later`,
  ],
  [
    'a gateway that does not know the client',
    () => failing(json(401, { fault: { code: 900902, message: 'Missing Credentials' } })).fetchToken(),
    `ApiError gateway_fault: ${TOKEN} answered 401 application/json (fault 900902): not from the OAuth server; check the URL`,
  ],
  [
    'a gateway that says so in XML',
    () =>
      failing(
        text(403, 'application/xml', '<am:fault xmlns:am="urn:x"><am:code>900908</am:code></am:fault>'),
      ).fetchToken(),
    `ApiError gateway_fault: ${TOKEN} answered 403 application/xml (fault 900908): not from the OAuth server; check the URL`,
  ],
  [
    'a gateway that says so in XML without namespace',
    () => failing(text(403, 'application/xml', '<fault><code>900908</code></fault>')).fetchToken(),
    `ApiError gateway_fault: ${TOKEN} answered 403 application/xml (fault 900908): not from the OAuth server; check the URL`,
  ],
  [
    'a proxy that answers with a page',
    () => failing(text(200, 'text/html', '<html>')).fetchToken(),
    `ApiError invalid_response: ${TOKEN} answered 200 text/html: no usable Bearer token, perhaps from a proxy; check the URL (no JSON)`,
  ],
  [
    'a tokenUrl that redirects',
    () =>
      failing(
        () => new Response(null, { status: 301, headers: { location: 'https://www.example.com/' } }),
      ).fetchToken(),
    `ApiError gateway_fault: ${TOKEN} answered 301 to https://www.example.com: not from the OAuth server; check the URL`,
  ],
  [
    'a tokenUrl that redirects, in a browser, which shows nothing of that',
    () => failing(() => Response.error()).fetchToken(),
    `ApiError gateway_fault: ${TOKEN} answered a redirect: not from the OAuth server; check the URL`,
  ],
  [
    'a tokenUrl that does not exist',
    () => failing(json(404, { message: 'none' })).fetchToken(),
    `ApiError gateway_fault: ${TOKEN} answered 404 application/json: not from the OAuth server; check the URL`,
  ],
  [
    'an answer without a token',
    () => failing(json(200, { message: 'hello' })).fetchToken(),
    `ApiError invalid_response: ${TOKEN} answered 200 application/json: no usable Bearer token, perhaps from a proxy; check the URL`,
  ],
  [
    'an answer that is no JSON',
    () => failing(text(200, 'text/plain', 'hello')).fetchToken(),
    `ApiError invalid_response: ${TOKEN} answered 200 text/plain: no usable Bearer token, perhaps from a proxy; check the URL (no JSON)`,
  ],
  [
    'an answer that holds a form only behind other text',
    () => failing(text(400, 'text/plain', 'oops&error=invented')).fetchToken(),
    `ApiError gateway_fault: ${TOKEN} answered 400 text/plain: not from the OAuth server; check the URL`,
  ],
  [
    'an answer that is too large',
    () => failing(text(200, 'text/plain', 'x'.repeat(70_000))).fetchToken(),
    `ApiError response_too_large: ${TOKEN} answered 200 text/plain: over 64 KiB; check the URL`,
  ],

  // Nothing answers
  [
    'a host that cannot be reached',
    () =>
      make(
        {},
        { fetch: undefined, environment: { ...CUSTOM, tokenUrl: 'https://127.0.0.1:49/token?key=invented' } },
      ).fetchToken(),
    'ApiError network: No answer from https://127.0.0.1:49/token (ECONNREFUSED): check the URL, network, proxy and permissions (fetch failed)',
  ],
  [
    'a platform that says nothing of why',
    () => make({}, { fetch: () => Promise.reject(new TypeError('Load failed')) }).fetchToken(),
    `ApiError network: No answer from ${TOKEN} (TypeError): check the URL, network, proxy and permissions (Load failed)`,
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
    `ApiError network: No answer from ${TOKEN} (ERR_ACCESS_DENIED): check the URL, network, proxy and permissions (fetch failed)`,
  ],
  [
    'a permission that Deno denies',
    () => {
      const denied = Object.assign(new Error('Requires net access'), { name: 'NotCapable' });
      return make({}, { fetch: () => Promise.reject(denied) }).fetchToken();
    },
    `ApiError network: No answer from ${TOKEN} (NotCapable): check the URL, network, proxy and permissions (Requires net access)`,
  ],
  [
    'timeout in seconds',
    () => make({}, { timeout: 30, fetch: () => new Promise(() => {}) }).fetchToken(),
    `ApiError timeout: 30 ms were not enough for ${TOKEN}: check the network, or raise timeout`,
  ],
  [
    'an API that takes too long',
    () =>
      make(HELD, {
        timeout: 30,
        fetch: (_: unknown, { signal }: RequestInit) => untilAborted(signal),
      }).authorizedFetch(`${REGIONS}?key=invented`),
    `ApiError timeout: 30 ms were not enough for ${REGIONS}: check the network, or raise timeout`,
  ],
  [
    'a provider that hangs',
    async (clock) => {
      const { advance } = clock();
      const call = make({ oauthTokenProvider: () => new Promise(() => {}) }).getToken();
      setImmediate(advance, 60_000);
      return call;
    },
    'ApiError timeout: 60000 ms were not enough for a renewal: check the network and oauthTokenProvider',
  ],

  // The fetch that is used
  [
    'a module for fetch',
    () => make({}, { fetch: { default: fetch } }),
    'TypeError: fetch must be a function',
  ],
  ['no fetch at all', () => withoutFetch(() => make({}, { fetch: undefined }).fetchToken()), NO_RESPONSE],
  [
    'no fetch for a call',
    () => withoutFetch(() => make(HELD, { fetch: undefined }).authorizedFetch(REGIONS)),
    NO_RESPONSE,
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
    NO_RESPONSE,
  ],
  [
    'a mock without headers',
    () =>
      make(HELD, { fetch: async () => ({ ok: false, status: 401, json: async () => ({}) }) }).authorizedFetch(
        REGIONS,
      ),
    NO_RESPONSE,
  ],
  [
    'a mock that answers nothing',
    () => make(HELD, { fetch: async () => undefined }).authorizedFetch(REGIONS),
    NO_RESPONSE,
  ],

  // Calls
  [
    'an API of another host',
    () => make({}).authorizedFetch('https://api.example.com/orders'),
    'TypeError: No credentials for https://api.example.com: environment.apiOrigins allows https://thingspace.verizon.com, https://5gedge.verizon.com, https://imp.thingspace.verizon.com',
  ],
  [
    'a relative URL outside a browser',
    () => make({}).authorizedFetch('/api/mec/eds/regions?secret=invented'),
    'TypeError: /api/mec/eds/regions must be a whole URL, with https://',
  ],
  [
    'a URL without a scheme',
    () => make({}).authorizedFetch('5gedge.verizon.com/api/mec/eds/regions'),
    'TypeError: 5gedge.verizon.com/api/mec/eds/regions must be a whole URL, with https://',
  ],
  [
    'a redirect mode in capitals',
    () => make(HELD).authorizedFetch(REGIONS, { redirect: 'Manual' } as unknown as RequestInit),
    'TypeError: redirect must be follow, manual or error',
  ],
  [
    'a redirect that is not wanted',
    () =>
      make(HELD, { fetch: async () => Response.redirect(REGIONS) }).authorizedFetch(
        `${REGIONS}?key=invented`,
        { redirect: 'error' },
      ),
    `TypeError: The redirect of ${REGIONS} ${REDIRECT_RULE}`,
  ],
  [
    'redirects in a circle',
    () => make(HELD, { fetch: async () => Response.redirect(REGIONS) }).authorizedFetch(REGIONS),
    `TypeError: The redirect of ${REGIONS} ${REDIRECT_RULE}`,
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
    `OAuthProviderError oauth_error: The API answered 401, then: ${TOKEN} refused with access_denied`,
  ],
  [
    'no session token on an M2M call',
    async () => {
      const response = await make({}).authorizedFetch(DEVICES, { method: 'POST' });
      throw new Error(`${response.status} ${await response.text()}`);
    },
    'Error: 400 {"errorCode":"UnifiedWebService.REQUEST_FAILED.SessionToken.Expired","errorMessage":"The session token has expired."}',
  ],

  // Credentials that are missing
  [
    'the variable with the id is not set',
    () => make({ oauthClientId: undefined }),
    'TypeError: oauthClientId must be a non-empty string',
  ],
  [
    'the variable with the secret is not set',
    () => make({ oauthClientSecret: undefined }).fetchToken(),
    NO_CREDENTIALS,
  ],
  [
    'a secret read from a file, which ends with a line break',
    () => make({ oauthClientSecret: 'invented-secret\n' }),
    'TypeError: oauthClientSecret must be a non-empty string without line breaks',
  ],
  [
    'the variable with the secret is empty',
    () => make({ oauthClientSecret: '' }),
    'TypeError: oauthClientSecret must be a non-empty string without line breaks',
  ],
  [
    'a stored token that has ended, and no secret',
    () =>
      make({ oauthClientSecret: undefined, oauthToken: { accessToken: 'old', expiry: 1 } }).authorizedFetch(
        REGIONS,
      ),
    NO_CREDENTIALS,
  ],
  [
    "somebody else's assertion in a file that is not there",
    () =>
      make({ clientAuthentication: clientAssertion(() => readFile('/missing/jwt', 'utf8')) }).fetchToken(),
    "ApiError no_credentials: The source of clientAssertion failed (ENOENT: no such file or directory, open '/missing/jwt'): check its path (ENOENT: no such file or directory, open '/missing/jwt')",
  ],
  [
    "somebody else's assertion in a file that is empty",
    () =>
      make({ clientAuthentication: clientAssertion(() => '\n') }, { retry: { attempts: 1 } }).fetchToken(),
    'ApiError network: The source of clientAssertion gave an empty text: try again later',
  ],
  [
    "somebody else's assertion as bytes",
    () => make({ clientAuthentication: clientAssertion(() => Buffer.from('a.b.c') as any) }).fetchToken(),
    'TypeError: the source of clientAssertion must give a text, not object',
  ],
  [
    "somebody else's assertion, read once",
    () => clientAssertion('a.b.c' as any),
    'TypeError: source must be a function, so that each request has the latest assertion',
  ],
  [
    'no revocation endpoint',
    () => revokeToken(configOf({}, { environment: CUSTOM }), HELD.oauthToken),
    'TypeError: environment.revocationUrl must be given to revoke a token',
  ],

  // Variables
  [
    'no variable at all',
    () => configFromEnvironment({ env: {} }),
    'TypeError: THINGSPACE_CLIENT_ID must be set to the client id',
  ],
  [
    'a time limit with its unit',
    () => configFromEnvironment({ env: { THINGSPACE_CLIENT_ID: 'invented-key', THINGSPACE_TIMEOUT: '30s' } }),
    'TypeError: THINGSPACE_TIMEOUT must be a number of milliseconds, 0 or more',
  ],
  [
    'an environment in lower case, by variable',
    () =>
      configFromEnvironment({
        env: { THINGSPACE_CLIENT_ID: 'invented-key', THINGSPACE_ENVIRONMENT: 'production' },
      }),
    'TypeError: THINGSPACE_ENVIRONMENT must be one of Production, MockServerForLimitedAvailabilitySeeQuickStart, Staging',
  ],
  [
    "half an environment of one's own",
    () =>
      configFromEnvironment({
        env: { THINGSPACE_CLIENT_ID: 'invented-key', THINGSPACE_TOKEN_URL: CUSTOM.tokenUrl },
      }),
    'TypeError: THINGSPACE_TOKEN_URL and THINGSPACE_API_ORIGINS must be set together, and without THINGSPACE_ENVIRONMENT',
  ],

  [
    'scopes with commas between them',
    () =>
      configFromEnvironment({
        env: { THINGSPACE_CLIENT_ID: 'invented-key', THINGSPACE_SCOPES: 'discovery:read,read' },
      }),
    'TypeError: THINGSPACE_SCOPES must be separated by spaces, not by commas',
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
    'TypeError: THINGSPACE_TOKEN_URL must be a URL like https://auth.example.com/token',
  ],

  // The shape of the configuration
  [
    'no configuration',
    () => createClient(undefined as unknown as ClientConfig),
    'TypeError: clientCredentialsAuthCredentials must be an object',
  ],
  [
    'the credentials at the top',
    () => createClient({ oauthClientId: 'invented-key' } as unknown as ClientConfig),
    'TypeError: unknown option oauthClientId; known options: clientCredentialsAuthCredentials, vZM2mToken, timeout, environment, fetch, waitUntil, dpop, onEvent, retry',
  ],
  [
    'a typo in an option',
    () => make({ oauthScope: [] }),
    'TypeError: unknown option oauthScope; known options: oauthClientId, oauthScopes, oauthToken, oauthClockSkew, oauthTokenProvider, oauthOnTokenUpdate, oauthClientSecret, oauthParams, clientAuthentication',
  ],
  [
    'a name that every object has',
    () => make({ constructor: Object }),
    'TypeError: unknown option constructor; known options: oauthClientId, oauthScopes, oauthToken, oauthClockSkew, oauthTokenProvider, oauthOnTokenUpdate, oauthClientSecret, oauthParams, clientAuthentication',
  ],
  ['scopes as one string', () => make({ oauthScopes: 'discovery:read' }), SCOPE_RULE],
  [
    'two scopes in one string',
    () => make({ oauthScopes: ['discovery:read serviceprofile:read'] }),
    SCOPE_RULE,
  ],
  [
    'a scope among the parameters',
    () => make({ oauthParams: { scope: 'read' } }),
    'TypeError: oauthParams must be an object of strings or arrays, without grant_type, scope and client_…',
  ],
  [
    'a negative time limit',
    () => make({}, { timeout: -1 }),
    'TypeError: timeout must be a finite number, 0 or more',
  ],
  [
    'a number of retries',
    () => make({}, { retry: 3 }),
    'TypeError: retry must be an object like { attempts: 1 }',
  ],
  ['no retries', () => make({}, { retry: false }), 'TypeError: retry must be an object like { attempts: 1 }'],
  ['a flag for DPoP', () => make({}, { dpop: true }), 'TypeError: dpop must be from createDpop'],
  [
    'no attempts',
    () => make({}, { retry: { attempts: 0 } }),
    'TypeError: attempts must be a whole number, 1 or more',
  ],

  // Environments
  ['an environment in lower case', () => make({}, { environment: 'production' }), ENVIRONMENT_RULE],
  [
    "the generated SDK's name of an environment",
    () => make({}, { environment: 'Mock server for limited availability, see quick start' }),
    ENVIRONMENT_RULE,
  ],
  [
    'an http tokenUrl',
    () => make({}, { environment: { ...CUSTOM, tokenUrl: 'http://auth.example.com/token' } }),
    `TypeError: tokenUrl ${URL_RULE}`,
  ],
  [
    'a sessionUrl with a password',
    () => make({}, { environment: { ...CUSTOM, sessionUrl: 'https://user:invented@example.com/' } }),
    `TypeError: sessionUrl ${URL_RULE}`,
  ],
  [
    'an origin with a last slash',
    () => make({}, { environment: { ...CUSTOM, apiOrigins: ['https://api.example.com/'] } }),
    ORIGIN_RULE,
  ],
  [
    'an origin with a path',
    () => make({}, { environment: { ...CUSTOM, apiOrigins: ['https://api.example.com/v1'] } }),
    ORIGIN_RULE,
  ],
  [
    'a bare host for an origin',
    () => make({}, { environment: { ...CUSTOM, apiOrigins: ['api.example.com'] } }),
    ORIGIN_RULE,
  ],
  ['no origins', () => make({}, { environment: { tokenUrl: CUSTOM.tokenUrl } }), ORIGIN_RULE],
  [
    'a word for the permission of http',
    () => make({}, { environment: { ...CUSTOM, allowInsecureRequests: 'yes' } }),
    'TypeError: allowInsecureRequests must be a boolean',
  ],

  // Tokens
  [
    'a token with "Bearer " in front',
    () => make({ oauthToken: { accessToken: 'Bearer pasted' } }),
    `TypeError: ${NO_TOKEN}`,
  ],
  [
    'the bare access token for a token',
    () => make({ oauthToken: 'pasted' }),
    'TypeError: oauthToken must be an object',
  ],
  [
    "the server's own answer for a token",
    () => make({}).withToken({ access_token: 'pasted' } as unknown as OAuthToken),
    `TypeError: ${NO_TOKEN}`,
  ],
  [
    'a stored token that was not parsed',
    () => reviveToken('{"accessToken":"saved"}'),
    `TypeError: ${NO_TOKEN}`,
  ],
  [
    'a stored token of another type',
    () => reviveToken({ accessToken: 'saved', tokenType: 'mac' }),
    'TypeError: oauthToken.tokenType must be Bearer or DPoP',
  ],
  [
    'a stored token with a date for its end',
    () => reviveToken({ accessToken: 'saved', expiry: '2030-01-01' }),
    `TypeError: ${NO_SECONDS}`,
  ],
  [
    'a stored token with milliseconds for its end',
    () => reviveToken({ accessToken: 'saved', expiry: 1_893_456_000_000 }),
    `TypeError: ${NO_SECONDS}`,
  ],
  [
    'a given token with milliseconds for its end',
    () => make({ oauthToken: { accessToken: 'saved', expiry: 1_893_456_000_000 } }),
    `TypeError: ${NO_SECONDS}`,
  ],
  [
    'a token for another client with milliseconds for its end',
    () => make({}).withToken({ accessToken: 'saved', tokenType: 'Bearer', expiry: 1_893_456_000_000 }),
    `TypeError: ${NO_SECONDS}`,
  ],
  [
    'a provider that returns milliseconds for the end',
    () =>
      make({
        oauthTokenProvider: () => ({ accessToken: 'a', expiry: 1_893_456_000_000 }),
      }).getToken(),
    `ApiError invalid_response: oauthTokenProvider returned no usable token (object): ${NO_SECONDS}`,
  ],
  [
    'a stored token with a list of scopes',
    () => reviveToken({ accessToken: 'saved', scope: ['read'] }),
    'TypeError: oauthToken.scope must be a string',
  ],
  [
    'a DPoP token without dpop',
    () => make({ oauthToken: { accessToken: 'saved', tokenType: 'DPoP' } }),
    'TypeError: oauthToken.tokenType must be Bearer without dpop',
  ],
  [
    'a provider that returns nothing',
    () => make({ oauthTokenProvider: () => undefined }).getToken(),
    `ApiError invalid_response: oauthTokenProvider returned no usable token (undefined): ${NO_TOKEN}`,
  ],
  [
    'a provider that hands on an error',
    () => make({ oauthTokenProvider: async () => 'login required' }).getToken(),
    `ApiError invalid_response: oauthTokenProvider returned no usable token (string): ${NO_TOKEN}`,
  ],
  [
    'a provider whose token has ended',
    () => make({ oauthTokenProvider: async () => ({ accessToken: 'old', expiry: 1 }) }).getToken(),
    'ApiError invalid_response: oauthTokenProvider returned no usable token (object): it has ended',
  ],

  // Assertions, proofs, discovery
  [
    'an assertion for nobody',
    () => clientSecretJwt({ audience: '' }),
    'TypeError: audience must be a non-empty string or a function',
  ],
  [
    'a lifetime in fractions of a second',
    () => clientSecretJwt({ lifetime: 0.5 }),
    'TypeError: lifetime must be a whole number, 1 or more',
  ],
  [
    'a PEM for a key',
    () => privateKeyJwt({ key: '-----BEGIN PRIVATE KEY-----' as never }),
    'TypeError: key must be a function or a private CryptoKey that may sign, RSA from 2048 bits on',
  ],
  [
    'a signer without its algorithm',
    () => privateKeyJwt({ key: () => new Uint8Array(64) } as never),
    'TypeError: algorithm must be that of the key',
  ],
  [
    'half a key pair',
    () => createDpop({ keyPair: {} as never }),
    'TypeError: keyPair must be a private CryptoKey that may sign (RSA from 2048 bits on), and its public one, extractable',
  ],
  [
    'an issuer with a query',
    () => discover('https://auth.example.com/?tenant=1', { apiOrigins: [] }),
    'TypeError: issuer must be an https or loopback URL without credentials, query and fragment',
  ],
  [
    'a discovery without origins',
    () => discover('https://auth.example.com', {} as never),
    'TypeError: apiOrigins must be an array of origins',
  ],
  [
    'a discovery with a controller for its signal',
    () => discover('https://auth.example.com', { apiOrigins: [], signal: new AbortController() as never }),
    'TypeError: signal must be an AbortSignal',
  ],

  // The M2M session
  [
    'no password for the M2M login',
    () => createSession({ username: 'invented-user', password: undefined as unknown as string }),
    'TypeError: username and password must be non-empty strings without control characters',
  ],
  [
    'a wrong password for the M2M login',
    () => logIn({ users: { 'invented-user': 'right' } }),
    `ApiError session_refused: M2M session: ${LOGIN} refused the username and password (401); no further login is sent, since five failures lock the account: use the right password, or reset() in one process`,
  ],
  [
    'an M2M service that is down',
    () => logIn({}, text(503, 'text/plain', 'later')),
    `ApiError session_failed: M2M session: ${LOGIN} answered 503; next login: TIME`,
  ],
  [
    'an M2M login at a URL that there is not',
    () => logIn({}, text(404, 'text/plain', 'not found')),
    `ApiError session_failed: M2M session: ${LOGIN} answered 404; check sessionUrl; next login: TIME`,
  ],
  [
    'an M2M login behind a gateway that takes too long',
    () => logIn({}, text(504, 'text/plain', 'later')),
    `ApiError session_failed: M2M session: ${LOGIN} answered 504; next login: TIME`,
  ],
  [
    'an M2M login without an answer',
    () => logIn({}, () => Promise.reject(new TypeError('fetch failed'))),
    `ApiError session_failed: M2M session: ${LOGIN} gave no answer; next login: TIME (No answer from ${LOGIN} (TypeError): check the URL, network, proxy and permissions)`,
  ],
  [
    'a misspelt option of a session',
    () => createSession({ ...LOGIN_OF_A_USER, stor: STORE } as never),
    'TypeError: stor is not username, password or store',
  ],
  [
    'a store for a session that cannot compare',
    () => createSession({ ...LOGIN_OF_A_USER, store: STORE } as never),
    'TypeError: store must have get, compareAndSet',
  ],
  [
    'a user name that is not set',
    () => sessionFromEnvironment({ env: {} }),
    'TypeError: THINGSPACE_USERNAME must be set and not empty',
  ],
  [
    'a password that is empty',
    () => sessionFromEnvironment({ env: { THINGSPACE_USERNAME: 'invented-user', THINGSPACE_PASSWORD: ' ' } }),
    'TypeError: THINGSPACE_PASSWORD must be set and not empty',
  ],
  [
    'a misspelt option of a session from variables',
    () => sessionFromEnvironment({ stor: STORE } as never),
    'TypeError: stor is not store or env',
  ],
  ['a session token with a line break', () => make({}, { vZM2mToken: 'pasted\n' }), SESSION_RULE],
  ['the M2M login for a session', () => make({}, { vZM2mToken: LOGIN_OF_A_USER }), SESSION_RULE],

  // Stores
  [
    'a URL for a store',
    () => storedToken('redis://localhost' as never),
    'TypeError: store must have get, set, delete',
  ],
  [
    "a URL for Redis's client",
    () => redisStore('redis://localhost' as never),
    'TypeError: client must have get, set, del, eval',
  ],
  [
    'a password for an encryption key',
    () => encryptedStore(STORE, 'invented-password' as never),
    'TypeError: encryptedStore needs an AES-GCM CryptoKey, or several, with the usages encrypt and decrypt',
  ],
  [
    'a store of files without a folder',
    () => fileStore(''),
    'TypeError: fileStore(folder) must be the path of a folder',
  ],
];

for (const [wrong, run, expected] of TABLE) {
  test(`says what to do about ${wrong}`, async (t) => {
    const error = await Promise.resolve()
      .then(() => run(() => fakeClock(t)))
      .then(
        () => assert.fail('no error'),
        (thrown: Error & { code?: string }) => thrown,
      );
    const cause = error instanceof ApiError && error.cause ? ` (${(error.cause as Error).message})` : '';

    const told = `${error.name}${error.code ? ` ${error.code}` : ''}: ${error.message}${cause}`;
    assert.equal(told.replace(/\d{4}-\S+Z/, 'TIME'), expected);
  });
}

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
