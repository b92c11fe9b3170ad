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
    assert.deepEqual(accessTokensOf(first), new Set(['invented-token-1']));

    await until(() => Date.now() >= first[0].expiry * 1000);
    server.expiresIn = 3600;
    const second = await askAll('durable-object');
    assert.equal(server.exchanges, 2);
    assert.deepEqual(accessTokensOf(second), new Set(['invented-token-2']));
    assert.equal((await fleet.ask(getToken('durable-object', server), 3)).accessToken, 'invented-token-2');
    assert.equal(server.exchanges, 2);
  });
}

test('a request cancelled in the middle of the exchange costs the others one', async (t) => {
  const { fleet, server, askAll } = await startFleet(t);
  server.latencyMs = 60_000;
  const visitor = new AbortController();
  const cancelled = assert.rejects(fleet.ask(getToken('durable-object', server), 0, visitor.signal));
  await until(() => server.exchanges === 1);
  visitor.abort();
  await cancelled;
  server.latencyMs = 300;

  const tokens = await askAll('durable-object');

  assert.equal(server.exchanges, 2);
  assert.deepEqual(accessTokensOf(tokens), new Set(['invented-token-2']));
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

function getToken(store, { tokenUrl }) {
  return { store, method: 'getToken', tokenUrl };
}

function accessTokensOf(tokens) {
  return new Set(tokens.map(({ accessToken }) => accessToken));
}

async function until(isSo) {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 20));
}
