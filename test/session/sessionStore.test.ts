import assert from 'node:assert/strict';
import { pbkdf2Sync } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { createClient } from 'thingspace-auth';
import { createSession, type Session } from 'thingspace-auth/session';
import { encryptedStore } from 'thingspace-auth/stores';
import { deriveKeysQuickly } from '../support/quickKeys.ts';
import {
  fakeClock,
  type Handler,
  hold,
  recordEvents,
  rejection,
  START_MS,
  tokenAnswer,
  turn,
  turns,
} from '../support/server.ts';
import {
  broken,
  DEVICES_PATH,
  type MemoryStore,
  memoryStore,
  SESSION_PATH,
  startSessionServer,
  wrongPassword,
} from '../support/sessionServer.ts';

const MINUTE_MS = 60_000;
const isRefused = { name: 'ApiError', code: 'session_refused' };
const isFailed = { name: 'ApiError', code: 'session_failed' };
const cutConnection: Handler = (_received, response) => void response.destroy();
/** For `before`: the store can be read, but not written. */
const brokenWrites: MemoryStore['before'] = (operation) => operation === 'compareAndSet' && broken();
const deriveKeysReally = deriveKeysQuickly();

/** A server, a store, and processes that know each other by the store only. */
async function startFleet(t: TestContext) {
  const server = await startSessionServer(t);
  const store = memoryStore();
  const { events, onEvent } = recordEvents();
  const startProcess = (password = 'invented-password', timeout = 0) => {
    const session = server.account({ store, password });
    const { authorizedFetch } = server.client(session, { onEvent, timeout });
    return { session, call: () => authorizedFetch(server.origin + DEVICES_PATH) };
  };
  const stored = () => [...store.values.values()].map(({ value }) => JSON.parse(value));
  /** What is stored, without what differs from run to run. */
  const counts = () => stored().map(({ v, usedAtMs, acceptedAtMs, countedAtMs, login, ...count }) => count);
  const sessionEvents = () => events.filter(({ type }) => /^session|^logins|store/.test(type));
  return { server, store, events, startProcess, stored, counts, sessionEvents };
}

/** Puts a record of another process into the store, by default under the key that it has. */
function putRecord({ values }: MemoryStore, record: object, key = values.keys().next().value ?? ''): void {
  values.set(key, { value: JSON.stringify(record), ttlSeconds: undefined });
}

/**
 * Moves the fake clock until all calls have settled; not before each has derived its key, which takes real
 * time.
 */
async function settle(
  clock: ReturnType<typeof fakeClock>,
  store: MemoryStore,
  begin: () => Promise<unknown>[],
) {
  const reads = () => store.operations.filter((operation) => operation === 'get').length;
  const before = reads();
  const calls = begin();
  for (const call of calls) call.catch(() => {});
  await clock.until(() => reads() >= before + calls.length);
  return moveUntilSettled(clock, calls);
}

async function moveUntilSettled(clock: ReturnType<typeof fakeClock>, calls: Promise<unknown>[]) {
  let isSettled = false;
  const outcomes = Promise.allSettled(calls).finally(() => {
    isSettled = true;
  });
  while (!isSettled) {
    await turns(10);
    clock.advance(100);
  }
  return (await outcomes).map((outcome) => (outcome.status === 'fulfilled' ? 'ok' : outcome.reason.code));
}

/** Records as they lie in a store. */
const sessionOf = (more: object = {}) => ({
  v: 1,
  state: 'session',
  token: 'session-1',
  usedAtMs: Date.now(),
  ...more,
});
const countOf = (more: object = {}) => ({
  v: 1,
  state: 'counted',
  failures: 1,
  login: 'another 1',
  countedAtMs: Date.now(),
  ...more,
});
const FAILED = { state: 'failed', countedAtMs: 0 };

test('shares one session among processes that start at once, and with later ones', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, sessionEvents } = await startFleet(t);

  const outcomes = await settle(clock, store, () => Array.from({ length: 16 }, () => startProcess().call()));

  assert.deepEqual(new Set(outcomes), new Set(['ok']));
  assert.equal((await startProcess().call()).status, 200);
  assert.equal(server.logins.length, 1);
  assert.deepEqual(sessionEvents(), [{ type: 'session_obtained' }]);
});

test("counts a restored session's idle time from its stored last use", async (t) => {
  const clock = fakeClock(t);
  const { server, startProcess } = await startFleet(t);
  await startProcess().call();
  clock.advance(19 * MINUTE_MS);
  const { session, call } = startProcess();
  await call();
  assert.equal(server.logins.length, 1);
  assert.equal(session.current(), 'session-1');

  clock.advance(20 * MINUTE_MS - 1);
  assert.equal(session.current(), 'session-1');
  await startProcess().call();
  assert.equal(server.logins.length, 1);
  clock.advance(20 * MINUTE_MS);

  await startProcess().call();
  assert.equal(server.logins.length, 2);
});

test('writes the last use at most once a minute, beside the call', async (t) => {
  const clock = fakeClock(t);
  const { store, startProcess, stored } = await startFleet(t);
  const { call } = startProcess();
  await call();
  assert.deepEqual(store.operations, ['get', 'compareAndSet', 'compareAndSet']); // the count and the session

  store.operations.length = 0;
  for (let second = 0; second < 59; second++) {
    clock.advance(1_000);
    await call();
  }
  assert.deepEqual(store.operations, []);
  clock.advance(1_000);
  await Promise.all([call(), call(), call()]);
  await clock.until(() => stored()[0].usedAtMs > START_MS);

  assert.deepEqual(store.operations, ['get', 'compareAndSet']);
  assert.deepEqual(stored(), [sessionOf({ usedAtMs: START_MS + MINUTE_MS, acceptedAtMs: START_MS })]);
});

test('tries three times to write the last use where others keep writing, and leaves it at that', async (t) => {
  const clock = fakeClock(t);
  const { store, startProcess } = await startFleet(t);
  const { call } = startProcess();
  await call();
  let refused = 0;
  Object.assign(store, { compareAndSet: async () => (refused++, false) });
  clock.advance(MINUTE_MS);

  assert.equal((await call()).status, 200);
  await turns(100);

  assert.equal(refused, 3);
});

test("writes no last use over another process's session, login or refusal, however late it comes to it", async (t) => {
  const clock = fakeClock(t);
  const { store, startProcess, stored } = await startFleet(t);
  const key = await keyOf(startProcess, store);
  for (const newer of [
    JSON.stringify(countOf({ countedAtMs: START_MS })),
    JSON.stringify(countOf({ countedAtMs: START_MS, state: 'refused', status: 401 })),
  ]) {
    for (const stopped of ['get', 'compareAndSet'] as const) {
      store.values.clear();
      const { session, call } = startProcess();
      await call();
      clock.advance(MINUTE_MS);
      const thawed = hold();
      let isStopped = false;
      store.before = (operation) => {
        if (operation !== stopped) return undefined;
        isStopped = true;
        return thawed.promise;
      };
      assert.equal((await call()).status, 200);
      await clock.until(() => isStopped);
      store.before = () => {};
      store.values.set(key, { value: newer, ttlSeconds: undefined });
      thawed.open();
      await turns(50);

      assert.deepEqual(stored(), [JSON.parse(newer)], stopped);
      // It goes on with its own.
      assert.equal((await call()).status, 200);
      assert.notEqual(session.current(), 'session-9');
    }
  }
});

test('writes no last use of a session that it has given up while it looked at the store', async (t) => {
  const clock = fakeClock(t);
  const { store, startProcess, stored } = await startFleet(t);
  const { session, call } = startProcess();
  await call();
  clock.advance(MINUTE_MS);
  const slow = hold();
  store.before = (operation) => (operation === 'get' ? slow.promise : undefined);
  store.operations.length = 0;
  await call();
  await clock.until(() => store.operations.length === 1);
  const told = session.reset();
  slow.open();
  await told;

  assert.deepEqual(
    stored().map(({ state }) => state),
    ['free'],
  );
});

test('merges the last use of a session that other processes use too', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, stored } = await startFleet(t);
  const [first, second] = [startProcess(), startProcess()];
  await first.call();
  await second.call();
  clock.advance(MINUTE_MS);

  await Promise.all([first.call(), second.call()]);
  await clock.until(() => store.operations.filter((operation) => operation === 'get').length >= 4);
  await turns(50);

  assert.deepEqual(stored(), [sessionOf({ usedAtMs: START_MS + MINUTE_MS, acceptedAtMs: START_MS })]);
  assert.equal(server.logins.length, 1);
});

