import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { createMockServer, type MockServer } from 'thingspace-auth/testing';
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
      'unknown option expiresin; known options: expiresIn, scopes, clients, users, sameToken, ' +
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

// What it leaves to real servers

test('takes an assertion unread, of the client named beside it', async () => {
  const server = createMockServer({ clients: { 'mock-id': 'mock-secret' } });
  const ask = async (form: Record<string, string>, to: MockServer = server) => {
    const body = new URLSearchParams({ grant_type: 'client_credentials', client_assertion: 'junk', ...form });
    return (await to.fetch(`${HOST}/oauth2/token`, { method: 'POST', body })).status;
  };

  assert.equal(await ask({ client_id: 'mock-id' }), 200);
  for (const form of [{ client_id: 'other' }, { client_id: 'toString' }, {}] as Record<string, string>[])
    assert.equal(await ask(form), 401);
  assert.equal(await ask({ client_id: 'anybody' }, createMockServer()), 200);
  const ofNobody = createMockServer({ identifyClient: () => undefined });
  assert.equal(await ask({ client_id: 'mock-id' }, ofNobody), 401);
});

test('takes a proof unread: its token is of type DPoP and wants one beside it', async () => {
  const server = createMockServer();
  const response = await server.fetch(`${HOST}/oauth2/token`, tokenInit({}, { dpop: 'junk' }));
  const { access_token: token, token_type } = (await response.json()) as Record<string, string>;
  const call = async (headers: Record<string, string>) =>
    (await server.fetch(`${HOST}${REGIONS}`, { headers })).status;

  assert.deepEqual([response.status, token_type], [200, 'DPoP']);
  assert.equal(response.headers.get('dpop-nonce'), null);
  assert.equal(await call({ authorization: `DPoP ${token}`, dpop: 'junk' }), 200);
  assert.equal(await call({ authorization: `DPoP ${token}` }), 401);
  assert.equal(await call({ authorization: `Bearer ${token}` }), 401);
  const bearer = await accessToken(server);
  assert.notEqual(bearer, token);
  assert.equal(await call({ authorization: `Bearer ${bearer}`, dpop: 'junk' }), 200);
  assert.equal(await call({ authorization: `DPoP ${bearer}`, dpop: 'junk' }), 401);
});

test('has no metadata', async () => {
  const server = createMockServer();

  const response = await server.fetch(`${HOST}/.well-known/oauth-authorization-server`);
  assert.equal(response.status, 401);
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
