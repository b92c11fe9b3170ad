// Every way of client authentication against servers of others; assertions are verified by `jose` besides.
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { test } from 'node:test';
import { jwtVerify } from 'jose';
import {
  clientSecretBasic,
  clientSecretPost,
  createClient,
  noClientAuthentication,
  revokeToken,
} from 'thingspace-auth';
import { discover } from 'thingspace-auth/discover';
import { clientSecretJwt, importKey, privateKeyJwt } from 'thingspace-auth/jwt';
import { ALGORITHMS, makeKeys } from './keys.mjs';
import { SECRET, startBetterAuth, startOidcProvider } from './servers.mjs';

const keys = Object.fromEntries(ALGORITHMS.map((algorithm) => [algorithm, makeKeys(algorithm)]));

const byKey = (algorithm) => ({
  client_id: `by-${algorithm}`,
  token_endpoint_auth_method: 'private_key_jwt',
  token_endpoint_auth_signing_alg: algorithm,
  jwks: { keys: [keys[algorithm].jwk] },
});
const bySecret = (method) => ({
  client_id: `by-${method}`,
  client_secret: SECRET,
  token_endpoint_auth_method: method,
});

const SECRET_METHODS = {
  client_secret_basic: clientSecretBasic,
  client_secret_post: clientSecretPost,
  client_secret_jwt: clientSecretJwt(),
};

async function configFor(server, oauthClientId, clientAuthentication, options = {}) {
  const environment = await discover(server.issuer ?? server.origin, { apiOrigins: [server.origin] });
  const credentials = {
    oauthClientId,
    oauthClientSecret: SECRET,
    oauthScopes: ['read'],
    clientAuthentication,
  };
  return { clientCredentialsAuthCredentials: credentials, environment, ...options };
}

test('oidc-provider takes each method that knows a secret, at the token endpoint and at revocation', async (t) => {
  const server = await startOidcProvider(t, Object.keys(SECRET_METHODS).map(bySecret));

  for (const [method, clientAuthentication] of Object.entries(SECRET_METHODS)) {
    const config = await configFor(server, `by-${method}`, clientAuthentication);
    const token = await createClient(config).fetchToken();
    await revokeToken(config, token);
    assert.deepEqual([token.scope, await server.lookUp(token.accessToken)], ['read', undefined], method);
  }
});

test('oidc-provider takes a public client', async (t) => {
  const server = await startOidcProvider(t, [{ client_id: 'public', token_endpoint_auth_method: 'none' }]);
  const token = await createClient(await configFor(server, 'public', noClientAuthentication)).fetchToken();
  assert.equal(token.scope, 'read');
});

for (const algorithm of ALGORITHMS) {
  test(`oidc-provider takes an assertion of ${algorithm}, and jose verifies it`, async (t) => {
    const server = await startOidcProvider(t, [byKey(algorithm)]);
    const { privatePem, publicPem } = keys[algorithm];
    const key = await importKey(privatePem, algorithm);
    const config = await configFor(
      server,
      `by-${algorithm}`,
      privateKeyJwt({ key, keyId: `key-for-${algorithm}` }),
    );

    const token = await createClient(config).fetchToken();
    await revokeToken(config, token);

    const sent = server.requests.filter(({ path }) => /token/.test(path));
    assert.deepEqual(
      sent.map(({ status }) => status),
      [200, 200],
    );
    for (const { form } of sent) {
      const { payload, protectedHeader } = await jwtVerify(
        form.get('client_assertion'),
        createPublicKey(publicPem),
        {
          algorithms: [algorithm],
          issuer: `by-${algorithm}`,
          subject: `by-${algorithm}`,
          audience: server.origin,
          maxTokenAge: 60,
          requiredClaims: ['jti', 'exp'],
        },
      );
      assert.equal(protectedHeader.kid, `key-for-${algorithm}`);
      assert.equal(payload.exp - payload.iat, 60);
    }
  });
}

test('an assertion signed elsewhere is as good: oidc-provider takes it', async (t) => {
  const server = await startOidcProvider(t, [byKey('ES256')]);
  const kms = (input) =>
    sign('sha256', input, { key: createPrivateKey(keys.ES256.privatePem), dsaEncoding: 'ieee-p1363' });
  const config = await configFor(server, 'by-ES256', privateKeyJwt({ key: kms, algorithm: 'ES256' }));
  assert.equal((await createClient(config).fetchToken()).scope, 'read');
});

