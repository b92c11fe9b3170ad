/** Slips in a file of variables: told by their line, never by their text. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { COMMAND, ownVariables, runCommand } from '../support/runCommand.ts';
import type { Outcome } from '../support/standIn.ts';

async function fileOf(t: TestContext, text: string | Uint8Array): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'thingspace-auth-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, '.env');
  await writeFile(file, text);
  return file;
}

/** By slip, a file, and which of its lines are not read. Each secret in it is hunter2. */
const SLIPS: Readonly<Record<string, readonly [text: string, unread: string]>> = {
  "YAML's colon": ['THINGSPACE_CLIENT_SECRET: hunter2\nTHINGSPACE_SCOPES=read\n', 'line 1'],
  'a space': ['THINGSPACE_SCOPES=read\n\n# account\nTHINGSPACE_PASSWORD hunter2\n', 'line 4'],
  'a colon before a secret that ends with =': [
    'THINGSPACE_SCOPES=read\nTHINGSPACE_PASSWORD: hunter2=',
    'line 2',
  ],
  'a secret with nothing before it': ['hunter2\nTHINGSPACE_SCOPES=read\nhunter2=\n', 'line 1'],
  'two of them': ['THINGSPACE_PASSWORD hunter2\nTHINGSPACE_SCOPES=read\nset: hunter2\n', 'lines 1, 3'],
  'a name in small letters': ['THINGSPACE_hunter2=x\nTHINGSPACE_SCOPES=read\n', 'line 1'],
  "Windows' line ends and mark": [
    '\uFEFFTHINGSPACE_SCOPES=read\r\nTHINGSPACE_PASSWORD hunter2\r\n',
    'line 2',
  ],
  'a quote that is never closed': ['THINGSPACE_SCOPES=read\nTHINGSPACE_PASSWORD="hunter2\n', 'line 2'],
  'a quote that the next value closes': [
    'THINGSPACE_M2M_TOKEN="x\nTHINGSPACE_PASSWORD=hunter2\nTHINGSPACE_SCOPES="read"\n',
    'line 1',
  ],
  'a slip after a key of several lines': [
    'KEY="first\nTHINGSPACE_X y\nlast"\nOTHER=\'one\'\nTHINGSPACE_SCOPES=read\nTHINGSPACE_PASSWORD hunter2',
    'line 6',
  ],
  'a quote of another variable that is never closed': [
    "NOTE=it's\nNAME='open\nTHINGSPACE_SCOPES=read\nTHINGSPACE_PASSWORD hunter2",
    'line 4',
  ],
};

for (const [what, [text, unread]] of Object.entries(SLIPS)) {
  test(`${what} is told by its line, and the others are read`, async (t) => {
    const file = await fileOf(t, text);
    const people = await runCommand(t, ['check', '--env', file]);
    const programs = await runCommand(t, ['check', '--env', file, '--json']);
    const token = await runCommand(t, ['token', '--env', file]);

    const are = unread.startsWith('lines') ? 'are' : 'is';
    const rule = 'write NAME=value, with both quotes in one line';
    const warning = `${unread} of the --env file ${are} not read: ${rule}`;
    const [variables] = JSON.parse(programs.stdout).steps;
    assert.deepEqual(variables.warnings, [warning]);
    assert.ok(variables.set.includes('THINGSPACE_SCOPES'));
    assert.ok(people.stdout.includes(`warn             ${warning}\n`));
    assert.ok(token.stderr.startsWith(`${warning}\n`));
    for (const outcome of [people, programs, token]) assertSecret(outcome);
    assert.match(token.mock.requests[0]?.body ?? '', /scope=read/);
  });
}

for (const args of [['check'], ['check', '--json'], ['token']]) {
  test(`node --env-file: ${args.join(' ')} shows nothing of a line without =`, async (t) => {
    const slips = [
      'THINGSPACE_CLIENT_SECRET: hunter2\nTHINGSPACE_SCOPES=read',
      'THINGSPACE_PASSWORD hunter2=x',
    ];
    for (const slip of slips) {
      const outcome = await runWithEnvFile(await fileOf(t, slip), args);

      assertSecret(outcome);
      assert.equal(outcome.exitCode, 1);
      const told = '1 not read: the name begins with THINGSPACE_, but has more than capitals, digits';
      // Node 24 drops such a line itself.
      if (args[0] === 'check' && process.version.startsWith('v20.')) assert.ok(outcome.stdout.includes(told));
    }
  });
}

function runWithEnvFile(file: string, args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [`--env-file=${file}`, COMMAND, ...args],
      { env: ownVariables(), timeout: 30_000 },
      (error, stdout, stderr) => resolve({ stdout, stderr, exitCode: error ? Number(error.code ?? 1) : 0 }),
    );
  });
}

test('a file in the encoding of PowerShell has no line that can be read, and none is shown', async (t) => {
  const file = await fileOf(t, Buffer.from('\uFEFFTHINGSPACE_PASSWORD=hunter2\r\n', 'utf16le'));
  const outcome = await runCommand(t, ['check', '--env', file]);

  assert.match(outcome.stdout, /\nwarn +lines? [\d, ]+ of the --env file (is|are) not read/);
  assertSecret(outcome);
});

test('a token URL with a line break is refused, not sent', async (t) => {
  const url = '{origin}/token\nTHINGSPACE_CLIENT_SECRET=hunter2\nTHINGSPACE_SCOPES=';
  const outcome = await runCommand(t, ['check'], { env: { THINGSPACE_TOKEN_URL: url } });

  assert.match(outcome.stdout, /^FAIL {2}variables {2}THINGSPACE_TOKEN_URL must be a URL like /);
  assertSecret(outcome);
  assert.equal(outcome.mock.requests.length, 0);
});

function assertSecret({ stdout, stderr }: Outcome): void {
  assert.doesNotMatch(stdout + stderr, /hunter2/);
}
