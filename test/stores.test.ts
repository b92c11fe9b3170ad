import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { Client, ClientCredentials, ClientEvent, TokenRequest } from 'thingspace-auth';
import { createClient } from 'thingspace-auth';
import type { StoreKey, TokenStore } from 'thingspace-auth/stores';
import { encryptedStore, storedToken } from 'thingspace-auth/stores';
import type { TestServer } from './server.ts';
import { recordEvents, START_MS, startServer, tokenAnswer, turn } from './server.ts';

const { testStore } = await import(join(import.meta.dirname, '../../test/storeContract.mjs'));

testStore(test, { name: 'the memory of these tests', open: memoryOpener(), ttlSeconds: undefined });
testStore(test, { name: 'encryptedStore', open: encryptedOpener(), ttlSeconds: undefined });

test('makes one exchange for all clients of a store, and none for a later one', async (t) => {
  const server = await startServer(t);
  const { store } = createMemory();
  const clients = Array.from({ length: 16 }, () => clientOf(server, store));

  const tokens = await Promise.all(clients.map((client) => client.getToken()));
  const later = await clientOf(server, store).getToken();

  assert.equal(server.tokenRequests.length, 1);
  assert.deepEqual(new Set([...tokens, later].map(({ accessToken }) => accessToken)), new Set(['token-1']));
});

test('reads, locks, reads again, exchanges, writes with the remaining lifetime, releases', async (t) => {
  const server = await startServer(t, { token: () => tokenAnswer('token', 3600, { scope: 'a b' }) });
  fakeClock(t);
  const { store, asked, values } = createMemory();

  await clientOf(server, store).getToken();

  assert.deepEqual(asked.map(([operation]) => operation), ['get', 'lock', 'get', 'set', 'release']);
  const [, [, , lockSeconds], , [, key, value, ttlSeconds]] = asked as any;
  assert.equal(lockSeconds, 5);
  assert.equal(ttlSeconds, 3600);
  assert.equal(values.get(key), value);
  assert.deepEqual(JSON.parse(value), {
    accessToken: 'token', tokenType: 'Bearer', expiresIn: 3600, scope: 'a b', expiry: START_MS / 1000 + 3600, key,
  });
});

test('writes a token without an end for good, and one that has ended not at all', async (t) => {
  const { store, asked } = createMemory();
  const endless = await startServer(t, { token: () => tokenAnswer('token', null) });
  const ended = await startServer(t, { token: () => tokenAnswer('token', 0) });

  await clientOf(endless, store).getToken();
  await clientOf(ended, store).getToken();

  const written = asked.filter(([operation]) => operation === 'set');
  assert.equal(written.length, 1);
  assert.equal(written[0]![3], undefined);
});

test('releases the lock when the exchange fails, and the error is that of the exchange', async (t) => {
  const server = await startServer(t, { token: () => ({ status: 401, body: { error: 'invalid_client' } }) });
  const { store, asked } = createMemory();

  await assert.rejects(clientOf(server, store).getToken(), { name: 'OAuthProviderError', error: 'invalid_client' });

  assert.deepEqual(asked.map(([operation]) => operation), ['get', 'lock', 'get', 'release']);
});

test('looks into the store although the guard bars exchanges', async (t) => {
  // The second for which the guard holds must not pass meanwhile.
  fakeClock(t);
  const server = await startServer(t, { token: () => ({ status: 400, body: { error: 'temporarily_unavailable' } }) });
  const memory = createMemory();
  const client = clientOf(server, memory.store);
  await assert.rejects(client.getToken());
  await assert.rejects(client.getToken());
  assert.equal(server.tokenRequests.length, 1);

  server.token = () => tokenAnswer('of-another-process');
  await clientOf(server, memory.store).getToken();

  assert.equal((await client.getToken()).accessToken, 'of-another-process');
  assert.equal(server.tokenRequests.length, 2);
});

