import assert from 'node:assert/strict';
import { createHash, createHmac, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { SigningAlgorithm } from 'thingspace-auth/jwt';
import { createMockServer, type MockServer } from 'thingspace-auth/testing';
import { jwkOf, keysFor, signToken } from '../support/keys.ts';
import { fakeClock } from '../support/server.ts';

const HOST = 'https://thingspace.verizon.com';
const REGIONS = '/api/mec/eds/regions';
const DEVICES = '/api/m2m/v1/devices/actions/list';

// Token endpoint

test('hands out a token for Basic credentials', async () => {
  const server = createMockServer();

  const response = await server.fetch(
    `${HOST}/api/ts/v1/oauth2/token`,
    tokenInit({ scope: 'discovery:read read' }),
  );

  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'application/json');
  assert.equal(response.headers.get('cache-control'), 'no-store');
  const { access_token, ...body } = (await response.json()) as Record<string, unknown>;
  assert.match(String(access_token), /^mock-access-token-\w{7}-1$/);
  assert.deepEqual(body, { token_type: 'Bearer', expires_in: 3600, scope: 'discovery:read read' });
});

test('hands out tokens and sessions that no other server knows, whatever its time', async () => {
  const [one, other] = [createMockServer({ startTime: 0 }), createMockServer({ startTime: 0 })];

  const [kept, fresh] = [await accessToken(one), await accessToken(other)];
  const session = await openSession(one, kept);
  const foreign = await openSession(other, fresh);

  assert.notEqual(fresh, kept);
  assert.notEqual(foreign, session);
  assert.equal((await call(other, REGIONS, kept)).status, 401);
  assert.equal((await call(other, DEVICES, fresh, { method: 'POST', session })).status, 400);
});

test('draws nothing at random before the first request, so that it can stand at module scope', async (t) => {
  const draw = t.mock.method(crypto, 'getRandomValues');

  const server = createMockServer();
  assert.equal(draw.mock.callCount(), 0);
  await accessToken(server);

  assert.equal(draw.mock.callCount(), 1);
});

test('refuses an option and a target that it does not know, and lists those that it knows', () => {
  assert.throws(
    () => createMockServer({ expiresin: 60 } as object),
    new TypeError(
      'unknown option expiresin; known options: expiresIn, scopes, clients, dpop, users, sameToken, ' +
        'countsDown, latencyMs, startTime, tokenResponse, identifyClient',
    ),
  );
  for (const target of ['tokens', 'toString', undefined]) {
    assert.throws(
      () => createMockServer().failNext(target as 'token', 503),
      new TypeError(`failNext: unknown target ${target}; known targets: token, api, login`),
    );
  }
});

test('refuses an answer that it could not give, and a time that is not one', () => {
  const server = createMockServer();

  for (const answer of [undefined, null, '503', 99, 600, 503.5]) {
    assert.throws(
      () => server.failNext('token', answer as never),
      new TypeError('failNext: give a status from 200 to 599, a Response or an Error as the answer'),
    );
  }
  for (const seconds of [undefined, '60', Number.NaN, Infinity])
    assert.throws(
      () => server.advance(seconds as number),
      new TypeError('advance: give a number of seconds'),
    );
});

test('serves the token endpoint on any host', async () => {
  const server = createMockServer();

  const response = await server.fetch('http://localhost:1/base/oauth2/token', tokenInit());

  assert.equal(response.status, 200);
});

test('hands out the same token until it ends', async () => {
  const server = createMockServer({ startTime: 0 });

  const first = await tokenBody(server);
  server.advance(3599);
  const second = await tokenBody(server);
  server.advance(1);
  const third = await tokenBody(server);

  assert.equal(second['access_token'], first['access_token']);
  assert.match(String(third['access_token']), /^mock-access-token-\w{7}-2$/);
});

test('counts expires_in of a repeated token down, in whole seconds', async () => {
  const server = createMockServer({ startTime: 0, expiresIn: 100 });

  await tokenBody(server);
  server.advance(59.5);

  assert.equal((await tokenBody(server))['expires_in'], 40);
});

test('keeps expires_in of a repeated token constant where told to', async () => {
  const server = createMockServer({ startTime: 0, expiresIn: 100, countsDown: false });

  await tokenBody(server);
  server.advance(60);

  assert.equal((await tokenBody(server))['expires_in'], 100);
});

test('has one token for each client and set of scopes', async () => {
  const server = createMockServer();

  const first = await tokenBody(server, { scope: 'read write' });
  const reordered = await tokenBody(server, { scope: 'write read' });
  const otherScope = await tokenBody(server, { scope: 'read' });
  const stranger = { authorization: basic('mock-other', 'mock-secret') };
  const otherClient = await tokenBody(server, { scope: 'read write' }, stranger);

  assert.equal(reordered['access_token'], first['access_token']);
  assert.match(String(otherScope['access_token']), /^mock-access-token-\w{7}-2$/);
  assert.match(String(otherClient['access_token']), /^mock-access-token-\w{7}-3$/);
});

test('hands out a new token every time where told to, and the old ones stay valid', async () => {
  const server = createMockServer({ sameToken: false });

  const first = await accessToken(server);
  const second = await accessToken(server);

  assert.notEqual(second, first);
  assert.equal((await call(server, REGIONS, first)).status, 200);
  assert.equal((await call(server, REGIONS, second)).status, 200);
});

test('makes tokens which have already ended when expiresIn is 0', async () => {
  const server = createMockServer({ expiresIn: 0, startTime: 0 });

  const { access_token, expires_in } = await tokenBody(server);

  assert.equal(expires_in, 0);
  assert.equal((await call(server, REGIONS, String(access_token))).status, 401);
  assert.match(await accessToken(server), /^mock-access-token-\w{7}-2$/);
});

test('runs on the real clock unless it is told where to stand', async (t) => {
  t.mock.timers.enable({ apis: ['Date'] });
  const server = createMockServer();

  await tokenBody(server);
  t.mock.timers.setTime(600_000);
  assert.equal((await tokenBody(server))['expires_in'], 3000);
  server.advance(1000);
  assert.equal((await tokenBody(server))['expires_in'], 2000);
});

test('reads no clock, sets no timer and draws nothing at random when it is created', (t) => {
  const forbidden = [
    [Date, 'now'],
    [Math, 'random'],
    [globalThis, 'setTimeout'],
    [crypto, 'getRandomValues'],
  ] as const;
  for (const [owner, name] of forbidden) {
    t.mock.method(owner as typeof globalThis, name as 'setTimeout', () => assert.fail(name));
  }

  createMockServer({ latencyMs: 5 });
});

test('grants every scope when none is asked for, and refuses those it does not have', async () => {
  const server = createMockServer({ scopes: ['read', 'write'] });

  assert.equal((await tokenBody(server))['scope'], 'read write');
  assert.equal((await tokenBody(server, { scope: 'read' }))['scope'], 'read');
  for (const scope of ['admin', 'read admin', 'read  write', '']) {
    await assertOAuthError(await requestToken(server, { scope }), 400, 'invalid_scope');
  }
});

test('leaves scope out of the answer when it knows none and none is asked for', async () => {
  assert.equal('scope' in (await tokenBody(createMockServer())), false);
});

test('refuses other grant types, and a request without one', async () => {
  const server = createMockServer();

  await assertOAuthError(
    await requestToken(server, { grant_type: 'password' }),
    400,
    'unsupported_grant_type',
  );
  await assertOAuthError(await requestToken(server, { grant_type: '' }), 400, 'invalid_request');
});

