import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { TokenStore } from 'thingspace-auth/stores';
import {
  durableObjectStore,
  type ObjectStorage,
  TokenStoreObject,
  type TokenStoreStub,
} from 'thingspace-auth/stores/durable-object';

const { testStore } = await import(join(import.meta.dirname, '../../../test/support/storeContract.mjs'));

const { store: shared } = createMemoryObject();
testStore(test, {
  name: 'durableObjectStore on an object in memory',
  open: () => shared,
  ttlSeconds: undefined,
});

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

test('refuses an operation that it does not know, and keeps the value', async (t) => {
  const { object, store } = createObject(t);
  await store.set('key', 'value', undefined);

  const response = await object.fetch({ json: async () => ({ operation: 'rename', key: 'key' }) });

  assert.equal(response.status, 400);
  assert.equal(await store.get('key'), 'value');
});

test('asks for a stub at each operation when it is given a function', async (t) => {
  const { stub } = createObject(t);
  let stubs = 0;
  const store = durableObjectStore(() => {
    stubs++;
    return stub;
  });

  await store.compareAndSet!('key', undefined, 'value', 5);
  await store.set('key', 'value', 5);
  await store.get('key');

  assert.equal(stubs, 3);
});

test('overwrites with a set, and compares with what is alive', async (t) => {
  const { store, kept } = createObject(t);

  await store.set('key', 'value', 5);
  await store.set('key', 'other', 5);
  assert.equal(await store.get('key'), 'other');
  assert.equal(await store.compareAndSet!('key', 'value', 'next', 5), false);
  assert.equal(await store.compareAndSet!('key', undefined, undefined, undefined), false);
  assert.equal(await store.get('key'), 'other');

  t.mock.timers.tick(5_000);
  assert.equal(await store.compareAndSet!('key', 'other', 'next', 5), false);
  assert.equal(await store.compareAndSet!('key', undefined, 'next', undefined), true);
  assert.deepEqual([...kept], [['key', { value: 'next' }]]);
  assert.equal(await store.compareAndSet!('key', 'next', undefined, undefined), true);
  assert.equal(kept.size, 0);
});

test('sets the alarm for what compareAndSet brings, too', async (t) => {
  const { store, alarms } = createObject(t);

  await store.compareAndSet!('key', undefined, 'value', 7);

  assert.deepEqual(alarms, [7_000]);
});

test('sets no alarm where nothing ends', async (t) => {
  const { store, alarms } = createObject(t);

  await store.set('key', 'value', undefined);
  await store.delete('key');
  await store.compareAndSet!('key', undefined, 'value', undefined);

  assert.deepEqual(alarms, []);
});

test('fails an alarm where its storage fails, so that the platform tries again', async (t) => {
  for (const operation of ['list', 'delete', 'setAlarm']) {
    const { object, store, storage } = createObject(t);
    await store.set('short', 'value', 5);
    await store.set('long', 'value', 60);
    t.mock.timers.tick(5_000);
    const failure = new Error(`${operation} failed`);
    Object.assign(storage, { [operation]: () => Promise.reject(failure) });

    await assert.rejects(object.alarm(), failure);
    t.mock.timers.reset();
  }
});

test('rejects where its storage does', async (t) => {
  const failures = {
    get: (store: TokenStore) => store.get('key'),
    put: (store: TokenStore) => store.set('key', 'value', 5),
    delete: (store: TokenStore) => store.delete('key'),
    getAlarm: (store: TokenStore) => store.set('key', 'value', 5),
    setAlarm: (store: TokenStore) => store.compareAndSet!('key', undefined, 'value', 5),
  };
  for (const [operation, act] of Object.entries(failures)) {
    await t.test(operation, async (t) => {
      const { store, storage } = createObject(t);
      const failure = new Error(`${operation} failed`);
      Object.assign(storage, { [operation]: () => Promise.reject(failure) });

      await assert.rejects(async () => act(store), failure);
    });
  }
});

test('is a TypeError at once for what is neither a stub nor a function', () => {
  for (const junk of [undefined, null, 'TOKENS', {}, { fetch: 'x' }]) {
    assert.throws(() => durableObjectStore(junk as TokenStoreStub), {
      name: 'TypeError',
      message: 'stub must have fetch',
    });
  }
});

test('rejects when the object does not answer as it should', async () => {
  const failing = durableObjectStore({ fetch: async () => new Response('{}', { status: 500 }) });
  const foreign = durableObjectStore({ fetch: async () => new Response('<html>') });

  await assert.rejects(async () => failing.get('key'), { message: 'the Durable Object answered 500' });
  await assert.rejects(async () => foreign.get('key'), SyntaxError);
});

/** An object on a storage of nothing but memory; the real one is tested in test/packages/stores. */
function createObject(t: TestContext) {
  t.mock.timers.enable({ apis: ['Date'] });
  return createMemoryObject();
}

function createMemoryObject() {
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
  let last: Promise<unknown> = Promise.resolve();
  const stub: TokenStoreStub = {
    // While it waits for its storage an object takes no other request.
    fetch: (url, init) => {
      const answer = last.then(() => object.fetch(new Request(url, init)));
      last = answer.catch(() => undefined);
      return answer;
    },
  };
  return { object, storage, stub, store: durableObjectStore(stub), kept, alarms };
}
