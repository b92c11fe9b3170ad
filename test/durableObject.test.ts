import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { durableObjectStore, TokenStoreObject } from 'thingspace-auth/stores/durable-object';
import type { ObjectStorage, TokenStoreStub } from 'thingspace-auth/stores/durable-object';

test('deletes by one alarm what has ended, and sets the next', async (t) => {
  const { object, store, kept, alarms } = createObject(t);
  await store.set('short', 'value', 5);
  await store.set('long', 'value', 60);
  await store.set('endless', 'value', undefined);
  assert.deepEqual(alarms, [5_000]);

  t.mock.timers.tick(5_000);
  await object.alarm();
  assert.deepEqual([...kept.keys()], ['long', 'endless']);
  assert.deepEqual(alarms, [5_000, 60_000]);

  t.mock.timers.tick(55_000);
  await object.alarm();
  assert.deepEqual([...kept.keys()], ['endless']);
  assert.deepEqual(alarms, [5_000, 60_000]);
});

test('asks for a stub at each operation when it is given a function', async (t) => {
  const { stub } = createObject(t);
  let stubs = 0;
  const store = durableObjectStore(() => {
    stubs++;
    return stub;
  });

  const release = await store.lock!('key', 5);
  await release!();
  await store.get('key');

  assert.equal(stubs, 3);
});

test('gives a lock to one, whose late release leaves the lock of the next alone', async (t) => {
  const { store } = createObject(t);

  const release = await store.lock!('key', 5);
  assert.equal(await store.lock!('key', 5), undefined);
  t.mock.timers.tick(5_000);
  const nextRelease = await store.lock!('key', 5);
  await release!();
  assert.equal(await store.lock!('key', 5), undefined);
  await nextRelease!();
  assert.equal(typeof (await store.lock!('key', 5)), 'function');
});

test('rejects when the object does not answer as it should', async () => {
  const failing = durableObjectStore({ fetch: async () => new Response('{}', { status: 500 }) });
  const foreign = durableObjectStore({ fetch: async () => new Response('<html>') });

  await assert.rejects(async () => failing.get('key'), { message: 'the Durable Object answered 500' });
  await assert.rejects(async () => foreign.get('key'), SyntaxError);
});

/** An object on a storage of nothing but memory; the real one is tested in test/cloudflare. */
function createObject(t: TestContext) {
  t.mock.timers.enable({ apis: ['Date'] });
  const kept = new Map<string, unknown>();
  const alarms: number[] = [];
  const storage: ObjectStorage = {
    get: async (key) => kept.get(key),
    put: async (key, value) => kept.set(key, value),
    delete: async (key) => kept.delete(key),
    list: async () => new Map(kept),
    getAlarm: async () => alarms.at(-1) ?? null,
    setAlarm: async (time) => alarms.push(time),
  };
  const object = new TokenStoreObject({ storage });
  const stub: TokenStoreStub = { fetch: (url, init) => object.fetch(new Request(url, init)) };
  return { object, stub, store: durableObjectStore(stub), kept, alarms };
}
