// The calls that the root's tests draw at random, ten times as many of them as there.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '../../..');

test('5,000 calls drawn at random end as those of fetch', async () => {
  execFileSync(process.execPath, ['build.mjs', '--tests'], { cwd: root, stdio: 'inherit' });
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const args = [
    '--test',
    '--test-reporter=tap',
    '--test-name-pattern=drawn at random',
    '.build/test/call/differential.test.js',
  ];

  // In two processes, since most of the time goes to waiting for bodies without an end.
  const outputs = await Promise.all(
    [0, 2500].map((first) =>
      promisify(execFile)(process.execPath, args, {
        cwd: root,
        env: { ...env, CALL_SCRIPTS: '2500', FIRST_CALL_SCRIPT: `${first}` },
        maxBuffer: 2 ** 26,
      }),
    ),
  );

  for (const { stdout } of outputs)
    assert.match(stdout, /^\s*ok \d+ - plays 2500 calls drawn at random as fetch does$/m);
});
