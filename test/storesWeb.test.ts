import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { createClient } from 'thingspace-auth';
import { storedToken } from 'thingspace-auth/stores';
import type { WebLocks, WebStorage } from 'thingspace-auth/stores/web';
import { webStore } from 'thingspace-auth/stores/web';
import { recordEvents, startServer } from './server.ts';

const { testStore } = await import(join(import.meta.dirname, '../../test/storeContract.mjs'));

const [storage, locks] = [createStorage(), createLocks()];
testStore(test, { name: 'webStore', open: () => webStore(storage), ttlSeconds: undefined, canLock: false });
testStore(test, { name: 'webStore with locks', open: () => webStore(storage, { locks }), ttlSeconds: undefined });

test('has no lock where the platform has none', () => {
  assert.equal(webStore(createStorage()).lock, undefined);
  assert.equal(webStore(createStorage(), { locks: undefined }).lock, undefined);
});

test('fails a lock that the platform refuses', async () => {
  const refusal = new Error('The document is not fully active');
  const store = webStore(createStorage(), { locks: { request: () => Promise.reject(refusal) } });

  await assert.rejects(store.lock!('key', 1), refusal);
});

test('shares one exchange among tabs, and outlives them', async (t) => {
  const server = await startServer(t);
  const [storage, locks] = [createStorage(), createLocks()];
  const open = () => createClient(server.config({}, { oauthTokenProvider: storedToken(webStore(storage, { locks })) }));

  await Promise.all(Array.from({ length: 8 }, () => open().getToken()));
  await createClient(server.config({}, { oauthTokenProvider: storedToken(webStore(storage)) })).getToken();

  assert.equal(server.tokenRequests.length, 1);
});

test('a storage that is full costs an event, no call', async (t) => {
  const server = await startServer(t);
  const { events, onEvent } = recordEvents();
  const full: WebStorage = { ...createStorage(), setItem: () => { throw new DOMException('full', 'QuotaExceededError'); } };

  await createClient(server.config({ onEvent }, { oauthTokenProvider: storedToken(webStore(full)) })).getToken();

  assert.deepEqual(events.filter(({ type }) => type === 'store_failed'), [{ type: 'store_failed', operation: 'set' }]);
});

function createStorage(): WebStorage {
  const items = new Map<string, string>();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, String(value)),
    removeItem: (key) => void items.delete(key),
  };
}

/** Web Locks as the specification has them, for the one option in use: the real ones are tried in a browser. */
function createLocks(): WebLocks {
  const held = new Set<string>();
  return {
    request: async (name, _options, callback) => {
      await undefined;
      if (held.has(name)) return callback(null);
      held.add(name);
      try {
        return await callback({ name, mode: 'exclusive' });
      } finally {
        held.delete(name);
      }
    },
  };
}
