// Tokens bound to a key, against servers of others: oidc-provider asks for nonces, better-auth uses none. The
// API's proofs are verified by `jose`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from 'jose';
import { clientSecretBasic, createClient } from 'thingspace-auth';
import { discover } from 'thingspace-auth/discover';
import { createDpop } from 'thingspace-auth/dpop';
import { importKey, privateKeyJwt } from 'thingspace-auth/jwt';
import { storedToken } from 'thingspace-auth/stores';
import { makeKeys } from './keys.mjs';
import { SECRET, startApi, startBetterAuth, startOidcProvider } from './servers.mjs';

const keys = makeKeys('ES256');
const METHODS = {
  client_secret_basic: { registered: { client_secret: SECRET }, clientAuthentication: clientSecretBasic },
  private_key_jwt: {
    registered: { jwks: { keys: [keys.jwk] } },
    clientAuthentication: privateKeyJwt({ key: await importKey(keys.privatePem) }),
  },
};

async function start(t, method, options = {}, credentials = {}) {
  const { registered, clientAuthentication } = METHODS[method];
  const client = {
    client_id: 'mine',
    token_endpoint_auth_method: method,
    dpop_bound_access_tokens: true,
    ...registered,
  };
  const server = await startOidcProvider(t, [client]);
  const api = await startApi(t, server.lookUp);
  const environment = await discover(server.origin, { apiOrigins: [api.origin] });
  const config = {
    clientCredentialsAuthCredentials: {
      oauthClientId: 'mine',
      oauthClientSecret: SECRET,
      oauthScopes: ['read'],
      clientAuthentication,
      ...credentials,
    },
    environment,
    dpop: createDpop(),
    ...options,
  };
  return { server, api, config, exchanges: () => server.requests.filter(({ path }) => path === '/token') };
}

for (const method of Object.keys(METHODS)) {
  test(`oidc-provider's nonce is answered, with ${method}, and the token is bound to the key`, async (t) => {
    const { server, api, config, exchanges } = await start(t, method);
    const { authorizedFetch, getToken } = createClient(config);

    const response = await authorizedFetch(`${api.origin}/orders?query`, { method: 'POST', body: 'text' });

    const token = await getToken();
    assert.deepEqual([response.status, token.tokenType], [200, 'DPoP']);
    assert.deepEqual(
      exchanges().map(({ status }) => status),
      [400, 200],
    );
    assert.deepEqual(api.calls, ['POST /orders?query 401', 'POST /orders?query 200']);
    assert.equal((await server.lookUp(token.accessToken)).jkt, await config.dpop.getThumbprint());
  });
}

test('both proofs of an exchange are what jose takes: the second one has the nonce, and another id', async (t) => {
  const { config, exchanges } = await start(t, 'private_key_jwt');
  await createClient(config).fetchToken();

  const proofs = [];
  for (const { headers, form } of exchanges()) {
    const { payload, protectedHeader } = await jwtVerify(headers.dpop, EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: ['ES256'],
      maxTokenAge: 60,
    });
    assert.deepEqual(
      [payload.htm, payload.htu, payload.ath],
      ['POST', config.environment.tokenUrl, undefined],
    );
    assert.deepEqual(Object.keys(protectedHeader.jwk).sort(), ['crv', 'kty', 'x', 'y']);
    assert.equal(await calculateJwkThumbprint(protectedHeader.jwk), await config.dpop.getThumbprint());
    proofs.push({ ...payload, assertion: form.get('client_assertion') });
  }
  assert.deepEqual(
    proofs.map(({ nonce }) => typeof nonce),
    ['undefined', 'string'],
  );
  assert.equal(new Set(proofs.flatMap(({ jti, assertion }) => [jti, assertion])).size, 4);
});

test('the next exchange has the nonce already', async (t) => {
  const { config, exchanges } = await start(t, 'client_secret_basic');
  const { fetchToken } = createClient(config);

  await fetchToken();
  await fetchToken();

  assert.deepEqual(
    exchanges().map(({ status }) => status),
    [400, 200, 200],
  );
});

test('eight calls that the API asks for a nonce together need one token', async (t) => {
  const { api, config, exchanges } = await start(t, 'private_key_jwt');
  const { authorizedFetch } = createClient(config);

  for (let round = 0; round < 3; round++) {
    const responses = await Promise.all(
      Array.from({ length: 8 }, () => authorizedFetch(`${api.origin}/orders`)),
    );
    assert.deepEqual(
      responses.map(({ status }) => status),
      Array(8).fill(200),
    );
    api.rotate();
  }

  assert.equal(exchanges().length, 2);
});

