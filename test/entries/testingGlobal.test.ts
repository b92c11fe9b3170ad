/** `thingspace-auth/testing/global`, as it is used: imported before a program that knows nothing of it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { createClient, Environment } from 'thingspace-auth';
import { listen, readBody, send } from '../support/server.ts';
import { GLOBAL_MOCK } from '../support/standIn.ts';

const root = join(import.meta.dirname, '../../..');

/** Runs a module under the global mock; returns what it has printed, as JSON. */
async function run(program: string, env: Readonly<Record<string, string>> = {}, first = ''): Promise<any> {
  // Those of this process that measure what its children run.
  const { PATH, NODE_OPTIONS, NODE_V8_COVERAGE } = process.env;
  const preloads = [`data:text/javascript,${encodeURIComponent(first)}`, 'thingspace-auth/testing/global'];
  const imports = preloads.flatMap((each) => ['--import', each]);
  const args = [...imports, '--input-type=module', '--eval', program];
  const options = { cwd: root, env: { PATH, NODE_OPTIONS, NODE_V8_COVERAGE, ...env }, timeout: 30_000 };
  const printed = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, args, options, (error, stdout) => (error ? reject(error) : resolve(stdout)));
  });
  return JSON.parse(printed);
}

test('a program runs without an account, with a session too', async () => {
  const printed = await run(`
    import { configFromEnvironment, createClient } from 'thingspace-auth';
    import { createSession } from 'thingspace-auth/session';
    const { THINGSPACE_USERNAME: username, THINGSPACE_PASSWORD: password } = process.env;
    const session = createSession({ username, password });
    const { authorizedFetch } = createClient({ ...configFromEnvironment(), vZM2mToken: session });
    const regions = await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
    const devices = await authorizedFetch(new Request('https://thingspace.verizon.com/api/m2m/v1/anything'));
    console.log(JSON.stringify([await regions.json(), devices.status]));`);

  assert.equal(printed[0].regions[0].regionId, 'mock-region-1');
  assert.equal(printed[1], 200);
});

test('it answers for the hosts of every named environment', async () => {
  const origins = new Set<string>();
  for (const environment of Object.values(Environment)) {
    // What a client says of an origin that it does not know lists those that it knows.
    const clientCredentialsAuthCredentials = { oauthClientId: 'invented-key' };
    const client = createClient({ clientCredentialsAuthCredentials, environment });
    const { message } = await client.authorizedFetch('https://unknown.example').catch((error) => error);
    for (const [origin] of message.matchAll(/https:\/\/[\w.-]+verizon\.com/g)) origins.add(origin);
  }
  assert.equal(origins.size, 7);

  const statuses = await run(`
    const origins = ${JSON.stringify([...origins])};
    const ask = async (input) => (await fetch(input)).status;
    const texts = origins.map((origin) => ask(origin + '/api/mec/eds/regions'));
    const objects = [new URL(origins[0]), new Request(origins[0])].map(ask);
    console.log(JSON.stringify(await Promise.all([...texts, ...objects])));`);

  assert.deepEqual(statuses, Array(9).fill(401)); // the mock's words for a call without a token
});

test('everything else goes where it went, with its arguments', async (t) => {
  const origin = await listen(t, async (request, response) => {
    const { method, headers } = request;
    send(response, { status: 201, body: { method, own: headers['x-own'], body: await readBody(request) } });
  });

  const printed = await run(`
    const init = { method: 'PUT', headers: { 'x-own': 'invented' }, body: 'text' };
    const answer = await fetch('${origin}', init);
    const http = await fetch('http://thingspace.verizon.com.invalid/').catch(({ name }) => name);
    const relative = await fetch('/relative').catch(({ name }) => name);
    console.log(JSON.stringify([answer.status, await answer.json(), http, relative]));`);

  assert.deepEqual(printed, [
    201,
    { method: 'PUT', own: 'invented', body: 'text' },
    'TypeError',
    'TypeError',
  ]);
});

test('one line on standard error says that it is on', async () => {
  const args = ['--import', 'thingspace-auth/testing/global', '--eval', 'console.log(1)'];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: root });

  assert.equal(stdout, '1\n');
  assert.match(stderr, GLOBAL_MOCK);
});

test('left over in NODE_OPTIONS, it is named by the command, in whose name it answers', async () => {
  const env = {
    PATH: process.env.PATH,
    NODE_OPTIONS: `--import=${pathToFileURL(join(root, 'dist/testing/global.js'))}`,
    THINGSPACE_CLIENT_ID: 'production-key',
    THINGSPACE_CLIENT_SECRET: 'production-secret',
  };
  const run = (name: string) =>
    promisify(execFile)(process.execPath, [join(root, 'dist/command.js'), name], { cwd: root, env });
  const notice = 'a mock of thingspace-auth gave out this token: no real server accepts it\n';

  const check = await run('check');
  assert.match(check.stdout, /^ok {4}endpoint {3}https:\/\/thingspace\.verizon\.com\/\S+ answered 200/m);
  assert.ok(check.stdout.endsWith(`warn             ${notice}`));
  const token = await run('token');
  assert.ok(token.stderr.endsWith(notice));
  for (const { stderr } of [check, token])
    assert.match(stderr, /^thingspace-auth\/testing\/global: a mock answers for /);
});

const SHOW = `
  const set = Object.entries(process.env).filter(([name]) => name.startsWith('THINGSPACE_'));
  console.log(JSON.stringify(Object.fromEntries(set)));`;

test('variables that are missing or empty get invented values, the others keep theirs', async () => {
  assert.deepEqual(await run(SHOW, { THINGSPACE_CLIENT_ID: 'my-key', THINGSPACE_CLIENT_SECRET: ' ' }), {
    THINGSPACE_CLIENT_ID: 'my-key',
    THINGSPACE_CLIENT_SECRET: 'invented-secret',
    THINGSPACE_SCOPES: 'discovery:read',
    THINGSPACE_USERNAME: 'invented-user',
    THINGSPACE_PASSWORD: 'invented-password',
  });
});

test('nothing is invented that contradicts what is set', async () => {
  const other = {
    THINGSPACE_TOKEN_URL: 'https://auth.example.com/token',
    THINGSPACE_API_ORIGINS: 'https://api.example.com',
  };

  assert.deepEqual(Object.keys(await run(SHOW, other)).sort(), [
    'THINGSPACE_API_ORIGINS',
    'THINGSPACE_CLIENT_ID',
    'THINGSPACE_CLIENT_SECRET',
    'THINGSPACE_PASSWORD',
    'THINGSPACE_TOKEN_URL',
    'THINGSPACE_USERNAME',
  ]);
});

test('where there is no process, it still takes the requests', async () => {
  const status = await run(
    `const { status } = await fetch('https://5gedge.verizon.com/api/mec/eds/regions');
     globalThis.process = realProcess;
     console.log(status);`,
    {},
    'globalThis.realProcess = process; delete globalThis.process;',
  );

  assert.equal(status, 401);
});
