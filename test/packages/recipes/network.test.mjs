// Corporate networks: a proxy that is one, a certificate authority made for the test, certificates on both
// sides.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { before, test } from 'node:test';
import proxyChain from 'proxy-chain';
import { createMockServer } from 'thingspace-auth/testing';
import { inventAuthority } from './certificates.mjs';
import { CREDENTIALS, handlerOf, listen, run } from './programs.mjs';

const HERE = import.meta.dirname;
const KEYS = join(HERE, '.build/keys');
const CA = join(KEYS, 'ca.pem');
const REGIONS = 'https://5gedge.verizon.com/api/mec/eds/regions';
const HOSTS = ['thingspace.verizon.com', '5gedge.verizon.com', 'auth.example.com', 'api.example.com'];
let serverKeys;

before(async () => {
  const { ca, certify } = await inventAuthority();
  const [server, client] = await Promise.all([certify(...HOSTS), certify('client.example.com')]);
  mkdirSync(KEYS, { recursive: true });
  for (const [name, text] of [
    ['ca.pem', ca.cert],
    ['client.pem', client.cert],
    ['client.key', client.key],
  ])
    writeFileSync(join(KEYS, name), text);
  serverKeys = { cert: server.cert, key: server.key, ca: ca.cert };
});

/** A proxy with a login in front of a mock behind TLS; returns its URL and the mock. */
async function startProxy(t) {
  const mock = createMockServer();
  const hosts = [];
  const server = createServer(serverKeys, handlerOf(mock.fetch));
  const proxy = new proxyChain.Server({
    port: 0,
    host: '127.0.0.1',
    prepareRequestFunction: ({ hostname, username, password }) => {
      hosts.push(hostname);
      return {
        requestAuthentication: `${username}:${password}` !== 'invented-user:invented-password',
        customConnectServer: server,
      };
    },
  });
  await proxy.listen();
  t.after(() => proxy.close(true));
  return {
    mock,
    hosts,
    url: (login = 'invented-user:invented-password') => `http://${login}@127.0.0.1:${proxy.port}`,
  };
}

const node = (version) => [join(HERE, `node_modules/node-${version}/bin/node`)];
const COMMAND = join(HERE, 'node_modules/thingspace-auth/dist/command.js');

/** How each platform is told of a proxy and of a certificate authority, without a word of code. */
const PLATFORMS = {
  'Node 22': { command: node(22), env: { NODE_USE_ENV_PROXY: '1' }, trust: 'NODE_EXTRA_CA_CERTS' },
  'Node 24': { command: node(24), env: { NODE_USE_ENV_PROXY: '1' }, trust: 'NODE_EXTRA_CA_CERTS' },
  Deno: {
    command: [join(HERE, 'node_modules/.bin/deno'), 'run', '--quiet', '--no-config', '--allow-all'],
    env: {},
    trust: 'DENO_CERT',
  },
  Bun: { command: [join(HERE, 'node_modules/.bin/bun'), 'run'], env: {}, trust: 'NODE_EXTRA_CA_CERTS' },
};

for (const [
  name,
  {
    command: [program, ...args],
    env,
    trust,
  },
] of Object.entries(PLATFORMS)) {
  const check = async (variables) => {
    const { stdout, stderr, exitCode } = await run(program, [...args, COMMAND, 'check', REGIONS, '--json'], {
      ...CREDENTIALS,
      ...env,
      ...variables,
    });
    assert.doesNotMatch(stdout + stderr, /invented-secret|invented-password|wrong-password/);
    const { steps } = JSON.parse(stdout);
    return { exitCode, steps, failed: steps.find(({ ok }) => !ok) };
  };

  test(`${name} goes through a proxy with a login, to a server with a company's certificate`, async (t) => {
    const { mock, hosts, url } = await startProxy(t);

    const { exitCode, failed } = await check({ HTTPS_PROXY: url(), [trust]: CA });

    assert.equal(failed, undefined);
    assert.equal(exitCode, 0);
    assert.deepEqual(
      mock.requests.map(({ status }) => status),
      [200, 200],
    );
    assert.deepEqual([...new Set(hosts)], ['thingspace.verizon.com', '5gedge.verizon.com']);
  });

  test(`${name} tells of a proxy that refuses the login`, async (t) => {
    const { url } = await startProxy(t);

    const { failed } = await check({ HTTPS_PROXY: url('invented-user:wrong-password'), [trust]: CA });

    assert.equal(failed.name, 'endpoint');
    assert.match(failed.next, /A proxy asks for a user name and password \(407\)/, failed.message);
  });

  test(`${name} tells of an authority that it does not trust`, async (t) => {
    const { url } = await startProxy(t);

    const { failed } = await check({ HTTPS_PROXY: url() });

    assert.equal(failed.name, 'endpoint');
    assert.match(failed.next, /certificate authority: NODE_EXTRA_CA_CERTS/, failed.message);
  });
}

test('the recipe leads an older Node through a proxy', async (t) => {
  const { mock, hosts, url } = await startProxy(t);

  const { stdout, stderr } = await run(process.execPath, ['proxy.js'], {
    ...CREDENTIALS,
    HTTPS_PROXY: url(),
    NODE_EXTRA_CA_CERTS: CA,
  });

  assert.match(stdout, /^200 .*mock-region-1/s, stderr);
  assert.deepEqual([...new Set(hosts)], ['thingspace.verizon.com', '5gedge.verizon.com']);
  assert.equal(mock.requests.length, 2);
});

test('the recipe shows its certificate to both servers', async (t) => {
  const mock = createMockServer({
    identifyClient: ({ body }) => new URLSearchParams(body).get('client_id') ?? undefined,
  });
  const names = [];
  const server = createServer(
    { ...serverKeys, requestCert: true, rejectUnauthorized: true },
    handlerOf(mock.fetch),
  );
  server.on('secureConnection', (socket) => names.push(socket.getPeerCertificate().subject.CN));
  const port = await listen(t, server);
  writeFileSync(
    join(HERE, '.build/toServer.mjs'),
    `
    import tls from 'node:tls';
    const { connect } = tls;
    tls.connect = (options, ...rest) => connect({ ...options, host: '127.0.0.1', port: ${port} }, ...rest);`,
  );
  const preload = `--import=${join(HERE, '.build/toServer.mjs')}`;

  const { stdout, stderr } = await run(
    process.execPath,
    [preload, join(HERE, '.build/mutual-tls.js')],
    {},
    KEYS,
  );

  assert.match(stdout, /^200 /, stderr);
  assert.deepEqual(
    mock.requests.map(({ url, status }) => [url, status]),
    [
      ['https://auth.example.com/oauth2/token', 200],
      ['https://api.example.com/orders', 200],
    ],
  );
  assert.ok(names.length > 0 && names.every((name) => name === 'client.example.com'), `${names}`);
});
