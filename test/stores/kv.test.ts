import assert from 'node:assert/strict';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import { type DenoKv, type DenoKvTransaction, kvStore } from 'thingspace-auth/stores/kv';
import { passTime } from '../support/server.ts';

const { testStore } = await import(join(import.meta.dirname, '../../../test/support/storeContract.mjs'));

const memory = createMemory();
testStore(test, { name: 'kvStore on a Deno.Kv in memory', open: () => kvStore(memory.kv), wait: passTime });

for (const [ttlSeconds, options] of [
  [5, { expirationTtl: 60 }],
  [90.5, { expirationTtl: 91 }],
  [undefined, {}],
] as const) {
  test(`asks Workers KV to keep a value for ${options.expirationTtl ?? 'ever'} when it has ${ttlSeconds} s`, async () => {
    const put = mock.fn(async (_key: string, _value: string, _options: object) => {});
    const store = kvStore({ get: async () => null, put, delete: async () => {} });

    await store.set('key', 'value', ttlSeconds);

    assert.deepEqual(put.mock.calls[0]!.arguments[2], options);
  });
}

test('ends a value on time though Workers KV keeps it', async (t) => {
  t.mock.timers.enable({ apis: ['Date'] });
  const { store } = createWorkersStore();
  await store.set('key', 'value', 5);

  t.mock.timers.tick(4_999);
  assert.equal(await store.get('key'), 'value');
  t.mock.timers.tick(1);
  assert.equal(await store.get('key'), undefined);
});

test('takes what is no entry of its own in Workers KV for nothing', async () => {
  for (const junk of ['text', 7, [], {}, { value: 7 }, { value: 'value', endMs: 'junk' }]) {
    const store = kvStore({ get: async () => junk, put: async () => {}, delete: async () => {} });
    assert.equal(await store.get('key'), undefined);
  }
});

for (const [ttlSeconds, options] of [
  [1.0005, { expireIn: 1001 }],
  [undefined, {}],
] as const) {
  test(`asks a Deno.Kv to keep a value for ${options.expireIn ?? 'ever'} when it has ${ttlSeconds} s`, async () => {
    const set = mock.fn(async (_key: readonly string[], _value: unknown, _options: object) => {});

    await kvStore(createDenoKv({ set })).set('key', 'value', ttlSeconds);

    assert.deepEqual(set.mock.calls[0]!.arguments[2], options);
  });
}

test('keeps a Deno.Kv value under its key, with its end, until that and no longer', async (t) => {
  t.mock.timers.enable({ apis: ['Date'] });
  const { kv, kept } = createMemory();
  const store = kvStore(kv);

  await store.set('key', 'value', 5);
  assert.deepEqual([...kept], [['["key"]', { value: { value: 'value', endMs: 5_000 }, versionstamp: '1' }]]);
  t.mock.timers.tick(4_999);
  assert.equal(await store.get('key'), 'value');
  t.mock.timers.tick(1);
  assert.equal(await store.get('key'), undefined);

  await store.delete('key');
  assert.equal(kept.size, 0);
});

test('writes to a Deno.Kv by compareAndSet what it is told, for as long as it is told', async (t) => {
  t.mock.timers.enable({ apis: ['Date'] });
  const { kv, kept, options } = createMemory();
  const store = kvStore(kv);

  assert.equal(await store.compareAndSet!('key', undefined, 'value', 5.0005), true);
  assert.equal(await store.compareAndSet!('key', 'other', 'next', 5), false);
  assert.equal(await store.compareAndSet!('key', undefined, 'next', 5), false);
  assert.equal(await store.compareAndSet!('key', 'value', 'next', undefined), true);
  assert.deepEqual(
    [...kept.values()].map(({ value }) => value),
    [{ value: 'next' }],
  );
  assert.deepEqual(options, [{ expireIn: 5_001 }, {}]);

  assert.equal(await store.compareAndSet!('key', 'next', undefined, undefined), true);
  assert.equal(kept.size, 0);
});

test('takes a value in a Deno.Kv that is over, but still there, for nothing', async (t) => {
  t.mock.timers.enable({ apis: ['Date'] });
  const { kv } = createMemory();
  const store = kvStore(kv);
  await store.set('key', 'value', 5);

  t.mock.timers.tick(5_000);

  assert.equal(await store.compareAndSet!('key', 'value', 'next', 5), false);
  assert.equal(await store.compareAndSet!('key', undefined, 'next', 5), true);
  assert.equal(await store.get('key'), 'next');
});

test('writes nothing over what another has written to a Deno.Kv between look and write', async () => {
  const { kv } = createMemory();
  const store = kvStore(kv);
  const racing = kvStore({
    ...kv,
    get: async (key: readonly string[]) => {
      const entry = await kv.get(key);
      await store.set('key', 'of another', 60);
      return entry;
    },
  });

  assert.equal(await racing.compareAndSet!('key', undefined, 'value', 60), false);
  assert.equal(await racing.compareAndSet!('key', 'of another', undefined, 60), false);

  assert.equal(await store.get('key'), 'of another');
});

