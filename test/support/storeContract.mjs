// The duties of every TokenStore, as a suite that each store's test runs against the real thing. Plain
// JavaScript without imports, so that any package and any platform can take it: give it the platform's `test`
// function.

/**
 * Registers the suite.
 *
 * @param test `test(name, run)`, such as node:test's, Deno.test
 * @param options
 *   `name`: the store's name, put before each test's;
 *   `open()`: a new TokenStore (or a promise of one) on the same backing each time, as another process would
 *   have; `wait(seconds)`: lets time pass; default: real time; `ttlSeconds`: the shortest lifetime that the
 *   store keeps to; default 1; `undefined`: it leaves ends to its readers; `canCompare`: whether it has
 *   `compareAndSet`; default true
 */
export function testStore(test, { name, ...options }) {
  for (const [sentence, run] of storeCases(options)) test(`${name}: ${sentence}`, () => run());
}

/**
 * The suite as `[sentence, run]` pairs, for platforms without a test function; `run` rejects where the store
 * fails.
 */
export function storeCases({ open, wait = sleep, canCompare = true, ...options }) {
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
    overwrites: async () => {
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
      await Promise.all(
        keys.map((key, index) => stores[index % 2].set(key, JSON.stringify({ index }), long)),
      );
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
  if (canCompare) Object.assign(cases, compareCases({ open, wait, ttlSeconds, long }));
  else {
    cases['has no compareAndSet'] = async () => {
      const store = await open();
      equal(store.compareAndSet, undefined);
    };
  }
  return Object.entries(cases);
}

function compareCases({ open, wait, ttlSeconds, long }) {
  const cases = {
    'writes over what it expects, and says so': async () => {
      const [store, other, key] = [await open(), await open(), newKey()];
      equal(await store.compareAndSet(key, undefined, VALUE, long), true);
      equal(await other.get(key), VALUE);
      equal(await other.compareAndSet(key, VALUE, OTHER_VALUE, undefined), true);
      equal(await store.get(key), OTHER_VALUE);
    },
    'leaves what it does not expect': async () => {
      const [store, other, key] = [await open(), await open(), newKey()];
      equal(await store.compareAndSet(key, OTHER_VALUE, VALUE, long), false);
      equal((await other.get(key)) ?? null, null);
      await other.set(key, VALUE, long);
      for (const expected of [undefined, OTHER_VALUE, `${VALUE} `, VALUE.slice(1)]) {
        equal(await store.compareAndSet(key, expected, OTHER_VALUE, long), false);
        equal(await store.compareAndSet(key, expected, undefined, undefined), false);
      }
      equal(await store.get(key), VALUE);
    },
    'deletes what it expects, nothing included': async () => {
      const [store, other, key] = [await open(), await open(), newKey()];
      equal(await store.compareAndSet(key, undefined, undefined, undefined), true);
      await store.set(key, VALUE, long);
      equal(await other.compareAndSet(key, VALUE, undefined, undefined), true);
      equal((await store.get(key)) ?? null, null);
      equal(await store.compareAndSet(key, undefined, OTHER_VALUE, long), true);
      equal(await other.get(key), OTHER_VALUE);
    },
    'expects nothing where a value was deleted': async () => {
      const [store, other, key] = [await open(), await open(), newKey()];
      await store.set(key, VALUE, long);
      await other.delete(key);
      equal(await store.compareAndSet(key, VALUE, OTHER_VALUE, long), false);
      equal(await store.compareAndSet(key, undefined, OTHER_VALUE, long), true);
    },
    'lets one of many with the same expectation win, in each of several rounds': async () => {
      const [stores, key] = [await Promise.all(Array.from({ length: 8 }, open)), newKey()];
      let held;
      for (let round = 0; round < 5; round++) {
        const values = stores.map((_, index) => JSON.stringify({ round, index }));
        const wins = await Promise.all(
          stores.map((store, index) => store.compareAndSet(key, held, values[index], long)),
        );
        equal(wins.filter((hasWon) => hasWon === true).length, 1);
        held = values[wins.indexOf(true)];
        for (const store of stores) equal(await store.get(key), held);
      }
    },
    'compares one key and no other': async () => {
      const [store, key] = [await open(), newKey()];
      await store.set(`${key} `, VALUE, long);
      equal(await store.compareAndSet(key, VALUE, OTHER_VALUE, long), false);
      equal(await store.compareAndSet(key, undefined, OTHER_VALUE, long), true);
      equal(await store.get(`${key} `), VALUE);
    },
    'takes an expectation and a value of any characters': async () => {
      const [store, key] = [await open(), `${newKey()}:/?#[]@!$&'()*+,;="\\ ü€😀 ../..`];
      const value = JSON.stringify({ text: 'ü€😀"\\/\u0000' });
      equal(await store.compareAndSet(key, undefined, value, long), true);
      equal(await store.compareAndSet(key, value, VALUE, long), true);
      equal(await store.get(key), VALUE);
    },
  };
  if (ttlSeconds !== undefined) {
    cases['expects nothing where a lifetime is over, for one of many'] = async () => {
      const stores = await Promise.all(Array.from({ length: 8 }, open));
      const [key, isTaken] = await inTime(ttlSeconds, async (key) => {
        equal(await stores[0].compareAndSet(key, undefined, VALUE, ttlSeconds), true);
        return stores[1].compareAndSet(key, undefined, OTHER_VALUE, long);
      });
      equal(isTaken, false);
      await wait(ttlSeconds + 0.5);
      equal(await stores[0].compareAndSet(key, VALUE, OTHER_VALUE, long), false);
      const wins = await Promise.all(
        stores.map((store) => store.compareAndSet(key, undefined, OTHER_VALUE, long)),
      );
      equal(wins.filter(Boolean).length, 1);
    };
  }
  return cases;
}

/**
 * A new key and what `act` found under it. Found after the lifetime that `act` began, it would say nothing of
 * the store: where the machine is that slow, another key is tried, ten at most.
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
const OTHER_VALUE = JSON.stringify({
  accessToken: 'other-invented-token',
  nested: { list: [1.5, null, 'x'] },
});

function newKey() {
  return `thingspace-auth:["https://example.com/token","invented-id",["b","a"],[]] ${Math.random()}`;
}

function equal(actual, expected) {
  if (actual !== expected) throw new Error(`expected ${String(expected)}, got ${String(actual)}`);
}

function sleep(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
