import assert from 'node:assert/strict';
import { createHash, sign } from 'node:crypto';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createClient } from 'thingspace-auth';
import { createSession } from 'thingspace-auth/session';
import { fileStore } from 'thingspace-auth/stores/file';
import { createMockServer, type MockServerOptions } from 'thingspace-auth/testing';
import { askingForNonces, knowingKey, withMetadata } from '../support/authorizationServer.ts';
import { keysFor } from '../support/keys.ts';
import {
  GLOBAL_MOCK,
  type Outcome,
  runProgram,
  runWithoutAccount,
  startStandIn,
} from '../support/standIn.ts';

const root = join(import.meta.dirname, '../../..');
const examples = join(root, '.build/examples');

const CREDENTIALS = { THINGSPACE_CLIENT_ID: 'invented-key', THINGSPACE_CLIENT_SECRET: 'invented-secret' };
const REGIONS = /200 .*mock-region-1/s;

/** Runs one example with the client's credentials in its environment; `server` scripts the answers first. */
async function run(
  t: TestContext,
  name: string,
  options: MockServerOptions = {},
  script?: (mock: Mock) => void,
): Promise<Outcome & { mock: Mock }> {
  const mock = createMockServer(options);
  script?.(mock);
  const standIn = await startStandIn(t, mock);
  const outcome = await runProgram(join(examples, `${name}.js`), standIn, {
    ...CREDENTIALS,
    CLIENT_SECRET: 'invented-secret',
  });
  assert.doesNotMatch(outcome.stdout + outcome.stderr, /invented-secret|mock-access-token/);
  return { ...outcome, mock };
}

type Mock = ReturnType<typeof createMockServer>;

/** Path and status of each request, as the server saw them. */
function seen({ requests }: Mock): string[] {
  return requests.map(({ path, status }) => `${path} ${status}`);
}

const TOKEN = '/api/ts/v1/oauth2/token';
const EDS_REGIONS = '/api/mec/eds/regions';

test('the demo needs no account, shows both headers and one exchange for two runs, and masks secrets', async () => {
  const { stdout, stderr, exitCode } = await runProgram(join(examples, 'demo.js'), undefined);

  assert.equal(stderr, '');
  assert.equal(exitCode, 0);
  assert.doesNotMatch(stdout, /demo-secret|demo-session-token|mock-access-token|Basic [^*]|Bearer [^*]/);
  const [, first, calls, restart, refusal] = stdout.split(/^\d\. /m) as [
    string,
    string,
    string,
    string,
    string,
  ];
  assert.match(
    first,
    /→ POST .*\/oauth2\/token\n +Authorization: Basic \*\*\*\n +grant_type=client_credentials&scope=discovery:read serviceprofile:read\n +← 200/,
  );
  assert.match(first, /valid for 60 minutes, for discovery:read and serviceprofile:read/);
  assert.equal(
    calls.match(
      /→ GET .*\/api\/mec\/eds\/\w+\n +Authorization: Bearer \*\*\*\n +VZ-M2M-Token: \*\*\*\n +← 200/g,
    )?.length,
    2,
  );
  assert.doesNotMatch(restart, /oauth2\/token/);
  assert.match(restart, /← 200[\s\S]*Token requests in this step: 0\./);
  assert.match(refusal, /← 401[\s\S]*OAuthProviderError with error 'invalid_client'/);
  assert.match(refusal, /Done: 2 token requests \(one of them refused\) and 3 API calls/);
});

test('the demo talks to the real hosts when credentials are in the environment', async (t) => {
  const { stdout, exitCode, mock } = await run(t, 'demo', { clients: { 'invented-key': 'invented-secret' } });

  assert.equal(exitCode, 0);
  assert.match(stdout, /Talking to the real service[\s\S]*No VZ-M2M-Token went along/);
  assert.deepEqual(seen(mock), [
    `${TOKEN} 200`,
    `${EDS_REGIONS} 200`,
    '/api/mec/eds/serviceprofiles 200',
    `${EDS_REGIONS} 200`,
    `${TOKEN} 401`,
  ]);
  assert.deepEqual(
    mock.requests.map(({ url }) => new URL(url).host),
    [
      'thingspace.verizon.com',
      '5gedge.verizon.com',
      '5gedge.verizon.com',
      '5gedge.verizon.com',
      'thingspace.verizon.com',
    ],
  );
});

