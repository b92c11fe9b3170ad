// The recipes as the list says that they run: under thingspace-auth/testing/global, without an account. Those
// for another server find it at a stand-in, and the requests to it pass through the global mock.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createMockServer } from 'thingspace-auth/testing';
import { RECIPES } from './prepare.mjs';
import { copyOf, run, startProgram, startStandIn } from './programs.mjs';

const HERE = import.meta.dirname;
const GLOBAL = import.meta.resolve('thingspace-auth/testing/global');
const ACCOUNTS = JSON.stringify({ east: { id: 'key-1', secret: 'invented-1' } });

/** Those that end by themselves: what they print. */
const PRINTED = {
  axios: /^\[ 'mock-region-1' \]\n$/,
  ky: /^\[ 'mock-region-1' \]\n$/,
  'openapi-fetch': /^200 \[ 'mock-region-1' \]\n$/,
  prometheus: /^200 [^]*thingspace_auth_events_total/,
  proxy: /^200 [^]*mock-region-1/,
  'several-accounts': /^east 200\n$/,
  upload: /^200\n200\n$/,
  'vendor-sdk': /^mock-1\n$/,
  'large-download': /^saved\n$/,
};

/** Those that serve: the path that is asked. */
const SERVING = { express: '/regions', hono: '/regions', 'graceful-shutdown': '/' };

/** Those for another server, which also run below. */
const FOR_OTHERS = ['graphql', 'server-sent-events'];

/** They talk to servers of their own too, in `recipes.test.mjs` and `grpc.test.mjs`. */
const WITH_OWN_SERVER = ['changing-credentials', 'grpc', 'mcp-client'];

/** An SDK that does not use `fetch`, and a function for another: `vendorSdk.test.mjs`. */
const WITH_VENDOR_SDK = ['vendor-sdk-5', 'vendor-sdk-strategy'];

/** It has a test of its own, for the certificates: `network.test.mjs`. */
const WITH_CERTIFICATES = 'mutual-tls';

/** It has a test of its own, with the real SDKs: `telemetry.test.mjs`. */
const WITH_COLLECTOR = 'opentelemetry';

function folderOf(t) {
  const folder = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'image.bin'), 'invented image');
  return folder;
}

const programOf = (name) => join(HERE, '.build', `${name}.js`);

test('each recipe that needs a library is run', () => {
  const byName = [...Object.keys(PRINTED), ...Object.keys(SERVING), ...FOR_OTHERS, ...WITH_OWN_SERVER];
  const run = [...byName, ...WITH_VENDOR_SDK, WITH_CERTIFICATES, WITH_COLLECTOR];

  assert.deepEqual(run.sort(), [...RECIPES].sort());
});

for (const [name, printed] of Object.entries(PRINTED)) {
  test(`${name} runs without an account`, async (t) => {
    const folder = folderOf(t);

    const { stdout, stderr } = await run(
      process.execPath,
      ['--import', GLOBAL, programOf(name)],
      { ACCOUNTS },
      folder,
    );

    assert.match(stderr, /^thingspace-auth\/testing\/global: a mock answers for .*\n$/);
    assert.match(stdout, printed);
    if (name === 'large-download') assert.match(readFileSync(join(folder, 'report.csv'), 'utf8'), /report/);
  });
}

for (const [name, path] of Object.entries(SERVING)) {
  test(`${name} serves without an account`, async (t) => {
    const { printed } = await startProgram(t, ['--import', GLOBAL, copyOf(t, name)], {});

    const answer = await fetch(`http://127.0.0.1:${/\d{4,}/.exec(printed)[0]}${path}`);

    assert.equal(answer.status, 200);
  });
}

test('graphql reaches its own server through the global mock', async (t) => {
  const mock = createMockServer();
  const answer = async (request) => {
    const response = await mock.fetch(request);
    const isQuery = request.url.endsWith('/graphql') && response.ok;
    return isQuery ? Response.json({ data: { regions: [{ name: 'invented' }] } }) : response;
  };
  const { NODE_OPTIONS, ...env } = await startStandIn(t, answer);

  const { stdout } = await run(process.execPath, [programOf('graphql')], {
    ...env,
    NODE_OPTIONS: `${NODE_OPTIONS} --import=${GLOBAL}`,
    CLIENT_SECRET: 'invented-secret',
  });

  assert.match(stdout, /regions: \[ \{ name: 'invented' \} \]/);
  assert.equal(mock.requests.length, 2);
});

test('server-sent events reach their own server through the global mock', async (t) => {
  const mock = createMockServer();
  const answer = async (request) => {
    const response = await mock.fetch(request);
    const isStream = request.url.endsWith('/stream') && response.ok;
    return isStream
      ? new Response('data: last\n\n', { headers: { 'content-type': 'text/event-stream' } })
      : response;
  };
  const { NODE_OPTIONS, ...env } = await startStandIn(t, answer);

  const { stdout } = await run(process.execPath, [programOf('server-sent-events')], {
    ...env,
    NODE_OPTIONS: `${NODE_OPTIONS} --import=${GLOBAL}`,
    CLIENT_SECRET: 'invented-secret',
  });

  assert.equal(stdout, 'last\n');
});