test('hands the writing of the last use and the login to waitUntil', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  const store = memoryStore();
  const kept: Promise<unknown>[] = [];
  const { authorizedFetch } = server.client(server.account({ store }), {
    waitUntil: (each) => void kept.push(each),
  });
  await authorizedFetch(server.origin + DEVICES_PATH);
  assert.equal(kept.length, 2); // the bearer's exchange too

  for (const before of [store.before, broken]) {
    store.before = before;
    clock.advance(MINUTE_MS);
    await authorizedFetch(server.origin + DEVICES_PATH);
  }

  assert.equal(kept.length, 4);
  await Promise.all(kept);
});

test('takes the session that another process has brought in the place of a lapsed one', async (t) => {
  const { server, startProcess } = await startFleet(t);
  const [first, second] = [startProcess(), startProcess()];
  await first.call();
  await second.call();
  server.live.clear();

  await first.call();
  assert.equal((await second.call()).status, 200);

  assert.equal(server.logins.length, 2);
});

test('keeps sessions and counts under a key that a changed password changes and that hides it', async (t) => {
  const { server, store, startProcess } = await startFleet(t);
  deriveKeysReally();
  t.after(deriveKeysQuickly);
  await startProcess().call();
  await assert.rejects(startProcess('wrong-password').call(), isRefused);

  const salt = JSON.stringify([server.origin + SESSION_PATH, 'invented-user']);
  const keyFor = (password: string) =>
    `thingspace-auth:session:1:${pbkdf2Sync(password, salt, 100_000, 32, 'sha256').toString('base64')}`;
  assert.deepEqual([...store.values.keys()], [keyFor('invented-password'), keyFor('wrong-password')]);
  assert.deepEqual(
    [...store.values.values()].map(({ ttlSeconds }) => ttlSeconds),
    [2_592_000, undefined],
  );
});

test('stops the whole fleet after one refused login, in this process and the next', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, counts, sessionEvents } = await startFleet(t);

  const outcomes = await settle(clock, store, () =>
    Array.from({ length: 16 }, () => startProcess('wrong-password').call()),
  );

  assert.deepEqual(new Set(outcomes), new Set(['session_refused']));
  const late = startProcess('wrong-password');
  await assert.rejects(late.call(), { ...isRefused, statusCode: 401 });
  const requests = server.tokenRequests.length;
  await assert.rejects(late.call(), { ...isRefused, statusCode: 401 });
  await assert.rejects(startProcess('wrong-password').call(), isRefused);
  assert.equal(server.logins.length, 1);
  assert.equal(server.tokenRequests.length, requests);
  assert.deepEqual(counts(), [{ state: 'refused', failures: 1, status: 401 }]);
  assert.equal(sessionEvents().filter(({ type }) => type === 'logins_stopped').length, 18);

  assert.equal((await startProcess('invented-password').call()).status, 200);
});

test('is armed again for all by one reset() and the login after it', async (t) => {
  const { server, startProcess } = await startFleet(t);
  const { login } = server;
  server.login = () => wrongPassword;
  const [first, second] = [startProcess(), startProcess()];
  await assert.rejects(first.call(), isRefused);
  await assert.rejects(second.call(), isRefused);
  server.login = login;

  second.session.reset();
  await assert.rejects(first.call(), isRefused);
  assert.equal((await second.call()).status, 200);

  assert.equal((await first.call()).status, 200);
  assert.equal(server.logins.length, 2);
});

test("arms a fleet by an operator's script that calls reset() and nothing else", async (t) => {
  const { server, startProcess, counts } = await startFleet(t);
  const { login } = server;
  server.login = () => wrongPassword;
  const [first, script] = [startProcess(), startProcess()];
  await assert.rejects(first.call(), isRefused);
  server.login = login;

  await script.session.reset();

  assert.deepEqual(counts(), [{ state: 'free' }]);
  assert.equal(server.tokenRequests.length, 1);
  assert.equal((await startProcess().call()).status, 200);
  assert.equal((await first.call()).status, 200);
  assert.equal(server.logins.length, 2);
});

test('fulfils reset() after the login under way of another process, whose result holds', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, stored } = await startFleet(t);
  const gate = hold();
  const { login } = server;
  server.login = async (...received) => {
    await gate.promise;
    return login(...received);
  };
  const [first, script] = [startProcess(), startProcess()];
  const call = first.call();
  await clock.until(() => server.logins.length === 1);

  const told = script.session.reset();
  const reads = store.operations.length;
  await clock.until(() => store.operations.length > reads);
  gate.open();
  await call;

  assert.deepEqual(await moveUntilSettled(clock, [told]), ['ok']);
  assert.equal(stored()[0].token, 'session-1');
});

test('rejects reset() where the store fails, and tells the store with the next call', async (t) => {
  const { server, store, startProcess } = await startFleet(t);
  server.login = () => wrongPassword;
  const { session, call } = startProcess();
  await assert.rejects(call(), isRefused);
  store.before = brokenWrites;
  await assert.rejects(session.reset(), isFailed);
  store.before = () => {};

  await assert.rejects(call(), isRefused);

  assert.equal(server.logins.length, 2);
});

test('says that reset() needs a client where there is a store, and needs none without', async (t) => {
  const server = await startSessionServer(t);
  const store = memoryStore();

  await assert.rejects(server.account({ store }).reset(), {
    name: 'TypeError',
    message: /give the session to createClient/,
  });
  await server.account().reset();

  assert.deepEqual(store.operations, []);
});

test('does not believe the store after reset(), until it has written there', async (t) => {
  const { server, startProcess, stored } = await startFleet(t);
  const [first, second] = [startProcess(), startProcess()];
  await first.call();
  await second.call();

  first.session.reset();
  assert.equal(stored()[0].token, 'session-1');
  await first.call();

  assert.equal(server.logins.length, 2);
  assert.equal(stored()[0].token, 'session-2');
  server.live.delete('session-2');
  await first.call();
  server.live.delete('session-1');
  await second.call();
  assert.equal(server.logins.length, 3);
});

/**
 * Two processes of which the first has been armed again, but cannot write anything; then the store works
 * again.
 */
async function rearmInVain(t: TestContext, before: string | undefined) {
  const clock = fakeClock(t);
  const fleet = await startFleet(t);
  const { server, store, startProcess } = fleet;
  const key = await keyOf(startProcess, store);
  const [first, second] = [startProcess(), startProcess()];
  if (before) await store.set(key, before, undefined);
  server.logins.length = 0;
  await rearm(fleet, clock, first);
  server.login = () => wrongPassword;
  return { ...fleet, clock, key, first, second };
}

/** A reset, and a call that reads the store and then finds no bearer to log in with. */
async function rearm(
  { server, store }: Awaited<ReturnType<typeof startFleet>>,
  clock: ReturnType<typeof fakeClock>,
  { session, call }: { readonly session: Session; readonly call: () => Promise<unknown> },
): Promise<void> {
  const { token } = server;
  server.token = () => ({ status: 400, body: { error: 'invalid_client' } });
  session.reset();
  assert.deepEqual(await settle(clock, store, () => [call()]), ['oauth_error']);
  server.token = token;
  clock.advance(MINUTE_MS);
}

for (const [name, before] of [
  ['nothing', undefined],
  ['a login whose fate is unknown', JSON.stringify(countOf(FAILED))],
] as const) {
  test(`believes what another has written since reset(), where the store held ${name}`, async (t) => {
    const { server, clock, store, first, second } = await rearmInVain(t, before);

    assert.deepEqual(await settle(clock, store, () => [second.call()]), ['session_refused']);
    await assert.rejects(first.call(), { ...isRefused, statusCode: 401 });

    assert.equal(server.logins.length, 1);
  });
}

test('tells a refusal since reset() from the same one before it', async (t) => {
  const fleet = await rearmInVain(t, undefined);
  const { server, counts, clock, store, first, second } = fleet;
  assert.deepEqual(await settle(clock, store, () => [second.call()]), ['session_refused']);
  assert.deepEqual(await settle(clock, store, () => [first.call()]), ['session_refused']);
  await rearm(fleet, clock, first);

  second.session.reset();
  await assert.rejects(second.call(), isRefused);
  assert.deepEqual(counts(), [{ state: 'refused', failures: 1, status: 401 }]);
  await assert.rejects(first.call(), isRefused);

  assert.equal(server.logins.length, 2);
});

