// The declarations compile under old and new compilers and with each platform's own types, so that none of
// them is needed.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const HERE = import.meta.dirname;
const DOM = ['--lib', 'es2022,dom,dom.iterable'];
const BUNDLER = ['--module', 'esnext', '--moduleResolution', 'bundler'];
const types = (name) => ['--types', name];

/** `@types/node` of each compiler's own time; before version 20 it declared no `fetch`, and DOM had to. */
const COMBINATIONS = [
  ['5.0', 'DOM and Node', [...DOM, ...types('types-node-18')]],
  ['5.0', 'DOM', [...DOM, ...BUNDLER]],
  ['5.4', 'DOM', [...DOM, ...BUNDLER]],
  ['5.4', 'Node', types('types-node-20')],
  ['5.9', 'DOM', [...DOM, ...BUNDLER]],
  ['5.9', 'Node', types('types-node-24')],
  ['6.0', 'DOM', [...DOM, ...BUNDLER]],
  ['6.0', 'Node', types('types-node-25')],
  ['6.0', 'Workers', types('@cloudflare/workers-types')],
  ['7.0', 'DOM', [...DOM, ...BUNDLER]],
  ['7.0', 'Node', types('types-node-26')],
  ['7.0', 'DOM and Node', [...DOM, ...types('types-node-26')]],
  ['7.0', 'Workers', types('@cloudflare/workers-types')],
  ['7.0', 'Bun', types('bun')],
];

/** Before TypeScript 7, what it compares with depends on which type a program uses first. */
const UNKNOWN_SCOPE = `
import { configFromEnvironment, createClient, type CustomEnvironmentConfig } from 'thingspace-auth';
export const config = configFromEnvironment();
export const create = (custom: CustomEnvironmentConfig) => createClient(custom);
const oauthClientId = 'invented-id';
createClient({ clientCredentialsAuthCredentials: { oauthClientId, oauthScopes: ['discovery:reed'] } });
createClient({
  clientCredentialsAuthCredentials: { oauthClientId, oauthScopes: ['discovery:reed'] },
  environment: 'Staging',
});
createClient({
  clientCredentialsAuthCredentials: { oauthClientId, oauthScopes: ['discovery:reed'] },
  onEvent: (event) => event.type,
});
`;

for (const [version, platform, flags] of COMBINATIONS) {
  test(`TypeScript ${version} takes the declarations with the types of ${platform}`, async () => {
    const compiler = `${HERE}/node_modules/typescript-${version}/bin/tsc`;

    const { failed, output } = await run(process.execPath, [
      compiler,
      '-p',
      HERE,
      '--pretty',
      'false',
      ...flags,
    ]);

    const errors = output.split('\n').filter((line) => line.includes('error TS'));
    assert.equal(failed, errors.length > 0, output);
    // Errors inside the platforms' own declarations are theirs.
    assert.deepEqual(
      errors.filter((line) => !/^\S*node_modules\/(?!thingspace-auth\/)/.test(line)),
      [],
    );
  });
}

for (const version of new Set(COMBINATIONS.map(([each]) => each))) {
  test(`TypeScript ${version} tells of an unknown scope in one sentence`, async (t) => {
    const folder = join(HERE, '.build');
    const program = join(folder, `unknownScope-${version}.ts`);
    const config = `${program}.json`;
    mkdirSync(folder, { recursive: true });
    writeFileSync(program, UNKNOWN_SCOPE);
    writeFileSync(
      config,
      JSON.stringify({
        extends: '../tsconfig.json',
        compilerOptions: { skipLibCheck: true },
        files: [program],
      }),
    );
    t.after(() => [program, config].map((path) => rmSync(path)));

    const { output } = await run(process.execPath, [
      `${HERE}/node_modules/typescript-${version}/bin/tsc`,
      ...['-p', config, '--pretty', 'false', ...DOM],
    ]);

    const sentence =
      `Type '"discovery:reed"' is not assignable to type 'OauthScope'.` + ` Did you mean '"discovery:read"'?`;
    assert.deepEqual(
      output
        .trimEnd()
        .replace(/^.*\((\d+),\d+\): error TS\d+: /gm, '$1: ')
        .split('\n'),
      [6, 8, 12].map((line) => `${line}: ${sentence}`),
    );
  });
}

/** Examples of platforms whose types the root does not have. */
const EXAMPLES = [
  ['bun-server.ts', types('bun')],
  ['cloudflare-worker.ts', types('@cloudflare/workers-types')],
  ['durable-object.ts', types('@cloudflare/workers-types')],
  ['service-worker.ts', ['--lib', 'es2022,webworker']],
];

for (const [name, flags] of EXAMPLES) {
  test(`${name} compiles with the types of its platform`, async (t) => {
    const folder = join(HERE, '.build');
    mkdirSync(folder, { recursive: true });
    copyFileSync(join(HERE, '../../../examples', name), join(folder, name));
    const config = join(folder, `${name}.json`);
    writeFileSync(
      config,
      JSON.stringify({ extends: '../tsconfig.json', compilerOptions: { skipLibCheck: true }, files: [name] }),
    );
    t.after(() => rmSync(config));

    const result = await run(process.execPath, [
      join(HERE, 'node_modules/typescript-7.0/bin/tsc'),
      '-p',
      config,
      ...flags,
    ]);

    assert.deepEqual(result, { failed: false, output: '' });
  });
}

test('deno.ts compiles with the types of Deno', async () => {
  const folder = join(HERE, '.build');
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(HERE, '../../../examples/deno.ts'), join(folder, 'deno.ts'));

  const result = await run('node_modules/.bin/deno', [
    'check',
    '--quiet',
    '--unstable-kv',
    join(folder, 'deno.ts'),
  ]);

  assert.deepEqual(result, { failed: false, output: '' });
});

test('Deno takes the declarations with its own types', async () => {
  const result = await run('node_modules/.bin/deno', ['check', '--quiet', 'consumer.ts']);

  assert.deepEqual(result, { failed: false, output: '' });
});

test('the program that is compiled names every export of every entry', async () => {
  const program = readFileSync(`${HERE}/consumer.ts`, 'utf8');
  const { exports } = JSON.parse(readFileSync(`${HERE}/node_modules/thingspace-auth/package.json`, 'utf8'));

  for (const entry of Object.keys(exports)) {
    const name = `thingspace-auth${entry.slice(1)}`;
    for (const each of Object.keys(await import(name)))
      assert.match(program, new RegExp(`\\b${each}\\b[^;]*from '${name}';`, 's'), each);
  }
});

function run(command, args) {
  return new Promise((resolve) => {
    execFile(
      command,
      args,
      { cwd: HERE, env: { ...process.env, NO_COLOR: '1' }, maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => {
        resolve({ failed: error !== null, output: stdout + stderr });
      },
    );
  });
}