for (const [random, leastMs, mostMs] of [
  [0, 100, 1_000],
  [0.5, 950, 1_150],
  [1, 1_000, 2_000],
] as const) {
  test(`stops writing to a Deno.Kv that stays busy after about a second, where chance is ${random}`, async (t) => {
    const { setTimeout: start } = globalThis;
    const waits: number[] = [];
    t.mock.method(Math, 'random', () => random);
    t.mock.method(
      globalThis,
      'setTimeout',
      (callback: () => void, ms: number) => (waits.push(ms), start(callback, 1)),
    );
    const set = mock.fn(fail('database is locked'));

    await assert.rejects(async () => kvStore(createDenoKv({ set })).set('key', 'value', 60), {
      message: 'database is locked',
    });

    const waitedMs = waits.reduce((sum, ms) => sum + ms, 0);
    assert.deepEqual([set.mock.callCount(), waits.length], [20, 19]);
    assert.ok(waitedMs >= leastMs && waitedMs <= mostMs, `${waitedMs} ms`);
  });
}

test('waits before it writes to a busy Deno.Kv again', async (t) => {
  const retry = mock.fn();
  t.mock.method(globalThis, 'setTimeout', retry);
  const set = mock.fn(fail('database is locked'));

  void kvStore(createDenoKv({ set })).set('key', 'value', 60);
  for (let turns = 0; turns < 5; turns++) await new Promise(setImmediate);

  assert.deepEqual([retry.mock.callCount(), set.mock.callCount()], [1, 1]);
});

test('writes to a Deno.Kv again when its file is busy', async () => {
  const commit = mock.fn(async () => ({ ok: true }));
  const set = mock.fn(async () => {});
  for (const call of [0, 1, 2]) {
    commit.mock.mockImplementationOnce(fail('database is locked'), call);
    set.mock.mockImplementationOnce(fail('database is locked'), call);
  }
  const store = kvStore(createDenoKv({ commit, set }));

  await store.set('key', 'value', 60);
  assert.equal(await store.compareAndSet!('key', undefined, 'value', 5), true);

  assert.equal(set.mock.callCount(), 4);
  assert.equal(commit.mock.callCount(), 4);
});

test('passes any other failure of a Deno.Kv on at once', async () => {
  const commit = mock.fn(fail('value too large'));
  const store = kvStore(createDenoKv({ commit }));

  await assert.rejects(async () => store.compareAndSet!('key', undefined, 'value', 5), {
    message: 'value too large',
  });

  assert.equal(commit.mock.callCount(), 1);
});

test('is a TypeError at once for what is no namespace', () => {
  const workers = { get: async () => null, put: async () => {}, delete: async () => {} };
  for (const junk of [
    undefined,
    null,
    'TOKENS',
    {},
    new Map(),
    { ...workers, get: undefined },
    { ...workers, put: 'x' },
    { ...workers, delete: 1 },
  ]) {
    assert.throws(() => kvStore(junk as never), {
      name: 'TypeError',
      message: 'namespace must have get, put, delete',
    });
  }
  assert.throws(() => kvStore({ ...createDenoKv({}), set: undefined } as never), {
    name: 'TypeError',
    message: 'namespace must have get, set, delete',
  });
});

/** A store on a Workers KV in memory, and what that keeps. */
function createWorkersStore() {
  const kept = new Map<string, string>();
  const store = kvStore({
    get: async (key: string, type?: string) => {
      const text = kept.get(key) ?? null;
      return type === 'json' && text ? JSON.parse(text) : text;
    },
    put: async (key: string, value: string) => kept.set(key, value),
    delete: async (key: string) => kept.delete(key),
  });
  return { store, kept };
}

/** An empty Deno.Kv; the real one is tested in test/packages/stores. */
function createDenoKv({
  commit,
  ...methods
}: Partial<DenoKv> & { commit?: DenoKvTransaction['commit'] }): DenoKv {
  const transaction: DenoKvTransaction = {
    check: () => transaction,
    set: () => transaction,
    delete: () => transaction,
    commit: commit ?? (async () => ({ ok: true })),
  };
  return {
    get: async () => ({ value: null, versionstamp: null }),
    set: async () => {},
    delete: async () => {},
    atomic: () => transaction,
    ...methods,
  };
}

/**
 * A Deno.Kv in memory that deletes nothing by itself, what it keeps, and the options of its atomic writes.
 */
function createMemory() {
  const kept = new Map<string, { readonly value: unknown; readonly versionstamp: string }>();
  const options: unknown[] = [];
  let writes = 0;
  const nameOf = (key: readonly string[]) => JSON.stringify(key);
  const put = (key: readonly string[], value: unknown) =>
    void kept.set(nameOf(key), { value, versionstamp: String(++writes) });
  const kv: DenoKv = {
    get: async (key) => kept.get(nameOf(key)) ?? { value: null, versionstamp: null },
    set: async (key, value) => put(key, value),
    delete: async (key) => kept.delete(nameOf(key)),
    atomic: () => {
      const [checks, changes]: [(() => boolean)[], (() => unknown)[]] = [[], []];
      const transaction: DenoKvTransaction = {
        check: ({ key, versionstamp }) => (
          checks.push(() => (kept.get(nameOf(key))?.versionstamp ?? null) === versionstamp), transaction
        ),
        set: (key, value, expiry) => (
          changes.push(() => (options.push(expiry), put(key, value))), transaction
        ),
        delete: (key) => (changes.push(() => kept.delete(nameOf(key))), transaction),
        commit: async () => {
          const ok = checks.every((check) => check());
          if (ok) changes.forEach((change) => change());
          return { ok };
        },
      };
      return transaction;
    },
  };
  return { kv, kept, options };
}

function fail(message: string): () => Promise<never> {
  return async () => {
    throw new TypeError(message);
  };
}
