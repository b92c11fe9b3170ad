import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { ApiError, type ClientOptions, type CustomEnvironmentConfig, createClient } from 'thingspace-auth';
import { createSession, type SessionOptions } from 'thingspace-auth/session';
import {
  type Answer,
  fakeClock,
  type Handler,
  hold,
  recordEvents,
  rejection,
  tokenAnswer,
  turn,
  turns,
} from '../support/server.ts';
import {
  connectivityError,
  DEVICES_PATH,
  memoryStore,
  SESSION_PATH,
  startSessionServer,
  wrongPassword,
} from '../support/sessionServer.ts';

const MINUTE_MS = 60_000;
const isRefused = { name: 'ApiError', code: 'session_refused' };
const isFailed = { name: 'ApiError', code: 'session_failed' };
const cutConnection: Handler = (_received, response) => void response.destroy();

test('logs in with the bearer on first use, and sends the session token with the call', async (t) => {
  const server = await startSessionServer(t);
  const { authorizedFetch } = server.client(server.account());

  const response = await authorizedFetch(server.origin + DEVICES_PATH);

  assert.deepEqual(await response.json(), { session: 'session-1', body: '' });
  const [login] = server.logins;
  assert.equal(login?.method, 'POST');
  assert.equal(login?.headers.authorization, 'Bearer token-1');
  assert.equal(login?.headers['content-type'], 'application/json');
  assert.equal(login?.headers['vz-m2m-token'], undefined);
  assert.deepEqual(JSON.parse(login?.body ?? ''), {
    username: 'invented-user',
    password: 'invented-password',
  });
  assert.equal(server.tokenRequests.length, 1);
});

test('logs in and out without cookies, and so without the login dialog of a browser', async (t) => {
  const server = await startSessionServer(t);
  const sent: unknown[] = [];
  const session = server.account();
  const { authorizedFetch } = server.client(session, {
    fetch: (input, init) => {
      if (/\/session\//.test(String(input))) sent.push(init?.credentials);
      return fetch(input, init);
    },
  });

  await authorizedFetch(server.origin + DEVICES_PATH);
  await session.logout();

  assert.deepEqual(sent, ['omit', 'omit']);
});

test('sends a login through the client that began it, whoever joins', async (t) => {
  const server = await startSessionServer(t);
  const session = server.account();
  const sent: string[] = [];
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  const via = (name: string, until?: Promise<void>): Partial<ClientOptions> => ({
    fetch: async (input, init) => {
      if (String(input).endsWith('/login')) sent.push(name);
      await until;
      return fetch(input, init);
    },
  });
  const first = server.client(session, via('first', held)).authorizedFetch(server.origin + DEVICES_PATH);
  const second = server.client(session, via('second')).authorizedFetch(server.origin + DEVICES_PATH);
  release();

  assert.deepEqual(
    (await Promise.all([first, second])).map(({ status }) => status),
    [200, 200],
  );
  assert.deepEqual(sent, ['first']);
});

test('derives no key for a store where there is none', async (t) => {
  const server = await startSessionServer(t);
  const derived = t.mock.method(crypto.subtle, 'deriveBits');

  await server.client(server.account()).authorizedFetch(server.origin + DEVICES_PATH);

  assert.equal(derived.mock.callCount(), 0);
});

test('shares one login among concurrent calls and several clients', async (t) => {
  const server = await startSessionServer(t);
  const session = server.account();
  const clients = [server.client(session), server.client(session)];

  const responses = await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      clients[index % 2]!.authorizedFetch(server.origin + DEVICES_PATH),
    ),
  );

  assert.ok(responses.every(({ status }) => status === 200));
  assert.equal(server.logins.length, 1);
});

test("finds the session endpoint at the environment's sessionUrl, which need not be among apiOrigins", async (t) => {
  const [server, other] = [await startSessionServer(t), await startSessionServer(t)];
  server.live.add('session-1');
  const sessionUrl = `${other.origin}/api/m2m/v1/session`;
  const session = server.account();
  const { authorizedFetch } = server.client(session, {}, { sessionUrl });

  assert.equal((await authorizedFetch(server.origin + DEVICES_PATH)).status, 200);
  await session.logout();

  assert.equal(server.logins.length + server.logouts.length, 0);
  assert.equal(other.logins.length, 1);
  assert.equal(other.logouts[0]?.headers['vz-m2m-token'], 'session-1');
});

test('refuses a client with another session endpoint before anything is sent there', async (t) => {
  const [server, other] = [await startSessionServer(t), await startSessionServer(t)];
  const session = server.account();
  await server.client(session).authorizedFetch(server.origin + DEVICES_PATH);

  assert.throws(() => other.client(session), { name: 'TypeError', message: /sessionUrl/ });

  assert.equal(other.logins.length + other.calls.length, 0);
});

test('takes no object for a session that createSession has not made', async (t) => {
  const server = await startSessionServer(t);
  const session = server.account();
  const getSessionToken = () => assert.fail('was handed a client');

  for (const junk of [{ ...session }, { getSessionToken, isLapse: getSessionToken }, getSessionToken, 1, ''])
    assert.throws(() => server.client(junk as never), { name: 'TypeError', message: /createSession/ });
});

test('keeps a constant session token as it is', async (t) => {
  const server = await startSessionServer(t);
  server.live.add('constant-session');
  const { authorizedFetch } = server.client('constant-session');

  assert.equal((await authorizedFetch(server.origin + DEVICES_PATH)).status, 200);
  server.live.clear();
  assert.equal((await authorizedFetch(server.origin + DEVICES_PATH)).status, 400);
  assert.equal(server.calls.length, 2);
  assert.equal(server.logins.length, 0);
});

test('leaves a call with its own session header alone, and sends none for an empty one', async (t) => {
  const server = await startSessionServer(t);
  server.live.add('own-session');
  const { authorizedFetch } = server.client(server.account());

  const own = await authorizedFetch(server.origin + DEVICES_PATH, {
    headers: { 'VZ-M2M-Token': 'own-session' },
  });
  const none = await authorizedFetch(server.origin + DEVICES_PATH, { headers: { 'VZ-M2M-Token': '' } });

  assert.equal(own.status, 200);
  assert.equal(none.status, 400);
  assert.equal(server.calls[1]?.headers['vz-m2m-token'], undefined);
  assert.equal(server.logins.length, 0);
});

test('sends neither token nor login for an origin outside', async (t) => {
  const [server, outside] = [await startSessionServer(t), await startSessionServer(t)];
  const { authorizedFetch } = server.client(server.account());

  await assert.rejects(authorizedFetch(outside.origin + DEVICES_PATH), TypeError);

  assert.equal(server.logins.length + server.tokenRequests.length + outside.calls.length, 0);
});

test('logs in first after 20 minutes without use, and not while it is used', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  const session = server.account();
  const { authorizedFetch } = server.client(session);
  await authorizedFetch(server.origin + DEVICES_PATH);

  for (let use = 0; use < 3; use++) {
    clock.advance(19 * MINUTE_MS);
    await authorizedFetch(server.origin + DEVICES_PATH);
  }
  assert.equal(server.logins.length, 1);
  assert.equal(session.current(), 'session-1');

  clock.advance(20 * MINUTE_MS);
  assert.equal(session.current(), undefined);
  await authorizedFetch(server.origin + DEVICES_PATH);
  assert.equal(server.logins.length, 2);
  assert.equal(server.calls.length, 5);
  assert.equal(session.current(), 'session-2');
});

test('does not take a look at the current session for a use', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  const session = server.account();
  await server.client(session).authorizedFetch(server.origin + DEVICES_PATH);

  clock.advance(19 * MINUTE_MS);
  assert.equal(session.current(), 'session-1');
  clock.advance(MINUTE_MS);

  assert.equal(session.current(), undefined);
});

