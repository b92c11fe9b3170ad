// 64 processes with one Redis, one Valkey or one folder of files, and what they do when Redis fails.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { askAll, HOUR_MS, openAll, startMembers, startServer, tellAll, testFleet, until } from './fleet.mjs';
import { startRedis } from './redis/servers.mjs';

const PROCESSES = 64;
/** Those that meet a failing Redis: each waits for it, then makes an exchange, and all at once. */
const FEW = 16;

const folder = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
after(() => rmSync(folder, { recursive: true }));
const members = await startMembers({ after }, PROCESSES, 'Node');
const few = members.slice(0, FEW);

const places = {
  'redis-server': (t) => startRedisFor(t, 'redis-server'),
  'valkey-server': (t) => startRedisFor(t, 'valkey-server'),
  files: () => ({ kind: 'files', path: mkdtempSync(join(folder, 'store-')) }),
};

for (const [name, startPlace] of Object.entries(places)) {
  testFleet(test, { name, runtime: 'Node', members, contenders: few, startPlace });
}

test('redis-server: paused in the middle of an exchange, every call succeeds; resumed, there is one token again', async (t) => {
  const [redis, server] = [await startRedisFor(t, 'redis-server'), await startServer(t)];
  await openAll(few, redis, server);
  server.latencyMs = 1_000;
  const asked = askAll(t, few);
  await until(() => server.exchanges > 0);

  redis.pause();

  await asked;
  assert.ok(server.exchanges <= FEW, `${server.exchanges} exchanges`);
  t.diagnostic(`paused: ${server.exchanges} exchanges`);
  // Calls go on with what each process has.
  const before = server.exchanges;
  await askAll(t, few);
  assert.equal(server.exchanges, before);

  redis.resume();
  await tellAll(few, 'ping');
  await tellAll(few, 'shift', HOUR_MS);
  assert.equal((await askAll(t, few)).length, 1);
  assert.equal(server.exchanges, before + 1);
});

test('redis-server: stopped, every call succeeds with an exchange for each process; started again, there is one token', async (t) => {
  const [redis, server] = [await startRedisFor(t, 'redis-server'), await startServer(t)];
  await openAll(few, redis, server);
  await askAll(t, few);
  assert.equal(server.exchanges, 1);

  await redis.stop();
  await tellAll(few, 'shift', HOUR_MS);

  assert.equal((await askAll(t, few)).length, FEW);
  assert.equal(server.exchanges, 1 + FEW);

  await startRedisFor(t, 'redis-server', redis.port);
  await tellAll(few, 'ping');
  await tellAll(few, 'shift', HOUR_MS);
  assert.equal((await askAll(t, few)).length, 1);
  assert.equal(server.exchanges, 2 + FEW);
});

async function startRedisFor(t, binary, port) {
  const redis = await startRedis(binary, port);
  t.after(redis.stop);
  return { kind: 'Redis', ...redis };
}