test('refuses a body that is no form', async () => {
  const server = createMockServer();
  const url = `${HOST}/api/ts/v1/oauth2/token`;
  const mistyped = tokenInit({}, { 'content-type': 'application/json' });
  const { headers } = tokenInit();

  await assertOAuthError(await server.fetch(url, mistyped), 400, 'invalid_request');
  await assertOAuthError(
    await server.fetch(url, { method: 'POST', headers: headers! }),
    400,
    'invalid_request',
  );
});

test('has nothing for a token request that is no POST', async () => {
  const server = createMockServer();

  await assertFault(await server.fetch(`${HOST}/api/ts/v1/oauth2/token`), 400, '900906');
});

test('wants a bearer for any path that only looks like an OAuth endpoint', async () => {
  const server = createMockServer();

  for (const path of ['/oauth2/tokens', '/oauth2/token/', '/oauth2/revoke/all']) {
    await assertFault(await server.fetch(HOST + path, tokenInit()), 401, '900902');
  }
});

test('answers a token request without credentials with a gateway fault', async () => {
  const server = createMockServer();

  const response = await requestToken(server, {}, { authorization: '' });

  assert.equal(response.headers.get('www-authenticate'), null);
  await assertFault(response, 401, '900902');
});

test('knows the clients it was given', async () => {
  const server = createMockServer({ clients: { 'mock-id': 'mock-secret' } });
  const strangers = [
    ['mock-id', 'wrong'],
    ['mock-stranger', 'mock-secret'],
    ['toString', ''],
    ['mock-id', ''],
  ] as const;

  assert.equal((await requestToken(server)).status, 200);
  for (const [id, secret] of strangers) {
    const response = await requestToken(server, {}, { authorization: basic(id, secret) });
    assert.match(response.headers.get('www-authenticate') ?? '', /^Basic /);
    await assertOAuthError(response, 401, 'invalid_client');
  }
});

test('decodes form-encoded and UTF-8 credentials', async () => {
  const server = createMockServer({ clients: { 'mock:id': 'sécret +:%' } });

  const encoded = await requestToken(
    server,
    {},
    { authorization: basic('mock%3Aid', 's%C3%A9cret+%2B%3A%25') },
  );
  const partlyRaw = await requestToken(server, {}, { authorization: basic('mock%3Aid', 'sécret %2B:%25') });
  const raw = await requestToken(server, {}, { authorization: basic('mock%3Aid', 'sécret +:%25') });

  assert.deepEqual([encoded.status, partlyRaw.status, raw.status], [200, 200, 401]);
});

test('takes a secret with a line break, encoded or raw', async () => {
  const server = createMockServer({ clients: { 'mock-id': 'mock\nsecret' } });

  for (const secret of ['mock%0Asecret', 'mock\nsecret']) {
    assert.equal((await requestToken(server, {}, { authorization: basic('mock-id', secret) })).status, 200);
  }
});

test('refuses what is no Basic header, even when it accepts any client', async () => {
  const server = createMockServer();

  for (const authorization of [
    `Bearer ${btoa('mock-id:mock-secret')}`,
    'Basic',
    'Basic ???',
    `Basic ${btoa('mock-id')}`,
    `Basic ${btoa(':mock-secret')}`,
    `Basic ${btoa(':mock-id:mock-secret')}`,
    `xBasic ${btoa('mock-id:mock-secret')}`,
    `Basic ${btoa('mock-id:%zz')}`,
  ]) {
    await assertOAuthError(await requestToken(server, {}, { authorization }), 401, 'invalid_client');
  }
});

test('lets another rule identify clients', async () => {
  const server = createMockServer({
    clients: { 'not-used': 'not-used' },
    identifyClient: ({ body }) => (body.endsWith('client_secret=mock-secret') ? 'mock-id' : undefined),
  });

  const accepted = await requestToken(server, { client_secret: 'mock-secret' }, { authorization: '' });
  const refused = await requestToken(server, { client_secret: 'wrong' }, { authorization: '' });

  assert.equal(accepted.status, 200);
  await assertOAuthError(refused, 401, 'invalid_client');
});

test('rewrites the token answer to an object, a string or a Response', async () => {
  const object = createMockServer({
    tokenResponse: (body) => ({ ...body, token_type: undefined, expires_in: '60' }),
  });
  const text = createMockServer({ tokenResponse: (body) => `access_token=${body['access_token']}` });
  let granted: unknown;
  const response = createMockServer({
    tokenResponse: ({ access_token }) => {
      granted = access_token;
      return new Response('<html>', { status: 203 });
    },
  });

  const { access_token, ...body } = await tokenBody(object);
  assert.deepEqual([typeof access_token, body], ['string', { expires_in: '60' }]);
  assert.match(await (await requestToken(text)).text(), /^access_token=mock-access-token-\w{7}-1$/);
  assert.equal((await requestToken(response)).status, 203);
  assert.equal((await call(response, REGIONS, String(granted))).status, 200);
});

// Revocation

test('revokes a token, and then hands out a new one', async () => {
  const server = createMockServer();
  const token = await accessToken(server);

  const response = await revoke(server, { token });

  assert.equal(response.status, 200);
  assert.equal(await response.text(), '');
  assert.equal((await call(server, REGIONS, token)).status, 401);
  assert.match(await accessToken(server), /^mock-access-token-\w{7}-2$/);
});

test('answers the revocation of an unknown or foreign token alike, and revokes nothing', async () => {
  const server = createMockServer();
  const token = await accessToken(server);

  const unknown = await revoke(server, { token: 'mock-unknown' });
  const foreign = await revoke(server, { token }, basic('mock-other', 'mock-secret'));

  assert.deepEqual([unknown.status, foreign.status], [200, 200]);
  assert.equal((await call(server, REGIONS, token)).status, 200);
});

test('refuses a revocation without a token or with a wrong secret', async () => {
  const server = createMockServer({ clients: { 'mock-id': 'mock-secret' } });

  await assertOAuthError(await revoke(server, {}), 400, 'invalid_request');
  await assertOAuthError(
    await revoke(server, { token: 'x' }, basic('mock-id', 'wrong')),
    401,
    'invalid_client',
  );
});

test('revokes everything at once', async () => {
  const server = createMockServer();
  const token = await accessToken(server);

  server.revokeAll();

  await assertFault(await call(server, REGIONS, token), 401, '900901');
  assert.match(await accessToken(server), /^mock-access-token-\w{7}-2$/);
});

// Assertions

const TOKEN_URL = `${HOST}/api/ts/v1/oauth2/token`;
const ES256 = { alg: 'ES256', typ: 'JWT' };
const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

test('takes an assertion for the token endpoint, the issuer or the endpoint asked, signed as its header says', async () => {
  for (const [algorithm, header, hash] of [
    ['ES256', ES256, 'sha256'],
    ['RS256', { alg: 'RS256' }, 'sha256'],
    ['EdDSA', { alg: 'EdDSA' }, null],
  ] as const) {
    const { privatePem, publicPem } = keysFor(algorithm);
    const server = createMockServer({ clients: { 'mock-id': jwkOf(publicPem) } });
    for (const aud of [TOKEN_URL, `${HOST}/api/ts/v1`, ['another', TOKEN_URL]]) {
      assert.equal(
        (await requestByAssertion(server, signToken(header, claims({ aud }), privatePem, hash))).status,
        200,
        `${algorithm} ${aud}`,
      );
    }
    const issuer = `${HOST}/oauth2/tenant`;
    const ofTenant = assertionInit(signToken(header, claims({ aud: issuer }), privatePem, hash));
    assert.equal((await server.fetch(`${issuer}/oauth2/token`, ofTenant)).status, 200);
    const revoked = await server.fetch(
      TOKEN_URL.replace('token', 'revoke'),
      assertionInit(signToken(header, claims(), privatePem, hash), { token: 'unknown-token' }),
    );
    assert.equal(revoked.status, 200);
  }
});

