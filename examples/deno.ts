// Deno: a small server of your own. The token lives in Deno KV, so that the next start, or the next instance,
// has one.
//   deno add npm:thingspace-auth
//   deno run --unstable-kv --allow-env --allow-net --allow-read --allow-write deno.ts
import { configFromEnvironment, createClient } from 'thingspace-auth';
import { storedToken } from 'thingspace-auth/stores';
import { kvStore } from 'thingspace-auth/stores/kv';

const store = kvStore(await Deno.openKv());
const { authorizedFetch } = createClient(
  configFromEnvironment({ env: Deno.env.toObject(), oauthTokenProvider: storedToken(store) }),
);

Deno.serve({ hostname: '127.0.0.1', port: Number(Deno.env.get('PORT') ?? 8000) }, async () => {
  const response = await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
  return Response.json(await response.json(), { status: response.status });
});