const expiries: Record<string, Answer> = {
  'Connectivity: expired': connectivityError('REQUEST_FAILED.SessionToken.Expired'),
  'Connectivity: format': connectivityError('REQUEST_FAILED.SessionToken.Format'),
  'Connectivity: invalid': connectivityError('INPUT_INVALID.SessionToken.Invalid'),
  'Connectivity under another service and status': {
    status: 401,
    body: { errorCode: 'DeviceService.REQUEST_FAILED.SessionToken.Expired' },
  },
  Location: {
    status: 400,
    body: {
      errorCode: 'INVALID_PARAMETER',
      errorMessage: 'UWS verification failure (The Session has expired.)',
    },
  },
  'Hyper Precise Location': {
    status: 400,
    body: { responseCode: 'INVALID_ACCESS', message: 'UWS verification failure (The Session has expired.)' },
  },
  'Cloud Connector with 401': {
    status: 401,
    body: {
      error: 'unauthorized',
      error_description: 'Failure response received for UWS V1 REST accounts: [400]',
    },
  },
  'Cloud Connector with 400, under a JSON type of its own': {
    status: 400,
    headers: { 'content-type': 'application/problem+JSON; charset=utf-8' },
    body: JSON.stringify({
      error: 'unauthorized',
      error_description: 'Failure response received for UWS V1 REST accounts: [400]',
    }),
  },
};

for (const [name, answer] of Object.entries(expiries)) {
  test(`logs in and sends the call again once when the session has expired (${name})`, async (t) => {
    const server = await startSessionServer(t);
    const { events, onEvent } = recordEvents();
    const { authorizedFetch } = server.client(server.account(), { onEvent });
    await authorizedFetch(server.origin + DEVICES_PATH);
    server.lapsed = answer;
    server.live.clear();

    const responses = await Promise.all(
      [1, 2, 3].map((body) =>
        authorizedFetch(server.origin + DEVICES_PATH, { method: 'POST', body: String(body) }),
      ),
    );

    assert.deepEqual(await Promise.all(responses.map((response) => response.json())), [
      { session: 'session-2', body: '1' },
      { session: 'session-2', body: '2' },
      { session: 'session-2', body: '3' },
    ]);
    assert.equal(server.logins.length, 2);
    assert.equal(server.calls.length, 7);
    assert.equal(server.tokenRequests.length, 1);
    assert.deepEqual(
      events.filter(({ type }) => type === 'request_replayed'),
      [
        { type: 'request_replayed', reason: 'session' },
        { type: 'request_replayed', reason: 'session' },
        { type: 'request_replayed', reason: 'session' },
      ],
    );
  });
}

const others: Record<string, Answer> = {
  'the words in a 200': { ...connectivityError('REQUEST_FAILED.SessionToken.Expired'), status: 200 },
  'the words in a 403': connectivityError('REQUEST_FAILED.SessionToken.Expired', 403),
  'the words in a 403 of a type with a number in it': {
    status: 403,
    headers: { 'content-type': 'application/vnd.v400+json' },
    body: JSON.stringify(connectivityError('REQUEST_FAILED.SessionToken.Expired').body),
  },
  'the words without a JSON type': {
    status: 400,
    headers: { 'content-type': 'text/plain' },
    body: JSON.stringify(connectivityError('REQUEST_FAILED.SessionToken.Expired').body),
  },
  'the words without a type': {
    status: 400,
    body: JSON.stringify(connectivityError('REQUEST_FAILED.SessionToken.Expired').body),
  },
  'another code of Connectivity': connectivityError('INPUT_INVALID.DeviceId.Invalid'),
  'a code that only ends like one': {
    status: 400,
    body: { errorCode: 'A.B.REQUEST_FAILED.SessionToken.Expired' },
  },
  'a code that goes on': connectivityError('REQUEST_FAILED.SessionToken.ExpiredLongAgo'),
  'only the message': {
    status: 400,
    body: { errorCode: 'X.Y', errorMessage: 'UWS verification failure; session token has expired' },
  },
  'the code of Location alone': {
    status: 400,
    body: { errorCode: 'INVALID_PARAMETER', errorMessage: 'No such device.' },
  },
  'unauthorized for another reason': {
    status: 400,
    body: { error: 'unauthorized', error_description: 'No such key.' },
  },
  'the description of Cloud Connector alone': {
    status: 400,
    body: { error: 'invalid', error_description: 'UWS V1' },
  },
  'no object': { status: 400, body: [] },
  null: { status: 400, headers: { 'content-type': 'application/json' }, body: 'null' },
  'no JSON': { status: 400, headers: { 'content-type': 'application/json' }, body: '<html>' },
  'more than 64 KiB': {
    status: 400,
    body: {
      ...(connectivityError('REQUEST_FAILED.SessionToken.Expired').body as object),
      padding: 'x'.repeat(65_536),
    },
  },
};

for (const [name, answer] of Object.entries(others)) {
  test(`hands any other answer to the caller, unread and as it came (${name})`, async (t) => {
    const server = await startSessionServer(t);
    const session = server.account();
    const { authorizedFetch } = server.client(session);
    server.live.add('session-1');
    server.login = () => ({ body: { sessionToken: 'unknown-to-the-api' } });
    server.lapsed = answer;

    const response = await authorizedFetch(server.origin + DEVICES_PATH);

    assert.equal(response.status, answer.status);
    assert.equal(response.bodyUsed, false);
    const { body } = answer;
    assert.equal(await response.text(), typeof body === 'string' ? body : JSON.stringify(body));
    assert.equal(server.calls.length, 1);
    assert.equal(server.logins.length, 1);
    assert.equal(session.current(), 'unknown-to-the-api');
  });
}

test('lets the caller read an expiry answer that is the last word, and logs in no more for a minute', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  const { authorizedFetch } = server.client(server.account());
  server.login = () => ({ body: { sessionToken: `stillborn-${server.logins.length}` } });
  const call = () => authorizedFetch(server.origin + DEVICES_PATH);

  const response = await call();

  assert.deepEqual(await response.json(), server.lapsed.body);
  assert.equal(server.calls.length, 2);
  assert.equal(server.logins.length, 2);
  clock.advance(MINUTE_MS - 1);
  assert.deepEqual(
    (await Promise.all([call(), call()])).map(({ status }) => status),
    [400, 400],
  );
  assert.deepEqual([server.calls.length, server.logins.length], [4, 2]);
  clock.advance(1);
  assert.equal((await call()).status, 400);
  assert.deepEqual([server.calls.length, server.logins.length], [6, 3]);
});

test('costs at most two logins a minute where the API always says that the session has expired', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  const { authorizedFetch } = server.client(server.account());
  server.login = () => ({ body: { sessionToken: `stillborn-${server.logins.length}` } });
  const call = (init?: RequestInit) => authorizedFetch(server.origin + DEVICES_PATH, init);
  const stream = () =>
    call({ method: 'POST', body: new Blob(['once']).stream(), duplex: 'half' } as RequestInit);

  for (let minute = 1; minute <= 3; minute++) {
    for (let second = 0; second < 60; second += 5) {
      const answers = await Promise.all([call(), stream(), call(), stream(), call()]);
      assert.ok(answers.every(({ status }) => status === 400));
      clock.advance(5_000);
    }
    assert.ok(server.logins.length <= 2 * minute, `${server.logins.length} logins in ${minute} minutes`);
  }
});

test('costs at most a login a minute where streams alone always find the session expired', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  const { authorizedFetch } = server.client(server.account());
  server.login = () => ({ body: { sessionToken: `stillborn-${server.logins.length}` } });

  for (let second = 0; second < 60; second += 5) {
    await authorizedFetch(server.origin + DEVICES_PATH, {
      method: 'POST',
      body: new Blob(['once']).stream(),
      duplex: 'half',
    } as RequestInit);
    clock.advance(5_000);
  }

  assert.equal(server.logins.length, 2);
});

