// The backend of browser-page.ts and service-worker.ts: it holds the secret, and gives the token, which lasts
// an hour at most, to users who are signed in.
import { createServer, type IncomingMessage } from 'node:http';
import { configFromEnvironment, createClient } from 'thingspace-auth';

const { getToken } = createClient(configFromEnvironment());

function isSignedIn({ headers }: IncomingMessage): boolean {
  return headers.cookie === 'user=signed-in'; // stands for yours
}

const server = createServer(async (request, response) => {
  if (request.url !== '/thingspace-token') return response.writeHead(404).end();
  if (!isSignedIn(request)) return response.writeHead(401).end();
  try {
    const token = await getToken();
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
