/** `token`: what it prints, and where; where it keeps the token. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { configFromEnvironment, createClient } from 'thingspace-auth';
import { storedToken } from 'thingspace-auth/stores';
import { fileStore } from 'thingspace-auth/stores/file';
import { createMockServer } from 'thingspace-auth/testing';
import { MOCK_NOTICE, preloading, runCommand, seen, startCommand } from '../support/runCommand.ts';
import { startStandIn } from '../support/standIn.ts';

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'thingspace-auth-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

test('it prints the access token and nothing else', async (t) => {
  const { stdout, stderr, exitCode } = await runCommand(t, ['token'], { env: { FORCE_COLOR: '1' } });

  assert.match(stdout, /^mock-access-token-\w+-1\n$/);
  assert.deepEqual([stderr, exitCode], [MOCK_NOTICE, 0]);
});

test("it says nothing beside a real server's token", async (t) => {
  const { stdout, stderr } = await runCommand(t, ['token'], {
    mock: { tokenResponse: (body) => ({ ...body, access_token: 'invented' }) },
  });

  assert.deepEqual([stdout, stderr], ['invented\n', '']);
});

test('with --json it prints the whole token', async (t) => {
  const { stdout, exitCode } = await runCommand(t, ['token', '--json'], {
    mock: { startTime: 0 },
    env: { THINGSPACE_SCOPES: 'discovery:read' },
  });

  const { accessToken, expiry, expires, ...token } = JSON.parse(stdout);
  assert.match(accessToken, /^mock-access-token-/);
  assert.equal(typeof expiry, 'number');
  assert.match(expires, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.equal(Date.parse(expires), expiry * 1000);
  assert.deepEqual(token, { tokenType: 'Bearer', expiresIn: 3600, scope: 'discovery:read' });
  assert.equal(exitCode, 0);
});

test('with --json a token without a known end has no date', async (t) => {
  const { stdout } = await runCommand(t, ['token', '--json'], {
    mock: { tokenResponse: () => ({ access_token: 'invented' }) },
  });

  assert.deepEqual(JSON.parse(stdout), { accessToken: 'invented', tokenType: 'Bearer' });
});

test('it says on the other stream what is wrong, and what to do', async (t) => {
  const { stdout, stderr, exitCode } = await runCommand(t, ['token'], { mock: { clients: {} } });

  assert.equal(stdout, '');
  assert.match(
    stderr,
    /^http\S+ refused with invalid_client.*\nCheck THINGSPACE_CLIENT_ID and THINGSPACE_CLIENT_SECRET, .*\n$/,
  );
  assert.equal(exitCode, 1);
});

test('with --json it says that as an object', async (t) => {
  const { stdout, stderr, exitCode } = await runCommand(t, ['token', '--json'], { mock: { clients: {} } });

  const { ok, error, ...more } = JSON.parse(stdout);
  assert.deepEqual([ok, more, stderr, exitCode], [false, {}, '', 1]);
  assert.match(error.message, /refused with invalid_client/);
  assert.match(error.next, /^Check THINGSPACE_CLIENT_ID/);
});

test('it says which variable is missing', async () => {
  const { stderr, exitCode } = await startCommand(['token'], {});
  assert.match(stderr, /^THINGSPACE_CLIENT_ID and THINGSPACE_CLIENT_SECRET must be set\nSet them .*\n$/);
  assert.equal(exitCode, 1);

  const withoutSecret = await startCommand(['token'], { THINGSPACE_CLIENT_ID: 'invented-key' });
  const withoutId = await startCommand(['token'], { THINGSPACE_CLIENT_SECRET: 'invented secret' });
  assert.match(withoutId.stderr, /^THINGSPACE_CLIENT_ID must be set\nSet it in the environment, /);
  assert.match(withoutSecret.stderr, /\nSet THINGSPACE_CLIENT_SECRET\.\n$/);
});

test('it says once that there is no answer, and why', async (t) => {
  const { stderr } = await runCommand(t, ['token'], {
    env: { THINGSPACE_TOKEN_URL: 'http://127.0.0.1:65535/token' },
  });

  assert.deepEqual(stderr.split('\n').slice(0, 2), [
    'No answer from http://127.0.0.1:65535/token: connect ECONNREFUSED 127.0.0.1:65535',
    'Nothing listens there: check host and port. Behind a proxy, set HTTPS_PROXY; Node also wants NODE_USE_ENV_PROXY=1, from 22.21 and 24.5 on.',
  ]);
});

test('with --store it keeps the token, and shares it with programs', async (t) => {
  const folder = join(await folderOf(t), 'tokens');
  const mock = createMockServer();
  const origin = await startStandIn(t, mock);
  const env = {
    THINGSPACE_CLIENT_ID: 'invented-key',
    THINGSPACE_CLIENT_SECRET: 'invented-secret',
    THINGSPACE_TOKEN_URL: `${origin}/oauth2/token`,
    THINGSPACE_API_ORIGINS: origin,
  };

  const first = await startCommand(['token', '--store', folder], env);
  const second = await startCommand(['token', '--json', '--store', folder], env);
  const oauthTokenProvider = storedToken(fileStore(folder));
  const program = createClient(configFromEnvironment({ env, oauthTokenProvider }));

  assert.deepEqual([first.stderr, second.stderr], [MOCK_NOTICE, MOCK_NOTICE]);
  assert.equal(JSON.parse(second.stdout).accessToken, first.stdout.trim());
  assert.equal((await program.getToken()).accessToken, first.stdout.trim());
  const { THINGSPACE_CLIENT_SECRET: _, ...withoutSecret } = env;
  assert.equal((await startCommand(['token', '--store', folder], withoutSecret)).stdout, first.stdout);
  assert.equal(mock.requests.length, 1);
  mock.advance(3600);
  await rm(folder, { recursive: true });
  assert.notEqual((await startCommand(['token', '--store', folder], env)).stdout, first.stdout);
});

test('a folder that cannot be used costs a word, not the token', async (t) => {
  const folder = await folderOf(t);
  const [file, open] = [join(folder, 'file'), join(folder, 'open')];
  await writeFile(file, 'invented');
  await mkdir(open);
  await chmod(open, 0o777);
  const cases: [path: string, reason: string][] = [
    [file, 'ENOTDIR'],
    [open, 'unsafe_folder'],
    // Here nothing can be made, although the folder above is there.
    ...(existsSync('/proc/self') ? [['/proc/thingspace', 'ENOENT'] as [string, string]] : []),
  ];
  for (const [path, reason] of cases) {
    const outcome = await runCommand(t, ['token', '--store', path]);

    assert.match(outcome.stdout, /^mock-access-token-\w+-1\n$/);
    const told = `The token is not kept: ${path} cannot be used (${reason})\n`;
    assert.equal(outcome.stderr, told + MOCK_NOTICE);
    assert.deepEqual(seen(outcome), ['token 200']);
    assert.equal(outcome.exitCode, 0);
  }
});

test('--env reads a file; variables that are set win, but not empty ones', async (t) => {
  const file = join(await folderOf(t), 'variables');
  const text =
    "# invented\nTHINGSPACE_CLIENT_SECRET='invented secret'\nTHINGSPACE_CLIENT_ID=another-key\nTHINGSPACE_SCOPES=read\n";
  await writeFile(file, text);

  const outcome = await runCommand(t, ['token', '--env', file], { env: { THINGSPACE_CLIENT_SECRET: ' ' } });
  assert.match(outcome.stdout, /^mock-access-token-\w+-1\n$/);
  assert.match(outcome.mock.requests[0]?.body ?? '', /scope=read/);
  assert.deepEqual([outcome.stderr, outcome.exitCode], [MOCK_NOTICE, 0]);

  const refused = await runCommand(t, ['token', '--env', file], { env: { THINGSPACE_CLIENT_ID: 'a-third' } });
  assert.equal(refused.exitCode, 1);
  assert.doesNotMatch(refused.stderr, /invented secret/);

  const missing = await runCommand(t, ['token', '--env', `${file}-none`]);
  assert.deepEqual(
    [missing.stderr, missing.exitCode],
    ['The file of --env cannot be read (ENOENT)\nGive the path of a file with lines NAME=value.\n', 1],
  );
  const older = await runCommand(t, ['token', '--env', file], {
    env: preloading(
      "import util from 'node:util'; import { syncBuiltinESMExports } from 'node:module'; delete util.parseEnv; syncBuiltinESMExports();",
    ),
  });
  assert.match(older.stderr, /^This version of Node cannot read --env\nUse Node 20\.12 or later/);
});
