import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { createClient } from 'thingspace-auth';
import { storedToken } from 'thingspace-auth/stores';
import { type WebLocks, type WebStorage, webStore } from 'thingspace-auth/stores/web';
import { recordEvents, startServer } from '../support/server.ts';

const { testStore } = await import(join(import.meta.dirname, '../../../test/support/storeContract.mjs'));

const [storage, locks] = [createStorage(), createLocks()];
testStore(test, {
  name: 'webStore',
  open: () => webStore(storage),
  ttlSeconds: undefined,
  canCompare: false,
});
testStore(test, {
  name: 'webStore with locks',
  open: () => webStore(storage, { locks }),
  ttlSeconds: undefined,
});

test('has no compareAndSet where the platform has no locks', () => {
  assert.equal(webStore(createStorage(), { locks: undefined }).compareAndSet, undefined);
});

test('asks for an exclusive lock of the key, which it waits for, and reads and writes with it only', async () => {
  const requests: unknown[][] = [];
  let isHeld = false;
  const { getItem, setItem, removeItem } = createStorage();
  const guarded =
    <Args extends unknown[], Result>(act: (...args: Args) => Result) =>
    (...args: Args) => {
      assert.ok(isHeld);
      return act(...args);
    };
  const request = async (...parameters: [string, () => unknown]) => {
    requests.push(parameters);
    isHeld = true;
    const result = parameters[1]();
    isHeld = false;
    return result;
  };
  const store = webStore(
    { getItem: guarded(getItem), setItem: guarded(setItem), removeItem: guarded(removeItem) },
    { locks: { request } },
  );

  assert.equal(await store.compareAndSet!('-key', undefined, 'value', 1), true);
  await store.set('-key', 'other', 1);
  assert.equal(await store.compareAndSet!('-key', 'value', 'next', 1), false);
  await store.delete('-key');

  assert.deepEqual(
    requests.map(([name, callback, ...more]) => [name, typeof callback, more.length]),
    Array(4).fill(['store:-key', 'function', 0]),
  );
});

test('fails a change that the platform refuses a lock for', async () => {
  const refusal = new Error('The document is not fully active');
  const store = webStore(createStorage(), { locks: { request: () => Promise.reject(refusal) } });

  await assert.rejects(async () => store.compareAndSet!('key', undefined, 'value', 1), refusal);
  await assert.rejects(async () => store.set('key', 'value', 1), refusal);
  await assert.rejects(async () => store.delete('key'), refusal);
});

test('shares one exchange among tabs, and outlives them', async (t) => {
  const server = await startServer(t);
  const [storage, locks] = [createStorage(), createLocks()];
  const open = () =>
    createClient(server.config({}, { oauthTokenProvider: storedToken(webStore(storage, { locks })) }));

  await Promise.all(Array.from({ length: 8 }, () => open().getToken()));
  await createClient(server.config({}, { oauthTokenProvider: storedToken(webStore(storage)) })).getToken();

  assert.equal(server.tokenRequests.length, 1);
});

test('a storage that is full costs an event, no call', async (t) => {
  for (const locks of [undefined, createLocks()]) {
    const server = await startServer(t);
    const { events, onEvent } = recordEvents();
    const full: WebStorage = {
      ...createStorage(),
      setItem: () => {
        throw new DOMException('full', 'QuotaExceededError');
      },
    };

    await createClient(
      server.config({ onEvent }, { oauthTokenProvider: storedToken(webStore(full, { locks })) }),
    ).getToken();

    const operations = locks ? ['compareAndSet', 'set'] : ['set'];
    const failures = operations.map((operation) => ({
      type: 'store_failed',
      operation,
      reason: 'QuotaExceededError',
    }));
    assert.deepEqual(
      events.filter(({ type }) => type === 'store_failed'),
      failures,
    );
  }
});

test('is a TypeError at once for what is no storage, or no locks', () => {
  for (const junk of [
    undefined,
    null,
    'localStorage',
    {},
    new Map(),
    { ...createStorage(), removeItem: 1 },
  ]) {
    assert.throws(() => webStore(junk as WebStorage), {
      name: 'TypeError',
      message: 'storage must have getItem, setItem, removeItem',
    });
  }
  for (const junk of [null, true, {}, { request: 'x' }]) {
    assert.throws(() => webStore(createStorage(), { locks: junk as WebLocks }), {
      name: 'TypeError',
      message: 'locks must have request',
    });
  }
});

function createStorage(): WebStorage {
  const items = new Map<string, string>();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, String(value)),
    removeItem: (key) => void items.delete(key),
  };
}

/**
 * Web Locks as the specification has them, for exclusive ones: each waits for those before it. The real ones
 * are tried in a browser.
 */
function createLocks(): WebLocks {
  const last = new Map<string, Promise<unknown>>();
  return {
    request: (name, callback) => {
      const held = (last.get(name) ?? Promise.resolve()).then(callback);
      last.set(
        name,
        held.catch(() => undefined),
      );
      return held;
    },
  };
}
