// 64 processes with one store: how often the token server is asked. Counts are the server's.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { contend } from './storeContest.mjs';
import { startTokenServer } from './tokenServer.mjs';
import { startRedis } from './redis/servers.mjs';

const PROCESSES = 64;
/** Those that meet a failing Redis: each waits for it, then makes an exchange, and all at once. */
const FEW = 16;
const HOUR_MS = 3_600_000;

let shiftedMs = 0;
let files = 0;
const folder = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
after(() => rmSync(folder, { recursive: true }));
const all = await Promise.all(Array.from({ length: PROCESSES }, startMember));
after(() => all.forEach((member) => member.kill('SIGKILL')));
const few = all.slice(0, FEW);

const places = {
  'redis-server': () => startRedis('redis-server'),
  'valkey-server': () => startRedis('valkey-server'),
  'files': async () => ({ path: join(folder, String(files++)), stop: () => undefined }),
};

for (const [name, start] of Object.entries(places)) {
  test(`${name}: ${PROCESSES} processes make one exchange at their start, and one at the token's end`, async (t) => {
    const [store, server] = await startBoth(t, start);
    await openAll(all, store, server);
    server.latencyMs = 500;

    assert.deepEqual(await askAll(t, all), ['invented-token-1']);
    assert.equal(server.exchanges, 1);
    await shiftAll(HOUR_MS);
    assert.deepEqual(await askAll(t, all), ['invented-token-2']);
    assert.equal(server.exchanges, 2);
  });

  test(`${name}: a process killed with the right to exchange costs the others one exchange`, async (t) => {
    const [store, server] = await startBoth(t, start);
    await openAll(all, store, server);
    const holder = await startMember();
    await tell(holder, { open: addressOf(store, server, 0) });
    await tell(holder, { shiftMs: shiftedMs });
    server.latencyMs = 60_000;
    holder.send({ ask: true });
    while (server.exchanges === 0) await sleep(10);
    server.latencyMs = 100;

    holder.kill('SIGKILL');

    // One that had waited in vain for eight seconds would have made an exchange of its own.
    assert.deepEqual(await askAll(t, all), ['invented-token-2']);
    assert.equal(server.exchanges, 2);
  });
}

for (const [name, start] of Object.entries(places)) {
  test(`${name}: of ${FEW} processes with one expectation one wins, round after round`, async (t) => {
    const [store, server] = await startBoth(t, start);
    await openAll(few, store, server);
    const members = few.map((member) => async (...args) => (await tell(member, { compareAndSet: args })).hasWon);

    t.diagnostic(`wins: ${await contend(members, async (key) => (await tell(all[0], { get: key })).value)}`);
  });
}

test('redis-server: paused in the middle of an exchange, every call succeeds; resumed, there is one token again', async (t) => {
  const [store, server] = await startBoth(t, places['redis-server']);
  await openAll(few, store, server);
  server.latencyMs = 1_000;
  const asked = askAll(t, few);
  while (server.exchanges === 0) await sleep(10);

  store.pause();

  await asked;
  assert.ok(server.exchanges <= FEW, `${server.exchanges} exchanges`);
  t.diagnostic(`paused: ${server.exchanges} exchanges`);
  // Calls go on with what each process has.
  const before = server.exchanges;
  await askAll(t, few);
  assert.equal(server.exchanges, before);

  store.resume();
  await tellAll(few, { ping: true });
  await shiftAll(HOUR_MS);
  assert.equal((await askAll(t, few)).length, 1);
  assert.equal(server.exchanges, before + 1);
});

test('redis-server: stopped, every call succeeds with an exchange for each process; started again, there is one token', async (t) => {
  const [store, server] = await startBoth(t, places['redis-server']);
  await openAll(few, store, server);
  await askAll(t, few);
  assert.equal(server.exchanges, 1);

  await store.stop();
  await shiftAll(HOUR_MS);

  assert.equal((await askAll(t, few)).length, FEW);
  assert.equal(server.exchanges, 1 + FEW);

  const again = await startRedis('redis-server', store.port);
  t.after(again.stop);
  await tellAll(few, { ping: true });
  await shiftAll(HOUR_MS);
  assert.equal((await askAll(t, few)).length, 1);
  assert.equal(server.exchanges, 2 + FEW);
});

async function startMember() {
  const member = fork(join(import.meta.dirname, 'member.mjs'));
  await once(member, 'message');
  return member;
}

async function startBoth(t, start) {
  const [store, server] = [await start(), await startTokenServer()];
  t.after(server.close);
  t.after(store.stop);
  return [store, server];
}

function addressOf({ port, path }, { tokenUrl }, index) {
  return { port, path, tokenUrl, isEven: index % 2 === 0 };
}

async function openAll(members, store, server) {
  await Promise.all(members.map((member, index) => tell(member, { open: addressOf(store, server, index) })));
}

/** Moves the clocks of all members on, so that their tokens end. */
async function shiftAll(ms) {
  shiftedMs += ms;
  await tellAll(all, { shiftMs: ms });
}

/** The different tokens that the members get; every call must succeed. */
async function askAll(t, members) {
  const answers = await tellAll(members, { ask: true });
  const waits = answers.map(({ waitedMs }) => waitedMs).sort((a, b) => a - b);
  const failures = answers.reduce((sum, each) => sum + each.failures, 0);
  t.diagnostic(`waited ${waits[waits.length >> 1]} ms in the middle, ${waits.at(-1)} at most; ${failures} store_failed`);
  return [...new Set(answers.map(({ accessToken }) => accessToken))];
}

function tellAll(members, message) {
  return Promise.all(members.map((member) => tell(member, message)));
}

async function tell(member, message) {
  member.send(message);
  const [answer] = await once(member, 'message');
  assert.equal(answer.error, undefined);
  return answer;
}