test('does not believe the store after reset() while it stands as it stood, however often it is asked', async (t) => {
  const fleet = await rearmInVain(t, JSON.stringify(countOf({ state: 'refused', failures: 2, status: 401 })));
  const { server, clock, store, first } = fleet;
  server.login = () => ({ status: 429 });

  for (let round = 0; round < 3; round++) {
    assert.deepEqual(await settle(clock, store, () => [first.call()]), ['session_failed']);
    clock.advance(MINUTE_MS);
  }

  assert.equal(server.logins.length, 3);
});

test('voids the refusal, once for all, that is written when an event handler resets the session', async (t) => {
  const server = await startSessionServer(t);
  const store = memoryStore();
  const session = server.account({ store, password: 'wrong-password' });
  let resets = 0;
  const { authorizedFetch } = server.client(session, {
    onEvent: ({ type }) => {
      if (type !== 'logins_stopped' || resets) return;
      resets++;
      session.reset();
    },
  });
  const call = () => authorizedFetch(server.origin + DEVICES_PATH);
  const other = server.client(server.account({ store, password: 'wrong-password' }));

  await assert.rejects(call(), isRefused);

  assert.equal(resets, 1);
  assert.equal(JSON.parse([...store.values.values()][0]!.value).state, 'free');
  await assert.rejects(other.authorizedFetch(server.origin + DEVICES_PATH), isRefused);
  assert.equal(server.logins.length, 2);
  await assert.rejects(call(), isRefused);
  await assert.rejects(call(), isRefused);
  assert.equal(server.logins.length, 2);
});

test('gives those who wait for a login its session, though an event handler has reset it', async (t) => {
  const server = await startSessionServer(t);
  const session = server.account();
  const { authorizedFetch } = server.client(session, {
    onEvent: ({ type }) => type === 'session_obtained' && session.reset(),
  });

  const answers = await Promise.all([1, 2, 3].map(() => authorizedFetch(server.origin + DEVICES_PATH)));

  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200],
  );
  assert.equal(server.logins.length, 1);
  assert.equal(session.current(), undefined);
});

test('has the refusal in the store before anything else goes on, however slow that is', async (t) => {
  const { server, store, events, startProcess } = await startFleet(t);
  const slow = hold();
  let isWriting = false;
  store.before = (operation, value) => {
    if (operation !== 'compareAndSet' || !value?.includes('"refused"')) return undefined;
    isWriting = true;
    return slow.promise;
  };
  let isSettled = false;
  const refused = startProcess('wrong-password')
    .call()
    .finally(() => {
      isSettled = true;
    });
  while (!isWriting) await turn();
  await turns();

  assert.equal(isSettled, false);
  assert.deepEqual(
    events.filter(({ type }) => /^session/.test(type)),
    [],
  );
  slow.open();
  await assert.rejects(refused, isRefused);
  assert.equal(server.logins.length, 1);
});

test('believes what it has written since a reset() that came while it was logging in', async (t) => {
  const { server, store, startProcess } = await startFleet(t);
  const [first, second] = [startProcess(), startProcess()];
  server.login = cutConnection;
  store.before = (operation) => {
    if (operation !== 'compareAndSet') return;
    store.before = () => {};
    first.session.reset();
  };

  await assert.rejects(first.call(), isFailed);
  await assert.rejects(second.call(), isFailed);
  await assert.rejects(first.call(), isRefused);

  assert.equal(server.logins.length, 2);
});

test('counts a login as the first since a reset() that came while it was under way', async (t) => {
  const clock = fakeClock(t);
  const { server, startProcess } = await startFleet(t);
  const { session, call } = startProcess();
  server.login = cutConnection;
  await assert.rejects(call(), isFailed);
  clock.advance(1_000);
  server.login = (_received, response) => {
    session.reset();
    server.login = cutConnection;
    response.destroy();
  };

  await assert.rejects(call(), isFailed);
  clock.advance(2_000);
  await assert.rejects(call(), isFailed);
  await assert.rejects(call(), isRefused);

  assert.equal(server.logins.length, 3);
});

test('holds a refusal that could not be written, also since a reset() that came during that login', async (t) => {
  const { server, store, startProcess } = await startFleet(t);
  const { session, call } = startProcess();
  server.login = () => {
    session.reset();
    store.before = brokenWrites;
    return wrongPassword;
  };
  await assert.rejects(call(), isRefused);
  store.before = () => {};

  await assert.rejects(call(), isRefused);

  assert.equal(server.logins.length, 1);
});

test('believes what others have written since a reset() that came during its own login', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const [first, second] = [startProcess(), startProcess()];
  const { login } = server;
  server.login = (received, response) => {
    first.session.reset();
    return login(received, response);
  };
  assert.deepEqual(await settle(clock, store, () => [first.call()]), ['ok']);
  clock.advance(20 * MINUTE_MS);
  server.login = () => wrongPassword;

  assert.deepEqual(await settle(clock, store, () => [second.call()]), ['session_refused']);
  assert.deepEqual(await settle(clock, store, () => [first.call()]), ['session_refused']);

  assert.equal(server.logins.length, 2);
});

test('offers what a login brought where a reset() came during it and nothing could be written', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, counts } = await startFleet(t);
  const { session, call } = startProcess();
  server.login = (_received, response) => {
    session.reset();
    store.before = brokenWrites;
    response.destroy();
  };
  assert.deepEqual(await settle(clock, store, () => [call()]), ['session_failed']);
  assert.deepEqual(counts(), [{ state: 'counted', failures: 1 }]);
  store.before = () => {};
  server.login = cutConnection;

  assert.deepEqual(await settle(clock, store, () => [call()]), ['session_failed']);
  assert.deepEqual(counts(), [{ state: 'failed', failures: 1 }]);
  for (const next of ['session_failed', 'session_refused']) {
    clock.advance(MINUTE_MS);
    assert.deepEqual(await settle(clock, store, () => [call()]), [next]);
  }
  assert.equal(server.logins.length, 2);
});

test('clears the count after a login that succeeded, though the store fails once', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, counts } = await startFleet(t);
  const { call } = startProcess();
  let writes = 0;
  store.before = (operation) => {
    if (operation === 'compareAndSet' && ++writes === 2) broken();
  };

  assert.deepEqual(await settle(clock, store, () => [call()]), ['ok']);

  assert.deepEqual(counts(), [{ state: 'session', token: 'session-1' }]);
  server.live.clear();
  server.login = cutConnection;
  assert.deepEqual(await settle(clock, store, () => [call()]), ['session_failed']);
});

test('offers a session that could not be written with the next uses, and then no more', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, counts } = await startFleet(t);
  const { call } = startProcess();
  let writes = 0;
  store.before = (operation) => {
    if (operation === 'compareAndSet' && ++writes > 1) broken();
  };
  assert.deepEqual(await settle(clock, store, () => [call()]), ['ok']);
  assert.equal(writes, 3);
  assert.deepEqual(counts(), [{ state: 'counted', failures: 1 }]);
  clock.advance(1_000);
  await call();
  await clock.until(() => writes === 4);
  assert.deepEqual(counts(), [{ state: 'counted', failures: 1 }]);

  store.before = () => {};
  clock.advance(1_000);
  await Promise.all([call(), call()]);
  await clock.until(() => counts()[0].token === 'session-1');
  store.operations.length = 0;
  clock.advance(59_000);
  await call();

  assert.deepEqual(store.operations, []);
  assert.equal(server.logins.length, 1);
});

test('keeps its session for itself where the record has changed meanwhile', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, stored } = await startFleet(t);
  const newer = countOf({ failures: 2, countedAtMs: START_MS });
  const { login } = server;
  server.login = (received, response) => {
    putRecord(store, newer);
    return login(received, response);
  };
  const { call } = startProcess();

  assert.equal((await call()).status, 200);
  clock.advance(MINUTE_MS);
  assert.equal((await call()).status, 200);
  await turns(50);

  assert.deepEqual(stored(), [newer]);
  assert.equal(server.logins.length, 1);
});

test('believes a refusal beside its own session when that has ended', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, stored } = await startFleet(t);
  const { call } = startProcess();
  await call();
  const refused = countOf({ state: 'refused', status: 401 });
  putRecord(store, refused);
  clock.advance(MINUTE_MS);
  assert.equal((await call()).status, 200);
  await turns(50);

  clock.advance(20 * MINUTE_MS);

  assert.deepEqual(await settle(clock, store, () => [call()]), ['session_refused']);
  assert.equal(server.logins.length, 1);
  assert.deepEqual(stored(), [refused]);
});

