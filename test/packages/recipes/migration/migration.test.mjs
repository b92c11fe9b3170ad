// Runs both programs of every pair in examples/migration/README.md against one server and compares what they
// send; then shows each line of its table of differences.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import https from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, test } from 'node:test';
import { inspect } from 'node:util';
import { transform } from 'esbuild';
import { createClient, reviveToken } from 'thingspace-auth';
import { createMockServer } from 'thingspace-auth/testing';
import { Agent, setGlobalDispatcher } from 'undici';
import { Client, DeviceManagementController, M5gEdgePlatformsController } from './generatedSdk.mjs';

const REGIONS = 'https://5gedge.verizon.com/api/mec/eds/regions';
const DEVICES = 'https://thingspace.verizon.com/api/m2m/v1/devices/actions/list';
const CREDENTIALS = { oauthClientId: 'OAuthClientId', oauthClientSecret: 'OAuthClientSecret' };
const OLD = { thingspaceOauthCredentials: CREDENTIALS };
const NEW = { clientCredentialsAuthCredentials: CREDENTIALS };

const build = join(import.meta.dirname, '.build');
const page = readFileSync(join(import.meta.dirname, '../../../../examples/migration/README.md'), 'utf8');
const blocks = [
  ...page.matchAll(/^## ([^\n]+)\n(?:(?!^## ).)*?```ts before\n(.*?)```\n\n```ts now\n(.*?)```/gms),
];
const pairs = blocks.map(([, title, old, current], index) => ({
  title,
  programs: [old, current],
  name: `pair${index}`,
}));

/** Answers for every host; each test has its own. Both programs reach it whatever host they name. */
let mock;
let answer;
const server = createServer(async (incoming, outgoing) => {
  const { method, url, headers } = incoming;
  const body = (await text(incoming)) || null;
  const response = await answer(new Request(`https://${headers.host}${url}`, { method, headers, body }));
  outgoing.writeHead(response.status, Object.fromEntries(response.headers)).end(await response.text());
});

before(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  https.globalAgent.createConnection = () => connect(port, '127.0.0.1');
  const toServer = (_options, callback) => {
    const socket = connect(port, '127.0.0.1', () => callback(null, socket));
  };
  setGlobalDispatcher(new Agent({ connect: toServer }));
  await writePrograms();
});

after(() => server.close().closeAllConnections());

beforeEach(() => {
  mock = createMockServer();
  answer = mock.fetch;
  const values = new Map();
  globalThis.sessionStorage = {
    setItem: (key, value) => values.set(key, value),
    getItem: (key) => values.get(key) ?? null,
  };
});

/** Each program goes on from the first of its side. */
async function writePrograms() {
  rmSync(build, { recursive: true, force: true });
  mkdirSync(build);
  for (const { name, programs } of pairs) {
    for (const [side, program] of programs.entries()) {
      const start = name === 'pair0' ? '' : pairs[0].programs[side];
      const code = `${start}${program}export {};\n`;
      writeFileSync(
        join(build, `${name}-${side}.ts`),
        code.replaceAll("'verizonlib'", "'../generatedSdk.mjs'"),
      );
      const { code: script } = await transform(code, { loader: 'ts', target: 'es2022' });
      writeFileSync(
        join(build, `${name}-${side}.mjs`),
        script.replaceAll('"verizonlib"', '"../generatedSdk.mjs"'),
      );
    }
  }
  cpSync(join(import.meta.dirname, '../../../../examples/complete-example.ts'), join(build, 'complete-1.ts'));
  const complete = await transform(readFileSync(join(build, 'complete-1.ts'), 'utf8'), {
    loader: 'ts',
    target: 'es2022',
  });
  writeFileSync(join(build, 'complete-1.mjs'), complete.code);
}

let runs = 0;

/** Runs a program: what it printed, and what it sent. */
async function run(t, name) {
  const log = t.mock.method(console, 'log', () => {});
  mock.requests.length = 0;
  await import(`./.build/${name}.mjs?run=${++runs}`);
  const printed = log.mock.calls.map(({ arguments: values }) => values);
  log.mock.restore();
  return { printed, sent: mock.requests.map(describe) };
}

