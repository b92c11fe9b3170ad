// The recipes of examples/, each a process of its own with the real library that it names, against the mock
// over real HTTP.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createMockServer } from 'thingspace-auth/testing';
import { serveMcp } from './mcpServer.mjs';
import { CREDENTIALS, run, runRecipe, startRecipe, startStandIn } from './programs.mjs';

const seen = ({ requests }) =>
  requests.map(({ method, path, status }) => `${method} ${path.split('/').at(-1)} ${status}`);

function folderOf(t) {
  const folder = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

for (const name of ['ky', 'axios', 'openapi-fetch']) {
  test(`${name} gets its token, and another one after a revocation`, async (t) => {
    const mock = createMockServer({ sameToken: false });
    mock.failNext('api', 401);

    const { stdout, stderr } = await runRecipe(name, await startStandIn(t, mock.fetch));

    assert.equal(stderr, '');
    assert.match(stdout, /\[ 'mock-region-1' \]/);
    assert.deepEqual(seen(mock), ['POST token 200', 'GET regions 401', 'POST token 200', 'GET regions 200']);
  });
}

for (const version of [22, 24]) {
  test(`Node ${version} runs a recipe as it is`, async (t) => {
    const mock = createMockServer();
    const node = join(import.meta.dirname, `node_modules/node-${version}/bin/node`);

    const { stdout } = await run(node, ['--no-warnings', 'ky.ts'], {
      ...CREDENTIALS,
      ...(await startStandIn(t, mock.fetch)),
    });

    assert.equal(stdout, "[ 'mock-region-1' ]\n");
  });
}

test('ky tries again where the API is down', async (t) => {
  const mock = createMockServer();
  mock.failNext('api', 503);

  const { stdout } = await runRecipe('ky', await startStandIn(t, mock.fetch));

  assert.match(stdout, /mock-region-1/);
  assert.deepEqual(seen(mock), ['POST token 200', 'GET regions 503', 'GET regions 200']);
});

test('graphql-request asks with the token', async (t) => {
  const mock = createMockServer();
  const answer = async (request) => {
    const response = await mock.fetch(request);
    return request.url.endsWith('/graphql') && response.ok
      ? Response.json({ data: { regions: [{ name: 'invented' }] } })
      : response;
  };

  const { stdout, stderr } = await runRecipe('graphql', await startStandIn(t, answer));

  assert.equal(stderr, '');
  assert.match(stdout, /regions: \[ \{ name: 'invented' \} \]/);
  assert.match(mock.requests[1].body, /\{ regions \{ name \} \}|regions/);
});

test('an MCP tool is called, and again with another token after a revocation', async (t) => {
  const mock = createMockServer({ clients: { 'my-agent': 'invented-secret' }, sameToken: false });
  const { answer, metadata } = serveMcp(mock);
  mock.failNext('api', 401);

  const { stdout, stderr } = await runRecipe('mcp-client', await startStandIn(t, answer));

  assert.equal(stderr, '');
  assert.match(stdout, /text: '42'/);
  const tokens = mock.requests.filter(({ path }) => path.endsWith('/token'));
  assert.equal(tokens.length, 2);
  assert.equal(new URLSearchParams(tokens[0].body).get('resource'), 'https://mcp.example.com/mcp');
  assert.deepEqual(metadata, []);
});

test('server-sent events arrive over two connections, each with a valid token', async (t) => {
  const mock = createMockServer();
  let connections = 0;
  const answer = async (request) => {
    const checked = await mock.fetch(request.clone());
    if (!request.url.endsWith('/stream') || !checked.ok) return checked;
    mock.revokeAll(); // the next connection meets a 401 first
    const text = ++connections === 1 ? 'retry: 10\ndata: first\n\n' : 'data: last\n\n';
    return new Response(text, { headers: { 'content-type': 'text/event-stream' } });
  };

  const { stdout } = await runRecipe('server-sent-events', await startStandIn(t, answer));

  assert.equal(stdout, 'first\nlast\n');
  assert.deepEqual(seen(mock), [
    'POST token 200',
    'GET stream 200',
    'GET stream 401',
    'POST token 200',
    'GET stream 200',
  ]);
});

test('a large download reaches its file', async (t) => {
  const mock = createMockServer();
  const piece = 'x'.repeat(100_000);
  const answer = async (request) => {
    const checked = await mock.fetch(request);
    return request.url.endsWith('/report') && checked.ok ? new Response(piece.repeat(30)) : checked;
  };
  const folder = folderOf(t);

  const { stdout } = await runRecipe('large-download', await startStandIn(t, answer), folder);

  assert.equal(stdout, 'saved\n');
  assert.equal(readFileSync(join(folder, 'report.csv'), 'utf8'), piece.repeat(30));
});

for (const [what, rejected, expected] of [
  [
    'a file again after a 401',
    2,
    ['POST token 200', 'PUT 1 401', 'POST token 200', 'PUT 1 200', 'PUT 1 200'],
  ],
  [
    'a stream again where the recipe says so',
    3,
    ['POST token 200', 'PUT 1 200', 'PUT 1 401', 'POST token 200', 'PUT 1 200'],
  ],
]) {
  test(`upload sends ${what}`, async (t) => {
    const mock = createMockServer({ sameToken: false });
    const folder = folderOf(t);
    writeFileSync(join(folder, 'image.bin'), 'invented image');
    const answer = (request) => {
      if (mock.requests.length + 1 === rejected) mock.revokeAll();
      return mock.fetch(request);
    };

    const { stdout } = await runRecipe('upload', await startStandIn(t, answer), folder);

    assert.equal(stdout, '200\n200\n');
    assert.deepEqual(seen(mock), expected);
    assert.deepEqual(
      mock.requests.filter(({ method }) => method === 'PUT').map(({ body }) => body),
      Array(3).fill('invented image'),
    );
  });
}

/** Calls the handler of a Lambda function three times, and prints each answer's status. */
const THREE_TIMES = `import { handler } from './changing-credentials.js';
for (let call = 0; call < 3; call++) console.log((await handler()).statusCode);`;
const AWS = {
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'invented',
  AWS_SECRET_ACCESS_KEY: 'invented',
  SECRET_ID: 'invented/thingspace',
};

test('a rotated secret of Secrets Manager serves the next token request, with the same client', async (t) => {
  const clients = { 'invented-key': 'first-secret' };
  const mock = createMockServer({ clients, sameToken: false });
  let reads = 0;
  const answer = async (request) => {
    if (request.url.includes('secretsmanager')) {
      assert.equal((await request.json()).SecretId, AWS.SECRET_ID);
      reads++;
      return Response.json({ SecretString: clients['invented-key'] });
    }
    const response = await mock.fetch(request);
    // The secret is rotated behind the second call; the token serves until then.
    if (seen(mock).join().endsWith('GET regions 200,GET regions 200')) {
      clients['invented-key'] = 'second-secret';
      mock.revokeAll();
    }
    return response;
  };

  const { THINGSPACE_CLIENT_ID } = CREDENTIALS;
  // The AWS SDK warns of the older Node here.
  const flags = ['--no-warnings', '--input-type=module', '-e', THREE_TIMES];
  const { stdout, stderr } = await run(process.execPath, flags, {
    ...AWS,
    ...(await startStandIn(t, answer)),
    THINGSPACE_CLIENT_ID,
  });

  assert.deepEqual([stdout, stderr], ['200\n200\n200\n', '']);
  assert.equal(reads, 2);
  assert.deepEqual(seen(mock), [
    'POST token 200',
    'GET regions 200',
    'GET regions 200',
    'GET regions 401',
    'POST token 200',
    'GET regions 200',
  ]);
});

test('Prometheus gets each event counted, and no secret', async (t) => {
  const mock = createMockServer();
  mock.failNext('token', 503);

  const { stdout, stderr } = await runRecipe('prometheus', await startStandIn(t, mock.fetch));

  assert.equal(stderr, '');
  assert.match(stdout, /^thingspace_auth_events_total\{type="retry_waiting",code="gateway_fault"\} 1$/m);
  assert.match(stdout, /^thingspace_auth_events_total\{type="token_obtained",code=""\} 1$/m);
  assert.match(stdout, /^thingspace_auth_token_duration_seconds_count\{code=""\} 1$/m);
  assert.doesNotMatch(stdout, /invented-secret|mock-access-token/);
});

test('several accounts get a token each', async (t) => {
  const mock = createMockServer();
  const ACCOUNTS = JSON.stringify({
    east: { id: 'key-1', secret: 'invented-1' },
    west: { id: 'key-2', secret: 'invented-2' },
  });

  const { stdout } = await runRecipe('several-accounts', {
    ...(await startStandIn(t, mock.fetch)),
    ACCOUNTS,
  });

  assert.equal(stdout, 'east 200\nwest 200\n');
  assert.match(
    mock.requests
      .filter(({ path }) => path.endsWith('/regions'))
      .map(({ headers }) => headers.authorization)
      .join(),
    /^Bearer mock-access-token-\w+-1,Bearer mock-access-token-\w+-2$/,
  );
});

for (const name of ['hono', 'express']) {
  test(`${name} serves what the API says, and an error without a secret`, async (t) => {
    const mock = createMockServer({ clients: { 'invented-key': 'invented-secret' } });
    const { printed } = await startRecipe(t, name, await startStandIn(t, mock.fetch));
    const url = `http://127.0.0.1:${/\d{4,}/.exec(printed)[0]}/regions`;

    const answer = await fetch(url);
    assert.deepEqual([answer.status, (await answer.json()).regions[0].regionId], [200, 'mock-region-1']);
    assert.equal((await fetch(url)).status, 200);
    assert.equal(mock.requests.filter(({ path }) => path.endsWith('/token')).length, 1);
  });

  test(`${name} answers 502 where there is no token`, async (t) => {
    const { printed } = await startRecipe(
      t,
      name,
      await startStandIn(t, createMockServer({ clients: {} }).fetch),
    );

    const answer = await fetch(`http://127.0.0.1:${/\d{4,}/.exec(printed)[0]}/regions`);

    assert.deepEqual([answer.status, await answer.json()], [502, { error: 'oauth_error' }]);
  });
}

test('a server that is told to stop logs out, and ends', async (t) => {
  const mock = createMockServer();
  const env = {
    ...(await startStandIn(t, mock.fetch)),
    THINGSPACE_USERNAME: 'invented-user',
    THINGSPACE_PASSWORD: 'invented-password',
  };
  const { child, printed } = await startRecipe(t, 'graceful-shutdown', env);
  assert.equal(
    (await fetch(`http://127.0.0.1:${/port: (\d+)/.exec(printed)[1]}/`, { headers: { connection: 'close' } }))
      .status,
    200,
  );

  child.kill('SIGTERM');
  const [exitCode] = await once(child, 'exit');

  assert.equal(exitCode, 0);
  assert.deepEqual(seen(mock), ['POST token 200', 'POST login 200', 'GET accounts 200', 'POST logout 200']);
});
