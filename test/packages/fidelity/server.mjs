// Token endpoint and API on one loopback server, and another origin that a redirect leads to.
import { once } from 'node:events';
import { createServer } from 'node:http';

export async function startServer() {
  let tokens = 0;
  const servers = await Promise.all([listen(answer), listen(answer)]);
  const [origin, other] = servers.map((server) => `http://127.0.0.1:${server.address().port}`);
  const config = (options, oauthToken, credentials) => ({
    clientCredentialsAuthCredentials: {
      oauthClientId: 'invented-id',
      oauthClientSecret: 'invented-secret',
      oauthToken,
      ...credentials,
    },
    environment: { tokenUrl: `${origin}/token`, apiOrigins: [origin] },
    ...options,
  });
  const close = () => servers.forEach((server) => void server.close().closeAllConnections());
  return { origin, other, config, close };

  async function answer(request, response) {
    const {
      url,
      method,
      headers: { authorization },
    } = request;
    let body = '';
    for await (const chunk of request) body += chunk;
    const send = (status, content, headers) =>
      response
        .writeHead(status, { 'content-type': 'application/json', ...headers })
        .end(JSON.stringify(content));
    if (url === '/token')
      return send(200, { access_token: `new-token-${++tokens}`, token_type: 'Bearer', expires_in: 3600 });
    if (url === '/moved') return send(307, {}, { location: '/api' });
    if (url === '/out') return send(302, {}, { location: `${other}/api` });
    if (url === '/hang') return undefined;
    if (url === '/strict' && authorization === 'Bearer held-token') return send(401, {});
    return send(200, { path: url, method, body, authorization });
  }
}

async function listen(answer) {
  const server = createServer(
    (request, response) => void answer(request, response).catch(() => response.destroy()),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