test('goes over to a newer session that another process has brought', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const { call } = startProcess();
  await call();
  const newer = sessionOf({ token: 'session-9', usedAtMs: Date.now() });
  server.live.add('session-9');
  putRecord(store, newer);
  clock.advance(MINUTE_MS);
  await call();
  await turns(50);

  await call();

  assert.equal(server.calls.at(-1)!.headers['vz-m2m-token'], 'session-9');
  assert.equal(server.logins.length, 1);
});

test('sends no login for a lapse of its own session beside a refusal', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const { call } = startProcess();
  await call();
  const refused = countOf({ state: 'refused', status: 401 });
  putRecord(store, refused);
  clock.advance(MINUTE_MS);
  await call();
  await turns(50);

  server.live.clear();

  await assert.rejects(call(), isRefused);
  assert.equal(server.logins.length, 1);
});

test('takes no lapsed session back of which another process has written a later use', async (t) => {
  const { server, store, startProcess, stored } = await startFleet(t);
  const { call } = startProcess();
  await call();
  const [used] = stored();
  putRecord(store, { ...used, usedAtMs: used.usedAtMs - 1 });
  server.live.clear();

  assert.equal((await call()).status, 200);

  assert.equal(server.logins.length, 2);
});

test('only pauses where it alone knows that the password has brought a session', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const { call } = startProcess();
  await call();
  clock.advance(20 * MINUTE_MS);
  const failed = countOf({ state: 'failed', failures: 2, countedAtMs: Date.now() });
  putRecord(store, failed);

  await assert.rejects(call(), isFailed);
  clock.advance(5 * MINUTE_MS);

  assert.equal((await call()).status, 200);
  assert.equal(server.logins.length, 2);
});

test('has written the count before a login is sent, so that a crash counts', async (t) => {
  const { server, startProcess, counts } = await startFleet(t);
  const { login } = server;
  const seen: unknown[] = [];
  server.login = (received, response) => {
    seen.push(...counts());
    return server.logins.length < 3 ? cutConnection(received, response) : login(received, response);
  };

  await assert.rejects(startProcess().call(), isFailed);
  await assert.rejects(startProcess().call(), isFailed);
  assert.deepEqual(seen, [
    { state: 'counted', failures: 1 },
    { state: 'counted', failures: 2 },
  ]);
  await assert.rejects(startProcess().call(), isRefused);
  assert.equal(server.logins.length, 2);

  const { session, call } = startProcess();
  session.reset();
  await call();
  // One more.
  assert.deepEqual(seen[2], { state: 'counted', failures: 2 });
  assert.deepEqual(counts(), [{ state: 'session', token: 'session-3' }]);
});

test('counts on its own where the store forgets', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  server.login = cutConnection;
  const { call } = startProcess();

  for (const outcome of [isFailed, isFailed, isRefused, isRefused]) {
    await assert.rejects(call(), outcome);
    store.values.clear();
    clock.advance(MINUTE_MS);
  }

  assert.equal(server.logins.length, 2);
});

test('stays stopped by a refusal that it has read of where the store forgets', async (t) => {
  const { server, store, startProcess } = await startFleet(t);
  const [first, second] = [startProcess('wrong-password'), startProcess('wrong-password')];
  await assert.rejects(first.call(), isRefused);
  await assert.rejects(second.call(), isRefused);
  store.values.clear();

  await assert.rejects(second.call(), isRefused);

  assert.equal(server.logins.length, 1);
});

test('takes back the count of a login that neither succeeded nor failed', async (t) => {
  const { server, startProcess, counts } = await startFleet(t);
  server.login = cutConnection;
  await assert.rejects(startProcess().call(), isFailed);
  server.login = () => ({ status: 429 });

  for (let round = 0; round < 3; round++)
    await assert.rejects(startProcess().call(), { ...isFailed, statusCode: 429 });

  assert.equal(server.logins.length, 4);
  assert.deepEqual(counts(), [{ state: 'failed', failures: 1 }]);
});

test("waits for another process's login for 40 s, and logs in then, once", async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, counts } = await startFleet(t);
  const key = await keyOf(startProcess, store);
  server.logins.length = 0;
  await store.set(key, JSON.stringify(countOf()), undefined);
  const startedAtMs = Date.now();
  let sentAtMs = 0;
  server.login = () => {
    sentAtMs = Date.now();
    return wrongPassword;
  };

  const outcomes = await settle(clock, store, () => [
    startProcess('invented-password', 2_000).call(),
    startProcess().call(),
  ]);

  assert.deepEqual(outcomes, ['session_refused', 'session_refused']);
  assert.ok(sentAtMs - startedAtMs >= 40_000 && sentAtMs - startedAtMs < 41_000, `${sentAtMs - startedAtMs}`);
  assert.equal(server.logins.length, 1);
  assert.deepEqual(counts(), [{ state: 'refused', failures: 2, status: 401 }]);
});

test('adds to its own count what another process has counted, where it could not write what became of its login', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const [first, second] = [startProcess(), startProcess()];
  server.login = (_received, response) => {
    store.before = brokenWrites;
    response.destroy();
  };
  assert.deepEqual(await settle(clock, store, () => [first.call()]), ['session_failed']);
  store.before = () => {};
  server.login = cutConnection;
  assert.deepEqual(await settle(clock, store, () => [second.call()]), ['session_failed']);

  assert.deepEqual(await settle(clock, store, () => [first.call()]), ['session_refused']);

  assert.equal(server.logins.length, 2);
});

test('waits for the login of another process that was reset since the refusal', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const [first, second] = [startProcess(), startProcess()];
  const { login } = server;
  server.login = () => wrongPassword;
  assert.deepEqual(await settle(clock, store, () => [first.call()]), ['session_refused']);
  const slow = hold();
  server.login = async (received, response) => (await slow.promise, login(received, response));
  second.session.reset();
  const rearming = second.call();
  await clock.until(() => server.logins.length === 2);

  const reads = store.operations.length;
  const waiting = first.call();
  await clock.until(() => store.operations.length > reads);
  slow.open();

  assert.deepEqual(await moveUntilSettled(clock, [rearming, waiting]), ['ok', 'ok']);
  assert.equal(server.logins.length, 2);
});

test("waits on for another process's login that the store has forgotten", async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const key = await keyOf(startProcess, store);
  server.logins.length = 0;
  await store.set(key, JSON.stringify(countOf()), undefined);
  const startedAtMs = Date.now();
  let looks = 0;
  store.before = (operation) => void (operation === 'get' && ++looks === 3 && store.values.clear());

  assert.deepEqual(await settle(clock, store, () => [startProcess().call()]), ['ok']);

  assert.equal(server.logins.length, 1);
  assert.ok(Date.now() - startedAtMs >= 40_000, `${Date.now() - startedAtMs}`);
});

test("waits for another process's login after reset(), too", async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const key = await keyOf(startProcess, store);
  server.logins.length = 0;
  await store.set(key, JSON.stringify(countOf()), undefined);
  const { session, call } = startProcess();
  session.reset();
  const calling = call();
  calling.catch(() => {});
  await clock.until(() => store.operations.includes('get'));

  for (let seconds = 0; seconds < 35; seconds++) {
    clock.advance(1_000);
    await turns(10);
  }
  assert.equal(server.logins.length, 0);

  assert.deepEqual(await moveUntilSettled(clock, [calling]), ['ok']);
});

test('keeps in the record what another process has found of a session, when it writes its last use', async (t) => {
  const clock = fakeClock(t);
  const { store, startProcess, stored } = await startFleet(t);
  const { call } = startProcess();
  await call();
  const [key] = store.values.keys();
  await store.set(key!, JSON.stringify({ ...stored()[0], rejectedAgainAtMs: START_MS }), undefined);
  clock.advance(MINUTE_MS);

  await call();
  await clock.until(() => stored()[0].usedAtMs > START_MS);

  assert.equal(stored()[0].rejectedAgainAtMs, START_MS);
});

test('logs out at the server where the store cannot be read', async (t) => {
  const { server, store, startProcess } = await startFleet(t);
  const { session, call } = startProcess();
  await call();
  store.before = broken;

  await session.logout();

  assert.equal(server.logouts.length, 1);
});

test('waits 120 s for the logins of others, and then fails without one', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const key = await keyOf(startProcess, store);
  server.logins.length = 0;
  let others = 0;
  store.before = () => {
    if (others * 39_000 > Date.now() - START_MS) return;
    putRecord(store, countOf({ login: `another ${++others}` }), key);
  };
  const startedAtMs = Date.now();
  const withMessage = (error: Error) => Promise.reject(Object.assign(error, { code: error.message }));

  const told = settle(clock, store, () => [
    startProcess('invented-password', 1_000).call().catch(withMessage),
  ]);

  assert.deepEqual(await told, ['M2M session: another login is under way; try again later']);
  const waitedMs = Date.now() - startedAtMs;
  assert.ok(waitedMs >= 120_000 && waitedMs < 122_000, `${waitedMs}`);
  assert.equal(server.logins.length, 0);
});

