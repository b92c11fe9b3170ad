/** In a terminal, a wait of over a second says what is waited for. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { createMockServer, type MockServer } from 'thingspace-auth/testing';
import {
  ACCOUNT,
  COMMAND,
  MOCK_NOTICE,
  ownVariables,
  preloading,
  runCommand,
} from '../support/runCommand.ts';
import { startStandIn } from '../support/standIn.ts';

const TERMINAL = "Object.defineProperty(process.stderr, 'isTTY', { value: true });";
/** Runs the command; a request whose path ends so is answered once a wait has been told. */
async function runHeld(
  t: TestContext,
  held: string,
  args: readonly string[],
  script: (mock: MockServer) => void = () => {},
  preloaded: string = TERMINAL,
) {
  const folder = await mkdtemp(join(tmpdir(), 'thingspace-auth-'));
  t.after(() => rm(folder, { recursive: true }));
  const mock = createMockServer();
  script(mock);
  let tell = () => {};
  const told = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const fetch = async (request: Request) => {
    if (request.url.endsWith(held)) await told;
    return mock.fetch(request);
  };
  const origin = await startStandIn(t, { fetch } as never);
  const env = {
    ...ownVariables(),
    THINGSPACE_CLIENT_ID: 'invented-key',
    THINGSPACE_CLIENT_SECRET: 'invented-secret',
    THINGSPACE_TOKEN_URL: `${origin}/oauth2/token`,
    THINGSPACE_API_ORIGINS: origin,
    ...ACCOUNT,
    ...preloading(preloaded),
  };
  const child = spawn(
    process.execPath,
    [COMMAND, ...args.map((arg) => arg.replace('FOLDER', folder).replace('ORIGIN', origin))],
    { env, stdio: ['ignore', 'pipe', 'pipe'], timeout: 30_000 },
  );
  child.stderr.once('data', tell);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { stdout, stderr: stderr.replaceAll(origin, 'ORIGIN'), origin };
}

for (const [held, args, notice] of [
  ['/token', ['token'], MOCK_NOTICE],
  ['/token', ['check'], ''],
  ['/orders', ['check', 'ORIGIN/orders?key=1'], ''],
  ['/login', ['session', '--store', 'FOLDER'], MOCK_NOTICE],
  ['/token', ['token', '--store', 'FOLDER'], MOCK_NOTICE],
] as const) {
  test(`${args.join(' ')} names the URL that it waits for: ${held}`, async (t) => {
    const { stderr } = await runHeld(t, held === '/orders' ? '/orders?key=1' : held, args);

    const paths = { '/token': '/oauth2/token', '/login': '/api/m2m/v1/session/login', '/orders': '/orders' };
    assert.equal(stderr, `Waiting for ORIGIN${paths[held]} …\n${notice}`);
  });
}

test('a pause of a second before another try is told', async (t) => {
  const throttled = new Response(null, { status: 503, headers: { 'retry-after': '1' } });
  const { stderr, stdout } = await runHeld(t, 'nothing', ['token'], (mock) =>
    mock.failNext('token', throttled),
  );

  assert.match(stderr, /^Waiting 1 s for another try, after 503 …\n/);
  assert.match(stdout, /^mock-access-token-/);
});

test('who waits for what another program does is told of the folder', async (t) => {
  const busy = `
    import fs from 'node:fs/promises';
    import { syncBuiltinESMExports } from 'node:module';
    const { readdir } = fs;
    let pause = 2000;
    fs.readdir = async (...folder) => {
      await new Promise((resolve) => setTimeout(resolve, pause));
      pause = 0;
      return readdir(...folder);
    };
    syncBuiltinESMExports();`;
  const { stderr } = await runHeld(
    t,
    'nothing',
    ['session', '--store', 'FOLDER'],
    undefined,
    TERMINAL + busy,
  );

  assert.match(stderr, /^Waiting for \S+, or a program that uses it …$/m);
});

test('where stderr is no terminal, nothing is told', async (t) => {
  const fast = `
    const { setTimeout } = globalThis;
    globalThis.setTimeout = (work, ms, ...rest) => setTimeout(work, ms === 1000 ? 1 : ms, ...rest);`;
  const { stderr } = await runCommand(t, ['check'], {
    env: preloading(fast),
    answer: async (_request, next) => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      return next();
    },
  });

  assert.equal(stderr, '');
});
