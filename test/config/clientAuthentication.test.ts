import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type ClientAuthentication,
  clientSecretBasic,
  clientSecretBasicRaw,
  clientSecretPost,
  createClient,
  type Fetch,
  noClientAuthentication,
  revokeToken,
} from 'thingspace-auth';
import { fakeClock, hold, type Received, rejectionOf, startServer, turns } from '../support/server.ts';

type Test = Parameters<typeof startServer>[0];

describe('clientSecretBasic', () => {
  const ENCODINGS: [plain: string, encoded: string][] = [
    ['AZaz09-._*', 'AZaz09-._*'],
    ['a:b', 'a%3Ab'],
    ['100%', '100%25'],
    ['a b', 'a+b'],
    ['a+b&c=d', 'a%2Bb%26c%3Dd'],
    ['é€', '%C3%A9%E2%82%AC'],
    ['~', '%7E'],
    ["!'()", '%21%27%28%29'],
  ];
  for (const [plain, encoded] of ENCODINGS) {
    test(`sends ${plain} as ${encoded}, in the id and in the secret`, async (t) => {
      const { headers, body } = await exchangeWith(t, clientSecretBasic, plain, plain);
      assert.equal(headers.authorization, `Basic ${btoa(`${encoded}:${encoded}`)}`);
      assert.equal(body, 'grant_type=client_credentials');
    });
  }

  test('is the default', async (t) => {
    const { headers } = await exchangeWith(t, undefined, 'id:1', 'secret');
    assert.equal(headers.authorization, `Basic ${btoa('id%3A1:secret')}`);
  });
});

describe('clientSecretBasicRaw', () => {
  test('sends id and secret as they are, in UTF-8', async (t) => {
    const { headers, body } = await exchangeWith(t, clientSecretBasicRaw, 'an-id 1%', 'é:€+');
    const [scheme, credentials = ''] = headers.authorization!.split(' ');
    assert.equal(scheme, 'Basic');
    assert.equal(Buffer.from(credentials, 'base64').toString('utf8'), 'an-id 1%:é:€+');
    assert.equal(body, 'grant_type=client_credentials');
  });
});

describe('an authentication that takes longer than the request may', () => {
  test('sends nothing when it is done, not even through a fetch that heeds no signal', async (t) => {
    const clock = fakeClock(t);
    const gate = hold();
    const server = await startServer(t);
    const fetch: Fetch = (input, init) => globalThis.fetch(input, { ...init, signal: null });
    const clientAuthentication = () => gate.promise;
    const fetching = rejectionOf(
      createClient(server.config({ fetch, timeout: 1_000 }, { clientAuthentication })).fetchToken(),
    );
    clock.advance(1_000);
    assert.equal((await fetching).code, 'timeout');
    gate.open();
    await turns();
    assert.equal(server.tokenRequests.length, 0);
  });
});

describe('clientSecretPost', () => {
  test('sends id and secret in the form, and no header', async (t) => {
    const { headers, form } = await exchangeWith(t, clientSecretPost, 'a b', 'é&%:');
    assert.equal(headers.authorization, undefined);
    assert.deepEqual(
      [...form],
      [
        ['grant_type', 'client_credentials'],
        ['client_id', 'a b'],
        ['client_secret', 'é&%:'],
      ],
    );
  });
});

describe('noClientAuthentication', () => {
  test('sends only the id, and needs no secret', async (t) => {
    for (const secret of [undefined, 'invented-secret']) {
      const { headers, form } = await exchangeWith(t, noClientAuthentication, 'invented-id', secret);
      assert.equal(headers.authorization, undefined);
      assert.deepEqual(
        [...form],
        [
          ['grant_type', 'client_credentials'],
          ['client_id', 'invented-id'],
        ],
      );
    }
  });
});