test('an explicit fetchToken makes its exchange without waiting, and writes what it brings', async (t) => {
  const server = await startServer(t);
  const { store, asked } = createMemory();
  await clientOf(server, store).getToken();
  asked.length = 0;
  store.lock = async () => undefined;

  const { accessToken } = await clientOf(server, store).fetchToken();

  assert.equal(accessToken, 'token-2');
  assert.deepEqual(asked.map(([operation]) => operation), ['get', 'set']);
  assert.equal((await clientOf(server, store).getToken()).accessToken, 'token-2');
});

test('replaces a rejected token once for all clients', async (t) => {
  const server = await startServer(t);
  const { store } = createMemory();
  const clients = Array.from({ length: 8 }, () => clientOf(server, store));
  await Promise.all(clients.map((client) => client.getToken()));
  server.revoked.add('token-1');

  const responses = await Promise.all(clients.map(({ authorizedFetch }) => authorizedFetch(`${server.origin}/api`)));

  assert.deepEqual(responses.map(({ status }) => status), Array(8).fill(200));
  assert.equal(server.tokenRequests.length, 2);
});

test('takes a stored token until the clock skew before its end, and a short-lived one for a moment', async (t) => {
  const server = await startServer(t);
  const clock = fakeClock(t);
  const { store } = createMemory();
  await clientOf(server, store).getToken();

  clock.jump(3_589_000);
  await clientOf(server, store).getToken();
  assert.equal(server.tokenRequests.length, 1);

  clock.jump(1_000);
  server.token = () => tokenAnswer(`token-${server.tokenRequests.length}`, 8);
  await clientOf(server, store).getToken();
  assert.equal(server.tokenRequests.length, 2);

  clock.jump(1_000);
  await clientOf(server, store).getToken();
  assert.equal(server.tokenRequests.length, 2);

  clock.jump(1_000);
  await clientOf(server, store).getToken();
  assert.equal(server.tokenRequests.length, 3);
});

test('takes what is over for a plain miss, and anything else that is no token of this client for a failure', async (t) => {
  const seconds = START_MS / 1000;
  const token = { accessToken: 'stored', tokenType: 'Bearer', expiresIn: 3600, expiry: seconds + 3600 };
  const { key, ...kept } = { ...token, key: undefined };
  const cases: [title: string, value: unknown, isFailure: boolean][] = [
    ['ended', { ...kept, expiry: seconds - 1 }, false],
    ['ending', { ...kept, expiry: seconds + 10 }, false],
    ['null', null, true],
    ['a number', 5, true],
    ['no JSON', '{"accessToken":', true],
    ['empty', '', true],
    ['an array', [kept], true],
    ['without a token', {}, true],
    ['a token of another key', { ...kept, key: 'thingspace-auth:["https://example.com/token","other",null,[]]' }, true],
    ['a token of no key', { ...kept, key }, true],
    ['an end in milliseconds', { ...kept, expiry: START_MS }, true],
    ['an end beyond its lifetime', { ...kept, expiry: seconds + 3600 + 3601 }, true],
    ['an end in a far future', { accessToken: 'stored', tokenType: 'Bearer', expiry: seconds + 315_363_601 }, true],
    ['a lifetime without an end', { ...kept, expiry: undefined }, true],
    ['an end that is no number', { ...kept, expiry: 'soon' }, true],
    ['an end that is no whole number', { ...kept, expiry: `${seconds + 3600}.0` }, true],
    ['a lifetime that is no number', { ...kept, expiresIn: true }, true],
    ['a bearer that breaks headers', { ...kept, accessToken: 'stored\r\nX-Other: 1' }, true],
    ['a bearer that is no string', { ...kept, accessToken: { toString: 'stored' } }, true],
    ['another kind of token', { ...kept, tokenType: 'MAC' }, true],
    ['a scope that is no string', { ...kept, scope: ['a'] }, true],
    ['a refresh token that is no string', { ...kept, refreshToken: 1 }, true],
  ];
  for (const [title, value, isFailure] of cases) {
    await t.test(title, async (t) => {
      const server = await startServer(t);
      const { events, onEvent } = recordEvents();
      fakeClock(t);
      const memory = createMemory();
      const fill = (key: string) => (value && Object.getPrototypeOf(value) === Object.prototype ? { key, ...value } : value);
      let isFirst = true;
      memory.store.get = (key) => {
        if (isFirst) memory.values.set(key, typeof value === 'string' ? value : JSON.stringify(fill(key)));
        isFirst = false;
        return memory.values.get(key);
      };

      const { accessToken } = await clientOf(server, memory.store, {}, onEvent).getToken();

      assert.equal(accessToken, 'token-1');
      assert.equal(server.tokenRequests.length, 1);
      assert.equal(JSON.parse([...memory.values.values()][0]!).accessToken, 'token-1');
      const failures = events.filter(({ type }) => type === 'store_failed');
      assert.deepEqual(failures, Array(isFailure ? 2 : 0).fill({ type: 'store_failed', operation: 'get' }));
    });
  }
});