/** What counts of a request. Forms are compared by their fields, since `+` and `%20` mean the same. */
function describe({ method, url, headers, body }) {
  const isForm = headers['content-type']?.startsWith('application/x-www-form-urlencoded');
  return {
    method,
    url,
    authorization: headers.authorization,
    sessionToken: headers['vz-m2m-token'] || undefined,
    contentType: headers['content-type']?.split(';')[0],
    body: isForm ? Object.fromEntries(new URLSearchParams(body)) : body,
  };
}

/** The same requests without the session token that the SDK sends to the token endpoint. */
function withoutTokenHeader(sent) {
  return sent.map((request) =>
    request.url.endsWith('/token') ? { ...request, sessionToken: undefined } : request,
  );
}

function tokenRequests() {
  return mock.requests.filter(({ path }) => path.endsWith('/oauth2/token'));
}

test('the page has a pair for each part of the auth page and at most 180 lines', () => {
  assert.deepEqual(
    pairs.map(({ title }) => title),
    [
      'Client and scopes',
      'Token and call',
      'Store the token, and start from it',
      'Token provider, update callback, clock skew',
      'VZ-M2M-Token',
    ],
  );
  assert.ok(page.trimEnd().split('\n').length <= 180);
});

test('the programs of the page type-check', () => {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'migration'], {
    stdio: 'inherit',
  });
});

for (const { title, name } of pairs.slice(1)) {
  test(`${title}: both programs send and print the same`, async (t) => {
    // The session token of the page is invented: the mock would not know it.
    const listed = new Response(JSON.stringify({ devices: [] }), {
      headers: { 'content-type': 'application/json' },
    });
    if (title === 'VZ-M2M-Token') mock.failNext('api', listed, 2);

    const before = await run(t, `${name}-0`);
    mock.revokeAll();
    const now = await run(t, `${name}-1`);

    assert.ok(now.sent.length >= 2);
    assert.deepEqual(sameTokens(withoutTokenHeader(before.sent)), sameTokens(now.sent));
    assert.equal(JSON.stringify(before.printed), JSON.stringify(now.printed));
  });
}

/** The first token that a program gets is its first, whatever the server has handed out before. */
function sameTokens(sent) {
  const tokens = [
    ...new Set(
      sent.map(({ authorization }) => authorization).filter((header) => header.startsWith('Bearer')),
    ),
  ];
  return sent.map((request) => {
    const index = tokens.indexOf(request.authorization);
    return index < 0 ? request : { ...request, authorization: `Bearer ${index + 1}` };
  });
}

test('the complete example: both programs send the same, and start from a stored token without an exchange', async (t) => {
  const now = await run(t, 'complete-1');
  mock.revokeAll();
  mock.requests.length = 0;

  let stored;
  const program = async () => {
    const client = new Client(COMPLETE);
    stored ??= await client.clientCredentialsAuthManager?.fetchToken();
    const credentials = { ...COMPLETE.clientCredentialsAuthCredentials, oauthToken: stored };
    const authorized = client.withConfiguration({ clientCredentialsAuthCredentials: credentials });
    await new M5gEdgePlatformsController(authorized).listRegions();
  };
  await program();
  const before = mock.requests.map(describe);
  await program();

  assert.deepEqual(sameTokens(withoutTokenHeader(before)), sameTokens(now.sent));
  assert.equal(tokenRequests().length, 1);
});

const COMPLETE = {
  clientCredentialsAuthCredentials: {
    ...CREDENTIALS,
    oauthScopes: ['discovery:read', 'serviceprofile:read'],
  },
  vZM2mToken: 'VZ-M2M-Token',
  timeout: 0,
  environment: 'Production',
};

test('as the auth page prints it, the token is thrown away and no call is authorized', async () => {
  const client = new Client(NEW);
  const oauthToken = await client.clientCredentialsAuthManager?.fetchToken();
  client.withConfiguration({ clientCredentialsAuthCredentials: { ...CREDENTIALS, oauthToken } });

  await assert.rejects(new M5gEdgePlatformsController(client).listRegions(), /Client is not authorized/);
});

