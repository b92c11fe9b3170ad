/** What a newcomer gets to read for each mistake: the list is the test. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import type { ClientConfig, ClientCredentials } from 'thingspace-auth';
import { ApiError, configFromEnvironment, createClient, reviveToken } from 'thingspace-auth';
import { createSession } from 'thingspace-auth/session';
import { createMockServer } from 'thingspace-auth/testing';

const REGIONS = 'https://5gedge.verizon.com/api/mec/eds/regions';
const DEVICES = 'https://thingspace.verizon.com/api/m2m/v1/devices/actions/list';
const CUSTOM = { tokenUrl: 'https://auth.example.com/token', apiOrigins: ['https://api.example.com'] };

/** A client with one mistake in it; junk that TypeScript would refuse comes from JavaScript. */
function make(credentials: object, options: object = {}, server: object = {}) {
  const mock = createMockServer({ clients: { 'invented-key': 'invented-secret' }, scopes: ['discovery:read'], ...server });
  const known: ClientCredentials = { oauthClientId: 'invented-key', oauthClientSecret: 'invented-secret' };
  const config = { clientCredentialsAuthCredentials: { ...known, ...credentials }, retry: { attempts: 1 }, fetch: mock.fetch, ...options };
  return createClient(config as ClientConfig);
}

function answering(response: Response): object {
  return { fetch: async () => response };
}

const ORIGIN_RULE =
  'TypeError: apiOrigins must be an array of https or loopback origins without path';
const SCOPE_RULE =
  'TypeError: oauthScopes must be an array of single scopes';
const ENVIRONMENT_RULE =
  'TypeError: environment must be a name like Production, or an object';
const SESSION_RULE = 'TypeError: vZM2mToken must be visible ASCII, or from createSession';
const NO_CREDENTIALS =
  'ApiError no_credentials: oauthClientSecret or oauthTokenProvider must be given';

