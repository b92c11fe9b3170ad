/** A reader that closes the pipe, as `| head -1`, `| grep -q` and `| true` do. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { ACCOUNT, COMMAND, ownVariables } from '../support/runCommand.ts';
import { startStandIn } from '../support/standIn.ts';

/** Runs a line of a shell in which `COMMAND` is the command; returns exit status (`pipefail`) and stderr. */
async function runInShell(t: TestContext, line: string): Promise<[status: number, stderr: string]> {
  const origin = await startStandIn(t, { fetch: answer } as never);
  const folder = await mkdtemp(join(tmpdir(), 'thingspace-auth-'));
  t.after(() => rm(folder, { recursive: true }));
  const env = {
    ...ownVariables(),
    THINGSPACE_CLIENT_ID: 'invented-key',
    THINGSPACE_CLIENT_SECRET: 'invented-secret',
    THINGSPACE_TOKEN_URL: `${origin}/oauth2/token`,
    THINGSPACE_API_ORIGINS: origin,
    ...ACCOUNT,
  };
  const command = `"${process.execPath}" "${COMMAND}"`;
  const script = `set -o pipefail; ${line.replaceAll('COMMAND', command).replace('FOLDER', folder)}`;
  const child = spawn('bash', ['--norc', '-c', script], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 30_000,
  });
  const printed = text(child.stderr);
  const [status] = await once(child, 'exit');
  return [status, await printed];
}

/** As a real server: the command says nothing beside what a mock does not give out. */
async function answer({ url }: Request): Promise<Response> {
  if (url.endsWith('/token')) return Response.json({ access_token: 'invented', token_type: 'Bearer' });
  return Response.json({ sessionToken: 'invented' });
}

for (const line of [
  'COMMAND check | head -1',
  'COMMAND check | grep -q variables',
  'COMMAND check | true',
  'COMMAND check --json | true',
  'COMMAND token | true',
  'COMMAND token --json | true',
  'COMMAND session --store FOLDER | true',
  'COMMAND session --store FOLDER --json | true',
  'COMMAND --help | true',
]) {
  test(`a reader that goes away is no failure: ${line}`, async (t) => {
    assert.deepEqual(await runInShell(t, line), [0, '']);
  });
}

test('a mock whose reader has gone ends with the next line that it would print', async (t) => {
  const child = spawn(process.execPath, [COMMAND, 'mock'], {
    env: ownVariables(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill());
  let printed = '';
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    printed += chunk;
    if (printed.includes('PASSWORD=')) break;
  }
  child.stdout.destroy();
  const [, origin = ''] = /API_ORIGINS=(\S+)/.exec(printed) ?? [];

  await fetch(origin).catch(() => undefined); // it may end before the answer is read

  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('a disk that is full is told', {
  skip: !existsSync('/dev/full') && 'only Linux has /dev/full',
}, async (t) => {
  assert.deepEqual(await runInShell(t, 'COMMAND token > /dev/full'), [
    1,
    'The output cannot be written (ENOSPC)\nLook at what reads it, or at the disk.\n',
  ]);
});