test('takes the stored token that those cases spoil', async (t) => {
  const server = await startServer(t);
  fakeClock(t);
  const { store } = createMemory();
  const expiry = START_MS / 1000 + 3600;
  store.get = (key) => JSON.stringify({ key, accessToken: 'stored', tokenType: 'Bearer', expiresIn: 3600, expiry });

  assert.deepEqual(await clientOf(server, store).getToken(), { accessToken: 'stored', tokenType: 'Bearer', expiresIn: 3600, expiry });
});

test('lets no failure of a store fail a call', async (t) => {
  const boom = new Error('invented-secret-of-the-store');
  const ways: [way: string, fail: () => any][] = [
    ['throws', () => { throw boom; }],
    ['rejects', async () => { throw boom; }],
  ];
  for (const operation of ['get', 'set', 'lock', 'release'] as const) {
    for (const [way, fail] of ways) {
      await t.test(`${operation} ${way}`, async (t) => {
        const server = await startServer(t);
        const { events, onEvent } = recordEvents();
        const { store, asked } = createMemory();
        if (operation === 'release') store.lock = async () => fail;
        else store[operation] = fail;

        await clientOf(server, store, {}, onEvent).getToken();

        assert.equal(server.tokenRequests.length, 1);
        assert.deepEqual(failedOperations(events), operation === 'get' ? ['get', 'get'] : [operation]);
        // What still works is still used: the next process finds the token.
        assert.equal(asked.some(([name]) => name === 'set'), operation !== 'set');
        assert.ok(!JSON.stringify(events).includes('invented-secret'));
      });
    }
  }
});

test('waits two seconds for a store that hangs, and does without it for the rest of the call', async (t) => {
  const hang = () => new Promise<never>(() => undefined);
  for (const operation of ['get', 'set', 'lock', 'release'] as const) {
    await t.test(operation, async (t) => {
      const server = await startServer(t);
      const { events, onEvent } = recordEvents();
      const clock = fakeClock(t);
      const { store, asked } = createMemory();
      let isHanging = false;
      const hanging = () => ((isHanging = true), hang());
      if (operation === 'release') store.lock = async () => hanging;
      else store[operation] = hanging;

      const token = settle(clientOf(server, store, {}, onEvent).getToken());
      await clock.until(() => isHanging);
      clock.advance(1_999);
      await turn();
      assert.equal(token.value, undefined);
      clock.advance(1);
      await clock.until(() => token.value);

      assert.deepEqual(failedOperations(events), [operation]);
      const before = { get: [], lock: ['get'], set: ['get', 'lock', 'get'], release: ['get', 'get', 'set'] };
      assert.deepEqual(asked.map(([name]) => name), before[operation]);
      assert.equal(server.tokenRequests.length, 1);
    });
  }
});

