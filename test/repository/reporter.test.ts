/** The output of `npm test` where stdout is not a terminal. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../../..');

test('failures in full, the closing figures, and nothing of what passed', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const files = {
    'tests.test.mjs': `
      import assert from 'node:assert';
      import { describe, test } from 'node:test';
      console.log('printed by a file that runs');
      test('this one passes', () => {});
      describe('a group', () => {
        test('this one fails', () => assert.deepEqual({ given: 1 }, { given: 2 }));
      });`,
    'broken.test.mjs': "console.log('printed by a file that breaks'); throw new Error('at once');",
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const paths = Object.keys(files).map((name) => join(folder, name));
  const reporter = `--test-reporter=${join(root, 'test/support/reporter.mjs')}`;
  const env = { PATH: process.env.PATH };

  const { stdout, status } = spawnSync(process.execPath, ['--test', reporter, ...paths], {
    encoding: 'utf8',
    env,
  });

  assert.equal(status, 1);
  assert.deepEqual(stdout.match(/^not ok - .*$/gm)?.sort(), [
    `not ok - ${join(folder, 'broken.test.mjs')}`,
    'not ok - this one fails',
  ]);
  assert.match(stdout, /given: 1[^]*given: 2/);
  assert.match(stdout, /printed by a file that breaks[^]*Error: at once/);
  assert.doesNotMatch(stdout, /this one passes|a group|printed by a file that runs/);
  for (const line of ['# tests 3', '# pass 1', '# fail 2']) assert.ok(stdout.includes(`\n${line}\n`), line);
});
