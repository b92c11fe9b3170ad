// `Deno.Kv` on disk: the contract of a store, and processes that share one.
import assert from 'node:assert/strict';
import { kvStore } from 'thingspace-auth/stores/kv';
import { testStore } from '../../storeContract.mjs';
import { contend } from '../storeContest.mjs';
import { startTokenServer } from '../tokenServer.mjs';

const PROCESSES = 8;

const directory = Deno.makeTempDirSync();
const handles = [];
Deno.test.afterAll(() => {
  for (const handle of handles) handle.close();
  Deno.removeSync(directory, { recursive: true });
});

const open = async () => {
  const kv = await Deno.openKv(`${directory}/contract`);
  handles.push(kv);
  return kvStore(kv);
};
testStore(Deno.test, { name: 'Deno.Kv', open });

Deno.test(`${PROCESSES} processes on one Deno.Kv make one exchange for each token`, async () => {
  const server = await startTokenServer({ latencyMs: 500, expiresIn: 3 });
  const fleet = Array.from({ length: PROCESSES }, () => startProcess(server.tokenUrl, `${directory}/fleet`));
  const askAll = () => Promise.all(fleet.map(({ ask }) => ask()));
  try {
    const first = await askAll();
    assert.deepEqual(new Set(first.map(({ accessToken }) => accessToken)), new Set(['invented-token-1']));
    assert.equal(server.exchanges, 1);

    server.expiresIn = 3600;
    // By the clock that the processes look at: a timer alone may end up to a millisecond before it.
    while (Date.now() < first[0].expiry * 1000) await new Promise((resolve) => setTimeout(resolve, 20));
    const second = await askAll();
    assert.deepEqual(new Set(second.map(({ accessToken }) => accessToken)), new Set(['invented-token-2']));
    assert.equal(server.exchanges, 2);
  } finally {
    await Promise.all(fleet.map(({ stop }) => stop()));
    await server.close();
  }
});

Deno.test(`of ${PROCESSES} processes on one Deno.Kv with one expectation one wins, round after round`, async () => {
  const server = await startTokenServer();
  const path = `${directory}/contest`;
  const fleet = Array.from({ length: PROCESSES }, () => startProcess(server.tokenUrl, path));
  const kv = await Deno.openKv(path);
  try {
    console.log(`wins: ${await contend(fleet.map(({ ask }) => ask), async (key) => kvStore(kv).get(key))}`);
  } finally {
    kv.close();
    await Promise.all(fleet.map(({ stop }) => stop()));
    await server.close();
  }
});

/** A process that answers each line on its input, with its token for an empty list. */
function startProcess(...args) {
  const script = new URL('member.mjs', import.meta.url).pathname;
  const process = new Deno.Command(Deno.execPath(), {
    args: ['run', '--quiet', '--allow-all', script, ...args],
    stdin: 'piped',
    stdout: 'piped',
  }).spawn();
  const input = process.stdin.getWriter();
  const output = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  return {
    ask: async (...args) => {
      await input.write(new TextEncoder().encode(`${JSON.stringify(args)}\n`));
      return JSON.parse((await output.read()).value);
    },
    stop: async () => {
      await input.close();
      await output.cancel();
      await process.status;
    },
  };
}
