// Bun: a small server of your own. The token lives in a folder, so that the next start, or the next process,
// has one.
//   bun add thingspace-auth
//   bun run bun-server.ts
import { configFromEnvironment, createClient } from 'thingspace-auth';
import { storedToken } from 'thingspace-auth/stores';
import { fileStore } from 'thingspace-auth/stores/file';

const store = fileStore(`${import.meta.dir}/.thingspace-tokens`); // a line for .gitignore
const { authorizedFetch } = createClient(
  configFromEnvironment({ env: Bun.env, oauthTokenProvider: storedToken(store) }),
);

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: Bun.env['PORT'] ?? 3000,
  async fetch() {
    const response = await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
    return Response.json(await response.json(), { status: response.status });
  },
});
console.log(`Listening on ${server.url}`);