test('logs in for a call though a stream has found the session lapsed right after it was renewed', async (t) => {
  const server = await startSessionServer(t);
  const { authorizedFetch } = server.client(server.account());
  const call = (init?: RequestInit) => authorizedFetch(server.origin + DEVICES_PATH, init);
  await call();
  server.live.clear();
  await call();
  server.live.clear();

  assert.equal(
    (await call({ method: 'POST', body: new Blob(['once']).stream(), duplex: 'half' } as RequestInit)).status,
    400,
  );
  assert.equal((await call()).status, 200);
  assert.equal(server.logins.length, 3);
});

test('counts the minute without a login from the first replay that was rejected', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  server.login = () => ({ body: { sessionToken: `stillborn-${server.logins.length}` } });
  const { api } = server;
  const late = hold();
  server.api = async (received, response) => {
    if (received.url.endsWith('?slow') && received.headers['vz-m2m-token'] === 'stillborn-2')
      await late.promise;
    return api(received, response);
  };
  const { authorizedFetch } = server.client(server.account());
  const slow = authorizedFetch(`${server.origin}${DEVICES_PATH}?slow`);
  await authorizedFetch(server.origin + DEVICES_PATH);
  assert.equal(server.logins.length, 2);

  clock.advance(MINUTE_MS / 2);
  late.open();
  await slow;
  clock.advance(MINUTE_MS / 2);
  await authorizedFetch(server.origin + DEVICES_PATH);

  assert.equal(server.logins.length, 3);
});

test('returns the answer for a body that cannot be sent again, and logs in for the next call', async (t) => {
  const server = await startSessionServer(t);
  const { authorizedFetch } = server.client(server.account());
  await authorizedFetch(server.origin + DEVICES_PATH);
  server.live.clear();
  const stream = new Blob(['once']).stream();

  const response = await authorizedFetch(server.origin + DEVICES_PATH, {
    method: 'POST',
    body: stream,
    duplex: 'half',
  } as RequestInit);

  assert.equal(response.status, 400);
  assert.deepEqual(await response.json(), server.lapsed.body);
  assert.equal(server.logins.length, 1);
  assert.equal((await authorizedFetch(server.origin + DEVICES_PATH)).status, 200);
  assert.equal(server.logins.length, 2);
  assert.equal(server.calls.length, 3);
  assert.equal(server.tokenRequests.length, 1, 'the bearer was taken for the cause');
});

test('rejects as fetch does where the body of a 400 breaks off or is aborted, and hands one that stalls to the caller', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  let meanwhile = (): void => {};
  const { authorizedFetch } = server.client(server.account(), {
    timeout: 60_000,
    fetch: async (...parameters) => {
      const answer = await fetch(...parameters);
      // By then its body is being read.
      if (answer.status === 400) setImmediate(meanwhile);
      return answer;
    },
  });
  await authorizedFetch(server.origin + DEVICES_PATH);
  let breakOff = (): void => {};
  server.api = (_received, response) => {
    breakOff = () => void response.destroy();
    response.writeHead(400, { 'content-type': 'application/json', 'content-length': 100 }).write('{');
    return undefined;
  };
  const controller = new AbortController();

  meanwhile = () => breakOff();
  await assert.rejects(authorizedFetch(server.origin + DEVICES_PATH), TypeError);
  meanwhile = () => controller.abort('reason');
  await assert.rejects(
    authorizedFetch(server.origin + DEVICES_PATH, { signal: controller.signal }),
    (error) => error === 'reason',
  );
  meanwhile = () => clock.advance(5_000);
  const stalled = await authorizedFetch(server.origin + DEVICES_PATH);
  assert.equal(stalled.status, 400);
  clock.advance(55_000);
  await assert.rejects(stalled.text());

  assert.equal(server.logins.length, 1);
});

test('does not log in again when it is the bearer that was rejected', async (t) => {
  const server = await startSessionServer(t);
  const { authorizedFetch } = server.client(server.account());
  await authorizedFetch(server.origin + DEVICES_PATH);
  server.revoked.add('token-1');

  assert.equal((await authorizedFetch(server.origin + DEVICES_PATH)).status, 200);

  assert.equal(server.logins.length, 1);
  assert.equal(server.tokenRequests.length, 2);
});

test('settles a rejected bearer and a lapsed session in one pass', async (t) => {
  const server = await startSessionServer(t);
  const { authorizedFetch } = server.client(server.account());
  await authorizedFetch(server.origin + DEVICES_PATH);
  server.revoked.add('token-1');
  server.live.clear();

  assert.equal((await authorizedFetch(server.origin + DEVICES_PATH)).status, 200);

  assert.equal(server.calls.length, 4);
  assert.equal(server.tokenRequests.length, 2);
  assert.equal(server.logins.length, 2);
});

test('replays with a new bearer where the login took longer than the old one lived', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  server.token = () => tokenAnswer(`token-${server.tokenRequests.length}`, 60);
  const { authorizedFetch } = server.client(server.account());
  await authorizedFetch(server.origin + DEVICES_PATH);
  const { login } = server;
  server.login = (received, response) => {
    clock.advance(20_000);
    return login(received, response);
  };
  clock.advance(35_000);
  server.live.clear();

  assert.equal((await authorizedFetch(server.origin + DEVICES_PATH)).status, 200);

  assert.deepEqual(
    server.calls.map(({ headers }) => headers.authorization),
    ['Bearer token-1', 'Bearer token-1', 'Bearer token-2'],
  );
});

test("renews a bearer that the login's gateway rejects, and logs in once more", async (t) => {
  const server = await startSessionServer(t);
  const { authorizedFetch, getToken } = server.client(server.account());
  await getToken();
  server.revoked.add('token-1');

  assert.equal((await authorizedFetch(server.origin + DEVICES_PATH)).status, 200);

  assert.deepEqual(
    server.logins.map(({ headers }) => headers.authorization),
    ['Bearer token-1', 'Bearer token-2'],
  );
  assert.equal(server.calls.length, 1);
});

test('renews a bearer once more that the next login rejects within the minute', async (t) => {
  const server = await startSessionServer(t);
  const { login } = server;
  server.login = (received, response) => (server.logins.length % 2 ? rejection : login(received, response));
  const { authorizedFetch } = server.client(server.account());

  for (let round = 0; round < 2; round++) {
    server.live.clear();
    assert.equal((await authorizedFetch(server.origin + DEVICES_PATH)).status, 200);
  }

  assert.deepEqual(
    server.logins.map(({ headers }) => headers.authorization),
    [1, 2, 2, 3].map((number) => `Bearer token-${number}`),
  );
});

test("fails where the login's gateway rejects a bearer and there is no other", async (t) => {
  const server = await startSessionServer(t);
  const { authorizedFetch } = createClient(
    server.config(
      { vZM2mToken: server.account() },
      { oauthClientSecret: undefined, oauthToken: { accessToken: 'held-token', tokenType: 'Bearer' } },
      { sessionUrl: `${server.origin}${SESSION_PATH}` },
    ),
  );
  server.revoked.add('held-token');

  await assert.rejects(authorizedFetch(server.origin + DEVICES_PATH), isFailed);

  assert.deepEqual([server.logins.length, server.tokenRequests.length], [1, 0]);
});

for (const [name, body, status] of [
  ['XML', '<am:fault xmlns:am="x"><am:code>900901</am:code></am:fault>', 401],
  ['XML of WSO2', '<ams:fault xmlns:ams="x"><ams:code>900901</ams:code></ams:fault>', 401],
  ['XML without a prefix', '<?xml version="1.0"?><fault><code>900901</code></fault>', 401],
  ['JSON with white space', '\r\n {\r\n "fault":{"code":"900901"}}', 401],
  ['JSON, not as the first member', '{"time":1,"fault":{"code":"900901"}}', 401],
  ['JSON with 403', '{"fault":{"code":"900901"}}', 403],
] as const) {
  test(`takes a gateway's fault in ${name} for one too`, async (t) => {
    const server = await startSessionServer(t);
    const { login } = server;
    server.login = (received, response) =>
      server.logins.length > 1 ? login(received, response) : { status, body };
    const { authorizedFetch } = server.client(server.account());

    assert.equal((await authorizedFetch(server.origin + DEVICES_PATH)).status, 200);
    assert.equal(server.logins.length, 2);
  });
}

