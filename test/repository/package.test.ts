import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { ApiError, createClient } from 'thingspace-auth';
import { createSession } from 'thingspace-auth/session';

/** What several entries share. */
const SHARED = './dist/core.js';
const root = join(import.meta.dirname, '../../..');

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

function readJson(name: string): any {
  return JSON.parse(read(name));
}

/** The code that package.json names: of each entry, and of the command. */
function targets(): string[] {
  const { exports, bin } = readJson('package.json');
  return [
    ...Object.values<any>(exports).map((entry) => entry.default),
    ...Object.values(bin).map((path) => `./${path}`),
  ];
}

function filesIn(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

/** What was built to be read, thus without the file for import by URL. */
function builtFiles(): { path: string; text: string }[] {
  return filesIn('dist')
    .filter((path) => /(?<!\.min)\.js$/.test(path))
    .map((path) => ({ path, text: read(path) }));
}

test('says whose project this is not: on npm, on JSR and first of all', () => {
  for (const text of [
    readJson('package.json').description,
    /^\/\*\*.*?\*\//s.exec(read('src/index.ts'))![0], // JSR's page begins with it
    read('README.md').split('## ')[0]!,
  ])
    assert.match(text, /[Nn]ot affiliated with Verizon/);
});

test('jsr.json has the version, licence and entries of package.json', () => {
  const npm = readJson('package.json');
  const jsr = readJson('jsr.json');
  const sources = Object.entries<{ default: string }>(npm.exports).map(([entry, { default: code }]) => [
    entry,
    code.replace('./dist/', './src/').replace(/\.js$/, '.ts'),
  ]);

  assert.equal(jsr.name, '@thingspace-auth/client');
  assert.equal(jsr.version, npm.version);
  assert.equal(jsr.license, npm.license);
  assert.deepEqual(jsr.exports, Object.fromEntries(sources));
});

test('package.json has one file for all tools of each entry, types first, no dependencies, and side effects in one entry only', () => {
  const { exports, ...npm } = readJson('package.json');

  for (const { types, default: code, ...others } of Object.values<any>(exports)) {
    assert.deepEqual(others, {});
    assert.equal(types, code.replace(/js$/, 'd.ts'));
  }
  for (const conditions of Object.values<object>(exports))
    assert.deepEqual(Object.keys(conditions), ['types', 'default']);
  for (const kind of ['dependencies', 'peerDependencies', 'optionalDependencies'])
    assert.equal(npm[kind], undefined);
  assert.deepEqual(npm.sideEffects, ['./dist/testing/global.js']);
});

test('an install in a fresh clone leaves the lock file as it is', () => {
  const { version, license, bin, engines, devDependencies } = readJson('package.json');
  const locked = readJson('package-lock.json').packages[''];
  assert.deepEqual(locked, {
    name: 'thingspace-auth',
    ...{ version, license, bin, engines, devDependencies },
  });
});

test('resolvers that know no exports find the declarations of each entry', () => {
  const { main, types, typesVersions, exports } = readJson('package.json');
  const entries = Object.entries<{ types: string }>(exports).filter(([entry]) => entry !== '.');

  assert.deepEqual({ main, types }, { main: exports['.'].default, types: exports['.'].types });
  assert.deepEqual(typesVersions, {
    '*': Object.fromEntries(entries.map(([entry, { types: file }]) => [entry.slice(2), [file]])),
  });
});

test('the changelog begins with what is not released yet, or with the version of package.json and its date', () => {
  const heading = /^## .*/m.exec(read('CHANGELOG.md'))?.[0] ?? '';
  const released = `## [${readJson('package.json').version}] - `;

  if (heading !== '## [Unreleased]') {
    assert.equal(heading.slice(0, released.length), released);
    assert.match(heading.slice(released.length), /^\d{4}-\d{2}-\d{2}$/);
  }
});

test('the file for import by URL says in its first line what it is', () => {
  const { name, version, license } = readJson('package.json');

  assert.equal(read('dist/thingspace-auth.min.js').split('\n')[0], `/*! ${name} ${version} | ${license} */`);
});

test('no built file is empty', () => {
  for (const path of filesIn('dist')) assert.notEqual(read(path).trim(), '', path);
});

test('JSR gets the sources of the entries, and not the command, which it cannot run', () => {
  const { include, exclude } = readJson('jsr.json').publish;

  assert.deepEqual(include, ['src', 'README.md', 'LICENSE', 'CHANGELOG.md', 'jsr.json']);
  assert.deepEqual(exclude, ['src/command', 'src/command.ts']);
});

test('dist holds what is shared, a file for each entry and the command, one for import by URL, and no other code', () => {
  const files = [SHARED, './dist/thingspace-auth.min.js', ...targets()];

  assert.deepEqual(
    filesIn('dist').filter((path) => !path.endsWith('.d.ts')),
    files.map((path) => path.slice(2)).sort(),
  );
});

test('each source stands in one built file, under its name', () => {
  const homes = new Map<string, string>();
  for (const { path, text } of builtFiles()) {
    for (const [, source] of text.matchAll(/^\/\/ (src\/.*\.ts)$/gm)) {
      assert.equal(homes.get(source!) ?? path, path, source);
      homes.set(source!, path);
    }
  }

  assert.equal(homes.get('src/client.ts'), 'dist/core.js');
  assert.equal(homes.get('src/session/login.ts'), 'dist/session.js');
  assert.deepEqual(
    [...homes].filter(([source, home]) => source.startsWith('src/testing/') && home === 'dist/core.js'),
    [],
  );
});

test('built files import only what is shared, other entries and modules of Node', () => {
  const known = [SHARED, ...targets()].map((path) => path.slice(2));
  for (const { path, text } of builtFiles()) {
    const imported = [...text.matchAll(/^(?:import|export|\}) .*?from "(.*)";$/gm)].map(([, name]) => name!);
    assert.deepEqual(
      imported.filter((name) => !name.startsWith('node:') && !known.includes(join(dirname(path), name))),
      [],
      path,
    );
    if (SHARED === `./${path}`) assert.deepEqual(imported, [], path);
  }
});

