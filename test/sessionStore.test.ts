import assert from 'node:assert/strict';
import { pbkdf2Sync } from 'node:crypto';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { createSession } from 'thingspace-auth/session';
import type { Handler } from './server.ts';
import { fakeClock, hold, recordEvents, START_MS, turn } from './server.ts';
import type { MemoryStore } from './sessionServer.ts';
import { DEVICES_PATH, memoryStore, SESSION_PATH, startSessionServer, wrongPassword } from './sessionServer.ts';

const MINUTE_MS = 60_000;
const isRefused = { name: 'ApiError', code: 'session_refused' };
const isFailed = { name: 'ApiError', code: 'session_failed' };
const cutConnection: Handler = (_received, response) => void response.destroy();
const broken = (): never => {
  throw new Error('invented store failure');
};

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
  const counts = () => stored().map(({ usedAt: _, ...count }) => count);
  const sessionEvents = () => events.filter(({ type }) => /^session|store/.test(type));
  return { server, store, events, startProcess, stored, counts, sessionEvents };
}

/** Moves the fake clock until all calls have settled; not before each has derived its key, which takes real time. */
async function settle(clock: ReturnType<typeof fakeClock>, store: MemoryStore, begin: () => Promise<unknown>[]) {
  const reads = () => store.operations.filter((operation) => operation === 'get').length;
  const before = reads();
  const calls = begin();
  let isSettled = false;
  const outcomes = Promise.allSettled(calls).finally(() => {
    isSettled = true;
  });
  await clock.until(() => reads() >= before + calls.length);
  while (!isSettled) {
    for (let turns = 0; turns < 10; turns++) await turn();
    clock.advance(100);
  }
  return (await outcomes).map((outcome) => (outcome.status === 'fulfilled' ? 'ok' : outcome.reason.code));
}

test('shares one session among processes that start at once, and with later ones', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, sessionEvents } = await startFleet(t);

  const outcomes = await settle(clock, store, () => Array.from({ length: 16 }, () => startProcess().call()));

  assert.deepEqual(new Set(outcomes), new Set(['ok']));
  assert.equal((await startProcess().call()).status, 200);
  assert.equal(server.logins.length, 1);
  assert.deepEqual(sessionEvents(), [{ type: 'session_obtained' }]);
});

test('counts a restored session\'s idle time from its stored last use', async (t) => {
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

test('writes the last use at most once a minute, beside the call and under the lock', async (t) => {
  const clock = fakeClock(t);
  const { store, startProcess, stored } = await startFleet(t);
  const { call } = startProcess();
  await call();
  const writes = () => store.operations.filter((operation) => operation === 'set').length;
  assert.equal(writes(), 2); // the count and the session

  for (let second = 0; second < 59; second++) {
    clock.advance(1_000);
    await call();
  }
  assert.equal(writes(), 2);
  clock.advance(1_000);
  store.operations.length = 0;
  await Promise.all([call(), call(), call()]);
  await clock.until(() => store.operations.includes('release'));

  assert.deepEqual(store.operations, ['lock', 'get', 'set', 'release']);
  assert.deepEqual(stored(), [{ token: 'session-1', usedAt: START_MS + MINUTE_MS }]);
});

test('writes no last use over another process\'s session or login', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, stored } = await startFleet(t);
  const [first, second] = [startProcess(), startProcess()];
  await first.call();
  await second.call();
  store.locks.set([...store.values.keys()][0]!, START_MS + 10 * MINUTE_MS);
  clock.advance(MINUTE_MS);
  store.operations.length = 0;
  await first.call();
  await clock.until(() => store.operations.includes('lock'));
  await turn();
  assert.deepEqual(store.operations, ['lock']);

  store.locks.clear();
  server.live.clear();
  await first.call();
  assert.equal(server.logins.length, 2);
  clock.advance(MINUTE_MS);
  store.operations.length = 0;
  server.live.add('session-1');
  await second.call();
  await clock.until(() => store.operations.includes('release'));

  assert.deepEqual(store.operations, ['lock', 'get', 'release']);
  assert.equal(stored()[0].token, 'session-2');
});

