// The vendor's SDKs with this package's tokens. `VERIZON_SDK` and `VERIZONLIB` name the folders of the newest
// and of the older one, built. Without them a stand-in runs in their place. A test says which of the two it
// was.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createClient } from 'thingspace-auth';
import { createMockServer } from 'thingspace-auth/testing';
import { CREDENTIALS, copyOf, run, startStandIn } from './programs.mjs';

const BUILD = join(import.meta.dirname, '.build');
const LOGIN = { THINGSPACE_USERNAME: 'invented-user', THINGSPACE_PASSWORD: 'invented-password' };
const clientCredentialsAuthCredentials = {
  oauthClientId: 'invented-key',
  oauthClientSecret: 'invented-secret',
};

const from = await import(join(BUILD, 'node_modules/verizon/package.json'), { with: { type: 'json' } });
const { VerizonClient } = await import(join(BUILD, 'node_modules/verizon', entryOf(from.default.exports)));
const { strategyOf } = await import(join(BUILD, 'vendor-sdk-strategy.js'));

function entryOf(exports) {
  const entry = exports['.'] ?? exports;
  return typeof entry === 'string' ? entry : (entry.import.default ?? entry.import);
}

const seen = ({ requests }) =>
  requests.map(({ method, path, status }) => `${method} ${path.split('/').at(-1)} ${status}`);
const tokenRequests = ({ requests }) => requests.filter(({ path }) => path.endsWith('/token')).length;

const { VERIZON_SDK, VERIZONLIB } = process.env;
for (const [name, folder] of Object.entries({ verizon: VERIZON_SDK, verizonlib: VERIZONLIB })) {
  test(`${name} is ${folder ? `the real one in ${folder}` : 'a stand-in, since no variable names its folder'}`, () => {
    assert.equal(existsSync(join(BUILD, 'node_modules', name, 'index.d.mts')), !folder);
  });
}

test('vendor-sdk lists devices with both tokens, and goes on after a revocation and a lapse', async (t) => {
  const mock = createMockServer({ sameToken: false });
  mock.failNext('api', 401);
  const expired = { errorCode: 'UnifiedWebService.REQUEST_FAILED.SessionToken.Expired' };
  mock.failNext('api', Response.json(expired, { status: 400 }));
  const standIn = await startStandIn(t, mock.fetch);

  const { stdout, stderr } = await run(process.execPath, [copyOf(t, 'vendor-sdk')], {
    ...CREDENTIALS,
    ...LOGIN,
    ...standIn,
  });

  assert.equal(stderr, '');
  assert.equal(stdout, 'mock-1\n');
  assert.deepEqual(
    seen(mock).filter((each) => !each.includes('token')),
    [
      'POST login 200',
      'POST list 401',
      'POST list 400',
      'POST login 200',
      'POST list 200',
      'POST logout 200',
    ],
  );
});

/** The newest SDK with a strategy, and the mock that both talk to. */
function connect(options) {
  const mock = createMockServer(options);
  const client = createClient({ clientCredentialsAuthCredentials, fetch: mock.fetch });
  const sdk = new VerizonClient({
    fetch: mock.fetch,
    thingspaceOauth: { clientId: 'not used', clientSecret: 'not used' },
    thingspaceOauthStrategy: strategyOf(client),
    vzM2MToken: sessionOf(client),
  });
  const call = (signal) => sdk.deviceManagement.listDevicesInformation({ body: {} }, signal && { signal });
  return { mock, call };
}

/** A session token got by hand, as the strategy has none. */
function sessionOf({ authorizedFetch }) {
  let token;
  return async () => (token ??= (await (await login()).json()).sessionToken);

  function login() {
    return authorizedFetch('https://thingspace.verizon.com/api/m2m/v1/session/login', {
      method: 'POST',
      body: JSON.stringify({ username: 'invented-user', password: 'invented-password' }),
    });
  }
}

test('the strategy gives 100 calls one token, and after a 401 another one', async () => {
  const { mock, call } = connect();
  await Promise.all(Array.from({ length: 100 }, () => call()));
  assert.equal(tokenRequests(mock), 1);

  mock.revokeAll();
  await assert.rejects(call(), ({ status }) => status === 401);
  const { devices } = await call();

  assert.equal(devices.length, 1);
  assert.equal(tokenRequests(mock), 2);
});

test('the strategy makes one token request in ten seconds where the API always refuses', async () => {
  const { mock, call } = connect();
  await call();
  mock.failNext('api', 401, 20);

  for (let index = 0; index < 20; index++) await assert.rejects(call());

  assert.equal(tokenRequests(mock), 2);
});

test('the strategy makes no token request for each call at the end of a token that is repeated', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.UTC(2026, 0, 1) });
  const { mock, call } = connect();
  await call();
  for (let minute = 0; minute < 59; minute++) {
    t.mock.timers.tick(60_000);
    await call();
  }

  for (let second = 0; second < 50; second++) {
    t.mock.timers.tick(1000);
    await call();
  }
  await new Promise(setImmediate);

  // The first, and one ahead of the end, which brought the same token.
  assert.equal(tokenRequests(mock), 2);
});

test('the first of many callers gives up, and the others get their token', async () => {
  const { call } = connect({ latencyMs: 20 });
  const controller = new AbortController();
  const first = call(controller.signal);
  const others = Array.from({ length: 9 }, () => call());
  controller.abort();

  await assert.rejects(first);
  assert.equal((await Promise.all(others)).length, 9);
});

/** The older SDK's recipe, and what its environment needs. */
async function startOlder(t) {
  const mock = createMockServer();
  const client = createClient({ clientCredentialsAuthCredentials, fetch: mock.fetch });
  const THINGSPACE_M2M_TOKEN = await sessionOf(client)();
  const env = { ...CREDENTIALS, ...(await startStandIn(t, mock.fetch)), THINGSPACE_M2M_TOKEN };
  mock.revokeAll();
  mock.requests.length = 0;
  return { mock, env };
}

test('vendor-sdk-5 lists devices with the token of this package', async (t) => {
  const { mock, env } = await startOlder(t);

  const { stdout, stderr } = await run(process.execPath, [copyOf(t, 'vendor-sdk-5')], env);

  assert.equal(stderr, '');
  assert.equal(stdout, 'mock-1\n');
  assert.deepEqual(seen(mock), ['POST token 200', 'POST list 200']);
});

test('vendor-sdk-5 goes on after a failed token request, and shares one among 100 calls', async (t) => {
  const { mock, env } = await startOlder(t);
  mock.failNext('token', 400);
  const program = copyOf(t, 'vendor-sdk-5');
  const code = readFileSync(program, 'utf8').replace(
    /const \{ result \}[^]*/,
    `const call = () => new DeviceManagementController(sdk).listDevicesInformation({});
     console.log(await call().catch(({ message }) => message));
     await new Promise((resolve) => setTimeout(resolve, 1500)); // the guard after a failure
     const all = await Promise.all(Array.from({ length: 100 }, call));
     console.log(all.length);`,
  );
  writeFileSync(program, code);

  const { stdout, stderr } = await run(process.execPath, [program], env);

  assert.match(stderr, /^token_failed \{\s+code: 'gateway_fault'/);
  assert.match(stdout, /^OAuth token is expired.*\n100\n$/);
  assert.equal(tokenRequests(mock), 2);
});
