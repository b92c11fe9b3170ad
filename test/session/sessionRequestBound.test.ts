// Sessions on workerd and edge runtimes, where a promise begun in one request may never settle in another.
// The runtimes are imitated by their mark.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createClient } from 'thingspace-auth';
import { createSession } from 'thingspace-auth/session';
import type { TokenStore } from 'thingspace-auth/stores';
import { fakeClock, inTime, setGlobal, tokenAnswer, turn } from '../support/server.ts';
import { broken as fail, memoryStore } from '../support/sessionServer.ts';

const API_URL = 'https://api.example.com/';

/**
 * A client on a request-bound runtime, whose logins the test answers; `pulse` fires the intervals that are
 * running.
 */
function startRuntime(t: TestContext, store?: TokenStore) {
  const clock = fakeClock(t);
  setGlobal(t, 'EdgeRuntime', 'invented-runtime');
  const intervals = new Map<unknown, () => void>();
  t.mock.method(globalThis, 'setInterval', (beat: () => void) => {
    const timer = {};
    intervals.set(timer, beat);
    return timer;
  });
  t.mock.method(globalThis, 'clearInterval', (timer: unknown) => intervals.delete(timer));
  const logins: ((answer: Response) => void)[] = [];
  const session = createSession({ username: 'invented-user', password: 'invented-password', store });
  const { authorizedFetch } = createClient({
    clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthClientSecret: 'invented-secret' },
    environment: { tokenUrl: 'https://auth.example.com/token', apiOrigins: ['https://api.example.com'] },
    vZM2mToken: session,
    fetch: async (input) => {
      const url = String(input);
      if (url === API_URL) return new Response('reached');
      return url.endsWith('/login')
        ? new Promise((resolve) => logins.push(resolve))
        : Response.json(tokenAnswer('token-1').body);
    },
  });
  return {
    clock,
    intervals,
    logins,
    session,
    call: () => authorizedFetch(API_URL).then((response) => response.text()),
  };
}

/**
 * A first login whose request dies without an answer, others that wait for it, and after 5 s a second login
 * for them.
 */
async function loseFirstLogin(t: TestContext, waiting = 1, store?: TokenStore) {
  const runtime = startRuntime(t, store);
  const { clock, intervals, logins, call } = runtime;
  const first = call();
  await clock.until(() => logins.length === 1);
  intervals.clear();
  const [second, third] = Array.from({ length: waiting }, call);
  await turn();
  clock.advance(5_000);
  await clock.until(() => logins.length === 2);
  return { ...runtime, first, second, third };
}

const success = (token: string): Response => Response.json({ sessionToken: token });

test('takes the place of a login whose request has died, and counts it', async (t) => {
  const { clock, intervals, logins, call } = startRuntime(t);
  void call().catch(() => {});
  await clock.until(() => logins.length === 1);
  intervals.clear(); // the timers of a request die with it
  const second = call();
  const third = call();
  await turn();

  clock.advance(5_000);
  await clock.until(() => logins.length === 2);
  logins[1]!(success('session-2'));
  assert.deepEqual(await Promise.all([second, third]), ['reached', 'reached']);
  assert.equal(logins.length, 2);
});

test('goes on sharing the login in the place of a lost one that comes back after all', async (t) => {
  const { logins, call, first, second } = await loseFirstLogin(t);

  logins[0]!(new Response(null, { status: 429 }));
  await assert.rejects(first, { code: 'session_failed' });
  const third = call();
  await turn();
  logins[1]!(success('session-2'));

  assert.deepEqual(await Promise.all([second, third]), ['reached', 'reached']);
  assert.equal(logins.length, 2);
});

test('takes the session of a lost login that comes back after all', async (t) => {
  const { clock, logins, session, first, second, third } = await loseFirstLogin(t, 2);

  logins[0]!(success('session-1'));
  assert.equal(await first, 'reached');
  clock.advance(5_000);

  assert.equal(await third, 'reached');
  assert.equal(session.current(), 'session-1');
  logins[1]!(success('session-2'));
  assert.equal(await second, 'reached');
});

test('keeps the session when a login that was lost comes back with a failure', async (t) => {
  const { logins, session, call, first, second } = await loseFirstLogin(t);
  logins[1]!(success('session-2'));
  assert.equal(await second, 'reached');

  logins[0]!(new Response(null, { status: 429 }));
  await assert.rejects(first, { code: 'session_failed' });

  assert.equal(session.current(), 'session-2');
  assert.equal(await call(), 'reached');
  assert.equal(logins.length, 2);
});