describe('a method of the caller’s own', () => {
  test('may be asynchronous, and fills the form and the headers of each request', async (t) => {
    let calls = 0;
    const assertion: ClientAuthentication = async ({ clientId, clientSecret, body, headers }) => {
      await Promise.resolve();
      body.set('client_assertion', `${clientId}.${clientSecret}.${++calls}`);
      headers.set('x-proof', 'p');
    };
    const server = await startServer(t);
    const client = createClient(
      server.config({}, { clientAuthentication: assertion, oauthClientSecret: undefined }),
    );
    await client.fetchToken();
    await client.fetchToken();
    assert.deepEqual(
      server.tokenRequests.map(({ form, headers }) => [form.get('client_assertion'), headers['x-proof']]),
      [
        ['invented-id..1', 'p'],
        ['invented-id..2', 'p'],
      ],
    );
  });

  test('fails the exchange with its own error when it throws, without a request', async (t) => {
    const server = await startServer(t);
    const problem = new RangeError('no key');
    for (const clientAuthentication of [
      () => Promise.reject(problem),
      () => {
        throw problem;
      },
    ]) {
      const client = createClient(server.config({}, { clientAuthentication }));
      await assert.rejects(client.fetchToken(), (error) => error === problem);
    }
    assert.equal(server.tokenRequests.length, 0);
  });
});

describe('without a secret', () => {
  for (const [name, clientAuthentication] of Object.entries({
    default: undefined,
    clientSecretBasic,
    clientSecretBasicRaw,
    clientSecretPost,
  })) {
    test(`no exchange is made where the method (${name}) needs one: no_credentials`, async (t) => {
      const server = await startServer(t);
      const config = server.config({}, { clientAuthentication, oauthClientSecret: undefined });
      const client = createClient(config);
      const calls = [client.fetchToken(), client.getToken(), client.authorizedFetch(`${server.origin}/x`)];
      for (const call of calls) await assert.rejects(call, { name: 'ApiError', code: 'no_credentials' });
      assert.equal(server.tokenRequests.length, 0);
      assert.equal(server.apiRequests.length, 0);
    });
  }

  test('a refusal is read like any other', async (t) => {
    const server = await startServer(t, {
      token: () => ({ status: 400, body: { error: 'unauthorized_client', error_description: 'no' } }),
    });
    const client = createClient(
      server.config({}, { clientAuthentication: noClientAuthentication, oauthClientSecret: undefined }),
    );
    await assert.rejects(client.fetchToken(), { error: 'unauthorized_client', errorDescription: 'no' });
  });

  test('a stored token serves, beyond its end a new one is needed, and a 401 comes back', async (t) => {
    const server = await startServer(t);
    const expiry = Math.floor(Date.now() / 1000) + 60;
    const client = createClient(
      server.config(
        {},
        { oauthClientSecret: undefined, oauthToken: { accessToken: 'stored', tokenType: 'Bearer', expiry } },
      ),
    );
    assert.equal((await client.authorizedFetch(`${server.origin}/x`)).status, 200);
    server.revoked.add('stored');
    for (let count = 0; count < 2; count++)
      assert.equal((await client.authorizedFetch(`${server.origin}/x`)).status, 401);
    assert.equal(server.apiRequests.length, 3);
    const ended = client.withToken({ accessToken: 'stored', tokenType: 'Bearer', expiry: expiry - 60 });
    await assert.rejects(ended.getToken(), { code: 'no_credentials' });
  });

  test('a provider serves, and its fetchToken fails with no_credentials', async (t) => {
    const server = await startServer(t);
    let inner: unknown;
    const client = createClient(
      server.config(
        {},
        {
          oauthClientSecret: undefined,
          oauthTokenProvider: async (_, { fetchToken }) => {
            inner = await fetchToken().catch((error: unknown) => error);
            return { accessToken: 'brokered', tokenType: 'Bearer' };
          },
        },
      ),
    );
    assert.equal((await client.getToken()).accessToken, 'brokered');
    assert.equal((inner as { code: string }).code, 'no_credentials');
    assert.equal(server.tokenRequests.length, 0);
  });
});

describe('revocation', () => {
  test('authenticates by the same method', async (t) => {
    const server = await startServer(t);
    await revokeToken(server.config({}, { clientAuthentication: clientSecretPost }), {
      accessToken: 'a',
      tokenType: 'Bearer',
    });
    assert.equal(server.revocations[0]?.form.get('client_secret'), 'invented-secret');
  });
});

async function exchangeWith(
  t: Test,
  clientAuthentication: ClientAuthentication | undefined,
  oauthClientId: string,
  oauthClientSecret: string | undefined,
): Promise<Received> {
  const server = await startServer(t);
  await createClient(
    server.config({}, { oauthClientId, oauthClientSecret, clientAuthentication }),
  ).fetchToken();
  return server.tokenRequests[0]!;
}