test('hands the writing of the last use and the login to waitUntil', async (t) => {
  const clock = fakeClock(t);
  const server = await startSessionServer(t);
  const kept: Promise<unknown>[] = [];
  const { authorizedFetch } = server.client(server.account({ store: memoryStore() }), { waitUntil: (each) => void kept.push(each) });
  await authorizedFetch(server.origin + DEVICES_PATH);
  assert.equal(kept.length, 2); // the bearer's exchange too

  clock.advance(MINUTE_MS);
  await authorizedFetch(server.origin + DEVICES_PATH);

  assert.equal(kept.length, 3);
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
  await startProcess().call();
  await assert.rejects(startProcess('wrong-password').call(), isRefused);

  const url = server.origin + SESSION_PATH;
  const name = JSON.stringify([url, 'invented-user']);
  const keyFor = (password: string) => `thingspace-auth:${name}:${[...pbkdf2Sync(password, name, 100_000, 32, 'sha256')]}`;
  assert.deepEqual([...store.values.keys()], [keyFor('invented-password'), keyFor('wrong-password')]);
  assert.deepEqual([...store.values.values()].map(({ ttlSeconds }) => ttlSeconds), [1_200, undefined]);
});

test('stops the whole fleet after one refused login, in this process and the next', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, counts, sessionEvents } = await startFleet(t);

  const outcomes = await settle(clock, store, () => Array.from({ length: 16 }, () => startProcess('wrong-password').call()));

  assert.deepEqual(new Set(outcomes), new Set(['session_refused']));
  const late = startProcess('wrong-password');
  await assert.rejects(late.call(), { ...isRefused, statusCode: 401 });
  const requests = server.tokenRequests.length;
  await assert.rejects(late.call(), { ...isRefused, statusCode: 401 });
  await assert.rejects(startProcess('wrong-password').call(), isRefused);
  assert.equal(server.logins.length, 1);
  assert.equal(server.tokenRequests.length, requests);
  assert.deepEqual(counts(), [{ failures: 2, status: 401 }]);
  assert.equal(sessionEvents().filter(({ type }) => type === 'session_latched').length, 18);

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

/** Two processes of which the first is armed again while the lock is another's, so that it can write nothing; then it is free. */
async function rearmBesideLock(t: TestContext, before: string | undefined) {
  const clock = fakeClock(t);
  const fleet = await startFleet(t);
  const { server, store, startProcess } = fleet;
  const key = await keyOf(startProcess, store);
  const [first, second] = [startProcess(), startProcess()];
  const release = await store.lock(key, 3_600);
  if (before) await store.set(key, before, undefined);
  server.logins.length = 0;
  server.login = () => wrongPassword;
  first.session.reset();
  assert.deepEqual(await settle(clock, store, () => [first.call()]), ['session_failed']);
  await release?.();
  return { ...fleet, clock, first, second };
}

for (const [name, before] of [
  ['nothing', undefined],
  ['a login whose fate is unknown', '{"failures":1}'],
] as const) {
  test(`believes what another has written since reset(), where the store held ${name}`, async (t) => {
    const { server, clock, store, first, second } = await rearmBesideLock(t, before);

    assert.deepEqual(await settle(clock, store, () => [second.call()]), ['session_refused']);
    await assert.rejects(first.call(), { ...isRefused, statusCode: 401 });

    assert.equal(server.logins.length, 1);
  });
}

test('tells a refusal since reset() from the same one before it', async (t) => {
  const { server, counts, clock, store, first, second } = await rearmBesideLock(t, undefined);
  assert.deepEqual(await settle(clock, store, () => [second.call()]), ['session_refused']);
  const release = await store.lock([...store.values.keys()][0]!, 3_600);
  first.session.reset();
  assert.deepEqual(await settle(clock, store, () => [first.call()]), ['session_failed']);
  await release?.();

  second.session.reset();
  await assert.rejects(second.call(), isRefused);
  assert.deepEqual(counts(), [{ failures: 2, status: 401 }]);
  await assert.rejects(first.call(), isRefused);

  assert.equal(server.logins.length, 2);
});

test('believes what it has written since a reset() that came while it was logging in', async (t) => {
  const { server, store, startProcess } = await startFleet(t);
  const [first, second] = [startProcess(), startProcess()];
  server.login = cutConnection;
  store.before = (operation) => {
    if (operation !== 'set') return;
    store.before = () => {};
    first.session.reset();
  };

  await assert.rejects(first.call(), isFailed);
  await assert.rejects(second.call(), isFailed);
  await assert.rejects(first.call(), isRefused);

  assert.equal(server.logins.length, 2);
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

test('clears the count after a login that succeeded, though the store fails once', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, counts } = await startFleet(t);
  const { call } = startProcess();
  let sets = 0;
  store.before = (operation) => {
    if (operation === 'set' && ++sets === 2) broken();
  };

  assert.deepEqual(await settle(clock, store, () => [call()]), ['ok']);

  assert.deepEqual(counts(), [{ token: 'session-1' }]);
  server.live.clear();
  server.login = cutConnection;
  assert.deepEqual(await settle(clock, store, () => [call()]), ['session_failed']);
});

