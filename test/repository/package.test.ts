import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

const root = join(import.meta.dirname, '../../..');

function readJson(name: string): any {
  return JSON.parse(readFileSync(join(root, name), 'utf8'));
}

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

test('package.json names the types first, has no dependencies, and side effects in one entry only', () => {
  const { exports, ...npm } = readJson('package.json');

  // Node names `module-sync` from 20.19 on, Bun's `require` does not. What names neither gets `.js` files:
  // Jest, which transforms no others, and older Nodes, which load them a little more slowly.
  for (const { types, node, default: code } of Object.values<any>(exports)) {
    const bundled = code.replace('./dist/', './dist/node/').replace(/js$/, 'mjs');
    assert.deepEqual(
      { types, node },
      {
        types: code.replace(/js$/, 'd.ts'),
        node: { bun: bundled, 'module-sync': bundled, default: code },
      },
    );
  }
  for (const conditions of Object.values<object>(exports))
    assert.deepEqual(Object.keys(conditions), ['types', 'node', 'default']);
  for (const kind of ['dependencies', 'peerDependencies', 'optionalDependencies'])
    assert.equal(npm[kind], undefined);
  assert.deepEqual(npm.sideEffects, ['./dist/testing/global.js', './dist/node/testing/global.mjs']);
});

test('an install in a fresh clone leaves the lock file as it is', () => {
  const { version, license, bin, engines, devDependencies } = readJson('package.json');
  const locked = readJson('package-lock.json').packages[''];
  const written = Object.entries<string>(bin).map(([name, path]) => [name, path.slice(2)]);

  assert.deepEqual(locked, {
    name: 'thingspace-auth',
    ...{ version, license, engines, devDependencies },
    bin: Object.fromEntries(written),
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

test('the changelog begins with the version of package.json', () => {
  const changelog = readFileSync(join(root, 'CHANGELOG.md'), 'utf8');

  assert.equal(/^## (\S+)/m.exec(changelog)?.[1], readJson('package.json').version);
});

test('the tarball holds exactly the built modules, their sources, the papers and the pages that the README links', () => {
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
  });
  const packed: { path: string }[] = JSON.parse(output)[0].files;
  const modules = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => path.slice(0, -3));

  const built = modules.flatMap((path) =>
    ['.js', '.js.map', '.d.ts', '.d.ts.map'].map((suffix) => `dist/${path}${suffix}`),
  );
  const entries = Object.values<{ node: { bun: string } }>(readJson('package.json').exports).map(({ node }) =>
    node.bun.slice(2),
  );
  const forNode = entries.flatMap((path) => [path, `${path}.map`]);
  const papers = ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md'];
  const expected = [
    ...papers,
    ...pagesThatTheReadmeLinks(),
    ...modules.map((path) => `src/${path}.ts`),
    ...built,
    ...forNode,
    'dist/thingspace-auth.min.js',
  ];
  assert.deepEqual(packed.map(({ path }) => path).sort(), expected.sort());
});

/**
 * A link of the README in the package leads to a file of the package: the examples, and the pages of figures
 * with their charts.
 */
function pagesThatTheReadmeLinks(): string[] {
  const filesIn = (folder: string) =>
    readdirSync(join(root, folder), { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => `${folder}/${name}`);
  const pages = ['test/packages/bench/README.md', 'test/packages/runtimes/README.md'].filter((path) =>
    existsSync(join(root, path)),
  );
  return [
    ...pages,
    ...[
      '.github',
      'examples',
      'examples/jest',
      'examples/migration',
      'examples/vitest',
      'test/packages/bench/charts',
    ].flatMap(filesIn),
  ];
}

test('the entries of one process share their errors, in one file each or in many', async () => {
  for (const [folder, extension] of [
    ['dist', 'js'],
    ['dist/node', 'mjs'],
  ] as const) {
    const url = (name: string) => pathToFileURL(join(root, folder, `${name}.${extension}`)).href;
    const { ApiError, createClient } = await import(url('index'));
    const { createSession } = await import(url('session'));
    const vZM2mToken = createSession({ username: 'invented-name', password: 'invented-password' });
    const credentials = { oauthClientId: 'invented-key', oauthToken: { accessToken: 'invented-token' } };
    const fetch = async () => new Response('no', { status: 403 });
    const client = createClient({ clientCredentialsAuthCredentials: credentials, vZM2mToken, fetch });

    const call = client.authorizedFetch('https://thingspace.verizon.com/api/m2m/v1/accounts');

    await assert.rejects(
      call,
      (error: { code?: string }) => error instanceof ApiError && error.code === 'session_refused',
    );
  }
});
