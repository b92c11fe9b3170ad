// A server that shuts down cleanly: no new requests, calls under way end or are cut off, then the session
// ends. The client itself keeps nothing alive: it has no timer and no connection of its own.
import { createServer } from 'node:http';
import { join } from 'node:path';
import { configFromEnvironment, createClient } from 'thingspace-auth';
import { sessionFromEnvironment } from 'thingspace-auth/session';
import { fileStore } from 'thingspace-auth/stores/file';

// With a store, so that a server that is started again and again does not repeat a refused login.
const store = fileStore(join(import.meta.dirname, '.thingspace-session'));
const session = sessionFromEnvironment({ store });
const { authorizedFetch } = createClient({ ...configFromEnvironment(), vZM2mToken: session });
const cut = new AbortController();

const server = createServer(async (_request, response) => {
  const answer = await authorizedFetch('https://thingspace.verizon.com/api/m2m/v1/accounts', {
    signal: cut.signal,
  }).catch(() => undefined);
  response.writeHead(answer?.status ?? 502).end(await answer?.text());
});
server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () =>
  console.log('Listening on', server.address()),
);

process.once('SIGTERM', () => {
  setTimeout(() => cut.abort(), 5_000).unref();
  server.close(async () => {
    await session.logout(); // ends it for every process that shares it: leave this out in a fleet
    console.log('stopped');
  });
});
