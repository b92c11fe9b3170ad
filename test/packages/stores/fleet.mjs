// Processes that share one store, each in the runtime that the store is for, and what every such fleet must
// do. Counts of exchanges are the token server's.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endWithTest } from './children.mjs';
import { remoteStore } from './remoteStore.mjs';
import { contend } from './storeContest.mjs';
import { startTokenServer } from './tokenServer.mjs';

const HERE = import.meta.dirname;
export const HOUR_MS = 3_600_000;
/**
 * It has SQLite, and runs the examples as they are. Nothing else wants it: npm makes it the `node` of
 * scripts, so that `npm test` names the Node of npm itself, `$npm_node_execpath`.
 */
export const NODE_24 = join(HERE, 'node_modules/node-24/bin/node');

const RUNTIMES = {
  Node: {},
  'Node 24': { execPath: NODE_24 },
  Deno: {
    execPath: join(HERE, 'node_modules/deno/deno'),
    execArgv: ['run', '--quiet', '--unstable-kv', '--allow-all'],
  },
  Bun: { execPath: join(HERE, 'node_modules/bun/bin/bun.exe') },
};

/**
 * Starts processes, which end with the test `t`, or with all tests where that is `{ after }` of node:test.
 */
export function startMembers(t, count, runtime) {
  return Promise.all(Array.from({ length: count }, () => startMember(t, runtime)));
}

/** `tell` asks for an action of `member.mjs`; `store` is the one that the process has opened. */
export async function startMember(t, runtime) {
  const member = endWithTest(fork(join(HERE, 'member.mjs'), { execArgv: [], ...RUNTIMES[runtime] }));
  t.after(() => member.kill('SIGKILL'));
  const waiting = new Map();
  const answerTo = (id) => new Promise((resolve, reject) => void waiting.set(id, { resolve, reject }));
  member.on('message', ({ id, result, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Error(error));
  });
  // Whoever waits for a process that is not there must hear of it.
  const fail = (reason) =>
    waiting.forEach(({ reject }) => reject(new Error(`a process in ${runtime} has ended: ${reason}`)));
  member.on('error', fail);
  member.on('exit', (code, signal) => fail(signal ?? code));
  await answerTo(0);
  let asked = 0;
  const tell = (action, ...args) => {
    member.send({ id: ++asked, action, args });
    return answerTo(asked);
  };
  return {
    tell,
    store: remoteStore((method, args) => tell('call', method, args)),
    kill: () => member.kill('SIGKILL'),
  };
}

/** For `testStore`: handles on the store at a place, by turns in two processes. */
export async function openElsewhere(t, runtime, place) {
  const members = await startMembers(t, 2, runtime);
  await openAll(members, place);
  return inTurn(members.map(({ store }) => store));
}

export function inTurn(stores) {
  let opened = 0;
  return () => stores[opened++ % stores.length];
}

/**
 * Registers what processes with one store must do. `members` have been started in `runtime`; `contenders` are
 * those of them that contend for a key; `startPlace(t)` says where a new store lies, as `openStore` takes it.
 */
export function testFleet(test, { name, runtime, members, contenders = members, startPlace }) {
  test(`${name}: ${members.length} processes make one exchange at their start, and one at the token's end`, async (t) => {
    const server = await startServer(t, { latencyMs: 500 });
    await openAll(members, await startPlace(t), server);

    assert.deepEqual(await askAll(t, members), ['invented-token-1']);
    assert.equal(server.exchanges, 1);
    await tellAll(members, 'shift', HOUR_MS);
    assert.deepEqual(await askAll(t, members), ['invented-token-2']);
    assert.equal(server.exchanges, 2);
  });

  test(`${name}: a process killed with the lease costs the others one exchange`, async (t) => {
    const [server, place] = [await startServer(t, { latencyMs: 60_000 }), await startPlace(t)];
    const holder = await startMember(t, runtime);
    await openAll([holder, ...members], place, server);
    const lost = assert.rejects(holder.tell('getToken'), /SIGKILL/);
    await until(() => server.exchanges === 1);
    server.latencyMs = 100;

    holder.kill();
    await lost;

    // One that had waited in vain for eight seconds would have made an exchange of its own.
    assert.deepEqual(await askAll(t, members), ['invented-token-2']);
    assert.equal(server.exchanges, 2);
  });

  test(`${name}: of ${contenders.length} processes with one expectation one wins, round after round`, async (t) => {
    await openAll(contenders, await startPlace(t));

    t.diagnostic(`wins: ${await contend(contenders.map(({ store }) => store))}`);
  });
}

/**
 * Opens the store at a place in each process, with a client where there is a token server. The first one sets
 * it up alone: of processes that open a new `Deno.Kv` at the same moment one may be told that the database is
 * locked.
 */
export async function openAll(members, place, server) {
  const [first, ...others] = members.map(
    ({ tell }, index) =>
      () =>
        tell('open', { ...place, index }, server?.tokenUrl),
  );
  await first();
  await Promise.all(others.map((open) => open()));
}

/** The different tokens that the members get; every call must succeed. */
export async function askAll(t, members) {
  const answers = await tellAll(members, 'getToken');
  const waits = answers.map(({ waitedMs }) => waitedMs).sort((a, b) => a - b);
  const failures = answers.reduce((sum, each) => sum + each.failures, 0);
  t.diagnostic(
    `waited ${waits[waits.length >> 1]} ms in the middle, ${waits.at(-1)} at most; ${failures} store_failed`,
  );
  return [...new Set(answers.map(({ accessToken }) => accessToken))];
}

export function tellAll(members, action, ...args) {
  return Promise.all(members.map(({ tell }) => tell(action, ...args)));
}

export async function startServer(t, options) {
  const server = await startTokenServer(options);
  t.after(server.close);
  return server;
}

export async function until(isSo) {
  while (!isSo()) await sleep(10);
}