test('takes a login that was counted in the future of its clock for one of now', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const key = await keyOf(startProcess, store);
  await store.set(key, JSON.stringify(countOf({ countedAtMs: Date.UTC(2100, 0, 1) })), undefined);
  server.logins.length = 0;

  assert.deepEqual(await settle(clock, store, () => [startProcess().call()]), ['ok']);

  assert.equal(server.logins.length, 1);
  assert.ok(Date.now() - START_MS < 42_000, `${Date.now() - START_MS}`);
});

test('gives up where others write all the time, so that no login can be counted', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const key = await keyOf(startProcess, store);
  server.logins.length = 0;
  let written = 0;
  store.before = (operation) => {
    if (operation !== 'compareAndSet') return;
    putRecord(store, countOf({ ...FAILED, login: `${++written}` }), key);
  };
  const startedAtMs = Date.now();
  const withMessage = (error: Error) => Promise.reject(Object.assign(error, { code: error.message }));

  const told = await settle(clock, store, () => [startProcess().call().catch(withMessage)]);

  assert.deepEqual(told, ['M2M session: the record keeps changing; try again later']);
  assert.ok(Date.now() - startedAtMs >= 30_000 && Date.now() - startedAtMs < 32_000);
  assert.equal(server.logins.length, 0);
});

test('does not count the time in which it waits for another as one in which it cannot count its login', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const key = await keyOf(startProcess, store);
  server.logins.length = 0;
  const disturb = (record: object) => putRecord(store, record, key);
  const disturbances = [
    // A login that lasts until it is given up, 40 s later; and then something else for once.
    () => disturb(countOf()),
    () => disturb(countOf({ ...FAILED, login: 'a third 1' })),
  ];
  store.before = (operation) => operation === 'compareAndSet' && disturbances.shift()?.();

  assert.deepEqual(await settle(clock, store, () => [startProcess().call()]), ['ok']);

  assert.ok(Date.now() - START_MS >= 40_000);
  assert.deepEqual(disturbances, []);
  assert.equal(server.logins.length, 1);
});

/** The key of the account, found by a session that is then forgotten. */
async function keyOf(
  startProcess: () => { call: () => Promise<unknown> },
  store: ReturnType<typeof memoryStore>,
): Promise<string> {
  await startProcess().call();
  const [key] = store.values.keys();
  store.values.clear();
  return key!;
}

test('waits for the second login of another process too, which may yet succeed', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const key = await keyOf(startProcess, store);
  await store.set(key, JSON.stringify(countOf({ failures: 2 })), undefined);
  const waiting = settle(clock, store, () => [startProcess().call()]);
  await clock.until(() => Date.now() > START_MS + 5_000);

  await store.set(key, JSON.stringify(sessionOf()), 1_200);

  assert.deepEqual(await waiting, ['ok']);
  assert.equal(server.logins.length, 1);
});

test('waits for a login of 29 s instead of sending another', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const { login } = server;
  server.login = async (received, response) => {
    const endMs = Date.now() + 29_000;
    await clock.until(() => Date.now() >= endMs);
    return login(received, response);
  };

  for (const [password, outcome] of [
    ['invented-password', 'ok'],
    ['wrong-password', 'session_refused'],
  ] as const) {
    const before = server.logins.length;
    const outcomes = await settle(clock, store, () =>
      Array.from({ length: 8 }, () => startProcess(password).call()),
    );
    assert.deepEqual(new Set(outcomes), new Set([outcome]));
    assert.equal(server.logins.length, before + 1);
  }
});

test('takes its count back where its moment is over before the login has been sent, and looks again', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const key = await keyOf(startProcess, store);
  server.logins.length = 0;
  const written: (string | undefined)[] = [];
  store.before = (operation, value) => {
    if (operation !== 'compareAndSet') return;
    written.push(value && JSON.parse(value).state);
    if (written.length === 1) clock.jump(5_000);
  };

  assert.deepEqual(await settle(clock, store, () => [startProcess().call()]), ['ok']);

  assert.deepEqual(written, ['counted', 'free', 'counted', 'session']);
  assert.equal(server.logins.length, 1);
  assert.ok(store.values.has(key));
});

test('takes its count back where a reset() comes while that is written, and looks again', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const { session, call } = startProcess();
  const written: unknown[] = [];
  store.before = (operation, value) => {
    if (operation !== 'compareAndSet') return;
    written.push(JSON.parse(value!).state);
    if (written.length === 1) session.reset();
  };

  assert.deepEqual(await settle(clock, store, () => [call()]), ['ok']);

  assert.match(written.join(), /^counted,(free,)+counted,session$/);
  assert.equal(server.logins.length, 1);
});

test('does nothing else while it takes its count back, however slow that is', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  await keyOf(startProcess, store);
  server.logins.length = 0;
  const slow = hold();
  let writes = 0;
  store.before = (operation) => {
    if (operation !== 'compareAndSet') return undefined;
    if (++writes === 1) clock.jump(5_000);
    return writes === 2 ? slow.promise : undefined;
  };
  store.operations.length = 0;
  const call = startProcess().call();
  await clock.until(() => writes === 2);
  for (let steps = 0; steps < 10; steps++) {
    clock.advance(100);
    await turns(10);
  }

  assert.deepEqual(store.operations, ['get', 'compareAndSet', 'get', 'compareAndSet']);
  slow.open();
  assert.deepEqual(await moveUntilSettled(clock, [call]), ['ok']);
  assert.equal(server.logins.length, 1);
});

test('sends no login for a count of which nobody knows whether it was written, and takes it back', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, counts } = await startFleet(t);
  const { compareAndSet } = store;
  store.compareAndSet = async (...parameters) => {
    store.compareAndSet = compareAndSet;
    await compareAndSet(...parameters);
    return broken();
  };
  const { call } = startProcess();
  await assert.rejects(call(), {
    ...isFailed,
    message: /the store failed/,
    cause: new Error('invented store failure'),
  });
  assert.equal(server.logins.length, 0);
  assert.deepEqual(counts(), [{ state: 'counted', failures: 1 }]);
  const written: unknown[] = [];
  store.before = (operation, value) =>
    operation === 'compareAndSet' && written.push(JSON.parse(value!).state);

  assert.deepEqual(await settle(clock, store, () => [call()]), ['ok']);

  assert.deepEqual(written, ['free', 'counted', 'session']);
  assert.equal(server.logins.length, 1);
});

test('sends no login where it was stopped between its count and its request, and another has written since', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, stored } = await startFleet(t);
  const key = await keyOf(startProcess, store);
  server.logins.length = 0;
  const refused = countOf({ state: 'refused', failures: 2, countedAtMs: START_MS, status: 401 });
  const { compareAndSet } = store;
  store.compareAndSet = async (...parameters) => {
    store.compareAndSet = compareAndSet;
    const isWritten = await compareAndSet(...parameters);
    clock.jump(10 * MINUTE_MS);
    putRecord(store, refused, key);
    return isWritten;
  };

  assert.deepEqual(await settle(clock, store, () => [startProcess().call()]), ['session_refused']);

  assert.equal(server.logins.length, 0);
  assert.deepEqual(stored(), [refused]);
});

test('has the bearer before it counts', async (t) => {
  const { server, store, startProcess } = await startFleet(t);
  const order: string[] = [];
  const { token } = server;
  server.token = (...parameters) => {
    order.push('bearer');
    return token(...parameters);
  };
  store.before = (operation) => void order.push(operation);

  await startProcess().call();

  assert.deepEqual(order, ['get', 'bearer', 'compareAndSet', 'compareAndSet']);
});

test('takes the count back for a bearer that the gateway refuses, and counts anew with another, once', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, counts } = await startFleet(t);
  const seen: unknown[] = [];
  server.login = () => {
    seen.push(counts());
    return rejection;
  };
  store.before = (operation, value) => operation === 'compareAndSet' && seen.push(JSON.parse(value!).state);

  assert.deepEqual(await settle(clock, store, () => [startProcess().call()]), ['session_failed']);

  const counted = [{ state: 'counted', failures: 1 }];
  assert.deepEqual(seen, ['counted', counted, 'free', 'counted', counted, 'free']);
  assert.deepEqual(
    server.logins.map(({ headers }) => headers.authorization),
    ['Bearer token-1', 'Bearer token-2'],
  );
});

