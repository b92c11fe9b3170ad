// Hono: routes that call the API. One client for the life of the server, on any platform that Hono runs on.
//   npm install thingspace-auth hono @hono/node-server
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { ApiError, configFromEnvironment, createClient } from 'thingspace-auth';

const { authorizedFetch } = createClient(configFromEnvironment());
const app = new Hono();

app.get('/regions', async (context) => {
  // The caller's signal: a caller that goes away ends the call, but nobody else's wait for a token.
  const { status, body } = await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions', {
    signal: context.req.raw.signal,
  });
  return new Response(body, { status, headers: { 'content-type': 'application/json' } });
});

app.onError((error, context) => {
  console.error(error); // holds no secret
  return context.json({ error: error instanceof ApiError ? error.code : 'other' }, 502);
});

const port = Number(process.env.PORT ?? 3000);
serve({ fetch: app.fetch, hostname: '127.0.0.1', port }, ({ port }) => console.log(`Listening on ${port}`));