test('leaves a store that fails alone for a second, doubling to thirty, for all clients of the provider', async (t) => {
  const server = await startServer(t, { token: () => ({ status: 400, body: { error: 'temporarily_unavailable' } }) });
  const clock = fakeClock(t);
  const askedAt: number[] = [];
  const broken: TokenStore = {
    get: () => {
      askedAt.push(Math.round((Date.now() - START_MS) / 1000));
      throw new Error('down');
    },
    set: () => undefined,
    delete: () => undefined,
  };
  const oauthTokenProvider = storedToken(broken);
  const clients = [1, 2].map(() => createClient(server.config({}, { oauthTokenProvider })));

  for (let second = 0; second < 130; second++) {
    await Promise.allSettled(clients.map((client) => client.fetchToken()));
    clock.jump(1_000);
  }
  assert.deepEqual([...new Set(askedAt)], [0, 1, 3, 7, 15, 31, 61, 91, 121]);

  broken.get = () => void askedAt.push(-1);
  clock.jump(30_000);
  await Promise.allSettled(clients.map((client) => client.fetchToken()));
  await Promise.allSettled(clients.map((client) => client.fetchToken()));
  assert.equal(askedAt.filter((at) => at === -1).length, 4);

  // The next failure counts as a first one.
  broken.get = () => {
    askedAt.push(-2);
    throw new Error('down again');
  };
  await clients[0]!.fetchToken().catch(() => undefined);
  clock.jump(1_000);
  await clients[0]!.fetchToken().catch(() => undefined);
  assert.equal(askedAt.filter((at) => at === -2).length, 2);
});

test('asks again when the clock was set back behind a failure', async (t) => {
  const server = await startServer(t);
  const clock = fakeClock(t);
  const { store, asked } = createMemory();
  const { get } = store;
  store.get = () => { throw new Error('down'); };
  const client = clientOf(server, store);
  await client.fetchToken();
  store.get = get;
  asked.length = 0;

  clock.jump(-60_000);
  await client.fetchToken();

  assert.equal(asked[0]![0], 'get');
});

test('waits for the token of the one who holds the lock', async (t) => {
  const server = await startServer(t);
  const clock = fakeClock(t);
  const memory = createMemory();
  const other = clientOf(server, { ...memory.store, lock: undefined! });
  const key = await keyFor(server);
  const release = await memory.store.lock!(key, 60);
  const token = settle(clientOf(server, memory.store).getToken());
  await passSeconds(clock, 3);
  assert.equal(token.value, undefined);
  assert.equal(server.tokenRequests.length, 0);

  await other.getToken();
  await passSeconds(clock, 0.5);
  await release!();

  assert.equal(((await token.promise) as any).accessToken, 'token-1');
  assert.equal(server.tokenRequests.length, 1);
});

test('takes the lock itself once the holder is gone', async (t) => {
  const server = await startServer(t);
  const clock = fakeClock(t);
  const { store } = createMemory();
  await store.lock!(await keyFor(server), 5);
  const token = settle(clientOf(server, store).getToken());

  await passSeconds(clock, 4.9);
  assert.equal(server.tokenRequests.length, 0);
  await passSeconds(clock, 0.5);
  await clock.until(() => token.value);

  assert.equal(server.tokenRequests.length, 1);
});

test('asks for the lock about five times a second, and goes on alone after eight', async (t) => {
  const server = await startServer(t);
  const clock = fakeClock(t);
  const { store, asked } = createMemory();
  await store.lock!(await keyFor(server), 60);
  asked.length = 0;
  const token = settle(clientOf(server, store).getToken());

  await passSeconds(clock, 7.9);
  assert.equal(server.tokenRequests.length, 0);
  await passSeconds(clock, 0.5);
  await clock.until(() => token.value);

  assert.equal(server.tokenRequests.length, 1);
  const tries = asked.filter(([operation]) => operation === 'lock').length;
  assert.ok(tries >= 26 && tries <= 80, String(tries));
  assert.equal(asked.at(-1)![0], 'set');
});

