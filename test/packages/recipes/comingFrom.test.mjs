// Runs both programs of every pair in examples/coming-from.md, with the real library, against one server.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { transform } from 'esbuild';
import { createMockServer } from 'thingspace-auth/testing';
import { serveMcp } from './mcpServer.mjs';
import { run, startStandIn } from './programs.mjs';

const folder = join(import.meta.dirname, '.build/comingFrom');
const page = readFileSync(join(import.meta.dirname, '../../../examples/coming-from.md'), 'utf8');
const pairs = [
  ...page.matchAll(/^## ([^\n]+)\n(?:(?!## )[^\n]*\n)*?```js before\n(.*?)```\n\n```ts now\n(.*?)```/gms),
].map(([, title, old, current], index) => ({ title, name: `pair${index}`, old, current }));

before(async () => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const { name, old, current } of pairs) {
    writeFileSync(join(folder, `${name}-before.js`), old);
    writeFileSync(join(folder, `${name}-now.ts`), `${current}export {};\n`);
    const { code } = await transform(current, { loader: 'ts', target: 'es2022' });
    writeFileSync(join(folder, `${name}-now.js`), code);
  }
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: '../../tsconfig.json', include: ['*.ts'] }),
  );
});

test('the page has a pair for each of six libraries', () => {
  assert.deepEqual(
    pairs.map(({ title }) => title),
    [
      'openid-client',
      'simple-oauth2',
      '@badgateway/oauth2-client',
      'axios-oauth-client',
      'ClientSecretCredential of @azure/identity',
      "The MCP SDK's provider",
    ],
  );
});

test('the programs type-check', () => {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', folder], { stdio: 'inherit' });
});

for (const { title, name } of pairs) {
  test(`${title}: both programs print the same, and ask for the same token in the same way`, async (t) => {
    const [old, current] = [await tell(t, `${name}-before`), await tell(t, `${name}-now`)];

    assert.deepEqual([old.stderr, current.stderr], ['', '']);
    assert.match(current.stdout, title.includes('MCP') ? /text: '42'/ : /^200$/m);
    assert.equal(current.stdout, old.stdout);
    assert.deepEqual(current.tokenUrls, old.tokenUrls);
    assert.deepEqual(current.tokens, old.tokens);
    assert.equal(current.tokens.length, 1);
    assert.deepEqual(current.calls, ['Bearer']);
  });
}

/** What a program printed, how it asked for tokens, and with which scheme it called the API. */
async function tell(t, name) {
  // Who asks in the form is known by that; both must send the same.
  const mock = createMockServer({
    identifyClient: ({ headers, body }) =>
      headers.authorization ?? new URLSearchParams(body).get('client_id') ?? undefined,
  });
  const { answer } = serveMcp(mock);
  const tokenUrls = [];
  // The mock's token endpoint is at `/oauth2/token`, that of Entra ID elsewhere.
  const standIn = await startStandIn(t, (request) => {
    const { origin, pathname } = new URL(request.url);
    if (pathname.endsWith('/token')) tokenUrls.push(origin + pathname);
    return answer(new Request(request.url.replace('/v2.0', ''), request));
  });
  const env = { ...standIn, CLIENT_SECRET: 'invented-secret' };
  const { stdout, stderr } = await run(process.execPath, [join(folder, `${name}.js`)], env);
  const tokens = mock.requests.filter(({ path }) => path.endsWith('/token')).map(describe);
  const calls = mock.requests.filter(({ path, status }) => !path.endsWith('/token') && status === 200);
  const schemes = new Set(calls.map(({ headers }) => headers.authorization.split(' ')[0]));
  return { stdout, stderr, tokenUrls, tokens, calls: [...schemes] };
}

function describe({ headers, body }) {
  const form = new URLSearchParams(body);
  const names = ['grant_type', 'scope', 'client_id', 'client_secret', 'resource'];
  const fields = names.map((field) => [field, form.get(field)]);
  // Basic with the id beside it in the form is Basic all the same.
  if (headers.authorization) fields[2][1] = null;
  return { authorization: headers.authorization, fields };
}
