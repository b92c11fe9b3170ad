// A token server on loopback that counts its exchanges, for fleets: processes, Workers, tabs.
// Every token is another one; `latencyMs` keeps an exchange open, so that a fleet meets in it.
import { once } from 'node:events';
import { createServer } from 'node:http';

export async function startTokenServer({ expiresIn = 3600, latencyMs = 100 } = {}) {
  const state = { exchanges: 0, exchangedAt: 0, expiresIn, latencyMs, handle: undefined };
  const server = createServer(async (request, response) => {
    if (request.url !== '/token') return state.handle(request, response);
    request.resume();
    state.exchangedAt = Date.now();
    const accessToken = `invented-token-${++state.exchanges}`;
    setTimeout(() => {
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({ access_token: accessToken, token_type: 'Bearer', expires_in: state.expiresIn }),
      );
    }, state.latencyMs).unref();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${server.address().port}`;
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return Object.assign(state, { origin, tokenUrl: `${origin}/token`, close });
}