test('keeps clients apart that ask for something else, and joins those that ask for the same', async (t) => {
  const server = await startServer(t);
  const { store, values } = createMemory();
  const oauthTokenProvider = storedToken(store);
  const get = async (credentials: Partial<ClientCredentials>, environment = {}) =>
    (await createClient(server.config({}, { oauthTokenProvider, ...credentials }, environment)).getToken()).accessToken;

  const different = [
    await get({}),
    await get({ oauthClientId: 'other-id' }),
    await get({ oauthScopes: ['a'] }),
    await get({ oauthScopes: ['a', 'b'] }),
    await get({ oauthParams: { audience: 'a' } }),
    await get({ oauthParams: { audience: 'b' } }),
    await get({ oauthParams: { audience: 'a', resource: ['b', 'c'] } }),
    await get({}, { tokenUrl: `${server.tokenUrl}?tenant=2` }).catch(() => 'another endpoint'),
  ];
  const same = [
    await get({ oauthClientSecret: 'other-invented-secret' }),
    await get({ oauthScopes: ['b', 'a'] }),
    await get({ oauthParams: { resource: ['b', 'c'], audience: ['a'] } }),
  ];

  assert.equal(new Set(different).size, 8);
  assert.deepEqual(same, [different[0], different[3], different[6]]);
  assert.ok(![...values.keys()].join().includes('secret'));
});

test('never extends the end of a token that the server repeats, until that end', async (t) => {
  const server = await startServer(t, { token: () => tokenAnswer('same', 3600) });
  const clock = fakeClock(t);
  const { store, values } = createMemory();
  const end = START_MS / 1000 + 3600;
  const stored = () => JSON.parse([...values.values()][0]!);
  await clientOf(server, store).getToken();

  clock.jump(1_000_000);
  assert.equal((await clientOf(server, store).fetchToken()).expiry, end);
  assert.equal(stored().expiry, end);
  assert.equal(asExpiry(await clientOf(server, store).getToken()), end);

  clock.jump(2_600_000);
  assert.equal((await clientOf(server, store).getToken()).expiry, end + 3600);
  assert.equal(stored().expiry, end + 3600);
  assert.equal(server.tokenRequests.length, 3);
});

test('keeps the known end of a repeated token that the store has lost', async (t) => {
  const server = await startServer(t, { token: () => tokenAnswer('same', 3600) });
  const clock = fakeClock(t);
  const { store, values } = createMemory();
  const client = clientOf(server, store);
  await client.getToken();
  values.clear();

  clock.jump(1_000_000);
  await client.fetchToken();

  assert.equal(JSON.parse([...values.values()][0]!).expiry, START_MS / 1000 + 3600);
});

test('asks a server that repeats its token once for all clients, and again after a minute', async (t) => {
  const server = await startServer(t, { token: () => tokenAnswer('same', 3600) });
  const clock = fakeClock(t);
  const { store } = createMemory();
  const clients = Array.from({ length: 8 }, () => clientOf(server, store));
  for (const client of clients) await client.getToken();
  assert.equal(server.tokenRequests.length, 1);

  // Into the skew: each client has to renew.
  clock.jump(3_592_000);
  for (const client of clients) assert.equal((await client.getToken()).accessToken, 'same');
  assert.equal(server.tokenRequests.length, 2);

  // The joint end, which may come a little later for the server.
  clock.jump(8_000);
  for (const client of clients) assert.equal(asExpiry(await client.getToken()), START_MS / 1000 + 3600);
  assert.equal(server.tokenRequests.length, 3);
  clock.jump(3_000);
  for (const client of clients) assert.equal(asExpiry(await client.getToken()), START_MS / 1000 + 7203);
  assert.equal(server.tokenRequests.length, 4);

  // A client that was told "no newer" by a mark that is too old asks for itself.
  server.revoked.add('same');
  await clients[0]!.authorizedFetch(`${server.origin}/api`);
  await clients[1]!.authorizedFetch(`${server.origin}/api`);
  assert.equal(server.tokenRequests.length, 5);
  clock.jump(61_000);
  await clients[2]!.authorizedFetch(`${server.origin}/api`);
  assert.equal(server.tokenRequests.length, 6);
});

test('works without a lock, and with a store that is synchronous', async (t) => {
  const server = await startServer(t);
  const values = new Map<string, string>();
  const store: TokenStore = {
    get: (key) => values.get(key) ?? null,
    set: (key, value) => values.set(key, value),
    delete: (key) => values.delete(key),
  };

  await clientOf(server, store).getToken();
  await clientOf(server, store).getToken();

  assert.equal(server.tokenRequests.length, 1);
});

