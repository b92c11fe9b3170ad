import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startServer, until } from '../fleet.mjs';
import { startWorkers } from './workers.mjs';

const WORKERS = 8;

// The oldest that the package supports had objects on the key-value backend only.
for (const [compatibilityDate, useSQLite] of [
  ['2026-07-01', true],
  ['2023-03-01', false],
]) {
  test(`64 requests to ${WORKERS} Workers on one Durable Object make one exchange for each token (${compatibilityDate})`, async (t) => {
    const { fleet, server, askAll } = await startFleet(t, { compatibilityDate, useSQLite });
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

test('64 requests to many Workers share one M2M login', async (t) => {
  const { server, askAll } = await startFleet(t);
  const logins = serveLogins(server, 200, '{"sessionToken":"invented-session"}');

  assert.deepEqual(new Set(await askAll('durable-object', 'callApi')), new Set(['invented-session']));

  assert.equal(logins.length, 1);
});

test('a refused M2M login is sent once by all Workers, ever', async (t) => {
  const { server, askAll } = await startFleet(t);
  const logins = serveLogins(server, 400, '{"errorCode":"INPUT_INVALID"}');
  const askInVain = async () => await askAll('durable-object', 'callApi').catch(({ message }) => message);

  assert.equal(await askInVain(), 'session_refused');
  assert.equal(await askInVain(), 'session_refused');

  assert.equal(logins.length, 1);
});

test('Workers KV spares later Workers their exchange', async (t) => {
  const { fleet, server } = await startFleet(t);

  await fleet.ask(getToken('kv', server), 0);
  await fleet.ask(getToken('kv', server), 1);
  await fleet.ask(getToken('kv', server), 2);

  assert.equal(server.exchanges, 1);
});

test('a Durable Object keeps values and their ends when it is evicted', async (t) => {
  const persistTo = mkdtempSync(join(tmpdir(), 'token-store-object-'));
  t.after(() => rmSync(persistTo, { recursive: true }));
  const before = await startWorkers({ persistTo });
  const store = before.store('durable-object');
  await store.set('kept', 'value', 3600);
  await store.set('ended', 'value', 0.001);
  await store.compareAndSet('compared', undefined, 'value', 3600);
  await before.dispose();

  const after = await startWorkers({ persistTo });
  t.after(after.dispose);
  const revived = after.store('durable-object');

  assert.equal(await revived.get('kept'), 'value');
  assert.equal(await revived.get('ended'), null);
  assert.equal(await revived.compareAndSet('compared', undefined, 'other', 5), false);
  assert.equal(await revived.compareAndSet('ended', undefined, 'other', 5), true);
});

async function startFleet(t, options) {
  const server = await startServer(t, { latencyMs: 300 });
  const fleet = await startWorkers({ count: WORKERS, ...options });
  t.after(fleet.dispose);
  const askAll = (kind, method = 'getToken') =>
    Promise.all(
      Array.from({ length: 64 }, (_, index) =>
        fleet.ask({ kind, method, tokenUrl: server.tokenUrl }, index % WORKERS),
      ),
    );
  return { fleet, server, askAll };
}

/** Answers each login, and any other call with the session that it came with. */
function serveLogins(server, status, body) {
  const logins = [];
  server.handle = ({ url, headers }, response) => {
    if (!url.endsWith('/login')) return response.end(headers['vz-m2m-token']);
    logins.push(url);
    setTimeout(() => response.writeHead(status, { 'content-type': 'application/json' }).end(body), 300);
  };
  return logins;
}

function getToken(kind, { tokenUrl }) {
  return { kind, method: 'getToken', tokenUrl };
}

function accessTokensOf(tokens) {
  return new Set(tokens.map(({ accessToken }) => accessToken));
}