const mistakes: readonly (readonly [mistake: string, make: () => unknown, text: string])[] = [
  // Credentials
  ['id and secret swapped',
    () => make({ oauthClientId: 'invented-secret', oauthClientSecret: 'invented-key' }).fetchToken(),
    'OAuthProviderError oauth_error: The server refused: invalid_client: Client authentication failed.'],
  ['a staging key in production',
    () => make({}, {}, { clients: { 'production-key': 'production-secret' } }).fetchToken(),
    'OAuthProviderError oauth_error: The server refused: invalid_client: Client authentication failed.'],
  ['the variable with the id is not set',
    () => make({ oauthClientId: undefined }),
    'TypeError: oauthClientId must be a non-empty string'],
  ['the variable with the secret is not set', () => make({ oauthClientSecret: undefined }).fetchToken(), NO_CREDENTIALS],
  ['the variable with the secret is empty',
    () => make({ oauthClientSecret: '' }),
    'TypeError: oauthClientSecret must be a non-empty string'],
  ['no variable at all', () => configFromEnvironment({}), 'TypeError: THINGSPACE_CLIENT_ID must be set to the client id'],

  // Scopes
  ['a typo in a scope',
    () => make({ oauthScopes: ['discovery:raed'] }).fetchToken(),
    'OAuthProviderError oauth_error: The server refused: invalid_scope: Not granted.'],
  ['the name of a scope for its value',
    () => make({ oauthScopes: ['Discoveryread'] }).fetchToken(),
    'OAuthProviderError oauth_error: The server refused: invalid_scope: Not granted.'],
  ['scopes as one string', () => make({ oauthScopes: 'discovery:read' }), SCOPE_RULE],
  ['two scopes in one string', () => make({ oauthScopes: ['discovery:read serviceprofile:read'] }), SCOPE_RULE],

  // The shape of the configuration
  ['no configuration', () => createClient(undefined as unknown as ClientConfig), 'TypeError: clientCredentialsAuthCredentials must be an object'],
  ['the credentials at the top',
    () => createClient({ oauthClientId: 'invented-key' } as unknown as ClientConfig),
    'TypeError: oauthClientId is no option; known are clientCredentialsAuthCredentials, vZM2mToken, timeout, environment, fetch, retry, waitUntil, onEvent'],
  ['a typo in an option',
    () => make({ oauthScope: [] }),
    'TypeError: oauthScope is no option; known are oauthClientId, oauthClientSecret, oauthScopes, oauthToken, oauthClockSkew, oauthParams, oauthTokenProvider, oauthOnTokenUpdate, clientAuthentication'],
  ['a scope among the parameters',
    () => make({ oauthParams: { scope: 'read' } }),
    "TypeError: oauthParams must be an object of strings or arrays without reserved fields"],
  ['timeout in seconds',
    () => make({}, { timeout: 30, fetch: () => new Promise(() => {}) }).fetchToken(),
    'ApiError timeout: https://thingspace.verizon.com/api/ts/v1/oauth2/token took over 30 ms'],
  ['a number of retries', () => make({}, { retry: 3 }), 'TypeError: retry must be an object'],
  ['a module for fetch', () => make({}, { fetch: { default: fetch } }), 'TypeError: fetch must be a function'],
  ["node-fetch's fetch",
    () => make({}, { fetch: async () => ({ status: 200, headers: new Headers(), body: Readable.from(['{}']) }) }).fetchToken(),
    'ApiError network: No answer from https://thingspace.verizon.com/api/ts/v1/oauth2/token (body.getReader is not a function)'],

  // Environments and URLs
  ['an environment in lower case', () => make({}, { environment: 'production' }), ENVIRONMENT_RULE],
  ["the generated SDK's name of an environment", () => make({}, { environment: 'Mock server for limited availability, see quick start' }), ENVIRONMENT_RULE],
  ['an http tokenUrl',
    () => make({}, { environment: { ...CUSTOM, tokenUrl: 'http://auth.example.com/token' } }),
    'TypeError: tokenUrl must be an https or loopback URL without credentials'],
  ['an origin with a last slash', () => make({}, { environment: { ...CUSTOM, apiOrigins: ['https://api.example.com/'] } }), ORIGIN_RULE],
  ['an origin with a path', () => make({}, { environment: { ...CUSTOM, apiOrigins: ['https://api.example.com/v1'] } }), ORIGIN_RULE],
  ['an origin without https', () => make({}, { environment: { ...CUSTOM, apiOrigins: ['api.example.com'] } }), ORIGIN_RULE],
  ['no origins', () => make({}, { environment: { tokenUrl: CUSTOM.tokenUrl } }), ORIGIN_RULE],
  ['an API of another host',
    () => make({}).authorizedFetch('https://api.example.com/orders'),
    'TypeError: https://api.example.com is not among apiOrigins'],
  ['a relative URL outside a browser', () => make({}).authorizedFetch('/api/mec/eds/regions'), 'TypeError ERR_INVALID_URL: Invalid URL'],

  // What answers instead of the token endpoint
  ['a proxy that answers with a page',
    () => make({}, answering(new Response('<html>', { headers: { 'content-type': 'text/html' } }))).fetchToken(),
    'ApiError gateway_fault: No OAuth answer, check the URL (200 text/html): gateway_fault'],
  ['a tokenUrl that redirects',
    () => make({}, answering(new Response(null, { status: 301, headers: { location: 'https://www.example.com/' } }))).fetchToken(),
    'ApiError invalid_response: No OAuth answer, check the URL (301 untyped): invalid_response'],
  ['a tokenUrl that does not exist',
    () => make({}, answering(Response.json({ message: 'none' }, { status: 404 }))).fetchToken(),
    'ApiError invalid_response: No OAuth answer, check the URL (404 application/json): invalid_response'],
  ['a host that cannot be reached',
    () => make({}, { fetch: undefined, environment: { ...CUSTOM, tokenUrl: 'https://127.0.0.1:1/token' } }).fetchToken(),
    'ApiError network: No answer from https://127.0.0.1:1/token (fetch failed)'],

  // Tokens
  ['a stored token that has ended, and no secret',
    () => make({ oauthClientSecret: undefined, oauthToken: { accessToken: 'old', expiry: 1 } }).authorizedFetch(REGIONS),
    NO_CREDENTIALS],
  ['a token with "Bearer " in front',
    () => make({ oauthToken: { accessToken: 'Bearer pasted' } }),
    'TypeError: oauthToken.accessToken must be that of a Bearer token'],
  ['the bare access token for a token', () => make({ oauthToken: 'pasted' }), 'TypeError: oauthToken.accessToken must be that of a Bearer token'],
  ['a stored token that was not parsed',
    () => reviveToken('{"accessToken":"saved"}'),
    'TypeError: oauthToken.accessToken must be that of a Bearer token'],
  ['a provider that hands on an error',
    () => make({ oauthTokenProvider: async () => 'login required' }).getToken(),
    'ApiError invalid_response: oauthTokenProvider returned no token: oauthToken.accessToken must be that of a Bearer token'],

  // The M2M session
  ['no session token on an M2M call',
    async () => {
      const response = await make({}).authorizedFetch(DEVICES, { method: 'POST' });
      throw new Error(`${response.status} ${await response.text()}`);
    },
    'Error: 400 {"errorCode":"UnifiedWebService.REQUEST_FAILED.SessionToken.Expired","errorMessage":"The session token has expired."}'],
  ['no password for the M2M login',
    () => createSession({ username: 'invented-user', password: undefined as unknown as string }),
    'TypeError: username and password must be non-empty strings'],
  ['a wrong password for the M2M login',
    () => make({}, { vZM2mToken: createSession({ username: 'invented-user', password: 'wrong' }) }, { users: { 'invented-user': 'right' } }).authorizedFetch(DEVICES),
    'ApiError session_refused: M2M session: 401 answer; reset() sends the same username and password'],
  ['a session token with a line break', () => make({}, { vZM2mToken: 'pasted\n' }), SESSION_RULE],
  ['the M2M login for a session', () => make({}, { vZM2mToken: { username: 'invented-user', password: 'invented-password' } }), SESSION_RULE],
];