test("the generated SDK's BigInt does not survive JSON; every form in which such a token was kept is revived", async () => {
  const old = await new Client(OLD).clientCredentialsAuthManager.fetchToken();
  assert.equal(typeof old.expiry, 'bigint');
  assert.throws(() => JSON.stringify(old), TypeError);
  const asText = JSON.stringify(old, (_key, value) => (typeof value === 'bigint' ? String(value) : value));
  const asNumber = JSON.stringify(old, (_key, value) => (typeof value === 'bigint' ? Number(value) : value));

  for (const kept of [old, JSON.parse(asText), JSON.parse(asNumber), structuredClone(old)]) {
    const token = reviveToken(kept);
    assert.deepEqual(token, { ...old, expiresIn: 3600, expiry: Number(old.expiry) });
    const { status } = await createClient(NEW).withToken(kept).authorizedFetch(REGIONS);
    assert.equal(status, 200);
  }
  assert.equal(tokenRequests().length, 1);
});

test('fifty calls without a token: an exchange for each, and one for all', async () => {
  mock = createMockServer({ latencyMs: 20 });
  answer = mock.fetch;
  const regions = new M5gEdgePlatformsController(new Client(OLD));
  await Promise.all(Array.from({ length: 50 }, () => regions.listRegions()));
  assert.equal(tokenRequests().length, 50);
  mock.requests.length = 0;

  const { authorizedFetch } = createClient(NEW);
  await Promise.all(Array.from({ length: 50 }, () => authorizedFetch(REGIONS)));

  assert.equal(tokenRequests().length, 1);
});

test('after a failed exchange: the same error for ever, and a call that succeeds', async (t) => {
  mock.failNext('token', 400, 2);
  const regions = new M5gEdgePlatformsController(new Client(OLD));
  await assert.rejects(regions.listRegions());
  await assert.rejects(regions.listRegions());
  assert.equal(mock.requests.length, 1);

  const { authorizedFetch } = createClient(NEW);
  await assert.rejects(authorizedFetch(REGIONS), { code: 'gateway_fault' });
  const now = Date.now();
  t.mock.timers.enable({ apis: ['Date'], now: now + 1000 });

  assert.equal((await authorizedFetch(REGIONS)).status, 200);
});

test('a token endpoint that answers 503 once: an error, and a token', async () => {
  mock.failNext('token', 503);
  await assert.rejects(new Client(OLD).clientCredentialsAuthManager.fetchToken(), { statusCode: 503 });
  mock.failNext('token', 503);

  const { accessToken } = await createClient({ ...NEW, retry: { baseDelay: 1 } }).fetchToken();

  assert.match(accessToken, /^mock-/);
});

test('a status of an API: an exception, and a response', async () => {
  mock.failNext('api', 404, 2);

  await assert.rejects(new M5gEdgePlatformsController(new Client(OLD)).listRegions(), { statusCode: 404 });
  assert.equal((await createClient(NEW).authorizedFetch(REGIONS)).status, 404);
});

test('a revoked token: an exception, and a replay that nobody sees', async () => {
  const regions = new M5gEdgePlatformsController(new Client(OLD));
  const { authorizedFetch } = createClient(NEW);
  await regions.listRegions();
  await authorizedFetch(REGIONS);
  mock.revokeAll();
  mock.requests.length = 0;

  await assert.rejects(regions.listRegions(), { statusCode: 401 });
  assert.equal((await authorizedFetch(REGIONS)).status, 200);
  assert.deepEqual(
    mock.requests.map(({ status }) => status),
    [401, 401, 200, 200],
  );
});

test('VZ-M2M-Token: at the token endpoint too, and for API calls only', async () => {
  await new M5gEdgePlatformsController(new Client({ ...OLD, vZM2mToken: 'invented-session' })).listRegions();
  assert.deepEqual(sessionTokens(), ['invented-session', 'invented-session']);
  mock.requests.length = 0;

  await createClient({ ...NEW, vZM2mToken: 'invented-session' }).authorizedFetch(REGIONS);

  assert.deepEqual(sessionTokens(), [undefined, 'invented-session']);
});

function sessionTokens() {
  return mock.requests.map(({ headers }) => headers['vz-m2m-token']);
}

