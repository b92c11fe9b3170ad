// Ways to install and to resolve the package besides an `import` of what the registry has.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const HERE = import.meta.dirname;
const ROOT = join(HERE, '../../..');
const PACKAGE = join(HERE, 'node_modules/thingspace-auth');
const { exports } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'));
/** But the one that is imported for its effect, and exports nothing. */
const ENTRIES = Object.keys(exports)
  .filter((entry) => entry !== './testing/global')
  .map((entry) => `thingspace-auth${entry.slice(1)}`);

/** A program that takes a name of each entry; a type that is not found would be an error, not `any`. */
const PROGRAM = ENTRIES.map(
  (entry, index) =>
    `import * as entry${index} from '${entry}';\nconsole.log(typeof entry${index}.${nameIn(entry)});\n`,
).join('');

function nameIn(entry) {
  const known = {
    'thingspace-auth': 'createClient',
    'thingspace-auth/browser': 'createClient',
    'thingspace-auth/session': 'createSession',
    'thingspace-auth/stores': 'storedToken',
    'thingspace-auth/testing': 'createMockServer',
  };
  const declared = readFileSync(join(PACKAGE, exports[entry.replace('thingspace-auth', '.')].types), 'utf8');
  return known[entry] ?? /export declare (?:function|const) (\w+)/.exec(declared)[1];
}

/** The ways that test/packages/packaging leaves out: CommonJS, and a resolver that knows no `exports`. */
const COMPILERS = [
  ['typescript-5', { module: 'commonjs', moduleResolution: 'node10' }],
  ['typescript', { module: 'commonjs', moduleResolution: 'bundler' }],
];

for (const [compiler, options] of COMPILERS) {
  test(`a CommonJS program compiles with ${compiler} under moduleResolution ${options.moduleResolution}, and runs`, () => {
    const folder = join(HERE, '.build', compiler);
    mkdirSync(folder, { recursive: true });
    const compilerOptions = {
      ...options,
      strict: true,
      skipLibCheck: true,
      target: 'es2022',
      lib: ['es2022', 'dom'],
      types: [],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.ts'] }));
    writeFileSync(join(folder, 'package.json'), '{}');
    writeFileSync(join(folder, 'program.ts'), PROGRAM);

    execFileSync(process.execPath, [join(HERE, 'node_modules', compiler, 'bin/tsc'), '-p', folder], {
      stdio: 'inherit',
    });

    assert.equal(
      execFileSync(process.execPath, ['program.js'], { cwd: folder, encoding: 'utf8' }),
      'function\n'.repeat(ENTRIES.length),
    );
  });
}

test('require() gives what import gives, with one class of each error', () => {
  const program = `
    const { ApiError, createClient } = require('thingspace-auth');
    import('thingspace-auth').then((module) => {
      console.log(module.ApiError === ApiError, module.createClient === createClient);
    });`;

  for (const node of [
    process.execPath,
    ...['22', '24'].map((version) => join(HERE, `node_modules/node-${version}/bin/node`)),
  ]) {
    assert.equal(
      execFileSync(node, ['--no-warnings', '-e', program], { cwd: HERE, encoding: 'utf8' }),
      'true true\n',
      node,
    );
  }
  writeFileSync(join(HERE, '.build/program.cjs'), program);
  for (const command of [
    ['deno', 'run', '--no-config', '--allow-read', '--allow-env', '--node-modules-dir=manual'],
    ['bun', 'run'],
  ]) {
    const [name, ...args] = command;
    assert.equal(
      execFileSync(join(HERE, 'node_modules/.bin', name), [...args, '.build/program.cjs'], {
        cwd: HERE,
        encoding: 'utf8',
      }),
      'true true\n',
      name,
    );
  }
});

test('a Node that cannot require() modules imports every entry, with one class of each error', async () => {
  const program = `${PROGRAM}
    import { ApiError, createClient } from 'thingspace-auth';
    import { createSession } from 'thingspace-auth/session';
    import { createMockServer } from 'thingspace-auth/testing';
    const { authorizedFetch } = createClient({
      clientCredentialsAuthCredentials: { oauthClientId: 'any-key', oauthClientSecret: 'any-secret' },
      vZM2mToken: createSession({ username: 'invented-user', password: 'invented-password' }),
      fetch: createMockServer({ users: {} }).fetch,
    });
    const call = authorizedFetch('https://thingspace.verizon.com/api/m2m/v1/accounts');
    await call.catch((error) => console.log(error instanceof ApiError));`;
  const node = join(HERE, 'node_modules/node-22/bin/node');

  const output = execFileSync(
    node,
    ['--no-experimental-require-module', '--input-type=module', '-e', program],
    { cwd: HERE, encoding: 'utf8' },
  );

  assert.equal(output, `${'function\n'.repeat(ENTRIES.length)}true\n`);
});

test('npm installs it from git, and it works', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const git = (...args) =>
    execFileSync(
      'git',
      [
        '-C',
        join(folder, 'repository'),
        '-c',
        'user.name=Invented',
        '-c',
        'user.email=invented@example.com',
        ...args,
      ],
      { stdio: 'ignore' },
    );
  mkdirSync(join(folder, 'repository'));
  for (const path of execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
    .trim()
    .split('\n')) {
    if (!existsSync(join(ROOT, path))) continue;
    mkdirSync(dirname(join(folder, 'repository', path)), { recursive: true });
    cpSync(join(ROOT, path), join(folder, 'repository', path));
  }
  git('init', '--quiet');
  git('add', '--all');
  git('commit', '--quiet', '--message', 'Invented');
  mkdirSync(join(folder, 'project'));
  writeFileSync(join(folder, 'project/package.json'), '{ "type": "module" }');

  execFileSync('npm', ['install', '--no-audit', '--no-fund', `git+file://${join(folder, 'repository')}`], {
    cwd: join(folder, 'project'),
    stdio: ['ignore', 'ignore', 'inherit'],
  });

  const installed = join(folder, 'project/node_modules/thingspace-auth');
  assert.deepEqual(readdirSync(installed).sort(), readdirSync(PACKAGE).sort());
  writeFileSync(join(folder, 'project/program.js'), PROGRAM);
  assert.equal(
    execFileSync(process.execPath, ['program.js'], { cwd: join(folder, 'project'), encoding: 'utf8' }),
    'function\n'.repeat(ENTRIES.length),
  );
});