test('the demo says what stopped it', async (t) => {
  const { stderr, exitCode } = await run(t, 'demo', { clients: {} });

  assert.equal(exitCode, 1);
  assert.match(stderr, /The demo stopped: .*invalid_client.*\(code 'oauth_error'\)/);
});

/** Those that need neither a library nor a server of their own; `test/packages/recipes` has the others. */
const WITHOUT_ACCOUNT: Readonly<Record<string, RegExp>> = {
  'complete-example': REGIONS,
  'console-events': /token_obtained source=exchange .*\n200\n$/,
  'error-handling': /mock-region-1/,
  etx: /^200 /,
  'm2m-devices': /^mock-1\n$/,
  'session-password': /^The API answered 200\. Its answer is in .*new-password\.json\.\n$/,
  'sdk-errors': /mock-region-1/,
};

for (const [name, printed] of Object.entries(WITHOUT_ACCOUNT)) {
  test(`${name} runs without an account, as the list of recipes says`, async (t) => {
    const { stdout, stderr, exitCode } = await runWithoutAccount(copyOf(t, name));

    assert.match(stdout, printed);
    assert.match(stderr, GLOBAL_MOCK);
    assert.equal(exitCode, 0);
  });
}

test('complete-example asks for a token, saves it and calls the API with both tokens', async (t) => {
  const { stdout, exitCode, mock } = await run(t, 'complete-example');

  assert.equal(exitCode, 0);
  assert.match(stdout, REGIONS);
  assert.deepEqual(seen(mock), [`${TOKEN} 200`, `${EDS_REGIONS} 200`]);
  assert.equal(mock.requests[1]?.headers['vz-m2m-token'], 'VZ-M2M-Token');
});

test('complete-example says when the credentials are refused', async (t) => {
  const { stderr } = await run(t, 'complete-example', { clients: {} });

  assert.match(stderr, /The server refused the credentials: invalid_client/);
});

test('stored-token takes the token from the store in the second run, whatever folder it is started in', async (t) => {
  const mock = createMockServer();
  const standIn = await startStandIn(t, mock);
  const program = copyOf(t, 'stored-token');

  const first = await runProgram(program, standIn, CREDENTIALS, tmpdir());
  const second = await runProgram(program, standIn, CREDENTIALS, root);

  assert.match(first.stdout, /token from the server\n200/);
  assert.match(second.stdout, /token from the store\n200/);
  assert.deepEqual(seen(mock), [`${TOKEN} 200`, `${EDS_REGIONS} 200`, `${EDS_REGIONS} 200`]);
});

test('stored-token says if its folder cannot be used, and goes on', async (t) => {
  const program = copyOf(t, 'stored-token');
  await writeFile(join(dirname(program), '.thingspace-tokens'), 'a file');

  const { stdout, stderr } = await runProgram(
    program,
    await startStandIn(t, createMockServer()),
    CREDENTIALS,
  );

  assert.match(stderr, /^(The token is not kept: (EEXIST|ENOTDIR)\n)+$/);
  assert.match(stdout, /token from the server\n200/);
});

test('custom-environment authenticates in the body, sends its parameters and keeps the token from other origins', async (t) => {
  const { stdout, exitCode, mock } = await run(t, 'custom-environment', {
    identifyClient: ({ body }) => new URLSearchParams(body).get('client_id') ?? undefined,
  });

  assert.equal(exitCode, 0);
  assert.match(stdout, /200 .*\/orders[\s\S]*No credentials for https:\/\/elsewhere\.example\.org/);
  assert.deepEqual(
    mock.requests.map(({ url }) => url),
    ['https://auth.example.com/oauth2/token', 'https://api.example.com/orders'],
  );
  assert.match(
    mock.requests[0]!.body,
    /scope=orders%3Aread&audience=https%3A%2F%2Fapi\.example\.com&client_id=my-service/,
  );
  assert.match(mock.requests[1]!.body, /"item":"sensor"/);
});

