// What every TokenStore must do, as a suite that each store's test runs against the real thing. Plain JavaScript without
// imports, so that any package and any platform can take it: give it the platform's `test` function.

/**
 * Registers the suite.
 *
 * @param test `test(name, run)`, such as node:test's, Deno.test
 * @param options
 *   `name`: the store's name, put before each test's;
 *   `open()`: a new TokenStore (or a promise of one) on the same backing each time, as another process would have;
 *   `wait(seconds)`: lets time pass; default: real time;
 *   `ttlSeconds`: the shortest lifetime that the store keeps to; default 1; `undefined`: it leaves ends to its readers;
 *   `lockSeconds`: the shortest lifetime of a lock; default 1;
 *   `canLock`: whether it has `lock`; default true
 */
export function testStore(test, { name, ...options }) {
  for (const [sentence, run] of storeCases(options)) test(`${name}: ${sentence}`, () => run());
}

/** The suite as `[sentence, run]` pairs, for platforms without a test function; `run` rejects where the store fails. */
export function storeCases({ open, wait = sleep, lockSeconds = 1, canLock = true, ...options }) {
  const ttlSeconds = 'ttlSeconds' in options ? options.ttlSeconds : 1;
  // Longer than any test.
  const long = 3_600;
  const cases = {
    'has nothing under a new key': async () => {
      const store = await open();
      equal((await store.get(newKey())) ?? null, null);
    },
    'gives back what was written, to another handle too': async () => {
      const [store, other, key] = [await open(), await open(), newKey()];
      await store.set(key, VALUE, long);
      equal(await store.get(key), VALUE);
      equal(await other.get(key), VALUE);
    },
    'keeps a value without a lifetime': async () => {
      const [store, key] = [await open(), newKey()];
      await store.set(key, VALUE, undefined);
      equal(await store.get(key), VALUE);
    },
    'overwrites': async () => {
      const [store, other, key] = [await open(), await open(), newKey()];
      await store.set(key, VALUE, long);
      await other.set(key, OTHER_VALUE, undefined);
      equal(await store.get(key), OTHER_VALUE);
    },
    'keeps two keys apart, however alike': async () => {
      const [store, key] = [await open(), newKey()];
      await store.set(key, VALUE, long);
      await store.set(`${key} `, OTHER_VALUE, long);
      equal(await store.get(key), VALUE);
      await store.delete(key);
      equal(await store.get(`${key} `), OTHER_VALUE);
    },
    'loses nothing when many keys are written at once': async () => {
      const [stores, keys] = [[await open(), await open()], Array.from({ length: 8 }, newKey)];
      await Promise.all(keys.map((key, index) => stores[index % 2].set(key, JSON.stringify({ index }), long)));
      for (const [index, key] of keys.entries()) equal(await stores[0].get(key), JSON.stringify({ index }));
    },
    'forgets what was deleted, and deletes what is not there': async () => {
      const [store, other, key] = [await open(), await open(), newKey()];
      await store.delete(key);
      await store.set(key, VALUE, long);
      await other.delete(key);
      equal((await store.get(key)) ?? null, null);
    },
    'takes keys and values of any characters': async () => {
      const [store, key] = [await open(), `${newKey()}:/?#[]@!$&'()*+,;="\\ ü€😀 ../..`];
      const value = JSON.stringify({ text: 'ü€😀"\\/\u0000' });
      await store.set(key, value, long);
      equal(await store.get(key), value);
    },
  };
  if (ttlSeconds !== undefined) {
    cases['forgets a value when its lifetime is over'] = async () => {
      const store = await open();
      const [key, value] = await inTime(ttlSeconds, async (key) => {
        await store.set(key, VALUE, ttlSeconds);
        return store.get(key);
      });
      equal(value, VALUE);
      await wait(ttlSeconds + 0.5);
      equal((await store.get(key)) ?? null, null);
    };
  }
  if (canLock) Object.assign(cases, lockCases({ open, wait, lockSeconds, long }));
  return Object.entries(cases).map(([sentence, run]) => [sentence, () => releasingLocks(run)]);
}

function lockCases({ open, wait, lockSeconds, long }) {
  return {
    'gives a lock to one of many': async (lock) => {
      const [stores, key] = [await Promise.all(Array.from({ length: 8 }, open)), newKey()];
      const releases = await Promise.all(stores.map((store) => lock(store, key, long)));
      equal(releases.filter(Boolean).length, 1);
    },
    'gives it again once it is released': async (lock) => {
      const [store, other, key] = [await open(), await open(), newKey()];
      const release = await lock(store, key, long);
      equal(await lock(other, key, long), undefined);
      await release();
      equal(typeof (await lock(other, key, long)), 'function');
    },
    'locks one key and no other, and no value': async (lock) => {
      const [store, other, key] = [await open(), await open(), newKey()];
      await lock(store, key, long);
      equal(typeof (await lock(other, `${key} `, long)), 'function');
      await other.set(key, VALUE, long);
      equal(await other.get(key), VALUE);
      await other.delete(key);
      equal(await lock(other, key, long), undefined);
    },
    'ends a lock when its time is over, for one of many': async (lock) => {
      const stores = await Promise.all(Array.from({ length: 8 }, open));
      const [key, release] = await inTime(lockSeconds, async (key) => {
        await lock(stores[0], key, lockSeconds);
        return lock(stores[1], key, long);
      });
      equal(release, undefined);
      await wait(lockSeconds + 0.5);
      const releases = await Promise.all(stores.map((store) => lock(store, key, long)));
      equal(releases.filter(Boolean).length, 1);
    },
    "leaves another's lock alone when released too late or twice": async (lock) => {
      const [store, other, key] = [await open(), await open(), newKey()];
      const release = await lock(store, key, lockSeconds);
      await wait(lockSeconds + 0.5);
      await lock(other, key, long);
      await release();
      await release();
      equal(await lock(store, key, long), undefined);
    },
  };
}

/** Runs a case with `lock(store, key, ttlSeconds)`, and releases in the end what it took: a lock may keep its process alive. */
async function releasingLocks(run) {
  const releases = [];
  try {
    await run(async (store, ...parameters) => {
      const release = await store.lock(...parameters);
      if (release) releases.push(release);
      return release;
    });
  } finally {
    for (const release of releases) await release();
  }
}

/**
 * A new key and what `act` found under it. Found after the lifetime that `act` began, it would say nothing of the store:
 * where the machine is that slow, another key is tried, ten at most.
 */
async function inTime(seconds, act) {
  for (let tries = 1; ; tries++) {
    const [key, startedAtMs] = [newKey(), performance.now()];
    const found = await act(key);
    if (performance.now() - startedAtMs < seconds * 1000 || tries === 10) return [key, found];
  }
}

/** Values are JSON, as those of `storedToken` are: some clients parse what looks like it. */
const VALUE = JSON.stringify({ accessToken: 'invented-token', expiry: 4102444800 });
const OTHER_VALUE = JSON.stringify({ accessToken: 'other-invented-token', nested: { list: [1.5, null, 'x'] } });

function newKey() {
  return `thingspace-auth:["https://example.com/token","invented-id",["b","a"],[]] ${Math.random()}`;
}

function equal(actual, expected) {
  if (actual !== expected) throw new Error(`expected ${String(expected)}, got ${String(actual)}`);
}

function sleep(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