test('does not write for all what counts against one that logs in alone', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, counts } = await startFleet(t);
  const { call } = startProcess();
  assert.deepEqual(await settle(clock, store, () => [call()]), ['ok']);
  clock.advance(MINUTE_MS);
  const written = hold();
  let gets = 0;
  store.before = (operation) => {
    if (operation !== 'get') return;
    gets++;
    // The first one is of the last use, written beside the call; the second one of the login.
    if (gets === 1) return written.promise;
    if (gets === 2) broken();
  };
  const { login } = server;
  server.login = async (received, response) => {
    written.open();
    await clock.until(() => store.operations.filter((operation) => operation === 'release').length === 2);
    return login(received, response);
  };
  server.live.clear();

  assert.equal((await call()).status, 200);

  assert.deepEqual(counts(), [{ token: 'session-1' }]);
});

test('does not believe the store after reset() while it stands as it stood, however often it is asked', async (t) => {
  const { server, clock, store, first } = await rearmBesideLock(t, '{"failures":2,"status":401}');

  assert.deepEqual(await settle(clock, store, () => [first.call()]), ['session_refused']);

  assert.equal(server.logins.length, 1);
});

test('has written the count before a login is sent, so that a crash counts', async (t) => {
  const { server, store, startProcess, stored, counts } = await startFleet(t);
  const { login } = server;
  const seen: unknown[] = [];
  server.login = (received, response) => {
    seen.push(...counts());
    return server.logins.length < 3 ? cutConnection(received, response) : login(received, response);
  };

  await assert.rejects(startProcess().call(), isFailed);
  await assert.rejects(startProcess().call(), isFailed);
  assert.deepEqual(seen, [{ failures: 1 }, { failures: 2 }]);
  await assert.rejects(startProcess().call(), isRefused);
  assert.equal(server.logins.length, 2);

  const { session, call } = startProcess();
  session.reset();
  await call();
  assert.deepEqual(seen[2], { failures: 1 });
  assert.deepEqual(stored(), [{ token: 'session-3', usedAt: stored()[0].usedAt }]);
  assert.equal(store.locks.size, 0);
});

test('counts on its own where the store forgets', async (t) => {
  const { server, store, startProcess } = await startFleet(t);
  server.login = cutConnection;
  const { call } = startProcess();

  for (const outcome of [isFailed, isFailed, isRefused, isRefused]) {
    await assert.rejects(call(), outcome);
    store.values.clear();
  }

  assert.equal(server.logins.length, 2);
});

test('takes back the count of a login that neither succeeded nor failed', async (t) => {
  const { server, startProcess, counts } = await startFleet(t);
  server.login = cutConnection;
  await assert.rejects(startProcess().call(), isFailed);
  server.login = () => ({ status: 503 });

  for (let round = 0; round < 3; round++) await assert.rejects(startProcess().call(), { ...isFailed, statusCode: 503 });

  assert.equal(server.logins.length, 4);
  assert.deepEqual(counts(), [{ failures: 1 }]);
});

test('waits up to its limit for another process that is logging in, and then fails without a login', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const release = await store.lock(await keyOf(startProcess, store), 3_600);
  const startedAtMs = Date.now();

  assert.deepEqual(await settle(clock, store, () => [startProcess().call()]), ['session_failed']);
  assert.ok(Date.now() - startedAtMs >= 30_000 && Date.now() - startedAtMs < 31_000);
  assert.deepEqual(await settle(clock, store, () => [startProcess('invented-password', 1_000).call()]), ['session_failed']);
  assert.ok(Date.now() - startedAtMs < 33_000);
  assert.equal(server.logins.length, 1);

  await release?.();
  assert.deepEqual(await settle(clock, store, () => [startProcess().call()]), ['ok']);
  assert.equal(server.logins.length, 2);
});

/** The key of the account, found by a session that is then forgotten. */
async function keyOf(startProcess: () => { call: () => Promise<unknown> }, store: ReturnType<typeof memoryStore>): Promise<string> {
  await startProcess().call();
  const [key] = store.values.keys();
  store.values.clear();
  return key!;
}

