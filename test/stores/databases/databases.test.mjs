// The examples of a store of one's own, on a real SQLite file and a real PostgreSQL server.
import assert from 'node:assert/strict';
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { testStore } from '../../storeContract.mjs';
import { contend } from '../storeContest.mjs';
import { startTokenServer } from '../tokenServer.mjs';
import { openStore } from '../openStore.mjs';
import { startPostgres } from './postgres.mjs';

const PROCESSES = 16;

const directory = mkdtempSync(join(tmpdir(), 'token-store-sqlite-'));
const postgres = await startPostgres();
after(async () => {
  await postgres.stop();
  rmSync(directory, { recursive: true });
});

for (const [name, database] of [['SQLite', join(directory, 'tokens.db')], ['PostgreSQL', postgres.url]]) {
  testStore(test, { name, open: () => openStore(database) });

  test(`${name}: ${PROCESSES} processes make one exchange for each token`, async (t) => {
    const server = await startServer(t, { latencyMs: 500, expiresIn: 3 });
    const askAll = await startFleet(t, database, server.tokenUrl);

    const first = await askAll();
    assert.equal(server.exchanges, 1);
    assert.deepEqual(accessTokensOf(first), new Set(['invented-token-1']));

    server.expiresIn = 3600;
    // By the clock that the processes look at: a timer alone may end up to a millisecond before it.
    while (Date.now() < first[0].expiry * 1000) await sleep(20);
    const second = await askAll();
    assert.equal(server.exchanges, 2);
    assert.deepEqual(accessTokensOf(second), new Set(['invented-token-2']));
  });

  test(`${name}: of ${PROCESSES} processes with one expectation one wins, round after round`, async (t) => {
    const { tokenUrl } = await startServer(t);
    const processes = await Promise.all(Array.from({ length: PROCESSES }, () => startMember(t, database, tokenUrl)));
    const members = processes.map((member) => async (...args) => {
      member.send({ compareAndSet: args });
      const [{ hasWon }] = await once(member, 'message');
      return hasWon;
    });

    const { get } = openStore(database);
    t.diagnostic(`wins: ${await contend(members, get)}`);
  });

  test(`${name}: a process killed with the right to exchange costs the others one exchange`, async (t) => {
    const server = await startServer(t, { latencyMs: 60_000 });
    const holder = await startMember(t, database, server.tokenUrl);
    holder.send({});
    while (server.exchanges === 0) await sleep(20);
    holder.kill('SIGKILL');
    server.latencyMs = 100;

    const askAll = await startFleet(t, database, server.tokenUrl);

    assert.deepEqual(accessTokensOf(await askAll()), new Set(['invented-token-2']));
    assert.equal(server.exchanges, 2);
  });

  test(`${name}: the vendor's complete example saves its token and starts from it the next time`, async (t) => {
    const server = await startServer(t);
    const received = [];
    server.handle = ({ headers }, response) => {
      received.push([headers.authorization, headers['vz-m2m-token']]);
      response.end('answered');
    };
    const run = () => promisify(execFile)(process.execPath, [join(import.meta.dirname, 'completeExample.mjs'), database, server.tokenUrl]);

    assert.equal((await run()).stdout, 'answered\n');
    assert.equal((await run()).stdout, 'answered\n');

    const sent = ['Bearer invented-token-1', 'invented-session-token'];
    assert.deepEqual(received, [sent, sent]);
    assert.equal(server.exchanges, 1);
  });
}

test('PostgreSQL: every call succeeds when the server stops in the middle of an exchange', async (t) => {
  const stopped = await startPostgres();
  const server = await startServer(t, { latencyMs: 1_000 });
  const askAll = await startFleet(t, stopped.url, server.tokenUrl);

  const asked = askAll();
  while (server.exchanges === 0) await sleep(20);
  await stopped.stop();
  const tokens = await asked;

  assert.equal(tokens.length, PROCESSES);
  assert.ok(server.exchanges <= PROCESSES);
  assert.deepEqual(await askAll(), tokens);
});

async function startServer(t, options) {
  const server = await startTokenServer(options);
  t.after(server.close);
  return server;
}

async function startFleet(t, database, tokenUrl) {
  const members = await Promise.all(Array.from({ length: PROCESSES }, () => startMember(t, database, tokenUrl)));
  return () =>
    Promise.all(
      members.map(async (member) => {
        member.send({});
        const [token] = await once(member, 'message');
        return token;
      }),
    );
}

async function startMember(t, database, tokenUrl) {
  const member = fork(join(import.meta.dirname, 'member.mjs'), [database, tokenUrl]);
  t.after(() => member.kill('SIGKILL'));
  await once(member, 'message');
  return member;
}

function accessTokensOf(tokens) {
  return new Set(tokens.map(({ accessToken }) => accessToken));
}
