/** `thingspace-auth/browser`: the client for pages, without secrets and without the token request. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { noClientAuthentication } from 'thingspace-auth';
import {
  ApiError,
  type BrowserConfig,
  createClient,
  type OAuthToken,
  type PageCredentials,
} from 'thingspace-auth/browser';
import { createSession } from 'thingspace-auth/session';
import { browser } from '../support/browser.ts';
import { rejectionOf, startServer, type TestServer } from '../support/server.ts';

const HELD: OAuthToken = { accessToken: 'held-token', tokenType: 'Bearer' };

describe('a page', () => {
  for (const [name, config] of Object.entries<object>({
    oauthClientSecret: { clientCredentialsAuthCredentials: { oauthClientSecret: 'invented-secret' } },
    oauthParams: { clientCredentialsAuthCredentials: { oauthParams: { audience: 'invented-secret' } } },
    clientAuthentication: {
      clientCredentialsAuthCredentials: { clientAuthentication: noClientAuthentication },
    },
    retry: { retry: { attempts: 1 } },
  })) {
    test(`is refused ${name} at once, and told why`, () => {
      const { clientCredentialsAuthCredentials, ...options }: Record<string, object> = { ...config };
      const given = {
        clientCredentialsAuthCredentials: {
          oauthClientId: 'invented-id',
          ...clientCredentialsAuthCredentials,
        },
        ...options,
      };

      assert.throws(() => createClient(given as BrowserConfig), {
        name: 'TypeError',
        message: `${name} must be absent: everybody can read a page`,
      });
    });
  }

  test('is told of unknown options, bad tokens and other origins as elsewhere', async () => {
    const credentials = { oauthClientId: 'invented-id' };

    assert.throws(
      () => createClient({ clientCredentialsAuthCredentials: credentials, timeOut: 1 } as BrowserConfig),
      /^TypeError: unknown option timeOut; known options: .*timeout/,
    );
    assert.throws(
      () =>
        createClient({ clientCredentialsAuthCredentials: { ...credentials, oauthToken: {} as OAuthToken } }),
      /^TypeError: oauthToken/,
    );
    const { authorizedFetch } = createClient({
      clientCredentialsAuthCredentials: { ...credentials, oauthToken: HELD },
    });
    await assert.rejects(authorizedFetch('https://elsewhere.example.com/'), /^TypeError: No credentials for/);
  });

  test('shares classes and helpers with the main entry, and has nothing that needs a secret', async () => {
    const main: Record<string, unknown> = await import('thingspace-auth');
    const page: Record<string, unknown> = await import('thingspace-auth/browser');

    for (const name of [
      'ApiError',
      'OAuthProviderError',
      'Environment',
      'OauthScopeEnum',
      'isExpired',
      'reviveToken',
    ])
      assert.equal(page[name], main[name], name);
    assert.deepEqual(
      Object.keys(main)
        .filter((name) => !(name in page))
        .sort(),
      [
        'clientSecretBasic',
        'clientSecretBasicRaw',
        'clientSecretPost',
        'configFromEnvironment',
        'noClientAuthentication',
        'revokeToken',
      ],
    );
  });
});

describe('a token in a page', () => {
  test('is the one given, while it is valid', async (t) => {
    const server = await startServer(t);
    const client = createClient(pageOf(server, { oauthToken: HELD }));

    assert.equal((await client.authorizedFetch(`${server.origin}/x`)).status, 200);
    assert.deepEqual(await client.getToken(), HELD);
    assert.equal(server.apiRequests[0]?.headers.authorization, 'Bearer held-token');
  });

  test('comes from the provider, once for all calls, and again after a 401', async (t) => {
    const server = await startServer(t);
    const told: unknown[] = [];
    const client = createClient(
      pageOf(server, {
        oauthTokenProvider: (lastToken, { params, scope, isForced }) => {
          told.push({ last: lastToken?.accessToken, params, scope, isForced });
          return { accessToken: `token-${told.length}`, tokenType: 'Bearer', expiry: 4e9 };
        },
        oauthScopes: ['orders:read'],
      }),
    );
    const call = () => client.authorizedFetch(`${server.origin}/x`, { method: 'POST', body: 'text' });

    assert.deepEqual(
      (await Promise.all([call(), call(), call()])).map(({ status }) => status),
      [200, 200, 200],
    );
    server.revoked.add('token-1');
    assert.equal((await call()).status, 200);

    const asked = { params: {}, scope: 'orders:read', isForced: false };
    assert.deepEqual(told, [
      { last: undefined, ...asked },
      { last: 'token-1', ...asked },
    ]);
    assert.equal(server.tokenRequests.length, 0);
  });

  test('that is missing is an error that says what to give, and no request', async (t) => {
    const server = await startServer(t);
    for (const credentials of [{}, { oauthToken: { ...HELD, expiry: 1 } }]) {
      const { getToken, fetchToken, authorizedFetch } = createClient(pageOf(server, credentials));
      for (const call of [getToken(), fetchToken(), authorizedFetch(`${server.origin}/x`)]) {
        const error = await rejectionOf(call);
        assert.ok(error instanceof ApiError);
        assert.equal(error.code, 'no_credentials');
        assert.equal(error.message, 'No valid token: give oauthToken or oauthTokenProvider');
      }
    }
    assert.deepEqual([server.tokenRequests.length, server.apiRequests.length], [0, 0]);
  });

  test('is not made by the fetchToken of a provider', async (t) => {
    const server = await startServer(t);
    const { getToken } = createClient(
      pageOf(server, { oauthTokenProvider: (_, { fetchToken }) => fetchToken() }),
    );

    assert.equal((await rejectionOf(getToken())).code, 'no_credentials');
    assert.equal(server.tokenRequests.length, 0);
  });

  test('that an API rejects, without a provider, leaves the 401 to the caller', async (t) => {
    const server = await startServer(t);
    server.revoked.add('held-token');
    const { authorizedFetch } = createClient(pageOf(server, { oauthToken: HELD }));

    assert.equal((await authorizedFetch(`${server.origin}/x`)).status, 401);
    assert.equal(server.apiRequests.length, 1);
  });

  test('may be another one for a client made with withToken', async (t) => {
    const server = await startServer(t);
    const client = createClient(pageOf(server, { oauthToken: HELD }));

    await client.withToken({ ...HELD, accessToken: 'other-token' }).authorizedFetch(`${server.origin}/x`);

    assert.equal(server.apiRequests[0]?.headers.authorization, 'Bearer other-token');
  });
});

describe('a redirect in a page', () => {
  test('that shows is handed to the caller: no other origin sees a credential', async (t) => {
    const elsewhere = await startServer(t);
    const server = await startServer(t, {
      api: () => ({ status: 302, headers: { location: `${elsewhere.origin}/there` } }),
    });
    const { authorizedFetch } = createClient({
      ...pageOf(server, { oauthToken: HELD }),
      vZM2mToken: 'session-token',
    });

    const response = await authorizedFetch(`${server.origin}/x`);

    assert.deepEqual([response.status, response.headers.get('location')], [302, `${elsewhere.origin}/there`]);
    assert.equal(server.apiRequests.length, 1);
    assert.equal(elsewhere.apiRequests.length, 0);
  });

  test('that is hidden is left to the browser for a GET, and refused where a secret would go along', async () => {
    const { fetch, sent } = browser();
    const config = (vZM2mToken?: string): BrowserConfig => ({
      clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthToken: HELD },
      fetch,
      vZM2mToken,
    });
    const url = 'https://5gedge.verizon.com/api';

    assert.equal((await createClient(config()).authorizedFetch(url)).status, 200);
    assert.deepEqual(sent.splice(0), ['GET manual Bearer held-token', 'GET follow Bearer held-token']);
    for (const [client, init] of [
      [createClient(config()), { method: 'POST', body: 'text' }],
      [createClient(config('session-token')), {}],
      [createClient(config()), { redirect: 'error' }],
    ] as const) {
      await assert.rejects(client.authorizedFetch(url, init), /^TypeError: The redirect of .* is refused/);
      assert.equal(sent.splice(0).length, 1);
    }
  });
});

test('an M2M session works in a page, with the bearer of its provider', async (t) => {
  const server = await startServer(t, { api: () => ({ body: { sessionToken: 'session-token' } }) });
  const { authorizedFetch } = createClient({
    ...pageOf(server, { oauthTokenProvider: () => HELD }),
    vZM2mToken: createSession({ username: 'invented-user', password: 'invented-password' }),
  });

  await authorizedFetch(`${server.origin}/x`);

  const [login, call] = server.apiRequests;
  assert.equal(login?.url, '/api/m2m/v1/session/login');
  assert.deepEqual(
    [call?.headers.authorization, call?.headers['vz-m2m-token']],
    ['Bearer held-token', 'session-token'],
  );
});

function pageOf({ tokenUrl, origin }: TestServer, credentials: Partial<PageCredentials>): BrowserConfig {
  return {
    clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', ...credentials },
    environment: { tokenUrl, apiOrigins: [origin] },
  };
}