test('sends login and logout below the session endpoint, whether that ends with a slash or has a query', async (t) => {
  const server = await startSessionServer(t);
  for (const sessionUrl of [
    `${server.origin}${SESSION_PATH}/`,
    `${server.origin}${SESSION_PATH}?invented=1`,
  ]) {
    const { api } = server;
    server.api = (received, response) => api({ ...received, url: received.url.split('?')[0]! }, response);
    const session = server.account();
    await server.client(session, {}, { sessionUrl }).authorizedFetch(server.origin + DEVICES_PATH);
    await session.logout();
    server.api = api;
  }

  assert.equal(server.logins.length, 2);
  assert.equal(server.logouts.length, 2);
});

test('hands an answer that is nested too deep to be looked at to the caller', async (t) => {
  const server = await startSessionServer(t);
  const { authorizedFetch } = server.client(server.account());
  server.lapsed = {
    status: 400,
    headers: { 'content-type': 'application/json' },
    body: `{"errorCode":${'['.repeat(30_000)}${']'.repeat(30_000)}}`,
  };
  server.login = () => ({ body: { sessionToken: 'unknown-to-the-api' } });

  assert.equal((await (await authorizedFetch(server.origin + DEVICES_PATH)).text()).length, 60_014);
});

for (const [name, answer] of Object.entries<Answer>({
  'ThingSpace’s fault': rejection,
  'the code of WSO2 API Manager 4': { status: 401, body: { code: '900901', message: 'Invalid Credentials' } },
  'a key that is not yet known, with 400': { status: 400, body: { code: 900900 } },
  'a challenge': { status: 401, headers: { 'www-authenticate': 'Bearer error="invalid_token"' }, body: {} },
})) {
  test(`takes ${name} never for the account's word, and renews the bearer once in a search`, async (t) => {
    const clock = fakeClock(t);
    const server = await startSessionServer(t);
    const { login } = server;
    server.login = () => answer;
    const { authorizedFetch } = server.client(server.account());
    const call = () => authorizedFetch(server.origin + DEVICES_PATH);

    for (let round = 1; round <= 6; round++) {
      const failed = { ...isFailed, statusCode: answer.status, message: /next login: / };
      await assert.rejects(call(), failed);
      assert.ok(server.logins.length <= 2 * round, `${server.logins.length} logins`);
      clock.advance(30_000);
    }
    server.login = login;

    assert.equal((await call()).status, 200);
    assert.ok(server.tokenRequests.length > 2, 'the bearer is not renewed');
  });
}

test('says that the application is not subscribed, with the code, and counts no login', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  server.login = () => ({ status: 403, body: { code: '900908', message: 'Resource forbidden' } });
  const { authorizedFetch } = server.client(server.account());

  for (let round = 0; round < 4; round++) {
    await assert.rejects(authorizedFetch(server.origin + DEVICES_PATH), {
      ...isFailed,
      message: /answered 403; fault 900908; the application is not subscribed to this API; next login: /,
    });
    clock.advance(30_000);
  }
});

test('counts no login whose bearer meets a fault again after a session', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  const { login } = server;
  const { authorizedFetch } = server.client(server.account());

  for (let round = 0; round < 3; round++) {
    server.live.clear();
    let faults = 1;
    server.login = (received, response) => (faults-- > 0 ? rejection : login(received, response));
    assert.equal((await authorizedFetch(server.origin + DEVICES_PATH)).status, 200);
    clock.advance(2 * MINUTE_MS);
  }
});

test('has one bearer fault for a failure where the token endpoint repeats the bearer or fails', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  server.token = () => tokenAnswer('same-token');
  server.login = () => rejection;
  const { authorizedFetch } = server.client(server.account(), { retry: { attempts: 1 } });

  await assert.rejects(authorizedFetch(server.origin + DEVICES_PATH), isFailed);
  assert.deepEqual([server.logins.length, server.tokenRequests.length], [1, 2]);
  // It is not asked again for as long as it would only repeat itself.
  clock.advance(MINUTE_MS / 2);
  await assert.rejects(authorizedFetch(server.origin + DEVICES_PATH), isFailed);
  assert.deepEqual([server.logins.length, server.tokenRequests.length], [2, 2]);
  clock.advance(2 * MINUTE_MS);
  server.token = () => ({ status: 503 });

  await assert.rejects(authorizedFetch(server.origin + DEVICES_PATH), { ...isFailed, statusCode: 401 });
  assert.deepEqual([server.logins.length, server.tokenRequests.length], [3, 3]);
});

test('makes one login with wrong credentials, ever, for 100 concurrent calls and all later ones', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  const { events, onEvent } = recordEvents();
  const { authorizedFetch } = server.client(server.account({ password: 'wrong-password' }), { onEvent });

  const calls = Array.from({ length: 100 }, () => authorizedFetch(server.origin + DEVICES_PATH));
  const errors = await Promise.all(
    calls.map((call) =>
      call.then(
        () => undefined,
        (error: unknown) => error,
      ),
    ),
  );
  clock.advance(24 * 60 * MINUTE_MS);
  const later = await authorizedFetch(server.origin + DEVICES_PATH).catch((error: unknown) => error);

  assert.equal(server.logins.length, 1);
  assert.ok(errors.every((error) => error === later));
  assert.ok(later instanceof ApiError);
  assert.equal(later.code, 'session_refused');
  assert.equal(later.statusCode, 401);
  assert.match(
    later.message,
    new RegExp(`${server.origin}${SESSION_PATH}/login refused the username and password \\(401\\)`),
  );
  assert.match(later.message, /five failures lock the account.*reset\(\) in one process$/);
  assert.ok(!('cause' in later));
  assert.equal(server.calls.length, 0);
  assert.deepEqual(
    events.filter(({ type }) => /^session|logins/.test(type)),
    [{ type: 'logins_stopped', code: 'session_refused', statusCode: 401 }],
  );
});

for (const status of [400, 401, 403]) {
  test(`never repeats a login that was refused with ${status}`, async (t) => {
    const clock = fakeClock(t);
    const server = await startSessionServer(t);
    server.login = () => ({ ...wrongPassword, status });
    const { authorizedFetch } = server.client(server.account());

    await assert.rejects(authorizedFetch(server.origin + DEVICES_PATH), { ...isRefused, statusCode: status });
    clock.advance(60 * MINUTE_MS);
    await assert.rejects(authorizedFetch(server.origin + DEVICES_PATH), { ...isRefused, statusCode: status });

    assert.equal(server.logins.length, 1);
  });
}

const notJudged: Record<string, Answer> = {
  425: { status: 425 },
  429: { status: 429, body: wrongPassword.body },
  431: { status: 431, body: '<html>' },
  'a limit of the gateway’s': { status: 503, body: { fault: { code: '900800' } } },
  'a 503 that says when': { status: 503, headers: { 'retry-after': '1' } },
  'such a 503 too large to read': {
    status: 503,
    headers: { 'retry-after': '1' },
    body: '<p>'.repeat(30_000),
  },
  'such a 503 with a session token': {
    status: 503,
    headers: { 'retry-after': '1' },
    body: { sessionToken: 'invented' },
  },
};