for (const [mistake, run, text] of mistakes) {
  test(`says what to do about ${mistake}`, async () => {
    const error = await Promise.resolve()
      .then(run)
      .then(() => assert.fail('no error'), (thrown: Error & { code?: string }) => thrown);
    const cause = error instanceof ApiError && error.cause ? ` (${(error.cause as Error).message})` : '';

    assert.equal(`${error.name}${error.code ? ` ${error.code}` : ''}: ${error.message}${cause}`, text);
  });
}

test('works in spite of a clock that is an hour off, either way', async () => {
  for (const hours of [-1, 1]) {
    const mock = createMockServer({ startTime: Date.now() + hours * 3_600_000 });
    const { authorizedFetch } = make({}, { fetch: mock.fetch });

    assert.equal((await authorizedFetch(REGIONS)).status, 200);
    assert.equal((await authorizedFetch(REGIONS)).status, 200);
    assert.equal(mock.requests.filter(({ path }) => path.endsWith('/token')).length, 1);
  }
});

test("takes the values of the generated SDK's scope enum and its BigInt tokens at run time", async () => {
  const VendorScope = { Discoveryread: 'discovery:read' }; // what its `enum` is at run time
  const mock = createMockServer({ scopes: ['discovery:read'] });

  const client = make({ oauthScopes: [VendorScope.Discoveryread] }, { fetch: mock.fetch });
  assert.equal((await client.fetchToken()).scope, 'discovery:read');
  const saved = await client.withToken({ accessToken: 'saved', expiry: 4_102_444_800n } as never).getToken();
  assert.deepEqual(saved, { accessToken: 'saved', tokenType: 'Bearer', expiry: 4_102_444_800 });
});