test('writes in the record that a replay found the session lapsed too, so that a fleet logs in once a minute', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, stored } = await startFleet(t);
  const fleet = Array.from({ length: 6 }, () => startProcess());
  await settle(clock, store, () => fleet.map(({ call }) => call()));
  server.login = () => ({ body: { sessionToken: `stillborn-${server.logins.length}` } });
  server.live.clear();
  server.logins.length = 0;

  for (let minute = 1; minute <= 3; minute++) {
    for (let second = 0; second < 60; second += 10) {
      const outcomes = await moveUntilSettled(
        clock,
        fleet.map(({ call }) => call()),
      );
      assert.deepEqual(new Set(outcomes), new Set(['ok']));
      clock.advance(10_000);
    }
    assert.ok(server.logins.length <= 2 * minute, `${server.logins.length} logins in ${minute} minutes`);
  }
  assert.ok(stored()[0].replacedAtMs > START_MS && stored()[0].rejectedAgainAtMs > START_MS);
});

test('makes no login for a lapse where another process has found that none helps', async (t) => {
  const { server, store, startProcess } = await startFleet(t);
  const { call } = startProcess();
  await call();
  const record = sessionOf({ rejectedAgainAtMs: Date.now() });
  putRecord(store, record);
  server.live.clear();

  assert.equal((await call()).status, 400);
  assert.equal(server.logins.length, 1);
});

for (const operation of ['get', 'compareAndSet'] as const) {
  test(`sends no login where the store's ${operation} fails, and goes on when it works again`, async (t) => {
    const clock = fakeClock(t);
    const { server, store, startProcess, sessionEvents } = await startFleet(t);
    store.before = (each) => each === operation && broken();
    const { call } = startProcess();

    for (let round = 0; round < 3; round++) {
      await assert.rejects(call(), {
        ...isFailed,
        message: 'M2M session: the store failed: check it',
        cause: new Error('invented store failure'),
      });
    }
    assert.equal(server.logins.length, 0);
    assert.deepEqual(sessionEvents().slice(0, 2), [
      { type: 'store_failed', operation, reason: 'Error' },
      { type: 'session_failed', code: 'session_failed' },
    ]);

    store.before = () => {};
    assert.deepEqual(await settle(clock, store, () => [call()]), ['ok']);
    assert.equal(server.logins.length, 1);
  });

  test(`goes on using the session that it holds where the store's ${operation} fails`, async (t) => {
    const clock = fakeClock(t);
    const { server, store, startProcess } = await startFleet(t);
    const { call } = startProcess();
    await call();
    store.before = (each) => each === operation && broken();

    for (let minutes = 0; minutes < 60; minutes += 10) {
      clock.advance(10 * MINUTE_MS);
      assert.equal((await call()).status, 200);
    }
    assert.equal(server.logins.length, 1);
    server.live.clear();
    await assert.rejects(call(), { ...isFailed, message: /the store failed/ });
  });
}

test('tells of a refusal by session_failed while the store fails', async (t) => {
  const { server, store, startProcess } = await startFleet(t);
  const { call } = startProcess('wrong-password');
  await assert.rejects(call(), isRefused);
  store.before = broken;
  await assert.rejects(call(), isFailed);
  store.before = () => {};

  await assert.rejects(call(), isRefused);
  assert.equal(server.logins.length, 1);
});

for (const [name, answer, next] of [
  ['refused', () => wrongPassword, 'session_refused'],
  ['lost', cutConnection, 'session_failed'],
  ['not judged', () => ({ status: 429 }), 'ok'],
] as const satisfies readonly (readonly [string, Handler, string])[]) {
  test(`offers the result of a login that was ${name} when the store works again`, async (t) => {
    const clock = fakeClock(t);
    const { server, store, startProcess, counts } = await startFleet(t);
    const { call } = startProcess();
    const { login } = server;
    server.login = (received, response) => {
      store.before = broken;
      return answer(received, response) as ReturnType<Handler>;
    };
    const [outcome] = await settle(clock, store, () => [call()]);
    assert.equal(outcome, name === 'refused' ? 'session_refused' : 'session_failed');
    assert.deepEqual(counts(), [{ state: 'counted', failures: 1 }]);
    clock.advance(MINUTE_MS);
    await assert.rejects(call(), { ...isFailed, message: /the store failed/ });

    store.before = () => {};
    server.login = name === 'lost' ? cutConnection : login;
    assert.deepEqual(await settle(clock, store, () => [call()]), [next]);
    assert.deepEqual(counts(), [
      {
        refused: { state: 'refused', failures: 1, status: 401 },
        lost: { state: 'failed', failures: 2 },
        'not judged': { state: 'session', token: 'session-2' },
      }[name],
    ]);
  });
}

test('takes a store that hangs for one that fails, after 5 s', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, sessionEvents } = await startFleet(t);
  store.before = () => new Promise(() => {});
  const call = startProcess().call();
  call.catch(() => {});
  await clock.until(() => store.operations.length);

  for (let passedMs = 0; passedMs < 5_000; passedMs += 100) {
    assert.deepEqual(sessionEvents(), [], `${passedMs} ms`);
    clock.advance(100);
    await turns(10);
  }

  await assert.rejects(call, ({ cause }) => cause.code === 'timeout' && /within 5 s/.test(cause.message));
  assert.deepEqual(sessionEvents()[0], { type: 'store_failed', operation: 'get', reason: 'timeout' });
  assert.equal(server.logins.length, 0);
});

/** A process whose login was refused, which it could not write, and a store that works again. */
async function refuseUnwritten(t: TestContext) {
  const clock = fakeClock(t);
  const fleet = await startFleet(t);
  const { server, store, startProcess } = fleet;
  const key = await keyOf(startProcess, store);
  server.logins.length = 0;
  const { login } = server;
  server.login = () => wrongPassword;
  store.before = (operation, value) =>
    operation === 'compareAndSet' && value?.includes('"refused"') && broken();
  const { call, session } = startProcess();
  assert.deepEqual(await settle(clock, store, () => [call()]), ['session_refused']);
  server.login = login;
  store.before = () => {};
  const put = (value: string | undefined) =>
    value === undefined ? store.values.clear() : store.values.set(key, { value, ttlSeconds: undefined });
  return { ...fleet, clock, call, session, put };
}

for (const [name, held] of [
  ['nothing', undefined],
  ['junk', '<junk>'],
  ['a login of another process that failed', JSON.stringify(countOf(FAILED))],
  ['a login of another process that was lost', JSON.stringify(countOf({ countedAtMs: 0 }))],
  ['a session from before its count', JSON.stringify(sessionOf({ usedAtMs: 0, acceptedAtMs: 0 }))],
] as const) {
  test(`writes a refusal that could not be written over ${name}`, async (t) => {
    const { server, store, clock, call, put, counts } = await refuseUnwritten(t);
    put(held);

    assert.deepEqual(await settle(clock, store, () => [call()]), ['session_refused']);

    assert.deepEqual(counts(), [{ state: 'refused', failures: 1, status: 401 }]);
    assert.equal(server.logins.length, 1);
  });
}

test('writes a refusal over no login under way, but when that has ended', async (t) => {
  const { store, clock, call, put, counts } = await refuseUnwritten(t);
  put(JSON.stringify(countOf()));

  assert.deepEqual(await settle(clock, store, () => [call()]), ['session_refused']);
  assert.deepEqual(counts(), [{ state: 'counted', failures: 1 }]);
  clock.advance(40_000);
  assert.deepEqual(await settle(clock, store, () => [call()]), ['session_refused']);

  assert.deepEqual(counts(), [{ state: 'refused', failures: 1, status: 401 }]);
});

for (const [name, record, outcome] of [
  ['a session', sessionOf({ token: 'session-9', acceptedAtMs: Date.UTC(2100, 0, 1) }), 'ok'],
  ['the time of a session', { v: 1, state: 'free', acceptedAtMs: Date.UTC(2100, 0, 1) }, 'ok'],
  ['another refusal', countOf({ state: 'refused', status: 403, failures: 2 }), 'session_refused'],
] as const) {
  test(`drops a refusal that could not be written for ${name} since its count`, async (t) => {
    const { server, store, clock, call, put } = await refuseUnwritten(t);
    server.live.add('session-9');
    put(JSON.stringify({ ...record, ...('usedAtMs' in record && { usedAtMs: Date.now() }) }));
    clock.advance(1_000);

    assert.deepEqual(await settle(clock, store, () => [call()]), [outcome]);
    if (outcome === 'ok') return;
    await assert.rejects(call(), { statusCode: 403 });
  });
}

