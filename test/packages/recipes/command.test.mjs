// The command, as each platform starts it, from a project that has installed the package.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createMockServer } from 'thingspace-auth/testing';
import { CREDENTIALS, handlerOf, listen, run } from './programs.mjs';

const HERE = import.meta.dirname;
const project = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
after(() => rmSync(project, { recursive: true }));

before(() => {
  const npm = (...args) =>
    execFileSync('npm', [...args, '--no-audit', '--no-fund'], {
      cwd: project,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  const [{ filename }] = JSON.parse(
    npm(
      'pack',
      '--json',
      '--ignore-scripts',
      '--pack-destination',
      project,
      join(HERE, 'node_modules/thingspace-auth'),
    ),
  );
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
  npm('install', `./${filename}`);
  writeFileSync(
    join(project, 'variables.env'),
    Object.entries(CREDENTIALS)
      .map((entry) => `${entry.join('=')}\n`)
      .join(''),
  );
});

const LAUNCHERS = {
  npx: ['npx', 'thingspace-auth'],
  bunx: [join(HERE, 'node_modules/.bin/bunx'), '--bun', 'thingspace-auth'],
  'deno run': [
    join(HERE, 'node_modules/.bin/deno'),
    'run',
    '--quiet',
    '--allow-env',
    '--allow-net',
    '--allow-read',
    'npm:thingspace-auth',
  ],
};

for (const [name, [program, ...args]] of Object.entries(LAUNCHERS)) {
  test(`${name} prints a token, and what works`, async (t) => {
    const mock = createMockServer({ clients: { 'invented-key': 'invented-secret' } });
    const port = await listen(t, createServer(handlerOf(mock.fetch)));
    const origin = `http://127.0.0.1:${port}`;
    const env = {
      THINGSPACE_TOKEN_URL: `${origin}/api/ts/v1/oauth2/token`,
      THINGSPACE_API_ORIGINS: origin,
      NO_COLOR: '1',
    };

    const token = await run(program, [...args, 'token', '--env', 'variables.env'], env, project);
    assert.match(token.stdout, /^mock-access-token-\w+-1\n$/, token.stderr);
    assert.equal(token.exitCode, 0);

    const check = await run(
      program,
      [...args, 'check', `${origin}/api/mec/eds/regions`, '--json', '--env', 'variables.env'],
      env,
      project,
    );
    assert.deepEqual(
      JSON.parse(check.stdout).steps.map(({ name: step, ok }) => [step, ok]),
      ['variables', 'endpoint', 'clock', 'token', 'call'].map((step) => [step, true]),
    );

    const refused = await run(
      program,
      [...args, 'token', '--env', 'variables.env'],
      { ...env, THINGSPACE_CLIENT_SECRET: 'another-secret' },
      project,
    );
    assert.deepEqual([refused.stdout, refused.exitCode], ['', 1]);
    assert.match(refused.stderr, /invalid_client/);

    const wrong = await run(program, [...args, 'tokn'], env, project);
    assert.deepEqual([wrong.stdout, wrong.exitCode], ['', 2]);
  });

  test(`${name} serves the mock until Ctrl-C`, async (t) => {
    // A process group, since a terminal sends Ctrl-C to all of it.
    const child = spawn(program, [...args, 'mock'], {
      cwd: project,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => child.exitCode ?? child.signalCode ?? process.kill(-child.pid, 'SIGKILL'));
    child.stdout.setEncoding('utf8');
    let printed = '';
    for await (const text of child.stdout.iterator({ destroyOnReturn: false })) {
      printed += text;
      if (printed.includes('THINGSPACE_PASSWORD=')) break;
    }
    const variables = Object.fromEntries(
      printed
        .trim()
        .split('\n')
        .map((line) => line.split('=')),
    );
    const url = `${variables.THINGSPACE_API_ORIGINS}/api/mec/eds/regions`;

    const check = await run(program, [...args, 'check', url], variables, project);

    assert.match(check.stdout, /call .*answered 200/, check.stderr);
    const exit = once(child, 'exit');
    process.kill(-child.pid, 'SIGINT');
    await exit;
    await assert.rejects(fetch(url));
  });
}
