// The authorization servers of others, each on a loopback port, and an API that takes their tokens. Bodies
// and headers of the token requests are kept, so that tests can have them verified by somebody else.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { oauthProvider } from '@better-auth/oauth-provider';
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { toNodeHandler } from 'better-auth/node';
import { jwt } from 'better-auth/plugins';
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from 'jose';
import { Provider } from 'oidc-provider';

const ALGORITHMS = ['ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'EdDSA'];

export const SECRET = 'invented-secret-of-more-than-thirty-two-bytes';

/**
 * oidc-provider, with these clients; with `dpop` every proof needs its nonce. With `isFapi` it holds to FAPI
 * 2.0: an assertion's audience is the issuer alone, as a string.
 */
export async function startOidcProvider(t, clients, { isFapi = false } = {}) {
  const server = await listen(t);
  const provider = new Provider(server.origin, {
    clients: clients.map((client) => ({
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
      ...client,
    })),
    scopes: ['read'],
    enabledJWA: { clientAuthSigningAlgValues: ['HS256', ...ALGORITHMS], dPoPSigningAlgValues: ALGORITHMS },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      revocation: { enabled: true },
      fapi: { enabled: isFapi, profile: '2.0' },
      dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 'invented'), requireNonce: () => true },
    },
    ttl: { ClientCredentials: 600 },
  });
  server.handle = provider.callback();
  /** What the server knows of a token: the thumbprint that it is bound to. */
  server.lookUp = async (accessToken) => {
    const found = await provider.ClientCredentials.find(accessToken);
    return found && { jkt: found.jkt };
  };
  return server;
}

/** better-auth, whose issuer has a path, with these clients. It uses no nonces. */
export async function startBetterAuth(t, clients) {
  const server = await listen(t);
  const tables = {};
  const auth = betterAuth({
    baseURL: server.origin,
    secret: SECRET,
    database: memoryAdapter(new Proxy(tables, { get: (all, name) => (all[name] ??= []) })),
    disabledPaths: ['/token'],
    telemetry: { enabled: false },
    plugins: [
      jwt(),
      oauthProvider({
        loginPage: '/login',
        consentPage: '/consent',
        scopes: ['openid', 'read'],
        silenceWarnings: { oauthAuthServerConfig: true, openidConfig: true },
      }),
    ],
  });
  const { adapter } = await auth.$context;
  const times = { createdAt: new Date(), updatedAt: new Date() };
  const common = {
    grantTypes: ['client_credentials'],
    clientCredentialsScopes: ['read'],
    scopes: ['read'],
    redirectUris: [],
    ...times,
  };
  for (const data of clients) await adapter.create({ model: 'oauthClient', data: { ...common, ...data } });
  server.handle = toNodeHandler(auth);
  server.issuer = `${server.origin}/api/auth`;
  return server;
}

/**
 * An API whose calls must prove that they hold the key of their token (RFC 9449 section 7), as `jose`
 * verifies it; `lookUp` knows the tokens, of which `drop` takes one away. It demands a nonce of its own,
 * which `rotate` changes.
 */
export async function startApi(t, lookUp) {
  const api = await listen(t);
  const seen = new Set();
  const dropped = new Set();
  let nonce = 'api-nonce-1';
  api.calls = [];
  api.rotate = () => (nonce = `api-nonce-${Number(nonce.slice(10)) + 1}`);
  api.drop = (accessToken) => dropped.add(accessToken);
  api.handle = async (request, response) => {
    const answer = await judge(request);
    api.calls.push(`${request.method} ${request.url} ${answer.status}`);
    response.writeHead(answer.status, { 'dpop-nonce': nonce, ...answer.headers }).end();
  };
  return api;

  async function judge({ method, url, headers, rawHeaders }) {
    const [scheme, accessToken] = (headers.authorization ?? '').split(' ');
    const token = await lookUp(accessToken);
    if (scheme !== 'DPoP' || !token || dropped.has(accessToken)) return refuse('invalid_token');
    if (rawHeaders.filter((name) => name.toLowerCase() === 'dpop').length !== 1)
      return refuse('invalid_dpop_proof');
    const { payload, protectedHeader } = await jwtVerify(headers.dpop, EmbeddedJWK, {
      typ: 'dpop+jwt',
      maxTokenAge: 60,
    });
    if (payload.nonce !== nonce) return refuse('use_dpop_nonce');
    const expected = {
      htm: method,
      htu: `${api.origin}${url.split('?')[0]}`,
      ath: createHash('sha256').update(accessToken).digest('base64url'),
      thumbprint: token.jkt,
    };
    const actual = {
      htm: payload.htm,
      htu: payload.htu,
      ath: payload.ath,
      thumbprint: await calculateJwkThumbprint(protectedHeader.jwk),
    };
    const isNew = !seen.has(payload.jti) && seen.add(payload.jti);
    if (JSON.stringify(actual) !== JSON.stringify(expected) || !isNew) return refuse('invalid_dpop_proof');
    const to = new URL(url, api.origin).searchParams.get('to');
    return to ? { status: 307, headers: { location: to } } : { status: 200 };
  }

  function refuse(error) {
    return { status: 401, headers: { 'www-authenticate': `DPoP error="${error}", algs="ES256"` } };
  }
}

/** An API that takes the bearer tokens that `lookUp` knows, of which `drop` takes one away. */
export async function startBearerApi(t, lookUp) {
  const api = await listen(t);
  const dropped = new Set();
  api.drop = (accessToken) => dropped.add(accessToken);
  api.handle = async ({ headers }, response) => {
    const accessToken = headers.authorization?.replace('Bearer ', '');
    const isValid = !dropped.has(accessToken) && (await lookUp(accessToken));
    response.writeHead(isValid ? 200 : 401).end();
  };
  return api;
}

/**
 * A server that is closed with the test. `handle` is set later; `requests` are the forms and headers that
 * came.
 */
export async function listen(t) {
  const server = { requests: [], handle: undefined };
  const http = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    // Both frameworks take a body that has been read already.
    request.body = Buffer.concat(chunks).toString();
    const form = new URLSearchParams(request.body);
    const { method, url, headers } = request;
    const kept = { method, path: url.split('?')[0], headers, form };
    server.requests.push(kept);
    response.on('finish', () => (kept.status = response.statusCode));
    await server.handle(request, response);
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  t.after(() => void http.close().closeAllConnections());
  server.origin = `http://127.0.0.1:${http.address().port}`;
  return server;
}