test('a stream gets the question of the API as its answer, and costs no token', async (t) => {
  const { api, config, exchanges } = await start(t, 'client_secret_basic');
  const { authorizedFetch } = createClient(config);
  const send = () =>
    authorizedFetch(`${api.origin}/orders`, {
      method: 'POST',
      body: new Blob(['streamed']).stream(),
      duplex: 'half',
    });

  assert.deepEqual([(await send()).status, (await send()).status], [401, 200]);

  assert.equal(exchanges().length, 2);
});

test('each hop of a redirect is proven, also to another API', async (t) => {
  const { server, api, config } = await start(t, 'client_secret_basic');
  const other = await startApi(t, server.lookUp);
  config.environment = { ...config.environment, apiOrigins: [api.origin, other.origin] };
  const { authorizedFetch } = createClient(config);
  for (const { origin } of [api, other]) await authorizedFetch(`${origin}/first`);
  api.rotate();

  const response = await authorizedFetch(
    `${api.origin}/moved?to=${encodeURIComponent(`${other.origin}/there`)}`,
    { method: 'POST', body: 'text' },
  );

  assert.deepEqual([response.status, response.redirected], [200, true]);
  assert.deepEqual(
    api.calls.slice(2).map((call) => call.slice(-3)),
    ['401', '307'],
  );
  assert.deepEqual(other.calls.slice(2), ['POST /there 200']);
});

test('a token that the server has dropped is renewed, and the call sent again with a proof for the new one', async (t) => {
  const { api, config, exchanges } = await start(t, 'private_key_jwt');
  const { authorizedFetch, getToken } = createClient(config);
  await authorizedFetch(`${api.origin}/orders`);
  const dropped = (await getToken()).accessToken;
  api.drop(dropped);

  const response = await authorizedFetch(`${api.origin}/orders`);

  assert.equal(response.status, 200);
  assert.notEqual((await getToken()).accessToken, dropped);
  assert.deepEqual(
    exchanges().map(({ status }) => status),
    [400, 200, 200],
  );
});

test('a stored token serves who has its key, and nobody else', async (t) => {
  const values = new Map();
  const store = {
    get: (key) => values.get(key),
    set: (key, value) => void values.set(key, value),
    delete: (key) => void values.delete(key),
  };
  const { api, config, exchanges } = await start(
    t,
    'client_secret_basic',
    {},
    { oauthTokenProvider: storedToken(store) },
  );

  for (const dpop of [config.dpop, config.dpop, createDpop()]) {
    const { authorizedFetch } = createClient({ ...config, dpop });
    assert.equal((await authorizedFetch(`${api.origin}/orders`)).status, 200);
  }

  assert.equal(exchanges().filter(({ status }) => status === 200).length, 2);
});

for (const algorithm of ['ES384', 'RS256', 'PS256', 'EdDSA']) {
  test(`a key of the caller's own serves too: ${algorithm}`, async (t) => {
    const { api, config } = await start(t, 'client_secret_basic');
    const { privatePem, publicPem } = makeKeys(algorithm);
    const privateKey = await importKey(privatePem, algorithm);
    const der = Buffer.from(publicPem.replaceAll(/-.*-/g, ''), 'base64');
    const publicKey = await crypto.subtle.importKey('spki', der, privateKey.algorithm, true, ['verify']);

    const { authorizedFetch } = createClient({
      ...config,
      dpop: createDpop({ keyPair: { privateKey, publicKey } }),
    });

    assert.equal((await authorizedFetch(`${api.origin}/orders`)).status, 200);
  });
}

test('a client that the server binds is refused without a proof', async (t) => {
  const { config } = await start(t, 'client_secret_basic');
  await assert.rejects(createClient({ ...config, dpop: undefined }).fetchToken(), {
    code: 'oauth_error',
    statusCode: 400,
  });
});

test('better-auth binds the token to the key, without a nonce', async (t) => {
  const registered = {
    clientId: 'mine',
    jwks: JSON.stringify({ keys: [keys.jwk] }),
    tokenEndpointAuthMethod: 'private_key_jwt',
    dpopBoundAccessTokens: true,
  };
  const server = await startBetterAuth(t, [registered]);
  const environment = await discover(server.issuer, { apiOrigins: [server.origin] });
  const clientAuthentication = privateKeyJwt({ key: await importKey(keys.privatePem), keyId: keys.jwk.kid });
  const credentials = { oauthClientId: 'mine', oauthScopes: ['read'], clientAuthentication };
  const config = { clientCredentialsAuthCredentials: credentials, environment };

  const token = await createClient({ ...config, dpop: createDpop() }).fetchToken();

  assert.equal(token.tokenType, 'DPoP');
  await assert.rejects(createClient(config).fetchToken(), {
    code: 'oauth_error',
    error: 'invalid_dpop_proof',
  });
});
