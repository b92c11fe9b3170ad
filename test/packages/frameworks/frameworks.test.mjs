// Servers as frameworks build them, and what a tracer copies. Each has a route that makes three calls at
// once, with a token and a session. What a tool has resolved must be what the runtime loads.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeFileTrace } from '@vercel/nft';
import { createMockServer } from 'thingspace-auth/testing';
import { freePort } from '../../support/freePort.mjs';

const HERE = import.meta.dirname;
const MODULES = join(HERE, 'node_modules');
/** The applications are built in a copy, so that what they leave lies in one folder that nobody reads. */
const APPS = join(HERE, '.build');
const NEWEST = join(MODULES, 'node-newest/bin/node');
const NODES = { 'Node 20': join(MODULES, 'node-20/bin/node'), 'the newest Node': NEWEST };

/** By framework: the command that builds below node_modules, and the server that it leaves. */
const FRAMEWORKS = {
  nuxt: { build: ['nuxt/bin/nuxt.mjs', 'build'], server: '.output/server/index.mjs' },
  nitro: { build: ['nitro/dist/cli/index.mjs', 'build'], server: '.output/server/index.mjs' },
  next: { build: ['next/dist/bin/next', 'build'], server: '.next/standalone/.build/next/server.js' },
  astro: { build: ['astro/bin/astro.mjs', 'build'], server: 'dist/server/entry.mjs' },
  sveltekit: { build: ['vite/bin/vite.js', 'build'], server: 'build/index.js' },
  vite: { build: ['vite/bin/vite.js', 'build'], server: 'dist/server.js' },
};

rmSync(APPS, { recursive: true, force: true });
cpSync(join(HERE, 'apps'), APPS, { recursive: true });

for (const [name, { build, server }] of Object.entries(FRAMEWORKS)) {
  test(`a built ${name} server makes its calls`, async (t) => {
    const mock = await startMock(t);
    const cwd = join(APPS, name);
    await run([join(MODULES, build[0]), ...build.slice(1)], { cwd, env: mock.env });

    assert.equal(await answerOf(t, NEWEST, join(cwd, server), mock), '200,200,200');

    assert.deepEqual(mock.seen(), ['devices', 'devices', 'devices', 'login', 'token']);
  });
}

for (const [node, executable] of Object.entries(NODES)) {
  test(`what @vercel/nft traces makes its calls on ${node}`, async (t) => {
    const mock = await startMock(t);
    const program = '.build/vite/server.mjs';
    const { fileList } = await nodeFileTrace([join(HERE, program)], { base: HERE });
    const folder = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
    t.after(() => rmSync(folder, { recursive: true }));
    for (const path of fileList) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      cpSync(join(HERE, path), join(folder, path));
    }

    assert.equal(await answerOf(t, executable, join(folder, program), mock), '200,200,200');

    assert.deepEqual(mock.seen(), ['devices', 'devices', 'devices', 'login', 'token']);
  });
}

/** A ThingSpace on the loopback interface, and the variables that lead an application to it. */
async function startMock(t) {
  const mock = createMockServer();
  const server = createServer(async (incoming, response) => {
    const chunks = await incoming.toArray();
    const { method, headers, url } = incoming;
    const body = chunks.length ? Buffer.concat(chunks) : undefined;
    const answer = await mock.fetch(new Request(new URL(url, origin), { method, headers, body }));
    response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${server.address().port}`;
  t.after(() => void server.close().closeAllConnections());
  const env = {
    ...process.env,
    MOCK_ORIGIN: origin,
    NODE_ENV: 'production',
    ...{ NUXT_TELEMETRY_DISABLED: '1', NEXT_TELEMETRY_DISABLED: '1', ASTRO_TELEMETRY_DISABLED: '1' },
  };
  return { env, seen: () => mock.requests.map(({ path }) => path.split('/').at(-1)).sort() };
}

/** Runs a build on the newest Node, which most of them want; what it has said is in the error if it fails. */
async function run(parameters, options) {
  const child = spawn(NEWEST, parameters, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const [code] = await once(child, 'close');
  assert.equal(code, 0, output);
}

/** What a server's route answers, which is started for it. */
async function answerOf(t, executable, server, { env }) {
  const port = String(await freePort());
  const child = spawn(executable, [server], {
    cwd: dirname(server),
    env: { ...env, HOST: '127.0.0.1', HOSTNAME: '127.0.0.1', PORT: port },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  for (let left = 100; ; left--) {
    try {
      return await (await fetch(`http://127.0.0.1:${port}/call`)).text();
    } catch (error) {
      if (left === 0 || child.exitCode !== null) throw error;
      await sleep(100);
    }
  }
}