test('takes an assertion by each algorithm that its metadata names, also by the younger name of EdDSA', async () => {
  const metadata = (await (
    await createMockServer().fetch(`${HOST}/.well-known/openid-configuration`)
  ).json()) as Record<string, string[]>;
  const [hs256, ...algorithms] = metadata['token_endpoint_auth_signing_alg_values_supported']!;
  assert.deepEqual([hs256, algorithms.length], ['HS256', 10]);

  for (const alg of [...algorithms, 'Ed25519']) {
    const { privatePem, publicPem } = keysFor((alg === 'Ed25519' ? 'EdDSA' : alg) as SigningAlgorithm);
    const server = createMockServer({ clients: { 'mock-id': jwkOf(publicPem) } });
    const input = inputOf({ alg }, claims());
    // 6: RSA_PKCS1_PSS_PADDING; its salt is as long as the hash (RFC 7518 section 3.5).
    const padding = alg.startsWith('PS') ? { padding: 6, saltLength: Number(alg.slice(2)) / 8 } : {};
    const key = { key: privatePem, dsaEncoding: 'ieee-p1363', ...padding } as const;
    const signature = sign(
      alg.startsWith('Ed') ? null : `sha${alg.slice(2)}`,
      Buffer.from(input),
      key,
    ).toString('base64url');
    assert.equal((await requestByAssertion(server, `${input}.${signature}`)).status, 200, alg);
  }
});

test('refuses an assertion that is not what it must be, and says why', async () => {
  const { privatePem, publicPem } = keysFor('ES256');
  const ofP384 = keysFor('ES384');
  const spki = Buffer.from(ofP384.publicPem.replaceAll(/-.*-/g, ''), 'base64');
  const ownKey = await crypto.subtle.importKey('spki', spki, { name: 'ECDSA', namedCurve: 'P-384' }, false, [
    'verify',
  ]);
  const server = createMockServer({
    clients: {
      'mock-id': jwkOf(publicPem),
      secret: 'mock-secret',
      p384: jwkOf(ofP384.publicPem),
      own: ownKey,
    },
  });
  const signed = (more: object = {}, header: object = ES256, key: string = privatePem) =>
    signToken(header, claims(more), key);
  const now = Math.floor(Date.now() / 1000);
  const cases: [assertion: string, reason: RegExp, form?: Record<string, string>][] = [
    ['no.assertion', /not a signed JWT/],
    ['a.b.c', /not a signed JWT/],
    [`${signed()}==`, /not a signed JWT/],
    [signed().replace(/.{4}$/, ' $&'), /not a signed JWT/],
    [`${signed()}.AAAA`, /not a signed JWT/],
    [signed(), /client_assertion_type/, { client_assertion_type: 'another' }],
    [signed({ iss: 'another' }), /iss and sub/],
    [signed({ sub: undefined }), /iss and sub/],
    [signed({ iss: undefined, sub: undefined }), /iss and sub/],
    [signed({ iss: 7, sub: 7 }), /iss and sub/],
    [signed(), /client_id/, { client_id: 'another' }],
    [
      signed({ aud: 'https://elsewhere.example/oauth2/token' }),
      /audience of the assertion must be one of https:\S+\/oauth2\/token, https:\S+\/v1\.$/,
    ],
    [signed({ aud: undefined }), /audience of the assertion/],
    [signed({}, { alg: 'none' }), /not signed with its key/],
    [signed({}, { alg: 'ES512' }), /not signed with its key/],
    [signed({}, { alg: 'RS256' }), /not signed with its key/],
    [signed({}, { alg: 'xES256' }), /not signed with its key/],
    [signed({}, { alg: 'ES2560' }), /not signed with its key/],
    [signed().replace(/.{8}$/, 'AAAAAAAA'), /not signed with its key/],
    [signed({}, ES256, keysFor('RS256').privatePem), /not signed with its key/],
    [signed({ iss: 'stranger', sub: 'stranger' }), /unknown/],
    [signed({ iss: 'toString', sub: 'toString' }), /unknown/],
    [signed({ iss: 'secret', sub: 'secret' }), /not signed with its key/],
    [hmacToken(claims({ iss: 'secret', sub: 'secret' }), 'another'), /not signed with its key/],
    [hmacToken(claims(), publicPem), /not signed with its key/],
    [hmacToken(claims({ iss: 'secret', sub: 'secret' }), 'mock-secret', 'HS512'), /not signed with its key/],
    [signed({ iss: 'p384', sub: 'p384' }), /not signed with its key/],
    [signed({ iss: 'own', sub: 'own' }, ES256, ofP384.privatePem), /not signed with its key/],
    [signed({ exp: now - 1 }), /has expired, by the clock of this server/],
    [signed({ exp: undefined }), /has expired/],
    [signed({ iat: now + 120 }), /from the future/],
    [signed({ jti: undefined }), /no jti/],
  ];
  for (const [assertion, reason, form] of cases) {
    const response = await requestByAssertion(server, assertion, form);
    const { error, error_description } = (await response.json()) as {
      error: string;
      error_description: string;
    };
    assert.deepEqual([response.status, error], [401, 'invalid_client'], String(reason));
    assert.match(error_description, reason);
  }
  assert.equal((await requestByAssertion(server, signed())).status, 200);
  assert.equal(
    (await requestByAssertion(server, hmacToken(claims({ iss: 'secret', sub: 'secret' }), 'mock-secret')))
      .status,
    200,
  );
});

test('takes an assertion once', async () => {
  const { privatePem } = keysFor('ES256');
  const server = createMockServer();
  const assertion = signToken(ES256, claims(), privatePem);

  assert.equal((await requestByAssertion(server, assertion)).status, 200);
  await assertOAuthError(await requestByAssertion(server, assertion), 401, 'invalid_client');
});

test('takes an assertion until its end, and from a client whose clock is a minute ahead', async () => {
  const { privatePem } = keysFor('ES256');
  const [iat, exp] = [1_000_000_000, 1_000_000_100];
  const statusAt = async (startTime: number, more: object) =>
    (
      await requestByAssertion(
        createMockServer({ startTime }),
        signToken(ES256, claims({ iat, exp, ...more }), privatePem),
      )
    ).status;

  assert.deepEqual([await statusAt(exp * 1000 - 1, {}), await statusAt(exp * 1000, {})], [200, 401]);
  assert.deepEqual(
    [await statusAt((iat - 60) * 1000, {}), await statusAt((iat - 60) * 1000 - 1, {})],
    [200, 401],
  );
  assert.equal(await statusAt(iat * 1000, { iat: undefined }), 200);
});

test('judges assertions by its own clock, which advance moves', async () => {
  const { privatePem } = keysFor('ES256');
  const server = createMockServer();

  server.advance(600);
  await assertOAuthError(
    await requestByAssertion(server, signToken(ES256, claims(), privatePem)),
    401,
    'invalid_client',
  );
});

test('takes any key where it was given no clients, and leaves assertions to identifyClient where there is one', async () => {
  const assertion = () => signToken(ES256, claims(), keysFor('ES256').privatePem);
  const own = createMockServer({
    identifyClient: ({ body }) => (body.includes('client_assertion=') ? 'mock-id' : undefined),
  });

  assert.equal((await requestByAssertion(createMockServer(), assertion())).status, 200);
  assert.equal((await requestByAssertion(own, 'no.jwt')).status, 200);
});

test('knows a client by its key only, where it was given one', async () => {
  const server = createMockServer({ clients: { 'mock-id': jwkOf(keysFor('ES256').publicPem) } });

  await assertOAuthError(await requestToken(server), 401, 'invalid_client');
});

