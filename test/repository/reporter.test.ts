/** What `npm test` prints. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../../..');

test('a line for each file, failures in full, the closing figures, and nothing else of what passed', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const files = {
    'tests.test.mjs': `
      import assert from 'node:assert';
      import { describe, test } from 'node:test';
      console.log('printed by a file that runs');
      test('this one passes', (t) => t.diagnostic('a bare figure'));
      describe('a group', () => {
        test('this one fails', () => assert.deepEqual({ given: 1 }, { given: 2 }));
      });`,
    'broken.test.mjs': "console.log('printed by a file that breaks'); throw new Error('at once');",
    'whole.test.mjs':
      "import { test } from 'node:test'; test('this one passes'); test('this one passes, too');",
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const paths = Object.keys(files).map((name) => join(folder, name));
  const reporter = `--test-reporter=${join(root, 'test/support/reporter.mjs')}`;
  const env = { PATH: process.env.PATH };

  const { stdout, status } = spawnSync(process.execPath, ['--test', reporter, ...paths], {
    encoding: 'utf8',
    env,
    cwd: folder,
  });

  assert.equal(status, 1);
  const lines = stdout.split('\n');
  assert.deepEqual(
    lines.filter((line) => /^[✔✖] \S+: \d/.test(line)),
    ['✖ broken.test.mjs: 1 of 1 failed', '✖ tests.test.mjs: 1 of 2 failed', '✔ whole.test.mjs: 2 passed'],
  );
  assert.match(stdout, /✖ this one fails[^]*given: 1[^]*given: 2/);
  assert.match(stdout, /printed by a file that breaks[^]*Error: at once/);
  assert.doesNotMatch(stdout, /this one passes|printed by a file that runs|a bare figure/);
  for (const line of ['ℹ tests 5', 'ℹ pass 3', 'ℹ fail 2']) assert.ok(lines.includes(line), line);
});