test('websocket-get-token connects three times with one token', async (t) => {
  const mock = createMockServer();
  const bearers: unknown[] = [];
  const standIn = await startStandIn(t, mock, (headers, socket) => {
    bearers.push(headers.authorization);
    const accept = createHash('sha1')
      .update(`${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    // A text frame and a close frame (RFC 6455 section 5.2), then the end.
    socket.end(
      Buffer.concat([Buffer.from([0x81, 5]), Buffer.from('hello'), Buffer.from([0x88, 2, 0x03, 0xe8])]),
    );
  });

  const { stdout } = await runProgram(join(examples, 'websocket-get-token.js'), standIn, {
    CLIENT_SECRET: 'invented-secret',
  });

  assert.equal(stdout, 'hello\n'.repeat(3));
  assert.match(String(bearers[0]), /^Bearer mock-access-token-\w+-1$/);
  assert.deepEqual(bearers, Array(3).fill(bearers[0]));
  assert.deepEqual(seen(mock), ['/oauth2/token 200']);
});

test('m2m-devices logs in, lists the devices and logs out, and stops at a refused login', async (t) => {
  const users = { 'invented-user': 'invented-password' };
  const program = copyOf(t, 'm2m-devices');
  const runWith = async (password: string): Promise<Outcome & { mock: Mock }> => {
    const mock = createMockServer({ users });
    const standIn = await startStandIn(t, mock);
    const account = { THINGSPACE_USERNAME: 'invented-user', THINGSPACE_PASSWORD: password };
    return { ...(await runProgram(program, standIn, { ...CREDENTIALS, ...account })), mock };
  };

  const { stdout, stderr, mock } = await runWith('invented-password');
  assert.equal(stdout + stderr, 'mock-1\n');
  const session = '/api/m2m/v1/session';
  assert.deepEqual(seen(mock), [
    `${TOKEN} 200`,
    `${session}/login 200`,
    '/api/m2m/v1/devices/actions/list 200',
    `${session}/logout 200`,
  ]);

  const refused = await runWith('wrong-password');
  assert.equal(refused.exitCode, 1);
  assert.match(
    refused.stderr,
    /^M2M session: https:.*login refused the username and password \(401\).*five failures lock the account/,
  );
  assert.deepEqual(seen(refused.mock), [`${TOKEN} 200`, `${session}/login 401`]);

  // Started again, as a supervisor does: the refusal is in the store.
  const restarted = await runWith('wrong-password');
  assert.equal(restarted.exitCode, 1);
  assert.deepEqual(
    seen(restarted.mock).filter((each) => each.includes('login')),
    [],
  );
});

test('m2m-devices goes on where a page says that there is more, and stops where it cannot', async (t) => {
  const bodies: unknown[] = [];
  const deviceWith = (id: number, key: string) => ({
    deviceIds: [{ id: `device-${id}` }],
    extendedAttributes: [
      { key: 'Other', value: '7' },
      { key, value: `${id}` },
    ],
  });
  const runWith = async (key: string): Promise<Outcome> => {
    bodies.length = 0;
    const mock = createMockServer();
    const fetch = async (request: Request): Promise<Response> => {
      const body = await request.clone().text();
      const answer = await mock.fetch(request);
      if (!request.url.endsWith('/devices/actions/list') || !answer.ok) return answer;
      const { largestDeviceIdSeen = 0, ...filter } = JSON.parse(body);
      bodies.push({ largestDeviceIdSeen, ...filter });
      const devices = [1, 2].map((index) => deviceWith(largestDeviceIdSeen + index, key));
      return Response.json({ devices, hasMoreData: bodies.length < 3 });
    };
    const account = { THINGSPACE_USERNAME: 'invented-user', THINGSPACE_PASSWORD: 'invented-password' };
    const standIn = await startStandIn(t, { fetch: fetch as Mock['fetch'] });
    return runProgram(copyOf(t, 'm2m-devices'), standIn, { ...CREDENTIALS, ...account });
  };

  const { stdout } = await runWith('DeviceId');
  assert.equal(stdout, [1, 2, 3, 4, 5, 6].map((id) => `device-${id}\n`).join(''));
  assert.deepEqual(
    bodies,
    [0, 2, 4].map((largestDeviceIdSeen) => ({ largestDeviceIdSeen, maxNumberOfDevices: 500 })),
  );

  const { stdout: first, stderr } = await runWith('Another');
  assert.equal(first, 'device-1\ndevice-2\n');
  assert.match(stderr, /There are more devices, but the last one has no DeviceId\./);
  assert.equal(bodies.length, 1);
});

test('session-password changes the password while a fleet goes on, and costs one refused login at most', async (t) => {
  const mock = createMockServer({ users: { 'invented-user': 'invented-password' } });
  const standIn = await startStandIn(t, mock);
  const program = copyOf(t, 'session-password');
  const folder = dirname(program);
  const account = { THINGSPACE_USERNAME: 'invented-user', THINGSPACE_PASSWORD: 'invented-password' };
  /** A process of the fleet. */
  const startWith = (password: string) => {
    const store = fileStore(join(folder, '.thingspace-session'));
    const session = createSession({ username: 'invented-user', password, store });
    const { authorizedFetch } = createClient({
      clientCredentialsAuthCredentials: {
        oauthClientId: 'invented-key',
        oauthClientSecret: 'invented-secret',
      },
      vZM2mToken: session,
      fetch: mock.fetch,
    });
    return () =>
      authorizedFetch('https://thingspace.verizon.com/api/m2m/v1/devices/actions/list', {
        method: 'POST',
        body: '{}',
      }).then(
        ({ status }) => status,
        ({ code }) => code,
      );
  };
  const logins = (): number[] =>
    mock.requests.filter(({ path }) => path.endsWith('/login')).map(({ status }) => status);
  const old = [startWith('invented-password'), startWith('invented-password')];
  for (const call of old) assert.equal(await call(), 200);

  const { stdout, stderr, exitCode } = await runProgram(program, standIn, { ...CREDENTIALS, ...account });

  assert.equal(stderr, '');
  assert.match(stdout, /^The API answered 200\. Its answer is in .*new-password\.json\.\n$/);
  assert.equal(exitCode, 0);
  assert.deepEqual(logins(), [200]);
  const path = join(folder, 'new-password.json');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const { newPassword } = JSON.parse(readFileSync(path, 'utf8'));
  const renewed = startWith(newPassword);
  for (const call of [...old, renewed, ...old]) assert.equal(await call(), 200);

  // The session ends before the old processes have been restarted.
  mock.lapseSessions();
  assert.equal(await old[0]!(), 'session_refused');
  assert.equal(await old[1]!(), 'session_refused');
  assert.equal(await renewed(), 200);
  assert.equal(logins().filter((status) => status !== 200).length, 1);
});

test('session-password writes over no older answer, and changes nothing without a session', async (t) => {
  const mock = createMockServer({ users: { 'invented-user': 'invented-password' } });
  const standIn = await startStandIn(t, mock);
  const program = copyOf(t, 'session-password');
  const path = join(dirname(program), 'new-password.json');
  const runWith = (password: string): Promise<Outcome> =>
    runProgram(program, standIn, {
      ...CREDENTIALS,
      THINGSPACE_USERNAME: 'invented-user',
      THINGSPACE_PASSWORD: password,
    });

  const refused = await runWith('wrong-password');
  assert.equal(refused.exitCode, 1);
  assert.equal(existsSync(path), false);

  await writeFile(path, 'an older answer');
  const second = await runWith('invented-password');
  assert.match(second.stderr, /EEXIST/);
  assert.equal(readFileSync(path, 'utf8'), 'an older answer');
  assert.deepEqual(
    mock.requests.filter(({ method }) => method === 'PUT'),
    [],
  );

  await rm(path);
  mock.failNext('api', 200); // of the call that changes nothing
  mock.failNext('api', new Response('{"errorCode":"invented"}', { status: 400 }));
  const third = await runWith('invented-password');
  assert.equal(third.exitCode, 1);
  assert.match(third.stdout, /^The API answered 400\./);
  assert.equal(readFileSync(path, 'utf8'), '{"errorCode":"invented"}');
});

test('etx sends its session as SessionToken, and under no other name', async (t) => {
  const mock = createMockServer();
  const account = { THINGSPACE_USERNAME: 'invented-user', THINGSPACE_PASSWORD: 'invented-password' };

  const { stdout } = await runProgram(copyOf(t, 'etx'), await startStandIn(t, mock), {
    ...CREDENTIALS,
    ...account,
  });

  assert.match(stdout, /^200 /);
  const { headers } = mock.requests.find(({ path }) => path.endsWith('/geofence/ids'))!;
  assert.ok(headers['sessiontoken']);
  assert.equal(headers['vz-m2m-token'], undefined);
});

test('callbacks registers with its password, and takes results from nobody without it', async (t) => {
  const { register, answerCallback } = await import(join(examples, 'callbacks.js'));
  Object.assign(process.env, { CALLBACK_USERNAME: 'invented-user', CALLBACK_PASSWORD: 'invented-password' });
  t.after(() => {
    delete process.env['CALLBACK_USERNAME'];
    delete process.env['CALLBACK_PASSWORD'];
  });
  const own = { username: 'invented-user', password: 'invented-password' };
  const sent: Request[] = [];
  await register(
    async (...call: ConstructorParameters<typeof Request>) => {
      sent.push(new Request(...call));
      return Response.json({});
    },
    '0000123456-00001',
    'https://me.example.com/callbacks',
  );
  assert.match(sent[0]!.url, /\/m2m\/v1\/callbacks\/0000123456-00001$/);
  assert.deepEqual(await sent[0]!.json(), {
    name: 'CarrierService',
    url: 'https://me.example.com/callbacks',
    ...own,
  });

  const results: unknown[] = [];
  const answer = async (body: string): Promise<number> => {
    const request = new Request('https://me.example.com/callbacks', { method: 'POST', body });
    return (await answerCallback(request, (...result: unknown[]) => results.push(result))).status;
  };
  const result = { requestId: 'invented-id', status: 'Success' };
  for (const wrong of [
    {},
    { password: 'wrong' },
    { username: 'wrong' },
    { password: undefined },
    { username: 1 },
  ]) {
    const credentials = Object.keys(wrong).length ? { ...own, ...wrong } : {};
    assert.equal(await answer(JSON.stringify({ ...result, ...credentials })), 401);
  }
  assert.equal(await answer('no JSON'), 401);
  assert.equal(await answer('null'), 401);
  assert.equal(await answer(JSON.stringify(own)), 400);
  assert.deepEqual(results, []);

  assert.equal(await answer(JSON.stringify({ ...result, ...own })), 204);
  assert.deepEqual(results, [['invented-id', { status: 'Success' }]]);
});

/** In a folder of its own inside of the package, where it finds the package. */
function copyOf(t: TestContext, name: string): string {
  const folder = mkdtempSync(join(root, '.build/recipe-'));
  t.after(() => rm(folder, { recursive: true }));
  const copy = join(folder, `${name}.js`);
  copyFileSync(join(examples, `${name}.js`), copy);
  return copy;
}

test('error-handling says whether to try again, and what to do if not', async (t) => {
  const explain = async (options: MockServerOptions, script?: (mock: Mock) => void): Promise<string> => {
    const { stdout, stderr } = await run(t, 'error-handling', options, script);
    return stdout + stderr;
  };
  const html = new Response('<html>', { headers: { 'content-type': 'text/html' } });

  assert.match(await explain({}), /mock-region-1/);
  assert.match(await explain({ clients: {} }), /^Check key and secret\./);
  assert.match(
    await explain({}, (mock) => mock.failNext('token', html, 3)),
    /^Something other than the token endpoint answered \(status 200\)/,
  );
  assert.match(await explain({}, (mock) => mock.failNext('api', 503)), /the API answered 503/);
});

/** What a gateway, a proxy or the OAuth server itself says in an outage. */
const OUTAGES: readonly Response[] = [
  new Response(null, { status: 429 }),
  new Response('Bad gateway', { status: 502 }),
  Response.json({ message: 'down' }, { status: 503 }),
  Response.json({ error: 'temporarily_unavailable' }, { status: 503 }),
];

for (const outage of OUTAGES) {
  const what = `${outage.status} ${outage.headers.get('content-type') ?? 'without a body'}`;
  test(`error-handling gives no wrong advice in an outage: ${what}`, async (t) => {
    const { stderr, exitCode } = await run(t, 'error-handling', {}, (mock) =>
      mock.failNext('token', outage, 3),
    );

    assert.match(stderr, /^The service is unavailable or throttles: try again later\. \[/);
    assert.doesNotMatch(stderr, /key|secret|proxy|check/i);
    assert.equal(exitCode, 1);
  });
}

test('sdk-errors rejects for a status of the API, and says whether to try again', async (t) => {
  const { stdout } = await run(t, 'sdk-errors');
  assert.match(stdout, /mock-region-1/);

  for (const [status, said] of [
    [503, /^Try again later: The API answered 503/],
    [404, /^Do not repeat this: The API answered 404/],
  ] as const) {
    const { stderr, exitCode } = await run(t, 'sdk-errors', {}, (mock) => mock.failNext('api', status));
    assert.match(stderr, said);
    assert.equal(exitCode, 1);
  }
});

test('testing-your-code passes as a test file', async (t) => {
  const { stdout, exitCode, mock } = await run(t, 'testing-your-code');

  assert.equal(exitCode, 0);
  assert.match(stdout, /pass 2\n. fail 0/);
  assert.deepEqual(mock.requests, []);
});

test('console-events prints each event on a line', async (t) => {
  const { stdout } = await run(t, 'console-events', {}, (mock) => mock.failNext('token', 503));

  assert.match(
    stdout,
    /\[thingspace-auth\] retry_waiting attempt=1 delayMs=\d+ code=gateway_fault statusCode=503\n/,
  );
  assert.match(stdout, /\[thingspace-auth\] token_obtained source=exchange .*attempts=2\n200/);
});

test('several-audiences gets a token for each API, and the next run takes both from the store', async (t) => {
  const mock = createMockServer({
    identifyClient: ({ body }) => new URLSearchParams(body).get('audience') ?? undefined,
  });
  const standIn = await startStandIn(t, mock);
  const copy = copyOf(t, 'several-audiences');
  const start = () => runProgram(copy, standIn, { CLIENT_SECRET: 'invented-secret' });

  const first = await start();
  const forms = mock.requests.filter(({ path }) => path.endsWith('/token')).map(({ body }) => body);
  const bearers = mock.requests.map(({ headers }) => headers['authorization']);
  const second = await start();

  assert.equal(first.stdout, 'https://orders.example.com/open 200\nhttps://stock.example.com/items 200\n');
  assert.deepEqual(second, first);
  assert.deepEqual(
    forms.map((form) => new URLSearchParams(form).get('audience')),
    ['https://orders.example.com', 'https://stock.example.com'],
  );
  const [, ofOrders, , ofStock] = bearers;
  assert.notEqual(ofOrders, ofStock);
  assert.deepEqual(
    mock.requests.slice(4).map(({ path, headers }) => `${path} ${headers['authorization']}`),
    [`/open ${ofOrders}`, `/items ${ofStock}`],
  );
});

test('private-key-jwt signs with the key of its file, which the server verifies', async (t) => {
  const { privatePem, publicPem } = keysFor('ES256');
  const runWith = async (pem: string): Promise<Outcome & { seen: readonly string[] }> => {
    const server = knowingKey(createMockServer(), publicPem);
    const folder = await mkdtemp(join(tmpdir(), 'thingspace-auth-'));
    t.after(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, 'private-key.pem'), pem);
    return {
      ...(await runProgram(join(examples, 'private-key-jwt.js'), await startStandIn(t, server), {}, folder)),
      seen: server.seen,
    };
  };

  const { stdout, stderr, seen: paths } = await runWith(privatePem);
  assert.match(stdout + stderr, /^200 .*\/orders/);
  assert.deepEqual(paths, ['/oauth2/token 200', '/orders 200']);
  assert.match((await runWith(keysFor('RS256').privatePem)).stderr, /invalid_client/);
});

test('kms-signer has the assertion signed elsewhere, and asks again where that fails once', async (t) => {
  const { privatePem, publicPem } = keysFor('ES256');
  const server = knowingKey(createMockServer(), publicPem);
  let asked = 0;
  const fetch = async (request: Request): Promise<Response> => {
    if (!request.url.startsWith('https://vault.example.com/')) return server.fetch(request);
    assert.equal(request.headers.get('x-vault-token'), 'invented-token');
    if (asked++ === 0) return new Response('sealed', { status: 503 });
    const { input } = (await request.json()) as { input: string };
    const signature = sign('sha256', Buffer.from(input, 'base64'), {
      key: privatePem,
      dsaEncoding: 'ieee-p1363',
    });
    return Response.json({ data: { signature: `vault:v1:${signature.toString('base64url')}` } });
  };
  const standIn = await startStandIn(t, { fetch: fetch as Mock['fetch'] });

  const { stdout, stderr } = await runProgram(join(examples, 'kms-signer.js'), standIn, {
    VAULT_TOKEN: 'invented-token',
  });

  assert.match(stdout + stderr, /^200 .*\/orders/);
  assert.equal(asked, 2);
  assert.deepEqual(server.seen, ['/oauth2/token 200', '/orders 200']);
});

test('dpop answers both servers’ questions for a nonce, and proves each request', async (t) => {
  const { fetch, seen: paths } = askingForNonces(createMockServer({ clients: MY_SERVICE }));
  const { stdout, stderr } = await runProgram(join(examples, 'dpop.js'), await startStandIn(t, { fetch }), {
    CLIENT_SECRET: 'invented-secret',
  });

  assert.match(stdout + stderr, /^200 .*\/orders/);
  assert.deepEqual(paths, ['/oauth2/token 400', '/oauth2/token 200', '/orders 401', '/orders 200']);
});

test('discovery finds the endpoints by the issuer', async (t) => {
  const { fetch, seen: paths } = withMetadata(createMockServer({ clients: MY_SERVICE }));
  const standIn = await startStandIn(t, { fetch });
  const { stdout, stderr } = await runProgram(join(examples, 'discovery.js'), standIn, {
    CLIENT_SECRET: 'invented-secret',
  });

  assert.match(stdout + stderr, /^https:\/\/auth\.example\.com\/tenant-1\/oauth2\/token\n200 .*\/orders/);
  assert.deepEqual(paths, [
    '/.well-known/oauth-authorization-server/tenant-1 200',
    '/tenant-1/oauth2/token 200',
    '/orders 200',
  ]);
});

const MY_SERVICE = { 'my-service': 'invented-secret' };

test('every example but the demo is at most 50 lines, and each is run by a test', () => {
  const tests = filesBelow(join(root, 'test'))
    .filter((path) => !path.endsWith('.json'))
    .map((path) => readFileSync(path, 'utf8'))
    .join('');

  for (const name of readdirSync(join(root, 'examples')).filter((file) => file.endsWith('.ts'))) {
    const lines = readFileSync(join(root, 'examples', name), 'utf8')
      .trimEnd()
      .split('\n').length;
    assert.ok(name === 'demo.ts' || lines <= 50, `${name} has ${lines} lines`);
    assert.match(tests, new RegExp(`['/]${name.slice(0, -3)}(\\.[jt]s)?'`), `no test runs ${name}`);
  }
});

/** Without what is installed. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesBelow(path);
    return entry.isFile() ? [path] : [];
  });
}
