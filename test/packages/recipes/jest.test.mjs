// Jest itself, in its usual set-up with babel-jest, and Vitest, on the files of examples/ and the packed
// package.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const HERE = import.meta.dirname;
const EXAMPLES = join(HERE, '../../../examples');

/** A project with the files of an example and further ones; it finds the packed package above it. */
function projectOf(t, example, files = {}) {
  const folder = join(HERE, '.build', t.name.replaceAll(/\W+/g, '-'));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  cpSync(join(EXAMPLES, example), folder, { recursive: true });
  for (const [file, text] of Object.entries({ 'package.json': '{}', ...files }))
    writeFileSync(join(folder, file), text);
  return folder;
}

/** Gives a project the parts of one version of Jest, as an install of it alone would. */
function installJest(folder, version) {
  const config = ['jest-cli', 'jest-config'].reduce(
    (from, name) => createRequire(from).resolve(name),
    BIN[version],
  );
  const inProject = (name) => join(folder, 'node_modules', name);
  symlinkSync(dirname(createRequire(config).resolve('babel-jest/package.json')), inProject('babel-jest'));
  symlinkSync(
    join(HERE, `node_modules/jest-environment-jsdom-${version}`),
    inProject('jest-environment-jsdom'),
  );
  cpSync(join(HERE, 'node_modules/jest-fixed-jsdom'), inProject('jest-fixed-jsdom'), { recursive: true });
}

const BIN = {
  29: join(HERE, 'node_modules/jest-29/bin/jest.js'),
  30: join(HERE, 'node_modules/jest-30/bin/jest.js'),
};

function run(folder, args) {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      args,
      {
        cwd: folder,
        timeout: 120_000,
        env: { ...process.env, NODE_OPTIONS: '', NODE_TEST_CONTEXT: '', CI: 'true', NO_COLOR: '1' },
      },
      (error, stdout, stderr) =>
        resolve({ exitCode: error ? (error.code ?? 1) : 0, output: stdout + stderr }),
    );
  });
}

const ENTRIES = `
import { ApiError, createClient } from 'thingspace-auth';
import { createSession } from 'thingspace-auth/session';
import { storedToken } from 'thingspace-auth/stores';
import { webStore } from 'thingspace-auth/stores/web';
import { createMockServer } from 'thingspace-auth/testing';

test('all entries share their errors, and each works', async () => {
  const mock = createMockServer({ users: {} });
  const { authorizedFetch } = createClient({
    clientCredentialsAuthCredentials: {
      oauthClientId: 'any-key',
      oauthClientSecret: 'any-secret',
      oauthTokenProvider: storedToken(webStore({ getItem: () => null, setItem() {}, removeItem() {} })),
    },
    vZM2mToken: createSession({ username: 'invented-user', password: 'invented-password' }),
    fetch: mock.fetch,
  });
  const call = authorizedFetch('https://thingspace.verizon.com/api/m2m/v1/accounts');
  const refused = await call.catch((error) => error);
  expect(refused).toBeInstanceOf(ApiError);
  expect(refused.code).toBe('session_refused');
});
`;

const WITHOUT_FETCH = `
import { createClient } from "thingspace-auth";

test('a client can be made without a fetch', () => {
  const client = createClient({ clientCredentialsAuthCredentials: { oauthClientId: 'any-key' } });
  expect(Object.keys(client)).toContain('getToken');
});
`;

for (const version of [29, 30]) {
  const jest = (project, ...args) => run(project, [BIN[version], ...args]);

  test(`Jest ${version} runs the example, on Node`, async (t) => {
    const project = projectOf(t, 'jest', { 'entries.test.js': ENTRIES });
    installJest(project, version);

    const { exitCode, output } = await jest(project);

    assert.match(output, /Tests: +2 passed, 2 total/);
    assert.equal(exitCode, 0);
  });

  test(`Jest ${version} runs the example in a page`, async (t) => {
    const project = projectOf(t, 'jest', { 'entries.test.js': ENTRIES });
    installJest(project, version);
    const config = readFileSync(join(project, 'jest.config.mjs'), 'utf8');
    assert.match(config, /\/\/ testEnvironment: 'jest-fixed-jsdom'/);
    writeFileSync(join(project, 'jest.config.mjs'), config.replace('// testEnvironment', 'testEnvironment'));

    const { output } = await jest(project);

    assert.match(output, /Tests: +2 passed, 2 total/);
  });

  test(`Jest ${version} makes a client in jsdom without fetch`, async (t) => {
    const project = projectOf(t, 'jest', { 'bare.test.js': WITHOUT_FETCH });
    installJest(project, version);

    const { output } = await jest(project, '--env=jsdom', 'bare.test');

    assert.match(output, /Tests: +1 passed, 1 total/);
  });

  test(`Jest ${version} ends a call under timers that were fake before the import`, async (t) => {
    const project = projectOf(t, 'jest', { 'entries.test.js': ENTRIES });
    installJest(project, version);
    const config = readFileSync(join(project, 'jest.config.mjs'), 'utf8');
    writeFileSync(
      join(project, 'jest.config.mjs'),
      config.replace('export default {', 'export default { fakeTimers: { enableGlobally: true },'),
    );

    const { output } = await jest(project);

    assert.match(output, /Tests: +2 passed, 2 total/);
  });
}

test('Vitest runs the example', async (t) => {
  const project = projectOf(t, 'vitest', { 'package.json': '{ "type": "module" }' });

  const { output } = await run(project, [
    join(HERE, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--root',
    project,
  ]);

  assert.match(output, /Tests +1 passed \(1\)/);
});