test('drops a refusal that it has only read, also where it could not write that once more', async (t) => {
  const { server, store, startProcess } = await startFleet(t);
  const key = await keyOf(startProcess, store);
  const put = (record: object) => putRecord(store, record, key);
  put(countOf({ state: 'refused', status: 401 }));
  store.before = brokenWrites;
  const { call } = startProcess();
  await assert.rejects(call(), isRefused);
  store.before = () => {};
  put({ v: 1, state: 'free' });

  assert.equal((await call()).status, 200);
  assert.equal(server.logins.length, 2);
});

test("waits for another process's login after reset() of a refusal that could not be written", async (t) => {
  const { server, store, clock, call, put, session } = await refuseUnwritten(t);
  put(JSON.stringify(countOf({ countedAtMs: Date.now() })));
  assert.deepEqual(await settle(clock, store, () => [call()]), ['session_refused']);
  const resetAtMs = Date.now();

  session.reset();

  assert.deepEqual(await settle(clock, store, () => [call()]), ['ok']);
  assert.ok(Date.now() - resetAtMs >= 35_000);
  assert.equal(server.logins.length, 2);
});

test('voids a refusal that could not be written by reset()', async (t) => {
  const { server, store, clock, call, session } = await refuseUnwritten(t);

  session.reset();

  assert.deepEqual(await settle(clock, store, () => [call()]), ['ok']);
  assert.equal(server.logins.length, 2);
});

for (const [name, other] of [
  ['nothing', undefined],
  ['junk', '<junk>'],
  ['a login of another process', JSON.stringify(countOf(FAILED))],
] as const) {
  test(`offers a session that could not be written where the store holds ${name} by then`, async (t) => {
    const clock = fakeClock(t);
    const { server, store, startProcess, stored, counts } = await startFleet(t);
    const { login } = server;
    server.login = (received, response) => {
      store.before = broken;
      return login(received, response);
    };
    const { call } = startProcess();
    assert.deepEqual(await settle(clock, store, () => [call()]), ['ok']);
    const [key = ''] = store.values.keys();
    store.before = () => {};
    if (other) store.values.set(key, { value: other, ttlSeconds: undefined });
    else store.values.clear();
    clock.advance(1_000);
    await call();
    await turns(50);

    if (name === 'a login of another process') assert.deepEqual(stored(), [JSON.parse(other)]);
    else assert.deepEqual(counts(), [{ state: 'session', token: 'session-1' }]);
    assert.equal(server.logins.length, 1);
  });
}

for (const [name, value] of [
  ['no JSON', '<junk>'],
  ['empty', ''],
  ['null', 'null'],
  ['a list', '[]'],
  ['a record of another version', JSON.stringify(countOf({ ...FAILED, v: 2, failures: 2 }))],
  ['a record without a state', JSON.stringify(countOf({ state: undefined, failures: 2 }))],
  ['a record of a state of Object’s', JSON.stringify(countOf({ state: 'constructor', failures: 2 }))],
  ['a token that cannot stand in a header', JSON.stringify(sessionOf({ token: 'broken\r\nx: y' }))],
  ['a token that is no text', JSON.stringify(sessionOf({ token: 7 }))],
  ['a token without its last use', JSON.stringify(sessionOf({ usedAtMs: undefined }))],
  ['a token whose last use is a text', JSON.stringify(sessionOf({ usedAtMs: '2000' }))],
  ['a time that is no number', JSON.stringify(sessionOf({ acceptedAtMs: '2000' }))],
  [
    'a refusal without a count',
    JSON.stringify(countOf({ state: 'refused', failures: undefined, status: 401 })),
  ],
  ['a refusal without a status', JSON.stringify(countOf({ state: 'refused' }))],
  ['a refusal whose status is a text', JSON.stringify(countOf({ state: 'refused', status: '<b>' }))],
  ['a refusal whose status has four digits', JSON.stringify(countOf({ state: 'refused', status: 4011 }))],
  ['a count that is none', JSON.stringify(countOf({ ...FAILED, failures: 'many' }))],
  ['a count that is a text', JSON.stringify(countOf({ ...FAILED, failures: '2' }))],
  ['a count that is broken', JSON.stringify(countOf({ ...FAILED, failures: 2.5 }))],
  ['a count below zero', JSON.stringify(countOf({ ...FAILED, failures: -1 }))],
  [
    'a count without end',
    JSON.stringify(countOf({ failures: 2 })).replace('"failures":2', '"failures":1e999'),
  ],
  ['a count of nobody', JSON.stringify(countOf({ failures: 2, login: '' }))],
] as const) {
  test(`takes for a miss what the store holds when that is ${name}`, async (t) => {
    const { server, store, startProcess, stored, sessionEvents } = await startFleet(t);
    await store.set(await keyOf(startProcess, store), value, undefined);
    server.logins.length = 0;
    server.apiRequests.length = 0;

    assert.equal((await startProcess().call()).status, 200);

    assert.equal(server.logins.length, 1);
    assert.equal(server.apiRequests.filter(({ url }) => url === DEVICES_PATH).length, 1);
    assert.equal(stored()[0].token, 'session-1');
    const told = sessionEvents().filter(({ type }) => type === 'store_failed');
    assert.deepEqual(told, [{ type: 'store_failed', operation: 'get', reason: 'junk' }]);
  });
}

test('takes a last use in the future of its clock for one of now', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const key = await keyOf(startProcess, store);
  await store.set(key, JSON.stringify(sessionOf({ usedAtMs: START_MS + 60 * MINUTE_MS })), undefined);
  const { session, call } = startProcess();
  await call();
  assert.equal(server.logins.length, 1);

  clock.advance(20 * MINUTE_MS);

  assert.equal(session.current(), undefined);
});

test("forgets the session in the store at logout, and not another process's", async (t) => {
  const { server, startProcess, stored } = await startFleet(t);
  const [first, second] = [startProcess(), startProcess()];
  await first.call();
  await second.call();
  await first.session.logout();
  assert.equal(stored()[0].state, 'free');
  assert.ok(stored()[0].acceptedAtMs > 0);

  server.live.clear();
  await first.call();
  await second.session.logout();

  assert.equal(stored()[0].token, 'session-2');
  assert.deepEqual(
    server.logouts.map(({ headers }) => headers['vz-m2m-token']),
    ['session-1', 'session-1'],
  );
});

test('has the session out of the store before it ends it at the server', async (t) => {
  const { server, store, startProcess } = await startFleet(t);
  const { session, call } = startProcess();
  await call();
  const slow = hold();
  let isRemoving = false;
  store.before = (operation) => {
    if (operation !== 'compareAndSet') return undefined;
    isRemoving = true;
    return slow.promise;
  };
  const ended = session.logout();
  while (!isRemoving) await turn();
  // Meanwhile another request has gone there and back.
  await server.client('constant-session').authorizedFetch(server.origin + DEVICES_PATH);

  assert.equal(server.logouts.length, 0);
  slow.open();
  await ended;
  assert.equal(server.logouts.length, 1);
});

test('has the session out of the store also where its last use is written meanwhile', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, stored } = await startFleet(t);
  const { session, call } = startProcess();
  await call();
  clock.advance(MINUTE_MS);
  const [saved, removed] = [hold(), hold()];
  const holds = [saved, removed];
  store.before = (operation) => (operation === 'compareAndSet' ? holds.shift()?.promise : undefined);
  await call();
  await clock.until(() => holds.length === 1);
  const ended = session.logout();
  await clock.until(() => !holds.length);
  saved.open();
  await turns(50);
  assert.deepEqual(stored(), [sessionOf({ usedAtMs: START_MS + MINUTE_MS, acceptedAtMs: START_MS })]);
  removed.open();
  await ended;

  assert.equal(stored()[0].state, 'free');
  assert.equal(server.logouts.length, 1);
});

test('tries three times to have the session out of the store where others keep writing, and logs out all the same', async (t) => {
  const { server, store, startProcess } = await startFleet(t);
  const { session, call } = startProcess();
  await call();
  let refused = 0;
  Object.assign(store, { compareAndSet: async () => (refused++, false) });

  await session.logout();

  assert.equal(refused, 3);
  assert.equal(server.logouts.length, 1);
});