test('dist holds the declarations that entries lead to, and no other', () => {
  const led = new Set<string>();
  const follow = (path: string): void => {
    if (led.has(path)) return;
    led.add(path);
    for (const [, name] of read(path).matchAll(/["'](\.{1,2}\/[^"']+)\.js["']/g))
      follow(join(dirname(path), `${name}.d.ts`));
  };
  for (const { types } of Object.values<any>(readJson('package.json').exports)) follow(join(types));

  assert.deepEqual(
    filesIn('dist').filter((path) => path.endsWith('.d.ts')),
    [...led].sort(),
  );
});

test('the build refuses a name that two sources of the core export, since one of them would be lost', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const name of ['src', 'build.mjs', 'package.json', 'tsconfig.json'])
    cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  appendFileSync(join(folder, 'src/call/origins.ts'), '\nexport function isExpired() {}\n');

  const { status, stderr } = spawnSync(process.execPath, ['build.mjs'], { cwd: folder, encoding: 'utf8' });

  assert.equal(status, 1);
  assert.match(stderr, /src\/call\/origins\.ts and src\/core\/token\.ts both export isExpired/);
});

test('the tarball holds what was built, its papers, and no more than 110 files or 120 kB', (t) => {
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
  });
  const [{ files, size }] = JSON.parse(output) as [{ files: { path: string }[]; size: number }];

  t.diagnostic(`${size} bytes in ${files.length} files`);
  assert.deepEqual(
    files.map(({ path }) => path).sort(),
    ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', ...filesIn('dist')].sort(),
  );
  assert.ok(files.length <= 110 && size <= 120_000, `${size} bytes in ${files.length} files`);
});

test('the entries of one process share their errors', async () => {
  const vZM2mToken = createSession({ username: 'invented-name', password: 'invented-password' });
  const credentials = {
    oauthClientId: 'invented-key',
    oauthToken: { accessToken: 'invented-token', tokenType: 'Bearer' as const },
  };
  const fetch = async () => Response.json({}, { status: 403 });
  const client = createClient({ clientCredentialsAuthCredentials: credentials, vZM2mToken, fetch });

  const call = client.authorizedFetch('https://thingspace.verizon.com/api/m2m/v1/accounts');

  await assert.rejects(call, (error) => error instanceof ApiError && error.code === 'session_refused');
});
