/** `session`: prints an M2M session token, and logs in no more than it must. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { configFromEnvironment, createClient } from 'thingspace-auth';
import { sessionFromEnvironment } from 'thingspace-auth/session';
import { fileStore } from 'thingspace-auth/stores/file';
import { createMockServer, type MockServerOptions } from 'thingspace-auth/testing';
import { ACCOUNT, MOCK_NOTICE, runCommand, startCommand } from '../support/runCommand.ts';
import { startStandIn } from '../support/standIn.ts';

/** A server, and the command that runs against it with one folder. */
async function settingOf(t: TestContext, options?: MockServerOptions) {
  const folder = await mkdtemp(join(tmpdir(), 'thingspace-auth-'));
  t.after(() => rm(folder, { recursive: true }));
  const mock = createMockServer(options);
  const origin = await startStandIn(t, mock);
  const env = {
    THINGSPACE_CLIENT_ID: 'invented-key',
    THINGSPACE_CLIENT_SECRET: 'invented-secret',
    THINGSPACE_TOKEN_URL: `${origin}/oauth2/token`,
    THINGSPACE_API_ORIGINS: 'https://api.example.com',
    ...ACCOUNT,
  };
  const run = (...args: string[]) => startCommand(['session', '--store', folder, ...args], env);
  const paths = () => mock.requests.map(({ path, status }) => `${path.split('/').at(-1)} ${status}`);
  return { mock, origin, env, folder, run, paths };
}

test('it prints the session token and nothing else, and shares it with programs', async (t) => {
  const { env, origin, folder, run, paths } = await settingOf(t);

  const first = await run();
  const second = await run('--json');

  assert.match(first.stdout, /^mock-session-token-\w+-1\n$/);
  assert.deepEqual([first.stderr, first.exitCode], [MOCK_NOTICE, 0]);
  assert.deepEqual(JSON.parse(second.stdout), { sessionToken: first.stdout.trim() });
  assert.deepEqual(paths(), ['token 200', 'login 200']);
  const vZM2mToken = sessionFromEnvironment({ store: fileStore(folder), env });
  const config = configFromEnvironment({ env: { ...env, THINGSPACE_API_ORIGINS: origin } });
  const { authorizedFetch } = createClient({ ...config, vZM2mToken });
  assert.equal((await authorizedFetch(`${origin}/api/m2m/v1/accounts`)).status, 200);
  assert.deepEqual(paths(), ['token 200', 'login 200', 'token 200', 'accounts 200']);
});

test('a refused login is sent once, however often it is asked for; --reset allows one more', async (t) => {
  const { run, paths } = await settingOf(t, { users: {} });

  const first = await run();
  const [second, third] = [await run(), await run('--json')];
  assert.deepEqual(paths(), ['token 200', 'login 401']);
  for (const { stdout, stderr, exitCode } of [first, second]) {
    assert.deepEqual([stdout, exitCode], ['', 1]);
    assert.match(stderr, /\nCheck THINGSPACE_USERNAME .* lock the account\. Then --reset allows one more/);
    assert.doesNotMatch(stderr, /invented-password/);
  }
  assert.equal(JSON.parse(third.stdout).ok, false);
  await run('--reset');
  await run();
  assert.deepEqual(paths(), ['token 200', 'login 401', 'login 401']);
});

test('--logout ends the session that is kept, and logs in to none', async (t) => {
  const { folder, run, paths } = await settingOf(t);

  const none = await run('--logout');
  assert.deepEqual(none, { stdout: '', stderr: `No session is kept in ${folder}.\n`, exitCode: 0 });
  assert.deepEqual(paths(), ['token 200']);
  const { stdout } = await run();
  const ended = await run('--logout');
  assert.deepEqual(ended, { stdout: '', stderr: 'The session is ended.\n', exitCode: 0 });
  assert.deepEqual(paths(), ['token 200', 'login 200', 'logout 200']);
  assert.notEqual((await run()).stdout, stdout);
});

test('it says which variables are missing, all at once', async (t) => {
  const { stderr, exitCode } = await runCommand(t, ['session', '--store', 'unused']);

  assert.equal(
    stderr,
    'THINGSPACE_USERNAME and THINGSPACE_PASSWORD must be set\n' +
      'Set them in the environment, or in a file for --env.\n',
  );
  assert.equal(exitCode, 1);
});

test('a folder that cannot be used is told, and no login is sent', async (t) => {
  const { env, folder, paths } = await settingOf(t);
  const file = join(folder, 'file');
  await writeFile(file, 'invented');

  const { stdout, stderr, exitCode } = await startCommand(['session', '--store', file], env);

  assert.match(
    stderr,
    /^No login without the folder of --store, and \S+\/file cannot be used \((ENOTDIR|EEXIST)\)\nGive one .*\n$/,
  );
  assert.deepEqual([stdout, exitCode], ['', 1]);
  assert.deepEqual(paths(), ['token 200']);
});
