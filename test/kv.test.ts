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
  for (const junk of ['text', 7, [], {}, { value: 7 }, { value: 'value', end: 'junk' }]) {
    const store = kvStore({ get: async () => junk, put: async () => {}, delete: async () => {} });
    assert.equal(await store.get('key'), undefined);
  }
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
function createDenoKv(methods: { commit: DenoKvTransaction['commit']; set?: DenoKv['set'] }): DenoKv {
  const transaction: DenoKvTransaction = {
    check: () => transaction,
    set: () => transaction,
    delete: () => transaction,
    commit: methods.commit,
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
