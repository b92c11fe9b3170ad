import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import type { DenoKv, DenoKvTransaction } from 'thingspace-auth/stores/kv';
import { kvStore } from 'thingspace-auth/stores/kv';

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
  const kept = new Map<string, string>();
  const store = kvStore({
    get: async (key: string) => JSON.parse(kept.get(key) ?? 'null'),
    put: async (key: string, value: string) => kept.set(key, value),
    delete: async (key: string) => kept.delete(key),
  });
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

test('names what Workers KV would refuse for its length by a digest, and nothing else', async () => {
  const kept = new Map<string, string>();
  const store = kvStore({
    get: async (key: string) => JSON.parse(kept.get(key) ?? 'null'),
    put: async (key: string, value: string) => kept.set(key, value),
    delete: async (key: string) => kept.delete(key),
  });
  const keys = ['k'.repeat(512), `${'k'.repeat(511)}ü`, `${'k'.repeat(511)}ä`];

  for (const key of keys) await store.set(key, `value of ${key}`, 60);

  for (const key of keys) assert.equal(await store.get(key), `value of ${key}`);
  const names = [...kept.keys()];
  assert.deepEqual(names.map((name) => (keys.includes(name) ? name.length : name.replace(/[0-9a-f]{64}/, 'digest'))), [512, 'digest', 'digest']);
  for (const key of keys) await store.delete(key);
  assert.equal(kept.size, 0);
});

for (const [ttlSeconds, options] of [[1.0005, { expireIn: 1001 }], [undefined, {}]] as const) {
  test(`asks a Deno.Kv to keep a value for ${options.expireIn ?? 'ever'} when it has ${ttlSeconds} s`, async () => {
    const set = mock.fn(async (_key: readonly string[], _value: unknown, _options: object) => {});

    await kvStore(createDenoKv({ set })).set('key', 'value', ttlSeconds);

    assert.deepEqual(set.mock.calls[0]!.arguments[2], options);
  });
}

test('leaves a lock in a Deno.Kv that another holds, and takes one that has ended', async (t) => {
  t.mock.timers.enable({ apis: ['Date'] });
  const commit = mock.fn(async () => ({ ok: true, versionstamp: '2' }));
  const store = kvStore(createDenoKv({ commit, get: async () => ({ value: { value: '', endMs: 5_000 }, versionstamp: '1' }) }));

  t.mock.timers.tick(4_999);
  assert.equal(await store.lock!('key', 5), undefined);
  assert.equal(commit.mock.callCount(), 0);
  t.mock.timers.tick(1);
  assert.equal(typeof (await store.lock!('key', 5)), 'function');
});

test('stops writing to a Deno.Kv that stays busy', async (t) => {
  t.mock.method(Math, 'random', () => 0);
  const set = mock.fn(fail('database is locked'));

  await assert.rejects(async () => kvStore(createDenoKv({ set })).set('key', 'value', 60), { message: 'database is locked' });

  assert.equal(set.mock.callCount(), 20);
});

test('writes to a Deno.Kv again when its file is busy', async () => {
  const commit = mock.fn(async () => ({ ok: true, versionstamp: '1' }));
  const set = mock.fn(async () => {});
  for (const call of [0, 1, 2]) {
    commit.mock.mockImplementationOnce(fail('database is locked'), call);
    set.mock.mockImplementationOnce(fail('database is locked'), call);
  }
  const store = kvStore(createDenoKv({ commit, set }));

  await store.set('key', 'value', 60);
  assert.equal(typeof (await store.lock!('key', 5)), 'function');

  assert.equal(set.mock.callCount(), 4);
  assert.equal(commit.mock.callCount(), 4);
});

test('passes any other failure of a Deno.Kv on at once', async () => {
  const commit = mock.fn(fail('value too large'));
  const store = kvStore(createDenoKv({ commit }));

  await assert.rejects(store.lock!('key', 5), { message: 'value too large' });

  assert.equal(commit.mock.callCount(), 1);
});

test('gives up on the lock of a Deno.Kv that another has taken meanwhile', async () => {
  const store = kvStore(createDenoKv({ commit: async () => ({ ok: false }) }));

  assert.equal(await store.lock!('key', 5), undefined);
});

/** An empty Deno.Kv; the real one is tested in test/deno. */
function createDenoKv({ commit, ...methods }: Partial<DenoKv> & { commit?: DenoKvTransaction['commit'] }): DenoKv {
  const transaction: DenoKvTransaction = {
    check: () => transaction,
    set: () => transaction,
    delete: () => transaction,
    commit: commit ?? (async () => ({ ok: true, versionstamp: '1' })),
  };
  return {
    get: async () => ({ value: null, versionstamp: null }),
    set: async () => {},
    delete: async () => {},
    atomic: () => transaction,
    ...methods,
  };
}

function fail(message: string): () => Promise<never> {
  return async () => {
    throw new TypeError(message);
  };
}
