/**
 * `npm run demo`: the complete example, step by step, with the requests that go over the wire (secrets
 * masked). It runs against a mock ThingSpace on this machine, behind a real HTTP server. With
 * THINGSPACE_CLIENT_ID and THINGSPACE_CLIENT_SECRET set (and THINGSPACE_M2M_TOKEN, if you have one) it talks
 * to the real service instead.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import {
  ApiError,
  type ClientConfig,
  configFromEnvironment,
  createClient,
  OAuthProviderError,
  type OAuthToken,
  OauthScopeEnum,
} from 'thingspace-auth';
import { createMockServer } from 'thingspace-auth/testing';

const isReal = !!process.env.THINGSPACE_CLIENT_ID;
const counted = { token: 0, api: 0 };
const { config, apiUrl, stop } = isReal ? realService() : await startMockService();
const database = new Map<string, string>();

try {
  await run();
} catch (error) {
  process.exitCode = 1;
  console.error(
    `\nThe demo stopped: ${error instanceof ApiError ? `${error.message} (code '${error.code}')` : error}`,
  );
} finally {
  stop();
}

async function run(): Promise<void> {
  console.log(
    isReal
      ? 'Talking to the real service, since THINGSPACE_CLIENT_ID is set.'
      : `A mock ThingSpace runs at ${apiUrl}. ` +
          'Set THINGSPACE_CLIENT_ID and THINGSPACE_CLIENT_SECRET to use the real one.',
  );

  step('1. No token is stored yet: get one with key and secret, and save it');
  const client = createClient({ ...config, fetch: tracedFetch });
  const token = await client.fetchToken();
  database.set('token', JSON.stringify(token));
  console.log(`  Saved a token ${describe(token)}.`);

  step('2. Make two API calls: the client adds the token to each');
  await call(client.authorizedFetch, '/api/mec/eds/regions');
  await call(client.authorizedFetch, '/api/mec/eds/serviceprofiles');
  if (!config.vZM2mToken)
    console.log('  (No VZ-M2M-Token went along, since THINGSPACE_M2M_TOKEN is not set.)');

  step('3. The program starts again: it loads the saved token and needs no new one');
  const before = counted.token;
  const restarted = createClient({ ...config, fetch: tracedFetch }).withToken(
    JSON.parse(database.get('token') ?? ''),
  );
  await call(restarted.authorizedFetch, '/api/mec/eds/regions');
  console.log(`  Token requests in this step: ${counted.token - before}.`);

  step('4. With a wrong secret');
  await tryWrongSecret();

  console.log(`\nDone: ${counted.token} token requests (one of them refused) and ${counted.api} API calls.`);
}

async function call(authorizedFetch: typeof fetch, path: string): Promise<void> {
  const response = await authorizedFetch(apiUrl + path);
  console.log(`  The API says: ${(await response.text()).slice(0, 100)}`);
}

async function tryWrongSecret(): Promise<void> {
  const { clientCredentialsAuthCredentials: credentials } = config;
  const wrong = { ...credentials, oauthClientSecret: 'a-wrong-secret' };
  try {
    await createClient({
      ...config,
      clientCredentialsAuthCredentials: wrong,
      fetch: tracedFetch,
    } as ClientConfig).fetchToken();
    console.log('  The server took it.');
  } catch (error) {
    if (!(error instanceof OAuthProviderError)) throw error;
    console.log(
      `  An OAuthProviderError with error '${error.error}': "${error.message}". It is not tried again.`,
    );
  }
}

/** The global `fetch`, which prints what goes out and what comes back. */
async function tracedFetch(...[input, init]: Parameters<typeof fetch>): Promise<Response> {
  const { method, url, headers } = new Request(input, init);
  counted[url.endsWith('/oauth2/token') ? 'token' : 'api']++;
  console.log(`  → ${method} ${url}`);
  const authorization = headers.get('authorization');
  if (authorization) console.log(`      Authorization: ${authorization.replace(/ .+/, ' ***')}`);
  if (headers.has('vz-m2m-token')) console.log('      VZ-M2M-Token: ***');
  if (init?.body) console.log(`      ${decodeURIComponent(String(init.body).replaceAll('+', ' '))}`);
  const response = await fetch(input, init);
  console.log(`  ← ${response.status} ${response.headers.get('content-type') ?? ''}`);
  return response;
}

function describe({ expiresIn, scope }: OAuthToken): string {
  const life =
    expiresIn === undefined ? 'without a known end' : `valid for ${Math.round(expiresIn / 60)} minutes`;
  return scope ? `${life}, for ${scope.split(' ').join(' and ')}` : life;
}

function step(title: string): void {
  console.log(`\n${title}`);
}

interface Service {
  readonly config: ClientConfig;
  readonly apiUrl: string;
  readonly stop: () => void;
}

function realService(): Service {
  const config = configFromEnvironment();
  const { environment = 'Production' } = config;
  const known = {
    Production: 'https://5gedge.verizon.com',
    MockServerForLimitedAvailabilitySeeQuickStart: 'https://mock.thingspace.verizon.com',
    Staging: 'https://staging.5gedge.verizon.com',
  };
  const apiUrl = typeof environment === 'object' ? String(environment.apiOrigins[0]) : known[environment];
  return { config, apiUrl, stop: () => {} };
}

/**
 * The mock is one function from Request to Response; here a real HTTP server on a free port of this machine
 * calls it.
 */
async function startMockService(): Promise<Service> {
  const mock = createMockServer({ clients: { 'demo-key': 'demo-secret' } });
  const server = createServer(async (incoming, outgoing) => {
    const { method = 'GET', url = '/', headers } = incoming;
    const body = (await text(incoming)) || null;
    const answer = await mock.fetch(
      new Request(`http://${headers.host}${url}`, { method, headers: headers as HeadersInit, body }),
    );
    outgoing.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const config = {
    clientCredentialsAuthCredentials: {
      oauthClientId: 'demo-key',
      oauthClientSecret: 'demo-secret',
      oauthScopes: [OauthScopeEnum.Discoveryread, OauthScopeEnum.Serviceprofileread],
    },
    vZM2mToken: 'demo-session-token',
    environment: { tokenUrl: `${apiUrl}/api/ts/v1/oauth2/token`, apiOrigins: [apiUrl] },
  };
  return { config, apiUrl, stop: () => void server.close().closeAllConnections() };
}
