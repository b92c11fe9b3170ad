// The package as registries get it: the tarball's shape, the dry run of JSR, and where an editor leads from a
// call.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const HERE = import.meta.dirname;
const ROOT = join(HERE, '../../..');
const PACKAGE = join(HERE, 'node_modules/thingspace-auth');
const DENO = join(HERE, 'node_modules/.bin/deno');

/**
 * `any` is outside data here, `async` makes a throw a rejection, tsc sees unused variables, `prefer-const`
 * errs in a closure, and `?.lock!` is a method that was looked for when the session was made.
 */
const LINT = [
  '--rules-exclude=no-explicit-any,require-await,no-unused-vars,prefer-const,no-extra-non-null-assertion',
];

test('publint finds nothing, suggestions included', () => {
  assert.match(run('node_modules/.bin/publint', ['--strict', PACKAGE]), /All good!/);
});

test('are-the-types-wrong finds nothing for ES modules', (t) => {
  const scratch = scratchFolder(t);
  const [{ filename }] = JSON.parse(
    run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', scratch, PACKAGE]),
  );

  // It fails for every problem that the profile does not allow.
  assert.match(
    run('node_modules/.bin/attw', ['--profile', 'esm-only', '--format', 'ascii', join(scratch, filename)]),
    /bundler: 🟢/,
  );
});

test('JSR would take the repository as it is, without slow types', (t) => {
  const copy = copyRepository(t);

  const output = run(DENO, ['publish', '--dry-run', '--allow-dirty'], copy);

  assert.match(output, /Checking for slow types/);
  assert.match(output, /Success Dry run complete/);
  assert.doesNotMatch(output, /warning/i);
});

test('Deno checks and lints the sources without a word', (t) => {
  const copy = copyRepository(t);

  run(DENO, ['check', '--quiet', 'src'], copy);

  assert.match(run(DENO, ['lint', ...LINT, 'src'], copy), /^Checked \d+ files\s*$/);
});

test('"go to definition" leads from a program to the declaration with its text', async (t) => {
  const program = join(HERE, 'consumer.ts');
  const text = readFileSync(program, 'utf8');
  const server = startLanguageServer(t);
  server.send('open', { file: program });

  for (const [name, declaration] of [
    ['createClient', 'client.d.ts'],
    ['createSession', 'session/createSession.d.ts'],
    ['encryptedStore', 'stores/encryptedStore.d.ts'],
  ]) {
    const line = text.slice(0, text.lastIndexOf(`${name}(`)).split('\n').length;
    const offset = text.split('\n')[line - 1].lastIndexOf(`${name}(`) + 1;
    const [definition] = await server.ask('definition', { file: program, line, offset });

    assert.equal(definition.file, join(PACKAGE, 'dist', declaration));
    const before = readFileSync(definition.file, 'utf8').split('\n').slice(0, definition.start.line);
    assert.ok(before.pop().includes(`function ${name}(`));
    assert.equal(before.pop(), ' */');
  }
});

/** What JSR looks at, with the development dependencies that a release installs. */
function copyRepository(t) {
  const copy = scratchFolder(t);
  for (const path of [
    'src',
    'jsr.json',
    'package.json',
    'tsconfig.json',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
  ]) {
    cpSync(join(ROOT, path), join(copy, path), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

/** The server that editors speak to. */
function startLanguageServer(t) {
  const server = spawn(process.execPath, [join(HERE, 'node_modules/typescript-5.9/lib/tsserver.js')], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  t.after(async () => {
    server.kill();
    await once(server, 'exit');
  });
  const waiting = new Map();
  let received = '';
  server.stdout.setEncoding('utf8').on('data', (chunk) => {
    received += chunk;
    const lines = received.split('\n');
    received = lines.pop();
    for (const line of lines.filter((each) => each.startsWith('{'))) {
      const { request_seq: number, body } = JSON.parse(line);
      waiting.get(number)?.(body);
    }
  });
  let seq = 0;
  const send = (command, args) => {
    server.stdin.write(`${JSON.stringify({ seq: ++seq, type: 'request', command, arguments: args })}\n`);
    return seq;
  };
  const ask = (command, args) => new Promise((give) => void waiting.set(send(command, args), give));
  return { send, ask };
}

function scratchFolder(t) {
  const folder = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Both outputs of a command that must succeed. */
function run(command, args, cwd = HERE) {
  return execFileSync('/bin/sh', ['-c', '"$0" "$@" 2>&1', command, ...args], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
  });
}