test('encryptedStore shows nothing of a value, and seals it anew each time', async () => {
  const { store, values } = createMemory();
  const sealed = encryptedStore(store, await newKey());

  await sealed.set('key', 'invented-token', 60);
  const first = values.get('key')!;
  await sealed.set('key', 'invented-token', 60);

  assert.notEqual(values.get('key'), first);
  assert.ok(!atob(first.replace('sealed:', '')).includes('invented'));
  assert.equal(await sealed.get('key'), 'invented-token');
});

test('encryptedStore opens with any of its keys and seals with the first', async () => {
  const { store } = createMemory();
  const [older, newer] = [await newKey(), await newKey()];
  await encryptedStore(store, older).set('old', 'value', 60);
  await encryptedStore(store, [newer, older]).set('new', 'value', 60);

  assert.equal(await encryptedStore(store, [newer, older]).get('old'), 'value');
  assert.equal(await encryptedStore(store, newer).get('old'), undefined);
  assert.equal(await encryptedStore(store, newer).get('new'), 'value');
  assert.equal(await encryptedStore(store, older).get('new'), undefined);
});

test('encryptedStore has nothing where a value was moved, changed, cut or never sealed', async () => {
  const { store, values } = createMemory();
  const sealed = encryptedStore(store, await newKey());
  await sealed.set('key', 'value', 60);
  const text = values.get('key')!;
  const bytes = atob(text.slice('sealed:'.length));
  const flip = (at: number) => bytes.slice(0, at) + String.fromCharCode(bytes.charCodeAt(at) ^ 1) + bytes.slice(at + 1);
  const spoilt: unknown[] = ['', 'sealed:', 'sealed:%', '{"accessToken":"plain"}', text.slice(0, -8), bytes, 5, { sealed: 1 }, null];
  spoilt.push(...[0, 11, 12, bytes.length - 1].map((at) => `sealed:${btoa(flip(at))}`));

  values.set('other', text);
  assert.equal(await sealed.get('other'), undefined);
  for (const junk of spoilt) {
    values.set('key', junk as string);
    assert.equal(await sealed.get('key'), undefined, String(junk));
  }
  values.set('key', text);
  assert.equal(await sealed.get('key'), 'value');
});

test('encryptedStore locks where the store within does, and needs a key', async () => {
  const { store } = createMemory();
  const key = await newKey();
  const { lock, ...without } = store;

  assert.ok(lock);
  assert.equal(encryptedStore(without, key).lock, undefined);
  assert.throws(() => encryptedStore(store, []), { name: 'TypeError', message: /needs a key/ });
  assert.throws(() => encryptedStore(store, undefined!), TypeError);
});

test('shares a token through an encrypted store, and takes junk there for a miss', async (t) => {
  const server = await startServer(t);
  const { store, values } = createMemory();
  const { events, onEvent } = recordEvents();
  const sealed = encryptedStore(store, await newKey());
  await clientOf(server, sealed).getToken();
  await clientOf(server, sealed).getToken();
  assert.equal(server.tokenRequests.length, 1);

  for (const key of values.keys()) values.set(key, 'junk');
  await clientOf(server, sealed, {}, onEvent).getToken();

  assert.equal(server.tokenRequests.length, 2);
  assert.deepEqual(failedOperations(events), []);
});

type Clock = ReturnType<typeof fakeClock>;

/**
 * A clock of our own: that of Node 20's `mock.timers` may clear another timer than the one meant when one that has fired
 * is cleared, and a waiting store has several.
 */
