// The servers that the suite talks to: one process, two ports, so two origins. Each case has a folder of
// paths of its own, and reads there what the servers saw; nothing but HTTP joins a runtime with this process.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { formatKey, judgeAssertion, judgeProof } from './signatures.mjs';

const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-headers': 'authorization, content-type, dpop, vz-m2m-token',
  'access-control-expose-headers': 'dpop-nonce, www-authenticate',
  'access-control-allow-methods': 'GET, POST, PUT',
  'access-control-max-age': '600',
};

/** `files`, by path, are served as they are; `postedTo(path)` is what will be posted there. */
export async function startServers() {
  const folders = new Map();
  const files = new Map();
  const posted = new Map();
  const servers = await Promise.all(
    ['inside', 'outside'].map((place) => listen((request, response) => answer(place, request, response))),
  );
  const [origin, other] = servers.map((server) => `http://127.0.0.1:${server.address().port}`);
  const close = () => servers.forEach((server) => void server.close().closeAllConnections());
  return { origin, other, files, close, postedTo };

  function postedTo(path) {
    return new Promise((resolve) => void posted.set(path, resolve));
  }

  async function answer(place, request, response) {
    const { pathname, searchParams } = new URL(request.url, 'http://server');
    const body = await readBody(request);
    const send = (status, content, headers = {}) => {
      const text = typeof content === 'object' ? JSON.stringify(content) : String(content);
      response.writeHead(status, { ...CORS, 'content-type': 'application/json', ...headers }).end(text);
    };
    if (request.method === 'OPTIONS') return send(200, '');
    if (files.has(pathname))
      return send(200, files.get(pathname), {
        'content-type': pathname.endsWith('.js') ? 'text/javascript' : 'text/html',
      });
    if (posted.has(pathname)) return send(200, posted.get(pathname)(body));

    const [, folder, ...rest] = pathname.split('/');
    const path = rest.join('/');
    if (!folders.has(folder)) folders.set(folder, { seen: [], tokens: 0, sessions: 0 });
    const state = folders.get(folder);
    if (path === 'seen') return send(200, state.seen);
    const { authorization, 'vz-m2m-token': session, 'content-type': type, dpop: proof } = request.headers;
    const seen = { place, method: request.method, path, authorization, session, type, body, proof };
    state.seen.push(seen);
    await ROUTES[path]?.({ state, seen, send, request, response, searchParams });
    if (!ROUTES[path]) send(404, { path });
  }
}

/** What each path of a folder answers. */
const ROUTES = {
  token: ({ state, send }) => send(200, grant(state)),
  'token/slow': async ({ state, send }) => {
    await new Promise((resolve) => setTimeout(resolve, 150));
    send(200, grant(state));
  },
  'token/refused': ({ send }) =>
    send(
      401,
      { error: 'invalid_client', error_description: 'Unknown.' },
      { 'www-authenticate': 'Basic realm="invented"' },
    ),
  'token/moved': ({ send, searchParams }) => send(307, '', { location: searchParams.get('to') }),
  'token/hung': () => {},
  'token/cut': ({ request }) => request.socket.destroy(),
  'token/gateway': ({ send }) => send(503, '<html>', { 'content-type': 'text/html' }),
  'api/echo': ({ seen, send }) => send(200, seen),
  'api/first-token-revoked': ({ seen, send }) =>
    seen.authorization === 'Bearer invented-token-1' ? send(401, { fault: {} }) : send(200, seen),
  'api/moved': ({ send, searchParams }) =>
    send(Number(searchParams.get('status')), '', { location: searchParams.get('to') }),
  keys: ({ send, searchParams }) =>
    send(200, formatKey(searchParams.get('algorithm'), searchParams.get('format'))),
  'token/asserted': ({ state, seen, send, request }) => {
    const { alg, fault } = judgeAssertion(new URLSearchParams(seen.body), {
      id: 'invented-id',
      secret: 'invented/secret',
      audience: urlOf(request),
    });
    if (fault) send(401, { error: 'invalid_client', error_description: fault });
    else send(200, { ...grant(state), scope: `asserted with ${alg}` });
  },
  'token/proven': ({ state, seen, send, request }) => {
    const { fault, thumbprint } = judgeProof(seen.proof, {
      method: seen.method,
      url: urlOf(request),
      nonce: 'token-nonce',
    });
    const headers = { 'dpop-nonce': 'token-nonce' };
    if (fault) return send(400, { error: errorOf(fault), error_description: fault }, headers);
    state.thumbprint = thumbprint;
    send(200, { ...grant(state), token_type: 'DPoP' }, headers);
  },
  'api/proven': ({ state, seen, send, request }) => {
    const accessToken = /^DPoP (.+)/.exec(seen.authorization)?.[1];
    const { fault, thumbprint } = judgeProof(seen.proof, {
      method: seen.method,
      url: urlOf(request),
      nonce: 'api-nonce',
      accessToken,
    });
    const error = errorOf(fault) ?? (thumbprint === state.thumbprint ? undefined : 'invalid_token');
    const headers = {
      'dpop-nonce': 'api-nonce',
      ...(error && { 'www-authenticate': `DPoP error="${error}"` }),
    };
    send(error ? 401 : 200, { error: fault ?? error }, headers);
  },
  'issuer/.well-known/openid-configuration': ({ send, request }) => {
    const issuer = urlOf(request).replace('/.well-known/openid-configuration', '');
    const at = (path) => issuer.replace(/issuer$/, path);
    send(200, { issuer, token_endpoint: at('token'), revocation_endpoint: at('revoke') });
  },
  'moved-issuer/.well-known/openid-configuration': ({ send, request }) =>
    send(302, '', { location: urlOf(request).replace('moved-', '') }),
  'api/hung': () => {},
  'api/body-hung': ({ response }) => void response.writeHead(200, CORS).write('the first words '),
  'api/first-session-lapsed': ({ seen, send }) =>
    seen.session === 'invented-session-1'
      ? send(400, {
          errorCode: 'UnifiedWebService.REQUEST_FAILED.SessionToken.Expired',
          errorMessage: 'The session token has expired.',
        })
      : send(200, seen),
  'session/login': ({ state, send }) => send(200, { sessionToken: `invented-session-${++state.sessions}` }),
  'session/logout': ({ send }) => send(200, {}),
  'refused/login': ({ send }) =>
    send(401, { errorCode: 'UnifiedWebService.REQUEST_FAILED.Credentials.Invalid', errorMessage: 'Wrong.' }),
  revoke: ({ send }) => send(200, ''),
};

/** A request's URL without its query. */
function errorOf(fault) {
  if (!fault) return undefined;
  return fault === 'nonce' ? 'use_dpop_nonce' : 'invalid_dpop_proof';
}

function urlOf({ headers: { host }, url }) {
  return `http://${host}${url.split('?')[0]}`;
}

function grant(state) {
  return {
    access_token: `invented-token-${++state.tokens}`,
    token_type: 'Bearer',
    expires_in: 3600,
    scope: 'read',
  };
}

async function readBody(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('latin1');
}

async function listen(handler) {
  const server = createServer(
    (request, response) => void handler(request, response).catch(() => response.destroy()),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