for (const [name, answer] of Object.entries(notJudged)) {
  test(`spaces logins out from 1 s to 30 s, and counts none, after ${name}`, async (t) => {
    const clock = fakeClock(t);
    const server = await startSessionServer(t);
    const { events, onEvent } = recordEvents();
    const { login } = server;
    server.login = () => answer;
    const { authorizedFetch } = server.client(server.account(), { onEvent });
    const call = () => authorizedFetch(server.origin + DEVICES_PATH);

    await assert.rejects(call(), { ...isFailed, statusCode: answer.status });
    for (const [round, delayMs] of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000].entries()) {
      clock.advance(delayMs - 1);
      await assert.rejects(call(), isFailed);
      assert.equal(server.logins.length, round + 1);
      clock.advance(1);
      await assert.rejects(call(), isFailed);
      assert.equal(server.logins.length, round + 2);
    }
    assert.equal(events.filter(({ type }) => type === 'session_failed').length, server.logins.length);
    assert.deepEqual(
      events.find(({ type }) => type === 'session_failed'),
      {
        type: 'session_failed',
        code: 'session_failed',
        statusCode: answer.status,
      },
    );

    server.login = login;
    clock.advance(30_000);
    assert.equal((await call()).status, 200);
    assert.equal(events.filter(({ type }) => type === 'session_obtained').length, 1);

    // A success has cleared it: the next failure is spaced out by a second again.
    server.live.clear();
    server.login = () => answer;
    await assert.rejects(call(), isFailed);
    server.login = login;
    clock.advance(1_000);
    assert.equal((await call()).status, 200);
  });
}

for (const status of [404, 405, 413, 415]) {
  test(`says to check sessionUrl after a ${status}, and counts no login`, async (t) => {
    const clock = fakeClock(t);
    const server = await startSessionServer(t);
    server.login = () => ({ status });
    const { authorizedFetch } = server.client(server.account());

    for (let round = 0; round < 4; round++) {
      await assert.rejects(authorizedFetch(server.origin + DEVICES_PATH), {
        ...isFailed,
        statusCode: status,
        message: /check sessionUrl/,
      });
      clock.advance(30_000);
    }

    assert.equal(server.logins.length, 4);
  });
}

const unsent: Record<string, object> = {
  'a refused connection in Node': { cause: { code: 'ECONNREFUSED', syscall: 'connect' } },
  'a refused connection in Bun': { code: 'ConnectionRefused' },
  'any of Deno’s failures to connect': {
    cause: { message: 'error sending request: client error (Connect): dns error: no such host' },
  },
  'a host that is not found': { cause: { code: 'ENOTFOUND', syscall: 'getaddrinfo' } },
  'a name server that does not answer': { cause: { code: 'EAI_AGAIN' } },
  'a host that is not reachable': { cause: { code: 'EHOSTUNREACH', syscall: 'connect' } },
  'a network that is not reachable': { cause: { code: 'ENETUNREACH' } },
  'a connection that took too long': { cause: { code: 'UND_ERR_CONNECT_TIMEOUT' } },
  'a permission denied by Node': { cause: { code: 'ERR_ACCESS_DENIED' } },
  'a permission denied by Deno': { name: 'NotCapable' },
  ...Object.fromEntries(
    [
      'CERT_HAS_EXPIRED',
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      'SELF_SIGNED_CERT_IN_CHAIN',
      'ERR_TLS_CERT_ALTNAME_INVALID',
      'ERROR_IN_CRL_NEXT_UPDATE_FIELD',
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
      'INVALID_CA',
      'INVALID_PURPOSE',
      'PATH_LENGTH_EXCEEDED',
      'HOSTNAME_MISMATCH',
    ].map((code) => [`a certificate that is not accepted: ${code}`, { cause: { code } }]),
  ),
};

for (const [name, fields] of Object.entries(unsent)) {
  test(`counts no login where nothing was sent (${name})`, async (t) => {
    const clock = fakeClock(t);
    const { config } = silentServer();
    let logins = 0;
    const fetch: typeof globalThis.fetch = async (input, init) => {
      if (!String(input).endsWith('/login')) return config.fetch!(input, init);
      logins++;
      throw Object.assign(new TypeError('fetch failed'), fields);
    };
    const vZM2mToken = createSession({ username: 'invented-user', password: 'invented-password' });
    const { authorizedFetch } = createClient({ ...config, fetch, vZM2mToken });

    for (let round = 0; round < 4; round++) {
      await assert.rejects(authorizedFetch('https://api.example.com/'), isFailed);
      clock.advance(30_000);
    }

    assert.equal(logins, 4);
  });
}

for (const [name, cause] of Object.entries({
  'a connection that was reset': { code: 'ECONNRESET', syscall: 'read' },
  'a host that is not reachable any more': { code: 'EHOSTUNREACH', syscall: 'read' },
  'an answer that is no HTTP': { code: 'HPE_INVALID_CONSTANT' },
  'an alert that may come after the request': { code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED' },
})) {
  test(`counts a login after ${name}`, async (t) => {
    const clock = fakeClock(t);
    const { config } = silentServer();
    const fetch: typeof globalThis.fetch = async (input, init) => {
      if (!String(input).endsWith('/login')) return config.fetch!(input, init);
      throw Object.assign(new TypeError('fetch failed'), { cause });
    };
    const vZM2mToken = createSession({ username: 'invented-user', password: 'invented-password' });
    const { authorizedFetch } = createClient({ ...config, fetch, vZM2mToken });

    for (const outcome of [isFailed, isFailed, isRefused]) {
      await assert.rejects(authorizedFetch('https://api.example.com/'), outcome);
      clock.advance(30_000);
    }
  });
}

test('obeys Retry-After where it asks for more', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  const { login } = server;
  server.login = () => ({ status: 429, headers: { 'retry-after': '90' } });
  const { authorizedFetch } = server.client(server.account());
  await assert.rejects(authorizedFetch(server.origin + DEVICES_PATH), isFailed);
  server.login = login;

  clock.advance(89_999);
  await assert.rejects(authorizedFetch(server.origin + DEVICES_PATH), isFailed);
  assert.equal(server.logins.length, 1);
  clock.advance(1);

  assert.equal((await authorizedFetch(server.origin + DEVICES_PATH)).status, 200);
});

test('is not barred by a failure from the future, when the clock is set back', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  const { login } = server;
  server.login = () => ({ status: 503 });
  const { authorizedFetch } = server.client(server.account());
  await assert.rejects(authorizedFetch(server.origin + DEVICES_PATH), isFailed);
  server.login = login;

  clock.jump(-60 * MINUTE_MS);

  assert.equal((await authorizedFetch(server.origin + DEVICES_PATH)).status, 200);
});

test('is not barred by a pause from the future, when the clock is set back', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  const { login } = server;
  const { authorizedFetch } = server.client(server.account());
  const call = () => authorizedFetch(server.origin + DEVICES_PATH);
  await call();
  clock.advance(60 * MINUTE_MS);
  server.login = cutConnection;
  await assert.rejects(call(), isFailed);
  clock.advance(1_000);
  await assert.rejects(call(), isFailed);
  server.login = login;
  await assert.rejects(call(), isFailed);

  clock.jump(-30 * MINUTE_MS);

  assert.equal((await call()).status, 200);
});

const unknown: Record<string, Handler> = {
  'the connection is cut before the answer': cutConnection,
  'a 200 breaks off': (_received, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 });
    response.write('{"sessionToken":"', () => response.destroy());
  },
  'a 200 is larger than 64 KiB': () => ({ body: { sessionToken: 'x'.repeat(65_536) } }),
  'a 401 without a body': () => ({ status: 401 }),
  'a page with 401': () => ({ status: 401, body: '<html>fault</html>' }),
  'a page with 400 (nginx)': () => ({ status: 400, body: '<html><center>nginx</center></html>' }),
  'a page with 403 (a firewall)': () => ({ status: 403, body: '<!DOCTYPE html><title>Blocked</title>' }),
  'a fault with 400 that has no code of the gateway’s': () => ({ status: 400, body: { fault: {} } }),
  'a SOAP fault': () => ({ status: 401, body: '<soap:Fault><faultcode>x</faultcode></soap:Fault>' }),
  'a form with 401': () => ({ status: 401, body: 'errorCode=invented' }),
  'a 401 whose body breaks off': (_received, response) => {
    response.writeHead(401, { 'content-type': 'application/json', 'content-length': 100 });
    response.write('{', () => response.destroy());
  },
  'a 400 of more than 64 KiB': () => ({ status: 400, body: 'x'.repeat(65_537) }),
  'a 402': () => ({ ...wrongPassword, status: 402 }),
  'a 408': () => ({ status: 408 }),
  'a 410': () => ({ ...wrongPassword, status: 410 }),
  'a 451': () => ({ ...wrongPassword, status: 451 }),
  'a 503 of Envoy’s': () => ({
    status: 503,
    body: 'upstream connect error or disconnect/reset before headers. reset reason: connection termination',
  }),
  'a 500': () => ({ status: 500, body: '<html>' }),
  'a 502': () => ({ status: 502 }),
  'a 504': () => ({ status: 504 }),
  'a redirect': () => ({ status: 307, headers: { location: '/elsewhere' } }),
  'a 200 without session token': () => ({ status: 200, body: {} }),
  'a 200 without JSON': () => ({ status: 200, body: 'OK' }),
  'a 204': () => ({ status: 204 }),
  'a session token that cannot stand in a header': () => ({ body: { sessionToken: 'broken\r\nx: y' } }),
  'a session token that is no text': () => ({ body: { sessionToken: 7 } }),
};