test('a redirect to another host: takes VZ-M2M-Token along, and does not; a foreign URL is refused', async () => {
  answer = async (request) => {
    const answered = await mock.fetch(request);
    const isApi = request.url.startsWith('https://thingspace.verizon.com/api/m2m');
    return isApi
      ? new Response(null, { status: 307, headers: { location: 'https://elsewhere.example/list' } })
      : answered;
  };
  const old = new Client({ ...OLD, vZM2mToken: 'invented-session' });
  await new DeviceManagementController(old).listDevicesInformation({}).catch(() => {});
  assert.equal(mock.requests.at(-1).headers.host, 'elsewhere.example');
  assert.equal(mock.requests.at(-1).headers['vz-m2m-token'], 'invented-session');

  const { authorizedFetch } = createClient({ ...NEW, vZM2mToken: 'invented-session' });
  await authorizedFetch(DEVICES, { method: 'POST', body: '{}' });
  const { headers } = mock.requests.at(-1);
  assert.deepEqual(
    [headers.host, headers['vz-m2m-token'], headers.authorization],
    ['elsewhere.example', undefined, undefined],
  );
  const count = mock.requests.length;
  await assert.rejects(authorizedFetch('https://elsewhere.example/'), TypeError);
  assert.equal(mock.requests.length, count);
});

test('an error in a log: shows the credentials, and does not', async () => {
  mock.failNext('token', 401, 2);
  const basic = Buffer.from('OAuthClientId:OAuthClientSecret').toString('base64');
  const old = await new Client(OLD).clientCredentialsAuthManager.fetchToken().catch((error) => error);
  const now = await createClient(NEW)
    .fetchToken()
    .catch((error) => error);

  assert.ok(inspect(old, { depth: 9 }).includes(basic));
  assert.ok(!inspect(now, { depth: 9, showHidden: true }).includes(basic));
  assert.ok(!inspect(now, { depth: 9, showHidden: true }).includes('OAuthClientSecret'));
});

test('a token endpoint that never answers, timeout 0: waits for ever, and 30 s', async (t) => {
  answer = () => new Promise(() => {});
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  let isSettled = false;
  void new Client(OLD).clientCredentialsAuthManager.fetchToken().then(
    () => (isSettled = true),
    () => (isSettled = true),
  );
  const now = createClient(NEW).fetchToken();
  const outcome = assert.rejects(now, { code: 'timeout' });
  await turns();

  t.mock.timers.tick(30_000);
  await outcome;
  t.mock.timers.tick(3_600_000);
  await turns();

  assert.equal(isSettled, false);
});

async function turns() {
  for (let turn = 0; turn < 20; turn++) await new Promise((done) => setImmediate(done));
}

test('the Basic header: raw, and form-encoded where the two differ', async () => {
  const credentials = { oauthClientId: 'invented id', oauthClientSecret: 'invented:secret' };
  await new Client({ thingspaceOauthCredentials: credentials }).clientCredentialsAuthManager.fetchToken();
  await createClient({ clientCredentialsAuthCredentials: credentials }).fetchToken();

  const sent = mock.requests.map(({ headers }) =>
    Buffer.from(headers.authorization.slice(6), 'base64').toString(),
  );
  assert.deepEqual(sent, ['invented id:invented:secret', 'invented+id:invented%3Asecret']);
});

test('the provider of the auth page with an ended token: an error in both', async () => {
  const ended = { accessToken: 'invented-ended', tokenType: 'Bearer', expiry: 1 };
  const oauthTokenProvider = async (_token, authManager) => ended ?? authManager.fetchToken();

  const old = new Client({
    thingspaceOauthCredentials: {
      ...CREDENTIALS,
      oauthTokenProvider: async () => ({ ...ended, expiry: 1n }),
    },
  });
  await assert.rejects(new M5gEdgePlatformsController(old).listRegions(), /token is expired/);
  const now = createClient({ clientCredentialsAuthCredentials: { ...CREDENTIALS, oauthTokenProvider } });
  await assert.rejects(now.authorizedFetch(REGIONS), { code: 'invalid_response' });
});
