import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startTokenServer } from '../tokenServer.mjs';
import { remoteStore, startWorkers } from './fleet.mjs';

const WORKERS = 8;

for (const compatibilityDate of ['2026-07-01', '2023-03-01']) {
  test(`64 requests to ${WORKERS} Workers on one Durable Object make one exchange for each token (${compatibilityDate})`, async (t) => {
    const { fleet, server, askAll } = await startFleet(t, { compatibilityDate });
    server.expiresIn = 3;

    const first = await askAll('durable-object');
    assert.equal(server.exchanges, 1);
    assert.deepEqual(new Set(first.map(({ accessToken }) => accessToken)), new Set(['invented-token-1']));

    await until(first[0].expiry * 1000);
    server.expiresIn = 3600;
    const second = await askAll('durable-object');
    assert.equal(server.exchanges, 2);
    assert.deepEqual(new Set(second.map(({ accessToken }) => accessToken)), new Set(['invented-token-2']));
    assert.equal((await fleet.ask(getToken('durable-object', server), 3)).accessToken, 'invented-token-2');
    assert.equal(server.exchanges, 2);
  });
}

test('a lock whose holder is gone is waited for until it ends, and costs one exchange', async (t) => {
  const { fleet, server, askAll } = await startFleet(t);
  const key = await fleet.ask({ store: 'durable-object', method: 'keyOf', config: { tokenUrl: server.tokenUrl, clientId: 'invented-id' } });
  const ttlSeconds = 2;
  const end = Date.now() + ttlSeconds * 1000;
  await remoteStore(fleet, 'durable-object', true).lock(key, ttlSeconds);

  await askAll('durable-object');

  assert.equal(server.exchanges, 1);
  assert.ok(server.exchangedAt >= end);
});

test('Workers KV spares later Workers their exchange', async (t) => {
  const { fleet, server } = await startFleet(t);

  await fleet.ask(getToken('kv', server), 0);
  await fleet.ask(getToken('kv', server), 1);
  await fleet.ask(getToken('kv', server), 2);

  assert.equal(server.exchanges, 1);
});

test('a Durable Object keeps value, end and lock when it is evicted', async (t) => {
  const persistTo = mkdtempSync(join(tmpdir(), 'token-store-object-'));
  t.after(() => rmSync(persistTo, { recursive: true }));
  const before = await startWorkers({ persistTo });
  const store = remoteStore(before, 'durable-object', true);
  await store.set('kept', 'value', 3600);
  await store.set('ended', 'value', 0.001);
  await store.lock('kept', 3600);
  await before.dispose();

  const after = await startWorkers({ persistTo });
  t.after(after.dispose);
  const revived = remoteStore(after, 'durable-object', true);

  assert.equal(await revived.get('kept'), 'value');
  assert.equal(await revived.get('ended'), null);
  assert.equal(await revived.lock('kept', 5), undefined);
});

async function startFleet(t, options) {
  const server = await startTokenServer({ latencyMs: 300 });
  t.after(server.close);
  const fleet = await startWorkers({ count: WORKERS, ...options });
  t.after(fleet.dispose);
  const askAll = (store) =>
    Promise.all(Array.from({ length: 64 }, (_, index) => fleet.ask(getToken(store, server), index % WORKERS)));
  return { fleet, server, askAll };
}

function getToken(store, { tokenUrl }, clientId = 'invented-id') {
  return { store, method: 'getToken', config: { tokenUrl, clientId } };
}

function until(time) {
  return new Promise((resolve) => setTimeout(resolve, time - Date.now()));
}