test('does not take a session back that it has logged out of, though the store still has it', async (t) => {
  const { server, store, startProcess } = await startFleet(t);
  const key = await keyOf(startProcess, store);
  // One that was found not worth replacing.
  const record = sessionOf({ rejectedAgainAtMs: Date.now() });
  putRecord(store, record, key);
  const { session, call } = startProcess();
  await call();
  assert.equal(server.logins.length, 1);

  store.before = brokenWrites;
  await session.logout();
  store.before = () => {};
  assert.equal((await call()).status, 200);

  assert.equal(session.current(), 'session-2');
});

test('uses a store whose operations are synchronous', async (t) => {
  const server = await startSessionServer(t);
  const values = new Map<string, string>();
  const store = {
    get: (key: string) => values.get(key) ?? null,
    set: (key: string, value: string) => void values.set(key, value),
    delete: (key: string) => void values.delete(key),
    compareAndSet: (key: string, expected: string | undefined, value: string | undefined) => {
      if (values.get(key) !== expected) return false;
      return value === undefined ? values.delete(key) || true : !!values.set(key, value);
    },
  };
  const [first, second] = [server.account({ store }), server.account({ store })];

  await server.client(first).authorizedFetch(server.origin + DEVICES_PATH);
  await server.client(second).authorizedFetch(server.origin + DEVICES_PATH);

  assert.equal(server.logins.length, 1);
  await second.logout();
  assert.equal(JSON.parse([...values.values()][0]!).state, 'free');
});

test('sends one login where the store itself makes a call that needs the session', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const { call } = startProcess();
  await call();
  clock.advance(20 * MINUTE_MS);
  let inner: Promise<Response> | undefined;
  const { get } = store;
  Object.assign(store, { get: (key: string) => ((inner ??= call()), get(key)) });

  assert.equal((await call()).status, 200);
  assert.equal((await inner)?.status, 200);

  assert.equal(server.logins.length, 2);
});

test('touches no store when it is created', () => {
  const store = { get: broken, set: broken, delete: broken, compareAndSet: broken };

  createSession({ username: 'invented-user', password: 'invented-password', store });
});

test('writes the last use of 1,000 objects once a minute, not 1,000 times', async (t) => {
  const clock = fakeClock(t);
  const store = memoryStore();
  let logins = 0;
  const fetch = (async (input) => {
    if (String(input).endsWith('/token')) return Response.json(tokenAnswer('token-1', 1e9).body);
    if (!String(input).endsWith('/login')) return new Response('reached');
    logins++;
    return Response.json({ sessionToken: 'session-1' });
  }) as typeof globalThis.fetch;
  const fleet = Array.from({ length: 1_000 }, () => {
    const session = createSession({ username: 'invented-user', password: 'invented-password', store });
    const { authorizedFetch } = createClient({
      clientCredentialsAuthCredentials: {
        oauthClientId: 'invented-id',
        oauthClientSecret: 'invented-secret',
      },
      environment: { tokenUrl: 'https://auth.example.com/token', apiOrigins: ['https://api.example.com'] },
      vZM2mToken: session,
      fetch,
    });
    return () => authorizedFetch('https://api.example.com/');
  });
  await fleet[0]!();
  await Promise.all(fleet.map((call) => call()));
  let written = 0;
  const { compareAndSet } = store;
  store.compareAndSet = async (...parameters) => {
    const isWritten = await compareAndSet(...parameters);
    if (isWritten) written++;
    return isWritten;
  };

  for (let quarters = 1; quarters <= 12; quarters++) {
    clock.advance(15_000);
    await Promise.all(fleet.map((call) => call()));
    await turns(20);
    assert.ok(written <= quarters / 4 + 1, `${written} writes in ${quarters / 4} minutes`);
  }
  assert.ok(written > 1);
  assert.equal(logins, 1);
});

test('keeps a refusal through a rotation of the keys of an encrypted store', async (t) => {
  const { server, store } = await startFleet(t);
  const [old, next] = await Promise.all(
    ['old', 'next'].map((name) =>
      crypto.subtle.importKey('raw', new TextEncoder().encode(name.padEnd(32)), 'AES-GCM', false, [
        'encrypt',
        'decrypt',
      ]),
    ),
  );
  const callWith = (...keys: readonly CryptoKey[]) => {
    const session = server.account({ store: encryptedStore(store, keys), password: 'wrong-password' });
    return server.client(session).authorizedFetch(server.origin + DEVICES_PATH);
  };

  await assert.rejects(callWith(old!), isRefused);
  await assert.rejects(callWith(old!, next!), isRefused);
  await assert.rejects(callWith(next!, old!), isRefused);
  for (let process = 0; process < 6; process++) await assert.rejects(callWith(next!), isRefused);

  assert.equal(server.logins.length, 1);
});

test('holds a refusal that it knows of where the store goes back in time to a session before it', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, stored } = await startFleet(t);
  const { call } = startProcess();
  await call();
  const [older] = stored();
  clock.advance(20 * MINUTE_MS);
  server.login = () => wrongPassword;
  const knowing = startProcess();
  assert.deepEqual(await settle(clock, store, () => [knowing.call()]), ['session_refused']);

  for (let failover = 0; failover < 5; failover++) {
    putRecord(store, older);
    assert.deepEqual(await settle(clock, store, () => [knowing.call()]), ['session_refused']);
    assert.equal(stored()[0].state, 'refused');
  }

  assert.equal(server.logins.length, 2);
});

test('voids a refusal once, however many processes that had seen it call reset()', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  server.login = () => wrongPassword;
  const fleet = Array.from({ length: 8 }, () => startProcess());
  await settle(clock, store, () => fleet.map(({ call }) => call()));
  await settle(clock, store, () => fleet.map(({ call }) => call()));
  assert.equal(server.logins.length, 1);

  for (const { session } of fleet) session.reset();
  const outcomes = await settle(clock, store, () => fleet.map(({ call }) => call()));

  assert.deepEqual(new Set(outcomes), new Set(['session_refused']));
  assert.equal(server.logins.length, 2);
});

for (const [name, answer, then] of [
  ['unknown', cutConnection, ['session_failed', 'session_failed', 'session_refused']],
  ['not judged', () => ({ status: 429 }), ['session_failed', 'session_failed', 'session_failed']],
  ['refused', () => wrongPassword, ['session_refused', 'session_refused', 'session_refused']],
] as const satisfies readonly (readonly [string, Handler, readonly string[]])[]) {
  for (const moment of ['is written', 'has been written, but not yet answered'] as const) {
    test(`has a reset() count that comes while the result of a login that is ${name} ${moment}`, async (t) => {
      const clock = fakeClock(t);
      const { server, store, startProcess } = await startFleet(t);
      const { session, call } = startProcess();
      server.login = cutConnection;
      assert.deepEqual(await settle(clock, store, () => [call()]), ['session_failed']);
      clock.advance(MINUTE_MS);
      server.login = answer;
      const { compareAndSet } = store;
      let resets = 0;
      store.compareAndSet = async (key, expected, value, ttlSeconds) => {
        const isResult = !value?.includes('"counted"') && !resets++;
        if (isResult && moment === 'is written') void session.reset();
        const isWritten = await compareAndSet(key, expected, value, ttlSeconds);
        if (isResult && moment !== 'is written') {
          void session.reset();
          // What the store holds can be read before this answer arrives.
          await turns();
        }
        return isWritten;
      };
      const outcomes: unknown[] = [];
      for (let round = 0; round < 3; round++) {
        outcomes.push(...(await settle(clock, store, () => [call()])));
        clock.advance(MINUTE_MS);
        if (name === 'not judged') server.login = cutConnection;
      }

      // As the first one since the reset, where its fate is unknown. A refusal that is being written holds.
      assert.deepEqual(outcomes, then);
    });
  }
}

test('leaves others armed by a logout() after reset()', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const [first, second] = [startProcess(), startProcess()];
  const { login } = server;
  server.login = () => wrongPassword;
  await settle(clock, store, () => [first.call()]);
  await settle(clock, store, () => [second.call()]);
  server.login = login;
  first.session.reset();
  assert.deepEqual(await settle(clock, store, () => [first.call()]), ['ok']);
  await first.session.logout();

  assert.deepEqual(await settle(clock, store, () => [second.call()]), ['ok']);
});

test('shares one record among the spellings of one session URL', async (t) => {
  const server = await startSessionServer(t);
  const store = memoryStore();
  for (const spelling of ['', '/', '//']) {
    const session = server.account({ store });
    const sessionUrl = `${server.origin.replace('http', 'HTTP')}${SESSION_PATH}${spelling}`;
    await server.client(session, {}, { sessionUrl }).authorizedFetch(server.origin + DEVICES_PATH);
  }

  assert.equal(store.values.size, 1);
  assert.equal(server.logins.length, 1);
});