function fakeClock(t: TestContext) {
  const { setTimeout: realSetTimeout, clearTimeout: realClearTimeout } = globalThis;
  const realDateNow = Date.now;
  const timers = new Map<object, { atMs: number; fire: () => void }>();
  let nowMs = START_MS;
  let jumpedMs = 0;
  const start = (callback: (...args: unknown[]) => void, delayMs = 0, ...args: unknown[]): object => {
    const again = () => void timers.set(timer, { atMs: nowMs + delayMs, fire: () => callback(...args) });
    const timer = { ref: () => timer, unref: () => timer, hasRef: () => true, refresh: () => (again(), timer) };
    again();
    return timer;
  };
  const clear = (timer: any): void => void (timers.delete(timer) || realClearTimeout(timer));
  Object.assign(globalThis, { setTimeout: start, clearTimeout: clear });
  Date.now = () => nowMs + jumpedMs;
  t.after(() => {
    Object.assign(globalThis, { setTimeout: realSetTimeout, clearTimeout: realClearTimeout });
    Date.now = realDateNow;
  });
  return {
    /** Moves the time on, and fires the timers that are due. */
    advance: (ms: number) => {
      nowMs += ms;
      for (const [timer, { atMs, fire }] of timers) {
        if (atMs <= nowMs && timers.delete(timer)) fire();
      }
    },
    /** Sets the clock without firing timers. */
    jump: (ms: number) => void (jumpedMs += ms),
    until: async (isDone: () => unknown) => {
      while (!isDone()) await turn();
    },
  };
}

type Asked = [operation: string, key: string, ...rest: unknown[]];

/** A store in memory, what it holds, and what it was asked. */
function createMemory(values = new Map<string, string>(), locks = new Map<string, { endMs: number }>()) {
  const asked: Asked[] = [];
  const store: TokenStore = {
    get: async (key) => (asked.push(['get', key]), values.get(key)),
    set: async (key, value, ttlSeconds) => (asked.push(['set', key, value, ttlSeconds]), values.set(key, value)),
    delete: async (key) => (asked.push(['delete', key]), values.delete(key)),
    lock: async (key, ttlSeconds) => {
      asked.push(['lock', key, ttlSeconds]);
      if (locks.get(key)?.endMs! > Date.now()) return undefined;
      const own = { endMs: Date.now() + ttlSeconds * 1000 };
      locks.set(key, own);
      return async () => (asked.push(['release', key]), locks.get(key) === own && locks.delete(key));
    },
  };
  return { store, values, asked };
}

function memoryOpener(): () => TokenStore {
  const [values, locks] = [new Map<string, string>(), new Map<string, { endMs: number }>()];
  return () => createMemory(values, locks).store;
}

function encryptedOpener(): () => Promise<TokenStore> {
  const open = memoryOpener();
  const key = newKey();
  return async () => encryptedStore(open(), await key);
}

function newKey(): Promise<StoreKey> {
  return crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']) as Promise<StoreKey>;
}

/** A client as another process would have it: a provider of its own. */
function clientOf(
  server: TestServer,
  store: TokenStore,
  credentials: Partial<ClientCredentials> = {},
  onEvent?: (event: ClientEvent) => void,
): Client {
  return createClient(server.config({ onEvent }, { oauthTokenProvider: storedToken(store), ...credentials }));
}

/** The key under which clients of a server keep their token. */
async function keyFor(server: TestServer): Promise<string> {
  const { store, asked } = createMemory();
  const request = { tokenUrl: server.tokenUrl, clientId: 'invented-id', scope: undefined, params: {}, report: () => undefined };
  const fetchToken = () => Promise.reject(new Error('not now'));
  await assert.rejects(async () => storedToken(store)(undefined, { ...request, fetchToken } as unknown as TokenRequest), /not now/);
  return asked[0]![1];
}

function failedOperations(events: readonly ClientEvent[]): string[] {
  return events.flatMap((event) => (event.type === 'store_failed' ? [event.operation] : []));
}

function asExpiry({ expiry }: { expiry?: number }): number | undefined {
  return expiry;
}

/** Lets time pass in small steps, as timers set in between need it. */
async function passSeconds(clock: Clock, seconds: number): Promise<void> {
  for (let passedMs = 0; passedMs < seconds * 1000; passedMs += 50) {
    clock.advance(50);
    await turn();
  }
}

function settle(promise: Promise<unknown>): { promise: Promise<unknown>; value: unknown } {
  const settled = { promise, value: undefined as unknown };
  promise.then((value) => (settled.value = value), (error) => (settled.value = error));
  return settled;
}
