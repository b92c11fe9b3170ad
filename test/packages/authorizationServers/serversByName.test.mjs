// The program for FAPI 2.0 of examples/servers/README.md, against oidc-provider with that profile.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeKeys } from './keys.mjs';
import { startApi, startOidcProvider } from './servers.mjs';

const page = readFileSync(join(import.meta.dirname, '../../../examples/servers/README.md'), 'utf8');
const [, program] = /^## FAPI 2\.0\n.*?```ts\n(.*?)^```$/ms.exec(page);

/** Runs the program with these servers' addresses in it, changed by `change`; gives what it printed. */
async function run(t, change = (code) => code) {
  const { privatePem, jwk } = makeKeys('ES256');
  const client = {
    client_id: 'my-service',
    token_endpoint_auth_method: 'private_key_jwt',
    dpop_bound_access_tokens: true,
    jwks: { keys: [{ ...jwk, kid: 'key-1' }] },
  };
  const server = await startOidcProvider(t, [client], { isFapi: true });
  const api = await startApi(t, server.lookUp);
  const folder = join(import.meta.dirname, '.build');
  mkdirSync(folder, { recursive: true });
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'key.pem'), privatePem);
  const code = program
    .replaceAll('https://auth.example.com', server.origin)
    .replaceAll('https://api.example.com', api.origin)
    .replace("'key.pem'", JSON.stringify(join(folder, 'key.pem')));
  const file = join(folder, `program-${new URL(server.origin).port}.mjs`);
  writeFileSync(file, change(code));
  const log = t.mock.method(console, 'log', () => {});
  await import(file);
  return log.mock.calls.map(({ arguments: values }) => values);
}

test('oidc-provider with its FAPI 2.0 profile takes the program for it', async (t) => {
  assert.deepEqual(await run(t), [[200]]);
});

test('and refuses an assertion for the token URL, and a token request without a proof', async (t) => {
  const forTokenUrl = (code) => code.replace("keyId: 'key-1'", '$&, audience: ({ tokenUrl }) => tokenUrl');
  const unbound = (code) => code.replace(/ +dpop:.*\n/, '');

  await assert.rejects(run(t, forTokenUrl), { error: 'invalid_client' });
  await assert.rejects(run(t, unbound), { code: 'oauth_error', statusCode: 400 });
});