for (const [name, login] of Object.entries(unknown)) {
  test(`counts a login whose fate is unknown, and sends no third one (${name})`, async (t) => {
    const clock = fakeClock(t);
    const server = await startSessionServer(t);
    const { events, onEvent } = recordEvents();
    server.login = login;
    const { authorizedFetch } = server.client(server.account(), { onEvent });
    const call = () => authorizedFetch(server.origin + DEVICES_PATH);

    await assert.rejects(call(), {
      ...isFailed,
      message: /next login: /,
    });
    clock.advance(999);
    await assert.rejects(call(), isFailed);
    assert.equal(server.logins.length, 1);
    clock.advance(1);
    const second = await call().catch((error: unknown) => error);
    clock.advance(60 * MINUTE_MS);
    await assert.rejects(call(), {
      ...isRefused,
      message: /\/session\/login gave no clear answer twice; no further login is sent.*reset\(\)/,
      cause: second,
    });
    await assert.rejects(call(), isRefused);

    assert.equal(server.logins.length, 2);
    assert.deepEqual(
      events.map(({ type }) => type).filter((type) => /^session|logins/.test(type)),
      ['session_failed', 'session_failed', 'logins_stopped'],
    );
  });
}

test('sends one login every five minutes after that, with a password that has brought a session within 30 days', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  const { login } = server;
  const { events, onEvent } = recordEvents();
  const { authorizedFetch } = server.client(server.account(), { onEvent });
  const call = () => authorizedFetch(server.origin + DEVICES_PATH);
  await call();
  clock.advance(29 * 24 * 60 * MINUTE_MS);
  server.login = () => ({ status: 504 });
  server.logins.length = events.length = 0;

  await assert.rejects(call(), isFailed);
  clock.advance(1_000);
  const due = new Date(Date.now() + 5 * MINUTE_MS).toISOString();
  await assert.rejects(call(), { ...isFailed, statusCode: 504, message: new RegExp(`next login: ${due}$`) });
  for (let round = 2; round < 5; round++) {
    clock.advance(5 * MINUTE_MS - 1);
    await assert.rejects(call(), {
      ...isFailed,
      message: /gave no clear answer twice; next login: /,
    });
    await assert.rejects(call(), isFailed);
    assert.equal(server.logins.length, round);
    clock.advance(1);
    await assert.rejects(call(), { ...isFailed, statusCode: 504 });
    assert.equal(server.logins.length, round + 1);
  }
  // One for each login, and one for each pause.
  assert.equal(events.filter(({ type }) => type === 'session_failed').length, 5 + 3);

  server.login = login;
  clock.advance(5 * MINUTE_MS);
  assert.equal((await call()).status, 200);
});

test('sends no login after that, with a password that has brought none within 30 days', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  const { authorizedFetch } = server.client(server.account());
  const call = () => authorizedFetch(server.origin + DEVICES_PATH);
  await call();
  clock.advance(31 * 24 * 60 * MINUTE_MS);
  server.login = () => ({ status: 504 });

  await assert.rejects(call(), isFailed);
  clock.advance(1_000);
  await assert.rejects(call(), isFailed);
  clock.advance(60 * MINUTE_MS);
  await assert.rejects(call(), isRefused);

  assert.equal(server.logins.length, 3);
});

test('says that no login is sent any more where the 30 days end during a pause', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  const { authorizedFetch } = server.client(server.account());
  const call = () => authorizedFetch(server.origin + DEVICES_PATH);
  await call();
  clock.advance(30 * 24 * 60 * MINUTE_MS - 2 * MINUTE_MS);
  server.login = () => ({ status: 504 });
  await assert.rejects(call(), isFailed);
  clock.advance(1_000);
  await assert.rejects(call(), isFailed);
  await assert.rejects(call(), { ...isFailed, message: /gave no clear answer twice; next login: / });

  clock.advance(2 * MINUTE_MS);

  await assert.rejects(call(), { ...isRefused, isTemporary: false, message: /; no further login is sent/ });
  assert.equal(server.logins.length, 3);
});

test('allows one more login after reset() where two have ended without a clear answer', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  server.login = cutConnection;
  const session = server.account();
  const { authorizedFetch } = server.client(session);
  const call = () => authorizedFetch(server.origin + DEVICES_PATH);

  for (const outcome of [isFailed, isFailed, isRefused]) {
    await assert.rejects(call(), outcome);
    clock.advance(MINUTE_MS);
  }
  for (let round = 3; round < 5; round++) {
    session.reset();
    await assert.rejects(call(), isFailed);
    clock.advance(MINUTE_MS);
    await assert.rejects(call(), isRefused);
    assert.equal(server.logins.length, round);
  }
});

/**
 * A server without sockets, for tests that wait for timers: the platform's own, which a fake clock of an
 * earlier test has made, would end those of a later one. Logins are never answered.
 */
function silentServer(): { readonly logins: AbortSignal[]; readonly config: CustomEnvironmentConfig } {
  const logins: AbortSignal[] = [];
  const fetch = (async (input, init) => {
    if (!String(input).endsWith('/login')) return Response.json(tokenAnswer('token-1').body);
    logins.push(init!.signal!);
    return new Promise(() => {});
  }) as typeof globalThis.fetch;
  const config = {
    clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthClientSecret: 'invented-secret' },
    environment: { tokenUrl: 'https://auth.example.com/token', apiOrigins: ['https://api.example.com'] },
    fetch,
  };
  return { logins, config };
}

test('gives a login 30 s, whatever timeout says', async (t) => {
  const clock = fakeClock(t);
  const { logins, config } = silentServer();
  const vZM2mToken = createSession({ username: 'invented-user', password: 'invented-password' });
  const clients = [0, 2_000].map((timeout) => createClient({ ...config, vZM2mToken, timeout }));

  for (const { authorizedFetch } of clients) {
    const before = logins.length;
    let isSettled = false;
    const call = authorizedFetch('https://api.example.com/').finally(() => {
      isSettled = true;
    });
    call.catch(() => {});
    await clock.until(() => logins.length > before);
    clock.advance(29_999);
    await turn();
    assert.equal(isSettled, false);
    clock.advance(1);
    await assert.rejects(call, isFailed);
    clock.advance(1_000);
  }

  await assert.rejects(clients[0]!.authorizedFetch('https://api.example.com/'), isRefused);
  assert.deepEqual(
    logins.map(({ aborted }) => aborted),
    [true, true],
  );
});

test('waits for a slow login that another call has begun', async (t) => {
  const clock = fakeClock(t);
  const { logins, config } = silentServer();
  const { authorizedFetch } = createClient({
    ...config,
    vZM2mToken: createSession({ username: 'invented-user', password: 'invented-password' }),
  });
  const calls = [1, 2].map(() =>
    authorizedFetch('https://api.example.com/').catch((error: ApiError) => error.code),
  );
  await clock.until(() => logins.length === 1);

  for (let second = 0; second < 29; second++) {
    clock.advance(1_000);
    await turn();
  }
  assert.equal(logins.length, 1);
  clock.advance(1_000);

  assert.deepEqual(await Promise.all(calls), ['session_failed', 'session_failed']);
  assert.equal(logins.length, 1);
});

