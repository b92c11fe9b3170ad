// The backend of browser-page.ts, service-worker.ts and web-storage.ts: it holds the secret, and gives the
// token, which lasts an hour at most, to users who are signed in.
import { createServer, type IncomingMessage } from 'node:http';
import { configFromEnvironment, createClient, type OAuthToken } from 'thingspace-auth';

const { getToken, fetchToken } = createClient(configFromEnvironment());
let renewal: { readonly atMs: number; readonly token: Promise<OAuthToken> } | undefined;

// For those whose token will not do any more: the API may refuse it although it has not ended. One new token
// in ten seconds serves them all.
function renewToken(): Promise<OAuthToken> {
  if (!renewal || Date.now() - renewal.atMs >= 10_000) renewal = { atMs: Date.now(), token: fetchToken() };
  return renewal.token;
}

function isSignedIn({ headers }: IncomingMessage): boolean {
  return headers.cookie === 'user=signed-in'; // stands for yours
}

const server = createServer(async (request, response) => {
  if (request.url !== '/thingspace-token') return response.writeHead(404).end();
  if (!isSignedIn(request)) return response.writeHead(401).end();
  try {
    const token = await (request.method === 'POST' ? renewToken() : getToken());
    return response
      .writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' })
      .end(JSON.stringify(token));
  } catch (error) {
    console.error(error);
    return response.writeHead(502).end();
  }
});

server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () =>
  console.log('Listening on', server.address()),
);
