// The examples of a store of one's own, on a real SQLite file and a real PostgreSQL server.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { testStore } from '../../../support/storeContract.mjs';
import {
  askAll,
  NODE_24,
  openAll,
  openElsewhere,
  startMembers,
  startServer,
  testFleet,
  until,
} from '../fleet.mjs';
import { startPostgres } from './postgres.mjs';

const PROCESSES = 16;

const directory = mkdtempSync(join(tmpdir(), 'token-store-sqlite-'));
after(() => rmSync(directory, { recursive: true }));
const members = await startMembers({ after }, PROCESSES, 'Node 24');
const postgres = await startPostgresFor({ after });
const places = {
  SQLite: { kind: 'SQLite', path: join(directory, 'tokens.db') },
  PostgreSQL: postgres,
};

for (const [name, place] of Object.entries(places)) {
  testStore(test, { name, open: await openElsewhere({ after }, 'Node 24', place) });
  testFleet(test, { name, runtime: 'Node 24', members, startPlace: () => place });

  test(`${name}: the vendor's complete example saves its token and starts from it the next time`, async (t) => {
    const server = await startServer(t);
    const received = [];
    server.handle = ({ headers }, response) => {
      received.push([headers.authorization, headers['vz-m2m-token']]);
      response.end('answered');
    };
    const args = [join(import.meta.dirname, 'completeExample.mjs'), JSON.stringify(place), server.tokenUrl];
    const run = () => promisify(execFile)(NODE_24, args);

    assert.equal((await run()).stdout, 'answered\n');
    assert.equal((await run()).stdout, 'answered\n');

    const sent = ['Bearer invented-token-1', 'invented-session-token'];
    assert.deepEqual(received, [sent, sent]);
    assert.equal(server.exchanges, 1);
  });
}

test('PostgreSQL: every call succeeds when the server stops in the middle of an exchange', async (t) => {
  const [stopped, server] = [await startPostgresFor(t), await startServer(t, { latencyMs: 1_000 })];
  await openAll(members, stopped, server);

  const asked = askAll(t, members);
  await until(() => server.exchanges > 0);
  await stopped.stop();
  const tokens = await asked;

  assert.ok(server.exchanges <= PROCESSES);
  assert.deepEqual(await askAll(t, members), tokens);
});

async function startPostgresFor(t) {
  const server = await startPostgres();
  t.after(server.stop);
  return { kind: 'PostgreSQL', ...server };
}