test('logs in when its session has ended, though a login that was lost has come back refused', async (t) => {
  const { clock, logins, call, first, second } = await loseFirstLogin(t);
  logins[1]!(success('session-2'));
  assert.equal(await second, 'reached');
  logins[0]!(Response.json({}, { status: 401 }));
  await assert.rejects(first, { code: 'session_refused' });
  clock.advance(1_200_000);

  const third = call();
  await clock.until(() => logins.length === 3);
  logins[2]!(success('session-3'));

  assert.equal(await third, 'reached');
});

test('keeps the count of the login in place of a lost one that comes back', async (t) => {
  const store = memoryStore();
  const { clock, intervals, logins, call, first } = await loseFirstLogin(t, 1, store);
  logins[0]!(new Response(null, { status: 429 }));
  await assert.rejects(first, { code: 'session_failed' });
  intervals.clear();
  const later = call();
  await turn();
  clock.advance(5_000);

  await assert.rejects(inTime(later), { code: 'session_refused' });
  assert.equal(logins.length, 2);
});

test('stops at the second login that was lost', async (t) => {
  const { clock, intervals, logins, call } = startRuntime(t);
  void call().catch(() => {});
  await clock.until(() => logins.length === 1);
  intervals.clear();
  void call().catch(() => {});
  await turn();
  clock.advance(5_000);
  await clock.until(() => logins.length === 2);
  intervals.clear();
  const third = call();
  await turn();

  clock.advance(5_000);

  await assert.rejects(third, { code: 'session_refused' });
  assert.equal(logins.length, 2);
});

test('counts the logins that were lost also where the store has forgotten them', async (t) => {
  const store = memoryStore();
  const { clock, intervals, logins, call } = startRuntime(t, store);
  for (let lost = 1; lost <= 2; lost++) {
    void call().catch(() => {});
    await turn();
    if (lost === 2) clock.advance(5_000);
    await clock.until(() => logins.length === lost);
    intervals.clear();
    store.values.clear();
  }
  const third = call();
  await turn();

  clock.advance(5_000);

  await assert.rejects(inTime(third), { code: 'session_refused' });
  assert.equal(logins.length, 2);
});

test('sends no second login beside a lost one where the store fails since', async (t) => {
  const store = memoryStore();
  const { clock, intervals, logins, call } = startRuntime(t, store);
  void call().catch(() => {});
  await clock.until(() => logins.length === 1);
  intervals.clear();
  store.before = fail;
  const second = call();
  await turn();
  clock.advance(5_000);

  await assert.rejects(second, { code: 'session_failed' });
  assert.equal(logins.length, 1);
});

for (const [status, code] of [
  [429, 'session_failed'],
  [403, 'session_refused'],
] as const) {
  test(`stays stopped when a login that was lost comes back after all with ${status}`, async (t) => {
    const { clock, intervals, logins, call } = startRuntime(t);
    const first = call();
    await clock.until(() => logins.length === 1);
    intervals.clear();
    const second = call();
    second.catch(() => {});
    await turn();
    clock.advance(5_000);
    await clock.until(() => logins.length === 2);
    logins[1]!(Response.json({}, { status: 401 }));
    await assert.rejects(second, { code: 'session_refused', statusCode: 401 });

    logins[0]!(Response.json({}, { status }));
    await assert.rejects(first, { code });
    clock.advance(60_000);

    await assert.rejects(call(), { code: 'session_refused', statusCode: 401 });
    assert.equal(logins.length, 2);
  });
}

test('does not take a slow login for a lost one while its request lives', async (t) => {
  const { clock, intervals, logins, call } = startRuntime(t);
  const calls = [call(), call(), call()];
  await clock.until(() => logins.length === 1);

  for (let second = 0; second < 29; second++) {
    clock.advance(1_000);
    for (const beat of intervals.values()) beat();
    await turn();
  }
  logins[0]!(success('session-1'));

  assert.deepEqual(await Promise.all(calls), ['reached', 'reached', 'reached']);
  assert.equal(logins.length, 1);
  assert.equal(intervals.size, 0);
});

test('takes a login whose promise the runtime rejects for a lost one', async (t) => {
  const { clock, logins, session, call } = startRuntime(t);
  const { finally: settle } = Promise.prototype;
  let rejections = 1;
  t.mock.method(Promise.prototype, 'finally', function (this: Promise<unknown>, callback: () => void) {
    const settled = settle.call(this, callback);
    return rejections-- > 0
      ? Promise.reject(new Error('Cannot perform I/O on behalf of a different request.'))
      : settled;
  });

  const first = call();
  // The second one finds that the first has been counted meanwhile, and looks again.
  await clock.until(() => {
    clock.advance(10);
    return logins.length === 2;
  });
  logins[1]!(success('session-2'));

  assert.equal(await first, 'reached');
  assert.equal(session.current(), 'session-2');
});