function claims(more: object = {}): object {
  const now = Math.floor(Date.now() / 1000);
  return {
    iss: 'mock-id',
    sub: 'mock-id',
    aud: TOKEN_URL,
    iat: now,
    exp: now + 60,
    jti: crypto.randomUUID(),
    ...more,
  };
}

/** What is signed of a token. */
function inputOf(header: object, payload: object): string {
  return [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
}

/** A token with HMAC and SHA-256, whatever its header says. */
function hmacToken(payload: object, secret: string, alg: string = 'HS256'): string {
  const input = inputOf({ alg }, payload);
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

function assertionInit(assertion: string, form: Record<string, string> = {}): RequestInit {
  const fields = {
    grant_type: 'client_credentials',
    client_assertion_type: JWT_BEARER,
    client_assertion: assertion,
    ...form,
  };
  return { method: 'POST', body: new URLSearchParams(fields) };
}

/** A token request with an assertion. */
function requestByAssertion(
  server: MockServer,
  assertion: string,
  form?: Record<string, string>,
): Promise<Response> {
  return server.fetch(TOKEN_URL, assertionInit(assertion, form));
}

// Proofs

test('asks for a proof with a nonce, and binds the token to its key', async () => {
  const server = createMockServer({ dpop: true });

  const missing = await requestToken(server);
  const challenged = await requestToken(server, {}, { dpop: proof({}) });
  const nonce = challenged.headers.get('dpop-nonce')!;
  const granted = await requestToken(server, {}, { dpop: proof({ nonce }) });

  await assertOAuthError(missing, 400, 'invalid_dpop_proof');
  await assertOAuthError(challenged, 400, 'use_dpop_nonce');
  assert.equal(nonce, 'mock-token-nonce-1@thingspace.verizon.com');
  assert.equal(granted.headers.get('dpop-nonce'), nonce);
  const body = (await granted.json()) as Record<string, unknown>;
  assert.equal(body['token_type'], 'DPoP');
  assert.match(String(body['access_token']), /^mock-access-token-\w{7}-1$/);
});

test('wants a proof for each call, with a nonce of its own for each origin', async () => {
  const server = createMockServer({ dpop: true });
  const token = await boundToken(server);
  const other = 'https://5gedge.verizon.com';

  const challenged = await callBound(server, HOST + REGIONS, token);
  const nonce = challenged.headers.get('dpop-nonce')!;
  const answered = await callBound(server, `${HOST}${REGIONS}?query`, token, { nonce });
  const elsewhere = await callBound(server, other + REGIONS, token, { nonce, htu: other + REGIONS });

  assert.equal(challenged.status, 401);
  assert.match(challenged.headers.get('www-authenticate')!, /^DPoP error="use_dpop_nonce"/);
  assert.equal(nonce, 'mock-api-nonce-1@thingspace.verizon.com');
  assert.equal(answered.status, 200);
  assert.deepEqual(
    [elsewhere.status, elsewhere.headers.get('dpop-nonce')],
    [401, 'mock-api-nonce-1@5gedge.verizon.com'],
  );
});

test('has other nonces when told to', async () => {
  const server = createMockServer({ dpop: true });
  const token = await boundToken(server);
  const nonce = 'mock-api-nonce-1@thingspace.verizon.com';

  assert.equal((await callBound(server, HOST + REGIONS, token, { nonce })).status, 200);
  server.rotateNonces();
  const refused = await callBound(server, HOST + REGIONS, token, { nonce });

  assert.match(refused.headers.get('www-authenticate')!, /use_dpop_nonce/);
  assert.equal(refused.headers.get('dpop-nonce'), 'mock-api-nonce-2@thingspace.verizon.com');
  await assertOAuthError(
    await requestToken(server, {}, { dpop: proof({ nonce: 'mock-token-nonce-1@thingspace.verizon.com' }) }),
    400,
    'use_dpop_nonce',
  );
});

test('refuses a proof that is not what it must be, and says why', async () => {
  const server = createMockServer({ dpop: true });
  const token = await boundToken(server);
  const nonce = 'mock-api-nonce-1@thingspace.verizon.com';
  const ath = createHash('sha256').update(token).digest('base64url');
  const good = { nonce, ath, htm: 'GET', htu: HOST + REGIONS };
  const used = proof(good);
  const { publicPem, privatePem } = keysFor('ES256');
  const withPrivateKey = { typ: 'dpop+jwt', alg: 'ES256', jwk: { ...jwkOf(publicPem), d: 'AAAA' } };
  const cases: [header: string | undefined, reason: RegExp][] = [
    [undefined, /header is missing/],
    ['no.proof', /not a signed JWT/],
    [proof(good, { typ: 'JWT' }), /typ dpop\+jwt/],
    [signToken(withPrivateKey, { ...good, jti: 'a', iat: 1 }, privatePem), /private key/],
    [proof(good, { jwk: jwkOf(keysFor('ES384').publicPem) }), /not signed with the key in it/],
    [proof(good, { jwk: undefined }), /not signed with the key in it/],
    [proof({ ...good, htm: 'POST' }), /must be for the method GET/],
    [
      proof({ ...good, htu: `${HOST}/another` }),
      /must be for the URL https:\/\/thingspace\.verizon\.com\/api\/mec/,
    ],
    [proof({ ...good, htu: 'none' }), /must be for the URL/],
    [proof({ ...good, iat: undefined }), /when it was made/],
    [proof({ ...good, ath: undefined }), /ath/],
    [proof({ ...good, ath: ath.slice(1) }), /ath/],
    [proof({ ...good, jti: undefined }), /no jti/],
  ];
  for (const [header, reason] of cases) {
    const response = await server.fetch(HOST + REGIONS, {
      headers: { authorization: `DPoP ${token}`, ...(header && { dpop: header }) },
    });
    assert.equal(response.status, 401, String(reason));
    assert.match(response.headers.get('www-authenticate')!, /^DPoP error="invalid_dpop_proof"/);
    assert.match(((await response.json()) as { error_description: string }).error_description, reason);
  }
  const send = (header: string) =>
    server.fetch(HOST + REGIONS, { headers: { authorization: `DPoP ${token}`, dpop: header } });
  assert.deepEqual([(await send(used)).status, (await send(used)).status], [200, 401]);
  await assertOAuthError(
    await requestToken(
      server,
      {},
      { dpop: proof({ ath, nonce: 'mock-token-nonce-1@thingspace.verizon.com' }) },
    ),
    400,
    'invalid_dpop_proof',
  );
});

test('takes a bound token with the key that it is bound to, and never as a bearer', async () => {
  const server = createMockServer({ dpop: true });
  const token = await boundToken(server);
  const nonce = 'mock-api-nonce-1@thingspace.verizon.com';
  const stranger = proof(
    { nonce, htm: 'GET', htu: HOST + REGIONS, ath: createHash('sha256').update(token).digest('base64url') },
    {},
    'EdDSA',
  );

  const response = await server.fetch(HOST + REGIONS, {
    headers: { authorization: `DPoP ${token}`, dpop: stranger },
  });

  assert.match(
    response.headers.get('www-authenticate')!,
    /^DPoP error="invalid_token", error_description=".+"$/,
  );
  await assertFault(await call(server, REGIONS, token), 401, '900902');
  server.revokeAll();
  assert.match(
    (await callBound(server, HOST + REGIONS, token, { nonce })).headers.get('www-authenticate')!,
    /invalid_token/,
  );
});

test('knows the hash of any token', async () => {
  // Among so many are some whose hash has each character of base64url.
  const server = createMockServer({ dpop: true, sameToken: false });

  for (let count = 0; count < 20; count++) {
    const token = await boundToken(server);
    const { status } = await callBound(server, HOST + REGIONS, token, {
      nonce: 'mock-api-nonce-1@thingspace.verizon.com',
    });
    assert.equal(status, 200, token);
  }
});

test('takes no notice of a proof, and gives no nonce, where it was not told to', async () => {
  const server = createMockServer();

  const granted = await requestToken(server, {}, { dpop: proof({}) });
  const body = (await granted.json()) as Record<string, unknown>;
  const answered = await call(server, REGIONS, String(body['access_token']));

  assert.equal(body['token_type'], 'Bearer');
  assert.equal(answered.status, 200);
  assert.deepEqual(
    [granted, answered].map(({ headers }) => headers.get('dpop-nonce')),
    [null, null],
  );
});

test('has one token for each key', async () => {
  const server = createMockServer({ dpop: true });

  const first = await boundToken(server);
  assert.match(await boundToken(server, 'EdDSA'), /^mock-access-token-\w{7}-2$/);
  assert.equal(await boundToken(server), first);
});

function proof(payload: object, header: object = {}, algorithm: 'ES256' | 'EdDSA' = 'ES256'): string {
  const { privatePem, publicPem } = keysFor(algorithm);
  const full = {
    jti: crypto.randomUUID(),
    htm: 'POST',
    htu: TOKEN_URL,
    iat: Math.floor(Date.now() / 1000),
    ...payload,
  };
  return signToken(
    { typ: 'dpop+jwt', alg: algorithm, jwk: jwkOf(publicPem), ...header },
    full,
    privatePem,
    algorithm === 'EdDSA' ? null : 'sha256',
  );
}

async function boundToken(server: MockServer, algorithm?: 'EdDSA'): Promise<string> {
  const dpop = proof({ nonce: 'mock-token-nonce-1@thingspace.verizon.com' }, {}, algorithm);
  return String((await tokenBody(server, {}, { dpop }))['access_token']);
}

function callBound(server: MockServer, url: string, token: string, payload: object = {}): Promise<Response> {
  const ath = createHash('sha256').update(token).digest('base64url');
  return server.fetch(url, {
    headers: {
      authorization: `DPoP ${token}`,
      dpop: proof({ htm: 'GET', htu: HOST + REGIONS, ath, ...payload }),
    },
  });
}

// Metadata

test('says where its endpoints are, for issuers without a path and with one', async () => {
  const server = createMockServer({ scopes: ['read'], dpop: true });
  const paths = [
    ['/.well-known/oauth-authorization-server', ''],
    ['/.well-known/openid-configuration', ''],
    ['/.well-known/oauth-authorization-server/a/b', '/a/b'],
    ['/a/b/.well-known/openid-configuration', '/a/b'],
  ] as const;
  for (const [path, suffix] of paths) {
    const response = await server.fetch(HOST + path);
    const body = (await response.json()) as Record<string, unknown>;
    assert.equal(response.status, 200);
    assert.deepEqual(
      [body['issuer'], body['token_endpoint'], body['revocation_endpoint']],
      [HOST + suffix, `${HOST}${suffix}/oauth2/token`, `${HOST}${suffix}/oauth2/revoke`],
    );
    assert.deepEqual(body['grant_types_supported'], ['client_credentials']);
    assert.deepEqual(body['response_types_supported'], []);
    assert.deepEqual(body['token_endpoint_auth_methods_supported'], [
      'client_secret_basic',
      'client_secret_jwt',
      'private_key_jwt',
    ]);
    assert.deepEqual(body['scopes_supported'], ['read']);
    assert.deepEqual(
      ['HS256', ...(body['dpop_signing_alg_values_supported'] as string[])],
      body['token_endpoint_auth_signing_alg_values_supported'],
    );
  }
  server.failNext('api', 404);
  assert.equal((await server.fetch(`${HOST}/.well-known/openid-configuration`)).status, 404);
});

test('names no scopes and no algorithms of proofs where it was given none', async () => {
  const body = (await (
    await createMockServer().fetch(`${HOST}/.well-known/openid-configuration`)
  ).json()) as object;

  assert.deepEqual(
    Object.keys(body).filter((name) => /^scopes|^dpop/.test(name)),
    [],
  );
});

test('has metadata at these paths only, and for a GET only', async () => {
  const server = createMockServer();

  for (const path of [
    '/x/.well-known/another',
    '/x/.well-known/oauth-authorization-server',
    '/.well-known/oauth-authorization-servers',
    '/.well-known/openid-configuration/x',
  ]) {
    await assertFault(await server.fetch(HOST + path), 401, '900902');
  }
  await assertFault(
    await server.fetch(`${HOST}/.well-known/openid-configuration`, { method: 'POST' }),
    401,
    '900902',
  );
});

// API calls

test('refuses an API call without a live bearer with gateway faults', async () => {
  const server = createMockServer({ startTime: 0 });
  const token = await accessToken(server);

  await assertFault(await server.fetch(HOST + REGIONS), 401, '900902', 'Missing Credentials');
  await assertFault(
    await server.fetch(HOST + REGIONS, { headers: { authorization: basic('a', 'b') } }),
    401,
    '900902',
  );
  await assertFault(await call(server, REGIONS, 'mock-unknown'), 401, '900901', 'Invalid Credentials');
  server.advance(3599);
  assert.equal((await call(server, REGIONS, token)).status, 200);
  server.advance(1);
  await assertFault(await call(server, REGIONS, token), 401, '900901');
});

test('answers Edge Discovery with invented data', async () => {
  const server = createMockServer();
  const token = await accessToken(server);

  for (const [name, key, members] of [
    ['regions', 'regions', ['regionId', 'name', 'countryCode']],
    ['mecplatforms', 'mecPlatforms', ['ern', 'region', 'status']],
    ['serviceendpoints', 'serviceEndpoints', ['ern', 'uri']],
    ['serviceprofiles', 'serviceProfileList', undefined],
  ] as const) {
    const response = await call(server, `/api/mec/eds/${name}`, token);
    assert.equal(response.status, 200);
    const body = (await response.json()) as Record<string, (string | Record<string, string>)[]>;
    const [entry, ...more] = body[key]!;
    assert.deepEqual(
      [more, typeof entry === 'string' ? undefined : Object.keys(entry!)],
      [[], members],
      name,
    );
    for (const text of typeof entry === 'string' ? [entry] : Object.values(entry!))
      assert.match(text, /./, name);
  }
});

test('answers any other call with its method and path, and no secret of it', async () => {
  const server = createMockServer();
  const token = await accessToken(server);

  const response = await call(server, '/api/anything?key=mock-secret', token, {
    method: 'PUT',
    body: 'mock-secret',
  });

  assert.deepEqual(await response.json(), { method: 'PUT', path: '/api/anything' });
});

// M2M session

test('logs in and serves the device list to the session', async () => {
  const server = createMockServer();
  const token = await accessToken(server);

  const login = await logIn(server, token);
  const { sessionToken } = (await login.json()) as { sessionToken: string };
  const devices = await call(server, DEVICES, token, { method: 'POST', session: sessionToken });

  assert.equal(login.status, 200);
  assert.match(sessionToken, /^mock-session-token-\w{7}-1$/);
  assert.equal(devices.status, 200);
  assert.deepEqual(await devices.json(), {
    hasMoreData: false,
    devices: [{ deviceIds: [{ id: 'mock-1', kind: 'imei' }] }],
  });
});

test('says in the words of each API that there is no session', async () => {
  const server = createMockServer();
  const token = await accessToken(server);

  const connectivity = await call(server, DEVICES, token, { method: 'POST', session: 'mock-unknown' });
  const location = await call(server, '/api/loc/v1/locations', token);
  const cloudConnector = await call(server, '/api/cc/v1/targets', token);

  assert.equal(connectivity.status, 400);
  assert.deepEqual(await connectivity.json(), {
    errorCode: 'UnifiedWebService.REQUEST_FAILED.SessionToken.Expired',
    errorMessage: 'The session token has expired.',
  });
  assert.equal(location.status, 400);
  assert.deepEqual(await location.json(), {
    errorCode: 'INVALID_PARAMETER',
    errorMessage: 'UWS verification failure (The Session has expired.)',
  });
  assert.equal(cloudConnector.status, 401);
  assert.deepEqual(await cloudConnector.json(), {
    error: 'unauthorized',
    error_description: 'Failure response received for UWS V1 REST accounts: [400]',
  });
});

test('wants a session for each of its APIs, whatever their version, and none for Edge Discovery', async () => {
  const server = createMockServer();
  const token = await accessToken(server);
  const session = await openSession(server, token);

  for (const api of ['m2m', 'loc', 'subsc', 'fota', 'diagnostics', 'cc', 'hyper-precise']) {
    for (const version of ['v1', 'v3']) {
      const path = `/api/${api}/${version}/anything`;
      assert.ok([400, 401].includes((await call(server, path, token)).status), path);
      assert.equal((await call(server, path, token, { session })).status, 200, path);
    }
  }
  assert.equal((await call(server, '/api/mec/services/v1/anything', token)).status, 200);
});

test('looks at the bearer before the session', async () => {
  const server = createMockServer();
  const session = await openSession(server, await accessToken(server));

  await assertFault(await call(server, DEVICES, 'mock-unknown', { session }), 401, '900901');
});

test('serves every session API to one session', async () => {
  const server = createMockServer();
  const token = await accessToken(server);
  const session = await openSession(server, token);

  for (const path of ['/api/m2m/v1/anything', '/api/loc/v1/locations', '/api/cc/v1/targets']) {
    assert.deepEqual(await (await call(server, path, token, { session })).json(), { method: 'GET', path });
  }
});

test('ends a session after twenty idle minutes, and every use extends it', async () => {
  const server = createMockServer({ startTime: 0, expiresIn: 86_400 });
  const token = await accessToken(server);
  const session = await openSession(server, token);
  const statusAfter = async (seconds: number) => {
    server.advance(seconds);
    return (await call(server, DEVICES, token, { session })).status;
  };

  assert.equal(await statusAfter(1199), 200);
  assert.equal(await statusAfter(1199), 200);
  assert.equal(await statusAfter(1200), 400);
  assert.equal(await statusAfter(0), 400);
});

test('ends every session when told to', async () => {
  const server = createMockServer();
  const token = await accessToken(server);
  const sessions = [await openSession(server, token), await openSession(server, token)];

  server.lapseSessions();

  for (const session of sessions) assert.equal((await call(server, DEVICES, token, { session })).status, 400);
});

test('changes the password of whoever has the session, for a right old one', async () => {
  for (const users of [{ 'mock-user': 'mock-password', other: 'mock-password' }, undefined]) {
    const server = createMockServer(users ? { users } : {});
    const token = await accessToken(server);
    const session = await openSession(server, token);
    const change = (oldPassword: unknown, given = session) =>
      call(server, '/api/m2m/v1/session/password/actions/reset', token, {
        method: 'PUT',
        body: JSON.stringify({ oldPassword }),
        session: given,
      });

    assert.equal((await change('mock-password', 'mock-unknown')).status, 400);
    if (users) assert.equal((await change('wrong')).status, 400);
    const { newPassword } = (await (await change('mock-password')).json()) as { newPassword: string };

    assert.match(newPassword, /^mock-password-\w{7}-1$/);
    assert.equal((await change('mock-password')).status, 400);
    assert.equal((await logIn(server, token, 'mock-user', 'mock-password')).status, 401);
    assert.equal((await logIn(server, token, 'mock-user', newPassword)).status, 200);
    assert.equal((await logIn(server, token, 'other', 'mock-password')).status, 200);
    assert.equal((await call(server, DEVICES, token, { session })).status, 200);
  }
});

test('ends one session at logout', async () => {
  const server = createMockServer();
  const token = await accessToken(server);
  const [ended, other] = [await openSession(server, token), await openSession(server, token)];

  const logout = await call(server, '/elsewhere/session/logout', token, { method: 'POST', session: ended });
  const again = await call(server, '/elsewhere/session/logout', token, { method: 'POST', session: ended });

  assert.equal(logout.status, 200);
  await assertErrorCode(again, 400, 'UnifiedWebService.REQUEST_FAILED.SessionToken.Expired');
  assert.equal((await call(server, DEVICES, token, { session: ended })).status, 400);
  assert.equal((await call(server, DEVICES, token, { session: other })).status, 200);
});

test('answers a login without a bearer with a gateway fault', async () => {
  const server = createMockServer();

  const response = await server.fetch(`${HOST}/api/m2m/v1/session/login`, { method: 'POST', body: '{}' });

  await assertFault(response, 401, '900902');
});

test('refuses a login that names no user or password', async () => {
  const server = createMockServer();
  const token = await accessToken(server);

  for (const body of [
    '',
    'null',
    '{}',
    '{"username":"mock-user"}',
    '{"username":"mock-user","password":1}',
    '{"password":"mock-password"}',
  ]) {
    const response = await call(server, '/api/m2m/v1/session/login', token, { method: 'POST', body });
    await assertErrorCode(response, 400, 'UnifiedWebService.INPUT_INVALID.Credentials.Missing');
  }
});

test('refuses a wrong password and a stranger without a gateway fault', async () => {
  const server = createMockServer({ users: { 'mock-user': 'mock-password' } });
  const token = await accessToken(server);

  assert.equal((await logIn(server, token)).status, 200);
  const code = 'UnifiedWebService.REQUEST_FAILED.Credentials.Invalid';
  await assertErrorCode(await logIn(server, token, 'mock-user', 'wrong'), 401, code);
  await assertErrorCode(await logIn(server, token, 'mock-stranger', 'mock-password'), 401, code);
});

test('locks a user after five failed logins in a row, against the right password too', async () => {
  const server = createMockServer({ users: { 'mock-user': 'mock-password', 'mock-other': 'mock-password' } });
  const token = await accessToken(server);

  for (let count = 0; count < 5; count++) {
    assert.equal((await logIn(server, token, 'mock-user', 'wrong')).status, 401);
  }

  const code = 'UnifiedWebService.REQUEST_FAILED.Account.Locked';
  await assertErrorCode(await logIn(server, token, 'mock-user', 'mock-password'), 403, code);
  assert.equal((await logIn(server, token, 'mock-other', 'mock-password')).status, 200);
});

test('forgets failed logins after a success', async () => {
  const server = createMockServer({ users: { 'mock-user': 'mock-password' } });
  const token = await accessToken(server);

  for (const password of ['1', '2', '3', '4', 'mock-password', '1', '2', '3', '4']) {
    await logIn(server, token, 'mock-user', password);
  }

  assert.equal((await logIn(server, token, 'mock-user', 'mock-password')).status, 200);
});

// Failures on demand

test('fails the next requests of one kind only, in the order asked for', async () => {
  const server = createMockServer();
  const token = await accessToken(server);

  server.failNext('token', 503, 2);
  server.failNext('token', 429);
  server.failNext('api', 500);
  server.failNext('login', 408);

  assert.deepEqual(await statuses(4, () => requestToken(server)), [503, 503, 429, 200]);
  assert.deepEqual(await statuses(2, () => call(server, REGIONS, token)), [500, 200]);
  assert.deepEqual(await statuses(2, () => logIn(server, token)), [408, 200]);
});

test('counts revocation and logout as API calls', async () => {
  const server = createMockServer();
  const token = await accessToken(server);
  const session = await openSession(server, token);
  server.failNext('api', 502, 2);

  assert.equal((await revoke(server, { token })).status, 502);
  assert.equal((await call(server, '/api/m2m/v1/session/logout', token, { session })).status, 502);
  assert.equal((await call(server, DEVICES, token, { session })).status, 200);
});

test('words a failure as a gateway would', async () => {
  const server = createMockServer();
  for (const status of [401, 429, 404, 500, 204]) server.failNext('api', status);

  await assertFault(await server.fetch(HOST), 401, '900901');
  await assertFault(await server.fetch(HOST), 429, '900800');
  await assertFault(await server.fetch(HOST), 404, '900906');
  const page = await server.fetch(HOST);
  assert.equal(page.headers.get('content-type'), 'text/html');
  assert.match(await page.text(), /<h1>500<\/h1>/);
  const empty = await server.fetch(HOST);
  assert.equal(empty.status, 204);
  assert.equal(await empty.text(), '');
});

test('gives a prepared Response back, a copy each time', async () => {
  const server = createMockServer();
  server.failNext('api', new Response('busy', { status: 429, headers: { 'retry-after': '7' } }), 2);

  for (let count = 0; count < 2; count++) {
    const response = await server.fetch(HOST);
    assert.equal(response.headers.get('retry-after'), '7');
    assert.equal(await response.text(), 'busy');
  }
});

test('rejects with a prepared error', async () => {
  const server = createMockServer();
  const error = new TypeError('fetch failed');
  server.failNext('token', error);

  await assert.rejects(requestToken(server), (thrown) => thrown === error);

  assert.equal((await requestToken(server)).status, 200);
  assert.deepEqual(
    server.requests.map(({ status }) => status),
    [0, 200],
  );
});

test('fails until called off', async () => {
  const server = createMockServer();
  server.failNext('token', 503, Infinity);
  server.failNext('token', 502);
  server.failNext('api', 504);

  assert.deepEqual(await statuses(3, () => requestToken(server)), [503, 503, 503]);
  server.failNext('token', 503, 0);
  assert.equal((await requestToken(server)).status, 200);
  assert.equal((await server.fetch(HOST)).status, 504);
});

test('lets a failed login leave no trace', async () => {
  const server = createMockServer({ users: { 'mock-user': 'mock-password' } });
  const token = await accessToken(server);
  server.failNext('login', 401, 6);

  await statuses(6, () => logIn(server, token, 'mock-user', 'wrong'));

  assert.equal((await logIn(server, token, 'mock-user', 'mock-password')).status, 200);
});

// The record, the fetch shape

test('records what came in', async () => {
  const server = createMockServer();

  await server.fetch(`${HOST}/api/ts/v1/oauth2/token?x=1`, tokenInit());
  await server.fetch(HOST);

  assert.equal(server.requests.length, 2);
  const [first, second] = server.requests;
  assert.deepEqual(first, {
    method: 'POST',
    url: `${HOST}/api/ts/v1/oauth2/token?x=1`,
    path: '/api/ts/v1/oauth2/token',
    headers: {
      authorization: basic('mock-id', 'mock-secret'),
      'content-type': 'application/x-www-form-urlencoded;charset=UTF-8',
    },
    body: 'grant_type=client_credentials',
    status: 200,
  });
  assert.ok(Object.isFrozen(first) && Object.isFrozen(first?.headers));
  assert.deepEqual([second?.method, second?.status], ['GET', 401]);
});

test('records a request as soon as it has come in, before it is answered', async () => {
  const server = createMockServer({ latencyMs: 20 });

  const pending = requestToken(server);
  await new Promise(setImmediate);
  assert.equal(server.requests.length, 1);
  await pending;
});

test('takes a URL, a string or a Request', async () => {
  const server = createMockServer();
  const token = await accessToken(server);
  const headers = { authorization: `Bearer ${token}` };
  const url = `${HOST}/api/anything`;

  await server.fetch(new URL(url), { headers });
  await server.fetch(url, { headers });
  await server.fetch(new Request(url, { headers, method: 'POST', body: 'text' }));

  const seen = server.requests.slice(1).map(({ method, body, status }) => [method, body, status]);
  assert.deepEqual(seen, [
    ['GET', '', 200],
    ['GET', '', 200],
    ['POST', 'text', 200],
  ]);
});

test('ignores whatever a platform passes beside a Request', async () => {
  const server = createMockServer();
  const handler: (
    request: Request,
    info: { remoteAddr: string; method: string },
    context: object,
  ) => Promise<Response> = server.fetch;

  await handler(new Request(HOST), { remoteAddr: '127.0.0.1', method: 'DELETE' }, {});
  await server.fetch(new Request(HOST), { method: 'DELETE' }, {}); // workerd
  await server.fetch(new Request(HOST), { remoteAddr: {}, method: 'DELETE' }); // Deno
  await server.fetch(new Request(HOST), { requestIP: () => null, method: 'DELETE' }); // Bun

  assert.deepEqual(
    server.requests.map(({ method }) => method),
    ['GET', 'GET', 'GET', 'GET'],
  );
});

test('takes an init beside a Request for what fetch takes it for', async () => {
  const server = createMockServer();
  const request = () => new Request(HOST, { method: 'POST', body: 'first' });

  await server.fetch(request(), { method: 'PUT', headers: { 'x-own': 'mock' }, body: 'second' });
  await server.fetch(request(), { method: 'DELETE' });
  await server.fetch(request(), { body: 'third' });

  const [whole] = server.requests;
  assert.equal(whole?.headers['x-own'], 'mock');
  assert.deepEqual(
    server.requests.map(({ method, body }) => [method, body]),
    [
      ['PUT', 'second'],
      ['DELETE', 'first'],
      ['POST', 'third'],
    ],
  );
  await assert.rejects(server.fetch(request(), { signal: AbortSignal.abort() }), { name: 'AbortError' });
});

test('works unbound and frozen', async () => {
  const server = createMockServer();
  const { fetch }: { fetch: typeof globalThis.fetch } = server;

  assert.equal((await fetch(HOST)).status, 401);
  assert.ok(Object.isFrozen(server));
});

test('rejects like fetch when what it was given is no URL', async () => {
  await assert.rejects(createMockServer().fetch('/relative'), TypeError);
});

test('shares nothing with another mock server', async () => {
  const [one, other] = [createMockServer(), createMockServer()];
  const token = await accessToken(one);

  assert.equal((await call(other, REGIONS, token)).status, 401);
  assert.equal(one.requests.length, 1);
});

test('takes its time to answer', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const server = createMockServer({ latencyMs: 1000 });
  let isAnswered = false;

  const pending = server.fetch(HOST).then(() => (isAnswered = true));
  await new Promise(setImmediate);
  t.mock.timers.tick(999);
  await new Promise(setImmediate);
  assert.equal(isAnswered, false);
  t.mock.timers.tick(1);
  await pending;
});

test('sets no timer where it need not wait', async (t) => {
  t.mock.method(globalThis, 'setTimeout', () => assert.fail('a timer'));

  assert.equal((await createMockServer().fetch(HOST)).status, 401);
});

test('leaves no timer behind where a signal ends its wait', async (t) => {
  const clock = fakeClock(t);
  const server = createMockServer({ latencyMs: 60_000 });
  const controller = new AbortController();
  const pending = server.fetch(HOST, { signal: controller.signal });
  await clock.until(() => clock.countTimers() === 1);

  controller.abort('mock-reason');
  await assert.rejects(pending, (thrown) => thrown === 'mock-reason');

  assert.equal(clock.countTimers(), 0);
});

test('rejects at once with the reason of a signal, given either way', async () => {
  const server = createMockServer({ latencyMs: 60_000 });
  const reason = { why: 'mock-reason' };

  for (const send of [
    (signal: AbortSignal) => server.fetch(HOST, { signal }),
    (signal: AbortSignal) => server.fetch(new Request(HOST, { signal })),
  ]) {
    const controller = new AbortController();
    const pending = send(controller.signal);
    await new Promise(setImmediate);
    controller.abort(reason);
    await assert.rejects(pending, (thrown) => thrown === reason);
  }
});

test('neither sees nor answers a request whose signal was aborted before', async () => {
  const server = createMockServer();
  const signal = AbortSignal.abort('mock-reason');

  await assert.rejects(server.fetch(HOST, { signal }), (thrown) => thrown === 'mock-reason');

  assert.equal(server.requests.length, 0);
});

test('notices a signal that is aborted while the body arrives', async () => {
  const server = createMockServer({ latencyMs: 60_000 });
  const controller = new AbortController();

  const pending = server.fetch(HOST, { signal: controller.signal });
  controller.abort('mock-reason');

  await assert.rejects(pending, (thrown) => thrown === 'mock-reason');
});

test('lets many calls share one signal without a listener warning', async (t) => {
  const server = createMockServer({ latencyMs: 1 });
  const { signal } = new AbortController();
  const warn = t.mock.method(process, 'emitWarning', () => undefined);

  await Promise.all(Array.from({ length: 20 }, () => server.fetch(HOST, { signal })));

  assert.equal(warn.mock.callCount(), 0);
});

test('answers a platform whose requests have no signal', async () => {
  const server = createMockServer({ latencyMs: 1 });
  const request = new Request(HOST);
  Object.defineProperty(request, 'signal', { value: null });

  assert.equal((await server.fetch(request)).status, 401);
});

test('serves real HTTP clients behind node:http', async (t) => {
  const server = createMockServer({ clients: { 'mock-id': 'mock-secret' } });
  const origin = await listen(t, server);

  const token = await fetch(`${origin}/api/ts/v1/oauth2/token`, tokenInit());
  const { access_token } = (await token.json()) as { access_token: string };
  const regions = await fetch(origin + REGIONS, { headers: { authorization: `Bearer ${access_token}` } });
  const wrong = tokenInit({}, { authorization: basic('mock-id', 'wrong') });
  const refused = await fetch(`${origin}/api/ts/v1/oauth2/token`, wrong);

  assert.deepEqual([token.status, regions.status, refused.status], [200, 200, 401]);
  assert.match(refused.headers.get('www-authenticate') ?? '', /^Basic /);
  assert.deepEqual(
    server.requests.map(({ path, status }) => [path, status]),
    [
      ['/api/ts/v1/oauth2/token', 200],
      [REGIONS, 200],
      ['/api/ts/v1/oauth2/token', 401],
    ],
  );
});

// Helpers

function basic(id: string, secret: string): string {
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
}

function tokenInit(form: Record<string, string> = {}, headers: Record<string, string> = {}): RequestInit {
  const body = new URLSearchParams({ grant_type: 'client_credentials', ...form });
  return { method: 'POST', headers: { authorization: basic('mock-id', 'mock-secret'), ...headers }, body };
}

function requestToken(server: MockServer, ...init: Parameters<typeof tokenInit>): Promise<Response> {
  return server.fetch(`${HOST}/api/ts/v1/oauth2/token`, tokenInit(...init));
}

async function tokenBody(
  server: MockServer,
  ...init: Parameters<typeof tokenInit>
): Promise<Record<string, unknown>> {
  return (await (await requestToken(server, ...init)).json()) as Record<string, unknown>;
}

async function accessToken(server: MockServer): Promise<string> {
  return String((await tokenBody(server))['access_token']);
}

function revoke(
  server: MockServer,
  form: Record<string, string>,
  authorization = basic('mock-id', 'mock-secret'),
) {
  const init = { method: 'POST', headers: { authorization }, body: new URLSearchParams(form) };
  return server.fetch(`${HOST}/api/ts/v1/oauth2/revoke`, init);
}

function call(
  server: MockServer,
  path: string,
  bearer: string,
  { session, ...init }: { method?: string; body?: string; session?: string } = {},
): Promise<Response> {
  const headers = {
    authorization: `Bearer ${bearer}`,
    ...(session !== undefined && { 'VZ-M2M-Token': session }),
  };
  return server.fetch(HOST + path, { ...init, headers });
}

function logIn(server: MockServer, bearer: string, username = 'mock-user', password = 'mock-password') {
  const body = JSON.stringify({ username, password });
  return call(server, '/api/m2m/v1/session/login', bearer, { method: 'POST', body });
}

test("wants the session in ETX's own header on its hosts, and in the usual one elsewhere", async () => {
  const server = createMockServer();
  const token = await accessToken(server);
  const session = await openSession(server, token);
  const ask = async (url: string, header: string) => {
    const headers = { authorization: `Bearer ${token}`, [header]: session };
    return (await server.fetch(url, { headers })).status;
  };

  for (const host of ['imp.thingspace.verizon.com', 'imp-staging.thingspace.verizon.com']) {
    assert.equal(await ask(`https://${host}/api/etx/v1/any`, 'SessionToken'), 200);
    assert.equal(await ask(`https://${host}/api/etx/v1/any`, 'VZ-M2M-Token'), 400);
  }
  for (const origin of [HOST, 'https://impostor.example.com']) {
    assert.equal(await ask(`${origin}${DEVICES}`, 'VZ-M2M-Token'), 200);
    assert.equal(await ask(`${origin}${DEVICES}`, 'SessionToken'), 400);
  }
});

async function openSession(server: MockServer, bearer: string): Promise<string> {
  return ((await (await logIn(server, bearer)).json()) as { sessionToken: string }).sessionToken;
}

async function statuses(count: number, send: () => Promise<Response>): Promise<number[]> {
  const seen: number[] = [];
  for (let index = 0; index < count; index++) seen.push((await send()).status);
  return seen;
}

async function assertOAuthError(response: Response, status: number, error: string): Promise<void> {
  const body = (await response.json()) as { error: string; error_description: string };
  assert.deepEqual([response.status, body.error], [status, error]);
  assert.match(body.error_description, /./);
  // RFC 6749 section 5.2: a challenge comes with 401 only.
  assert.equal(response.headers.has('www-authenticate'), status === 401);
}

async function assertFault(
  response: Response,
  status: number,
  code: string,
  message?: string,
): Promise<void> {
  const { fault } = (await response.json()) as {
    fault: { code: string; message: string; description: string };
  };
  assert.deepEqual([response.status, fault.code], [status, code]);
  assert.equal(fault.message, message ?? fault.message);
  assert.ok(fault.message && fault.description);
}

async function assertErrorCode(response: Response, status: number, errorCode: string): Promise<void> {
  const body = (await response.json()) as { errorCode: string; errorMessage: string };
  assert.deepEqual([response.status, body.errorCode], [status, errorCode]);
  assert.match(body.errorMessage, /./);
}

/** Puts the mock server behind a socket and gives its origin. */
async function listen(t: { after(stop: () => void): void }, { fetch }: MockServer): Promise<string> {
  const server = createServer((incoming, outgoing) => void relay(incoming, outgoing, fetch));
  t.after(() => server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function relay(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  handle: MockServer['fetch'],
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const { method = 'GET', url = '/', headers } = incoming;
  const body = chunks.length > 0 ? { body: Buffer.concat(chunks) } : {};
  const response = await handle(
    new Request(`http://${headers.host}${url}`, {
      method,
      headers: headers as Record<string, string>,
      ...body,
    }),
  );
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.end(Buffer.from(await response.arrayBuffer()));
}