test('waits for the second login of another process too, which may yet succeed', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const key = await keyOf(startProcess, store);
  const release = await store.lock(key, 3_600);
  await store.set(key, JSON.stringify({ failures: 2 }), undefined);
  const waiting = settle(clock, store, () => [startProcess().call()]);
  await clock.until(() => Date.now() > START_MS + 5_000);

  await store.set(key, JSON.stringify({ token: 'session-1', usedAt: Date.now() }), 1_200);
  await release?.();

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

  for (const [password, outcome] of [['invented-password', 'ok'], ['wrong-password', 'session_refused']] as const) {
    const before = server.logins.length;
    const outcomes = await settle(clock, store, () => Array.from({ length: 8 }, () => startProcess(password).call()));
    assert.deepEqual(new Set(outcomes), new Set([outcome]));
    assert.equal(server.logins.length, before + 1);
  }
});

test('asks for a lock that outlives all that its holder may still do', async (t) => {
  fakeClock(t);
  for (const [timeout, requestSeconds] of [[0, 30], [90_000, 90]] as const) {
    const { server, store, startProcess } = await startFleet(t);
    const { login } = server;
    let leftMs = 0;
    server.login = (received, response) => {
      leftMs = Math.max(...store.locks.values()) - Date.now();
      return login(received, response);
    };

    await startProcess('invented-password', timeout).call();

    // 20 s until a login is sent, 60 s for another bearer, and the login once more.
    assert.ok(leftMs >= (20 + 60 + 2 * requestSeconds) * 1_000, `${leftMs}`);
  }
});

test('logs in once more when the lock of a killed process has ended, and then no more', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const key = await keyOf(startProcess, store);
  await store.lock(key, 135);
  await store.set(key, JSON.stringify({ failures: 1 }), undefined);
  server.logins.length = 0;
  server.login = () => wrongPassword;

  assert.deepEqual(await settle(clock, store, () => [startProcess().call(), startProcess().call()]), ['session_failed', 'session_failed']);
  assert.equal(server.logins.length, 0);
  clock.advance(135_000);
  assert.deepEqual(await settle(clock, store, () => [startProcess().call(), startProcess().call()]), ['session_refused', 'session_refused']);

  assert.equal(server.logins.length, 1);
});

for (const operation of ['get', 'lock', 'set'] as const) {
  test(`sends one login alone where the store's ${operation} fails, and none once that was refused`, async (t) => {
    const { server, store, startProcess, sessionEvents } = await startFleet(t);
    store.before = (each) => each === operation && broken();
    const wrong = startProcess('wrong-password');

    await assert.rejects(wrong.call(), isRefused);
    await assert.rejects(wrong.call(), isRefused);
    assert.equal(server.logins.length, 1);
    assert.ok(sessionEvents().some((event) => event.type === 'store_failed' && event.operation === operation));

    wrong.session.reset();
    await assert.rejects(wrong.call(), isRefused);
    assert.equal(server.logins.length, 2);
  });

  test(`sends one login alone where the store's ${operation} fails, and none once its fate is unknown`, async (t) => {
    const { server, store, startProcess } = await startFleet(t);
    store.before = (each) => each === operation && broken();
    server.login = cutConnection;
    const { call } = startProcess();

    await assert.rejects(call(), isFailed);
    await assert.rejects(call(), isRefused);

    assert.equal(server.logins.length, 1);
  });

  test(`goes on working alone where the store's ${operation} fails and logins succeed`, async (t) => {
    const { server, store, startProcess } = await startFleet(t);
    store.before = (each) => each === operation && broken();
    const { call } = startProcess();

    for (let round = 1; round < 4; round++) {
      assert.equal((await call()).status, 200);
      assert.equal((await call()).status, 200);
      assert.equal(server.logins.length, round);
      server.live.clear();
    }
  });
}

test('takes a store that hangs for one that fails, after 5 s', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  store.before = () => new Promise(() => {});
  const startedAtMs = Date.now();

  assert.deepEqual(await settle(clock, store, () => [startProcess().call()]), ['ok']);

  assert.equal(server.logins.length, 1);
  assert.ok(Date.now() - startedAtMs >= 5_000 && Date.now() - startedAtMs < 12_000);
});

test('does not go on alone once it has seen another process logging in', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const key = await keyOf(startProcess, store);
  server.logins.length = 0;
  await store.lock(key, 3_600);
  const witness = startProcess();
  store.operations.length = 0;
  store.before = () => store.operations.length > 6 && broken();

  assert.deepEqual(await settle(clock, store, () => [witness.call()]), ['session_failed']);
  assert.deepEqual(await settle(clock, store, () => [witness.call()]), ['session_failed']);
  assert.equal(server.logins.length, 0);

  store.before = () => {};
  store.locks.clear();
  assert.deepEqual(await settle(clock, store, () => [witness.call()]), ['ok']);
});

