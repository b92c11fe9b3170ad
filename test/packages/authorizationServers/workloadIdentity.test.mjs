// Somebody else's assertion at a server of others: oidc-provider, which knows the keys of an issuer of this
// test's own and nothing else of the client. It refuses an assertion that it has seen.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
import { importPKCS8, SignJWT } from 'jose';
import { createClient } from 'thingspace-auth';
import { clientAssertion } from 'thingspace-auth/jwt';
import { makeKeys } from './keys.mjs';
import { listen, startBearerApi, startOidcProvider } from './servers.mjs';

const { privatePem, jwk } = makeKeys('ES256');
const key = await importPKCS8(privatePem, 'ES256');
const RECIPE = readFileSync(join(import.meta.dirname, '../../../examples/workload-identity.ts'), 'utf8');
const BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const SPIFFE = 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe';

/** A server that trusts the issuer, an API, and a folder for the files that the issuer writes. */
async function start(t) {
  const client = {
    client_id: 'my-service',
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [jwk] },
  };
  const server = await startOidcProvider(t, [client]);
  const api = await startBearerApi(t, server.lookUp);
  const build = join(import.meta.dirname, '.build');
  mkdirSync(build, { recursive: true });
  const folder = mkdtempSync(join(build, 'workload-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'token');
  const sign = (lifetime = '60s') =>
    new SignJWT()
      .setProtectedHeader({ alg: 'ES256', kid: jwk.kid })
      .setIssuer('my-service')
      .setSubject('my-service')
      .setAudience(server.origin)
      .setJti(randomUUID())
      .setIssuedAt()
      .setExpirationTime(lifetime)
      .sign(key);
  const tokenRequests = () => server.requests.filter(({ path }) => path === '/token');
  return { server, api, folder, file, sign, tokenRequests };
}

/** Runs the recipe with these servers' addresses in it. */
async function runRecipe({ server, api, folder }, env) {
  const code = RECIPE.replaceAll('https://auth.example.com', server.origin).replaceAll(
    'https://api.example.com',
    api.origin,
  );
  const program = join(folder, 'program.mjs');
  writeFileSync(program, (await transform(code, { loader: 'ts', target: 'es2022' })).code);
  return promisify(execFile)(process.execPath, [program], { env: { PATH: process.env.PATH, ...env } });
}

test('the recipe authenticates with a projected token of Kubernetes', async (t) => {
  const world = await start(t);
  // The kubelet writes no line break; whoever tries it by hand does.
  writeFileSync(world.file, `${await world.sign()}\n`);

  assert.deepEqual(await runRecipe(world, { TOKEN_FILE: world.file }), { stdout: '200\n', stderr: '' });

  const [{ form, headers }] = world.tokenRequests();
  assert.equal(form.get('client_assertion_type'), BEARER);
  assert.deepEqual([form.get('client_id'), form.get('client_secret')], ['my-service', null]);
  assert.equal(headers.authorization, undefined);
});

test('the recipe authenticates with the token of a GitHub Actions job', async (t) => {
  const world = await start(t);
  const github = await listen(t);
  github.handle = async ({ url, headers }, response) => {
    const { searchParams } = new URL(url, github.origin);
    const isRight = headers.authorization === 'Bearer job' && searchParams.get('api-version') === '2.0';
    const value = searchParams.get('audience') === world.server.origin && (await world.sign());
    response.writeHead(isRight && value ? 200 : 403).end(JSON.stringify({ count: 1, value }));
  };

  const job = {
    ACTIONS_ID_TOKEN_REQUEST_URL: `${github.origin}/token?api-version=2.0`,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'job',
  };
  assert.deepEqual(await runRecipe(world, job), { stdout: '200\n', stderr: '' });

  const refused = runRecipe(world, { ...job, ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'ended' });
  await assert.rejects(refused, /The source of clientAssertion failed \(GitHub answered 403\)/);
});

test('the recipe authenticates with a JWT-SVID of SPIFFE, and says that it is one', async (t) => {
  const world = await start(t);
  writeFileSync(world.file, await world.sign());
  const types = [];
  const { handle } = world.server;
  // oidc-provider knows no SPIFFE; what it judges is the same.
  world.server.handle = (request, response) => {
    types.push(new URLSearchParams(request.body).get('client_assertion_type'));
    request.body = request.body.replace(encodeURIComponent(SPIFFE), encodeURIComponent(BEARER));
    return handle(request, response);
  };

  assert.deepEqual(await runRecipe(world, { JWT_SVID_FILE: world.file }), { stdout: '200\n', stderr: '' });
  assert.deepEqual(types, [SPIFFE]);
});

function clientOf({ server, api }, source, options = {}) {
  return createClient({
    clientCredentialsAuthCredentials: {
      oauthClientId: 'my-service',
      oauthScopes: ['read'],
      clientAuthentication: clientAssertion(source),
    },
    environment: { tokenUrl: `${server.origin}/token`, apiOrigins: [api.origin] },
    ...options,
  });
}

test('a token that is replaced while the program runs serves the next token request', async (t) => {
  const world = await start(t);
  const { authorizedFetch, getToken } = clientOf(world, () => readFile(world.file, 'utf8'));
  const sent = [];
  for (let round = 0; round < 3; round++) {
    sent.push(await world.sign());
    writeFileSync(world.file, sent.at(-1));
    assert.equal((await authorizedFetch(`${world.api.origin}/orders`)).status, 200);
    world.api.drop((await getToken()).accessToken);
  }

  assert.deepEqual(
    world.tokenRequests().map(({ form, status }) => [form.get('client_assertion'), status]),
    sent.map((assertion) => [assertion, 200]),
  );
});

test('an assertion that has ended is refused by the server, with what to check', async (t) => {
  const world = await start(t);
  const ended = await world.sign('-60s');
  await assert.rejects(clientOf(world, () => ended).fetchToken(), (error) => {
    assert.deepEqual([error.code, error.error], ['oauth_error', 'invalid_client']);
    assert.ok(!`${error.message} ${error.errorDescription}`.includes(ended));
    return true;
  });
});

test('an empty file is read again, a missing one is named, and neither reaches the server', async (t) => {
  const world = await start(t);
  const complete = await world.sign();
  const onEvent = ({ type }) => type === 'retry_waiting' && writeFileSync(world.file, complete);
  writeFileSync(world.file, '');
  const options = { onEvent, retry: { baseDelay: 1 } };

  const missing = clientOf(world, () => readFile(`${world.file}.missing`, 'utf8'));
  await assert.rejects(missing.fetchToken(), { code: 'no_credentials', message: /ENOENT.*\.missing/ });
  assert.equal(world.tokenRequests().length, 0);

  await clientOf(world, () => readFile(world.file, 'utf8'), options).fetchToken();
  assert.equal(world.tokenRequests().length, 1);
});

test('a source that hangs ends with the time of the token request, and nothing is sent', async (t) => {
  const world = await start(t);
  let signal;
  const hanging = (request) => {
    signal = request.signal;
    return new Promise(() => {});
  };
  await assert.rejects(clientOf(world, hanging, { timeout: 20 }).fetchToken(), { code: 'timeout' });
  assert.equal(signal.aborted, true);
  assert.equal(world.tokenRequests().length, 0);
});
