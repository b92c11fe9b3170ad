/** The first minute in a clone: what the scripts of package.json say when something is missing, and keep. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Outcome } from '../support/standIn.ts';

const root = join(import.meta.dirname, '../../..');

/** A clone in which nothing is installed. */
function cloneOf(t: TestContext, ...more: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const name of ['package.json', 'package-lock.json', 'build.mjs', ...more])
    cpSync(join(root, name), join(folder, name), { recursive: true });
  return folder;
}

function run(cwd: string, program: string, ...args: string[]): Promise<Outcome> {
  const { PATH, HOME } = process.env;
  const registry = { npm_config_registry: 'http://127.0.0.1:1', npm_config_fetch_retries: '0' };
  const env = { PATH, HOME, ...registry, npm_config_cache: join(cwd, 'cache') };
  return new Promise((resolve) => {
    execFile(program, args, { cwd, env, timeout: 60_000 }, (error, stdout, stderr) =>
      resolve({ stdout, stderr, exitCode: error ? Number(error.code ?? 1) : 0 }),
    );
  });
}

test('the build before npm ci says what is missing', async (t) => {
  assert.deepEqual(await run(cloneOf(t), process.execPath, 'build.mjs', '--tests'), {
    stdout: '',
    stderr: 'Its tools are not installed: run npm ci first.\n',
    exitCode: 1,
  });
});

for (const script of ['demo', 'playground', 'site', 'check']) {
  test(`npm run ${script} says why it ends where there is no registry`, async (t) => {
    const clone = cloneOf(t, 'test/workshop/lint');
    rmSync(join(clone, 'test/workshop/lint/node_modules'), { recursive: true, force: true });
    const { stderr, exitCode } = await run(clone, 'npm', 'run', script);

    assert.match(stderr, /ECONNREFUSED/);
    assert.notEqual(exitCode, 0);
  });
}

test('a build of the tests leaves the playground, the site and the reference', async (t) => {
  const clone = cloneOf(t, 'tsconfig.json', 'src');
  symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'));
  for (const folder of ['test', 'examples']) mkdirSync(join(clone, folder));
  writeFileSync(join(clone, 'test/one.test.ts'), 'export {};');
  for (const name of ['playground', 'site', 'reference', 'test']) {
    mkdirSync(join(clone, '.build', name), { recursive: true });
    writeFileSync(join(clone, '.build', name, 'stale'), '');
  }

  const { stderr, exitCode } = await run(clone, process.execPath, 'build.mjs', '--tests');

  assert.deepEqual([stderr, exitCode], ['', 0]);
  for (const name of ['playground', 'site', 'reference'])
    assert.ok(existsSync(join(clone, '.build', name, 'stale')), name);
  assert.deepEqual(
    [existsSync(join(clone, '.build/test/stale')), existsSync(join(clone, '.build/test/one.test.js'))],
    [false, true],
  );
});