for (const [status, outcome, most] of [
  [403, isFailed, 2],
  [200, isFailed, 2],
  [503, isFailed, 2],
  [429, isFailed, 4],
] as const) {
  test(`judges a login by its ${status} where the body never comes`, async (t) => {
    const clock = fakeClock(t);
    const { config } = silentServer();
    let logins = 0;
    const fetch: typeof globalThis.fetch = async (input, init) => {
      if (!String(input).endsWith('/login')) return config.fetch!(input, init);
      logins++;
      return new Response(new ReadableStream(), { status });
    };
    const vZM2mToken = createSession({ username: 'invented-user', password: 'invented-password' });
    const { authorizedFetch } = createClient({ ...config, fetch, vZM2mToken });

    for (let round = 1; round <= 4; round++) {
      const call = authorizedFetch('https://api.example.com/').catch((error: unknown) => error);
      await clock.until(() => logins === Math.min(round, most));
      for (let second = 0; second < 60; second++) {
        await turn();
        clock.advance(1_000);
      }
      const { code } = (await call) as ApiError;
      assert.equal(code, round > most ? 'session_refused' : outcome.code);
    }
    assert.equal(logins, most);
  });
}

test('clears the count of unknown logins by a success', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  const { login } = server;
  const { authorizedFetch } = server.client(server.account());
  const call = () => authorizedFetch(server.origin + DEVICES_PATH);

  for (let round = 0; round < 3; round++) {
    server.login = cutConnection;
    await assert.rejects(call(), isFailed);
    server.login = login;
    clock.advance(1_000);
    assert.equal((await call()).status, 200);
    clock.advance(20 * MINUTE_MS);
  }

  assert.equal(server.logins.length, 6);
});

test('takes an unknown and a refused login together for the end', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  const { authorizedFetch } = server.client(server.account());
  server.login = cutConnection;
  await assert.rejects(authorizedFetch(server.origin + DEVICES_PATH), isFailed);
  clock.advance(1_000);
  server.login = () => wrongPassword;

  await assert.rejects(authorizedFetch(server.origin + DEVICES_PATH), { ...isRefused, statusCode: 401 });
  await assert.rejects(authorizedFetch(server.origin + DEVICES_PATH), { ...isRefused, statusCode: 401 });

  assert.equal(server.logins.length, 2);
});

test('sends no second login for one decision, whatever becomes of the first', async (t) => {
  for (const login of [
    cutConnection,
    () => ({ status: 503 }),
    () => ({ status: 408 }),
    () => wrongPassword,
  ]) {
    const server = await startSessionServer(t);
    server.login = login;
    const { authorizedFetch } = server.client(server.account());

    await Promise.allSettled(Array.from({ length: 10 }, () => authorizedFetch(server.origin + DEVICES_PATH)));

    assert.equal(server.logins.length, 1);
  }
});

test('has forgotten the count after reset() also where that came during a login that ends neither way', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  const session = server.account();
  const { authorizedFetch } = server.client(session);
  server.login = cutConnection;
  await assert.rejects(authorizedFetch(server.origin + DEVICES_PATH), isFailed);
  clock.advance(1_000);
  server.login = () => {
    session.reset();
    return { status: 429 };
  };
  await assert.rejects(authorizedFetch(server.origin + DEVICES_PATH), isFailed);
  clock.advance(1_000);

  server.login = cutConnection;
  await assert.rejects(authorizedFetch(server.origin + DEVICES_PATH), isFailed);
  clock.advance(2_000);
  await assert.rejects(authorizedFetch(server.origin + DEVICES_PATH), isFailed);
  await assert.rejects(authorizedFetch(server.origin + DEVICES_PATH), isRefused);

  assert.equal(server.logins.length, 4);
});

test('is armed again by reset(), which forgets session, refusal and count', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  const { login } = server;
  const session = server.account();
  const { authorizedFetch } = server.client(session);
  const call = () => authorizedFetch(server.origin + DEVICES_PATH);
  server.login = () => wrongPassword;
  await assert.rejects(call(), isRefused);
  session.reset();
  await assert.rejects(call(), isRefused);
  assert.equal(server.logins.length, 2);

  session.reset();
  server.login = cutConnection;
  await assert.rejects(call(), isFailed);
  session.reset();
  await assert.rejects(call(), isFailed);
  server.login = login;
  clock.advance(1_000);
  assert.equal((await call()).status, 200);
  assert.equal(session.current(), 'session-5');

  session.reset();
  assert.equal(session.current(), undefined);
  assert.equal((await call()).status, 200);
  assert.equal(server.logins.length, 6);
});

test('lets a failure of the token endpoint reach the caller as it is, and counts no login', async (t) => {
  const server = await startSessionServer(t);
  server.token = () => ({ status: 400, body: { error: 'invalid_client' } });
  const { authorizedFetch, fetchToken } = server.client(server.account());

  await assert.rejects(authorizedFetch(server.origin + DEVICES_PATH), {
    name: 'OAuthProviderError',
    error: 'invalid_client',
  });
  assert.equal(server.logins.length, 0);
  server.token = () => tokenAnswer('token-2');
  await fetchToken();

  assert.equal((await authorizedFetch(server.origin + DEVICES_PATH)).status, 200);
});

test('ends the session at the server with both headers, and logs in for the next call', async (t) => {
  const server = await startSessionServer(t);
  const session = server.account();
  const { authorizedFetch } = server.client(session);
  await authorizedFetch(server.origin + DEVICES_PATH);

  await session.logout();

  const [logout] = server.logouts;
  assert.equal(logout?.method, 'POST');
  assert.equal(logout?.headers.authorization, 'Bearer token-1');
  assert.equal(logout?.headers['vz-m2m-token'], 'session-1');
  assert.equal(logout?.body, '');
  assert.equal(session.current(), undefined);
  assert.equal((await authorizedFetch(server.origin + DEVICES_PATH)).status, 200);
  assert.equal(server.logins.length, 2);
});

for (const end of ['logout', 'reset'] as const) {
  test(`gives up a session that a stream finds lapsed soon after ${end}() and the login behind it`, async (t) => {
    const server = await startSessionServer(t);
    const session = server.account();
    const { authorizedFetch } = server.client(session);
    await authorizedFetch(server.origin + DEVICES_PATH);
    await session[end]();
    await authorizedFetch(server.origin + DEVICES_PATH);
    server.live.clear();

    const init = { method: 'POST', body: new Blob(['once']).stream(), duplex: 'half' } as RequestInit;
    assert.equal((await authorizedFetch(server.origin + DEVICES_PATH, init)).status, 400);
    assert.equal(session.current(), undefined);
  });
}

test('sends no logout where no session is held', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  const session = server.account();
  await session.logout();
  const { authorizedFetch } = server.client(session);
  await authorizedFetch(server.origin + DEVICES_PATH);
  await session.logout();
  await session.logout();
  await authorizedFetch(server.origin + DEVICES_PATH);
  clock.advance(20 * MINUTE_MS);

  await session.logout();

  assert.equal(server.logouts.length, 1);
});

test('takes a session that has ended already for logged out, and renews a rejected bearer', async (t) => {
  const server = await startSessionServer(t);
  const session = server.account();
  const { authorizedFetch } = server.client(session);
  await authorizedFetch(server.origin + DEVICES_PATH);
  server.live.clear();
  await session.logout();
  await authorizedFetch(server.origin + DEVICES_PATH);
  const { api } = server;
  server.api = (received, response) =>
    received.url.endsWith('/logout') && received.headers.authorization === 'Bearer token-1'
      ? rejection
      : api(received, response);

  await session.logout();

  assert.deepEqual(
    server.logouts.map(({ headers }) => headers.authorization),
    ['Bearer token-1', 'Bearer token-2'],
  );
});