test('an assertion by another key, or by another secret, is refused: invalid_client', async (t) => {
  const server = await startOidcProvider(t, [byKey('ES256'), bySecret('client_secret_jwt')]);
  const stranger = await importKey(makeKeys('ES256').privatePem);
  const config = await configFor(server, 'by-ES256', privateKeyJwt({ key: stranger }));
  const wrongSecret = await configFor(server, 'by-client_secret_jwt', clientSecretJwt());
  wrongSecret.clientCredentialsAuthCredentials.oauthClientSecret = `another-${SECRET}`;

  for (const each of [config, wrongSecret]) {
    await assert.rejects(createClient(each).fetchToken(), {
      code: 'oauth_error',
      error: 'invalid_client',
      statusCode: 401,
    });
  }
});

test('a token request whose answer is lost is repeated with another assertion, which oidc-provider wants', async (t) => {
  const server = await startOidcProvider(t, [byKey('ES256')]);
  let lost = 0;
  const losing = async (...parameters) => {
    const response = await fetch(...parameters);
    if (parameters[1]?.method === 'POST' && lost++ === 0) throw new TypeError('the connection was cut');
    return response;
  };
  const key = await importKey(keys.ES256.privatePem);
  const config = await configFor(server, 'by-ES256', privateKeyJwt({ key }), {
    fetch: losing,
    retry: { baseDelay: 1 },
  });

  await createClient(config).fetchToken();

  const sent = server.requests.filter(({ method }) => method === 'POST');
  assert.deepEqual(
    sent.map(({ status }) => status),
    [200, 200],
  );
  // The rule that makes it necessary: the server refuses an assertion that it has seen.
  const again = await fetch(config.environment.tokenUrl, { method: 'POST', body: sent[1].form });
  assert.deepEqual([again.status, (await again.json()).error], [401, 'invalid_client']);
});

test('a server that holds to FAPI 2.0 takes the issuer as the audience and nothing else: discover brings it', async (t) => {
  const server = await startOidcProvider(t, [byKey('ES256')], { isFapi: true });
  const key = await importKey(keys.ES256.privatePem);
  const method = privateKeyJwt({ key, type: 'client-authentication+jwt' });
  const config = await configFor(server, 'by-ES256', method);

  await revokeToken(config, await createClient(config).fetchToken());

  for (const audience of [config.environment.tokenUrl, `${server.origin}/`]) {
    const narrow = await configFor(server, 'by-ES256', privateKeyJwt({ key, audience }));
    await assert.rejects(createClient(narrow).fetchToken(), { error: 'invalid_client' }, audience);
  }
});

test("hostile metadata (an honest server's token endpoint, a revocation endpoint of its own) gets no assertion that the honest server takes", async (t) => {
  const honest = await startOidcProvider(t, [byKey('ES256')]);
  const hostile = await startOidcProvider(t, []);
  hostile.handle = (request, response) => {
    const metadata = {
      issuer: hostile.origin,
      token_endpoint: `${honest.origin}/token`,
      revocation_endpoint: `${hostile.origin}/revoke`,
    };
    response.end(request.method === 'GET' ? JSON.stringify(metadata) : '');
  };
  const key = await importKey(keys.ES256.privatePem);
  const token = { accessToken: 'invented', tokenType: 'Bearer' };
  /** What the honest server says to whoever sends it the assertion that the hostile one was given. */
  const replay = async (method) => {
    await revokeToken(await configFor(hostile, 'by-ES256', method), token);
    const body = new URLSearchParams(hostile.requests.at(-1).form);
    body.set('grant_type', 'client_credentials');
    body.delete('token');
    return (await fetch(`${honest.origin}/token`, { method: 'POST', body })).status;
  };

  assert.equal(await replay(privateKeyJwt({ key })), 401);
  // The attack itself works where the assertion is made out to the token endpoint, as it was by default.
  assert.equal(await replay(privateKeyJwt({ key, audience: ({ tokenUrl }) => tokenUrl })), 200);
});

test('better-auth takes an assertion for its issuer, or for the very endpoint asked', async (t) => {
  const { privatePem, jwk } = keys.RS256;
  const server = await startBetterAuth(t, [
    { clientId: 'mine', jwks: JSON.stringify({ keys: [jwk] }), tokenEndpointAuthMethod: 'private_key_jwt' },
  ]);
  const key = await importKey(privatePem);
  const configWith = (audience) =>
    configFor(server, 'mine', privateKeyJwt({ key, keyId: jwk.kid, audience }));
  const narrow = await configWith(({ tokenUrl }) => tokenUrl);

  for (const audience of [undefined, ({ url }) => url]) {
    const config = await configWith(audience);
    const token = await createClient(config).fetchToken();
    await assert.rejects(revokeToken(narrow, token), { code: 'oauth_error' });
    await revokeToken(config, token);

    assert.deepEqual([token.tokenType, token.scope], ['Bearer', 'read']);
    assert.equal(config.environment.tokenUrl, `${server.origin}/api/auth/oauth2/token`);
  }
});