test('does not go on alone once it has read of a login whose fate is unknown', async (t) => {
  const { server, store, startProcess } = await startFleet(t);
  const key = await keyOf(startProcess, store);
  server.logins.length = 0;
  await store.set(key, JSON.stringify({ failures: 1 }), undefined);
  store.before = (operation) => operation === 'lock' && broken();
  const { session, call } = startProcess();

  await assert.rejects(call(), isFailed);
  assert.equal(server.logins.length, 0);

  session.reset();
  assert.equal((await call()).status, 200);
});

test('does not go on alone after a login of its own whose fate is unknown', async (t) => {
  const { server, store, startProcess } = await startFleet(t);
  server.login = cutConnection;
  const { call } = startProcess();

  await assert.rejects(call(), isFailed);
  store.before = broken;
  await assert.rejects(call(), isFailed);

  assert.equal(server.logins.length, 1);
});

test('does not write or send once it has been stopped so long that the lock is another\'s', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess, stored } = await startFleet(t);
  const key = await keyOf(startProcess, store);
  server.logins.length = 0;
  await store.set(key, JSON.stringify({ failures: 1 }), undefined);
  store.before = (operation) => operation === 'get' && store.locks.size && clock.jump(10 * MINUTE_MS);

  await assert.rejects(startProcess().call(), isFailed);

  assert.equal(server.logins.length, 0);
  assert.deepEqual(stored(), [{ failures: 1 }]);
});

for (const [name, value, isTold] of [
  ['no JSON', '<junk>', true],
  ['null', 'null', false],
  ['a list', '[]', false],
  ['a token that cannot stand in a header', JSON.stringify({ token: 'broken\r\nx: y', usedAt: Date.UTC(2100, 0, 1) }), false],
  ['a token that is no text', JSON.stringify({ token: 7, usedAt: Date.UTC(2100, 0, 1) }), false],
  ['a token without its last use', JSON.stringify({ token: 'session-0' }), false],
  ['a count that is none', JSON.stringify({ failures: 'many' }), false],
] as const) {
  test(`takes for a miss what the store holds when that is ${name}`, async (t) => {
    const { server, store, startProcess, stored, sessionEvents } = await startFleet(t);
    await store.set(await keyOf(startProcess, store), value, undefined);
    server.logins.length = 0;

    assert.equal((await startProcess().call()).status, 200);

    assert.equal(server.logins.length, 1);
    assert.equal(stored()[0].token, 'session-1');
    assert.equal(sessionEvents().some((event) => event.type === 'store_failed' && event.operation === 'get'), isTold);
  });
}

test('takes a last use in the future of its clock for one of now', async (t) => {
  const clock = fakeClock(t);
  const { server, store, startProcess } = await startFleet(t);
  const key = await keyOf(startProcess, store);
  await store.set(key, JSON.stringify({ token: 'session-1', usedAt: START_MS + 60 * MINUTE_MS }), undefined);
  const { session, call } = startProcess();
  await call();
  assert.equal(server.logins.length, 1);

  clock.advance(20 * MINUTE_MS);

  assert.equal(session.current(), undefined);
});

test('forgets the session in the store at logout, and not another process\'s', async (t) => {
  const { server, startProcess, stored } = await startFleet(t);
  const [first, second] = [startProcess(), startProcess()];
  await first.call();
  await second.call();
  await first.session.logout();
  assert.deepEqual(stored(), []);

  server.live.clear();
  await first.call();
  await second.session.logout();

  assert.equal(stored()[0].token, 'session-2');
  assert.deepEqual(server.logouts.map(({ headers }) => headers['vz-m2m-token']), ['session-1', 'session-1']);
});

test('uses a store whose operations are synchronous', async (t) => {
  const server = await startSessionServer(t);
  const values = new Map<string, string>();
  const store = {
    get: (key: string) => values.get(key) ?? null,
    set: (key: string, value: string) => void values.set(key, value),
    delete: (key: string) => void values.delete(key),
    lock: async () => async () => {},
  };
  const [first, second] = [server.account({ store }), server.account({ store })];

  await server.client(first).authorizedFetch(server.origin + DEVICES_PATH);
  await server.client(second).authorizedFetch(server.origin + DEVICES_PATH);

  assert.equal(server.logins.length, 1);
  await second.logout();
  assert.equal(values.size, 0);
});

test('touches no store when it is created', () => {
  const store = { get: broken, set: broken, delete: broken, lock: broken };

  createSession({ username: 'invented-user', password: 'invented-password', store });
});