test('tells of a logout that failed, and has forgotten the session all the same', async (t) => {
  const server = await startSessionServer(t);
  const session = server.account();
  const { authorizedFetch } = server.client(session);
  await authorizedFetch(server.origin + DEVICES_PATH);
  const { api } = server;
  server.api = (received, response) =>
    received.url.endsWith('/logout') ? { status: 503 } : api(received, response);

  await assert.rejects(session.logout(), {
    ...isFailed,
    statusCode: 503,
    message: /\/session\/logout answered 503; try again later$/,
  });

  assert.equal(session.current(), undefined);
  await authorizedFetch(server.origin + DEVICES_PATH);
  server.api = (received, response) =>
    received.url.endsWith('/logout') ? cutConnection(received, response) : api(received, response);
  await assert.rejects(session.logout(), {
    ...isFailed,
    message: /\/session\/logout gave no answer; try again later$/,
  });
  assert.equal(session.current(), undefined);
});

test('forgets the session at logout also where there is no bearer to send it with', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  server.token = () => tokenAnswer('token-1', 60);
  const session = server.account();
  const { authorizedFetch } = server.client(session);
  await authorizedFetch(server.origin + DEVICES_PATH);
  server.token = () => ({ status: 404 });
  clock.advance(MINUTE_MS);

  await assert.rejects(session.logout(), { name: 'ApiError', statusCode: 404 });

  assert.equal(session.current(), undefined);
  assert.equal(server.logouts.length, 0);
});

test('sends one logout for two at once', async (t) => {
  const server = await startSessionServer(t);
  const session = server.account();
  await server.client(session).authorizedFetch(server.origin + DEVICES_PATH);

  await Promise.all([session.logout(), session.logout()]);

  assert.equal(server.logouts.length, 1);
});

test('does not give up a newer session for the lapse of an older one', async (t) => {
  const server = await startSessionServer(t);
  const session = server.account();
  const { authorizedFetch } = server.client(session);
  const { api } = server;
  let answerLate = (): void => {};
  const late = new Promise<void>((resolve) => {
    answerLate = resolve;
  });
  await authorizedFetch(server.origin + DEVICES_PATH);
  server.live.clear();
  server.api = async (received, response) => {
    const answer = await api(received, response);
    if (received.url.endsWith('?slow') && received.headers['vz-m2m-token'] === 'session-1') await late;
    return answer;
  };
  const slow = authorizedFetch(`${server.origin}${DEVICES_PATH}?slow`);
  assert.equal((await authorizedFetch(server.origin + DEVICES_PATH)).status, 200);
  answerLate();

  assert.equal((await slow).status, 200);
  assert.equal(server.logins.length, 2);
});

test('ends only the wait of a caller that aborts', async (t) => {
  const server = await startSessionServer(t);
  const { login } = server;
  let answer = (): void => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  server.login = async (received, response) => {
    await answered;
    return login(received, response);
  };
  const { authorizedFetch } = server.client(server.account());
  const controller = new AbortController();
  const first = authorizedFetch(server.origin + DEVICES_PATH, { signal: controller.signal });
  const second = authorizedFetch(server.origin + DEVICES_PATH);
  while (!server.logins.length) await turn();

  controller.abort('invented reason');
  await assert.rejects(first, (reason) => reason === 'invented reason');
  const third = authorizedFetch(server.origin + DEVICES_PATH);
  await turns();
  answer();

  assert.equal((await second).status, 200);
  assert.equal((await third).status, 200);
  assert.equal(server.logins.length, 1);
});

test('begins no login for a caller that has aborted before', async (t) => {
  const server = await startSessionServer(t);
  const sent: unknown[] = [];
  const { authorizedFetch } = server.client(server.account(), {
    fetch: (input, init) => (sent.push(input), fetch(input, init)),
  });

  await assert.rejects(
    authorizedFetch(server.origin + DEVICES_PATH, { signal: AbortSignal.abort('before') }),
    (reason) => reason === 'before',
  );
  await turn();

  assert.deepEqual(sent, []);
});

for (const [name, change] of Object.entries<object>({
  'no user name': { username: undefined },
  'an empty user name': { username: '' },
  'no password': { password: undefined },
  'an empty password': { password: '' },
  'a password that is no text': { password: 12 },
  'a password with the line break of its file': { password: 'invented-secret\n' },
  'a password of white space': { password: '  ' },
  'a user name with a control character': { username: 'invented\u0000user' },
})) {
  test(`refuses at once ${name}, by name and without the value`, () => {
    const options = { username: 'invented-user', password: 'invented-password', ...change } as SessionOptions;

    assert.throws(
      () => createSession(options),
      ({ name: kind, message }) =>
        kind === 'TypeError' && /username.*password/.test(message) && !/invented|12/.test(message),
    );
  });
}

test('refuses at once a store that cannot compare and set', () => {
  const store = { get: () => null, set: () => {}, delete: () => {} };

  assert.throws(() => createSession({ username: 'invented-user', password: 'invented-password', store }), {
    name: 'TypeError',
    message: /compareAndSet/,
  });
});

for (const junk of [null, '', '../folder', 0, false, {}, [], new Map(), () => {}]) {
  test(`refuses at once ${inspect(junk)} in the place of a store`, () => {
    const store = junk as unknown as NonNullable<SessionOptions['store']>;

    assert.throws(() => createSession({ username: 'invented-user', password: 'invented-password', store }), {
      name: 'TypeError',
      message: /^store must /,
    });
  });
}

test('refuses at once no options at all', () => {
  assert.throws(() => (createSession as unknown as () => void)(), {
    name: 'TypeError',
    message: /username and password/,
  });
});

test('refuses at once an option that it does not know: a misspelt store is no shared latch', () => {
  const options = { username: 'invented-user', password: 'invented-password', stor: {} } as SessionOptions;

  assert.throws(() => createSession(options), {
    name: 'TypeError',
    message: 'stor is not username, password or store',
  });
});

test('reads no clock, draws nothing and sends nothing when it is created, and is frozen', (t) => {
  const refuse = () => assert.fail('must not be called');
  t.mock.method(Date, 'now', refuse);
  t.mock.method(Math, 'random', refuse);
  t.mock.method(globalThis, 'setTimeout', refuse);
  t.mock.method(globalThis, 'fetch', refuse);
  t.mock.method(crypto, 'getRandomValues', refuse);

  const session = createSession({ username: 'invented-user', password: 'invented-password' });

  assert.ok(Object.isFrozen(session));
});

test('shows no secret in errors, events, inspection and JSON', async (t) => {
  const server = await startSessionServer(t);
  const { events, onEvent } = recordEvents();
  const seen: unknown[] = [];
  const secrets = /invented-password|session-\d|token-\d|Bearer/;
  const session = server.account();
  const { authorizedFetch } = server.client(session, { onEvent });
  const { login } = server;
  for (const each of [
    cutConnection,
    () => ({ status: 503, body: 'invented-password' }),
    login,
    () => ({ ...wrongPassword, body: 'invented-password' }),
  ]) {
    server.login = each;
    seen.push(await authorizedFetch(server.origin + DEVICES_PATH).catch((error: unknown) => error));
    seen.push(inspect(session, { depth: 9, showHidden: true }), JSON.stringify(session), String(session));
    session.reset();
  }
  const errors = seen.filter((each): each is ApiError => each instanceof ApiError);

  assert.equal(errors.length, 3);
  assert.deepEqual(
    errors.map((error) => 'cause' in error),
    [true, false, false],
  );
  for (const each of [...errors, ...events]) {
    assert.doesNotMatch(inspect(each, { depth: 9, showHidden: true }) + JSON.stringify(each), secrets);
  }
  assert.doesNotMatch(seen.filter((each) => typeof each === 'string').join(), secrets);
});

for (const missing of ['get', 'compareAndSet'] as const) {
  test(`refuses at once a store without ${missing}`, () => {
    const store = { ...memoryStore(), [missing]: undefined } as never;

    assert.throws(() => createSession({ username: 'invented-user', password: 'invented-password', store }), {
      name: 'TypeError',
      message: /^store must have get, compareAndSet$/,
    });
  });
}
