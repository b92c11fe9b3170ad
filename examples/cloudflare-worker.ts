// Cloudflare Worker: one client for the life of the isolate, with its token in Workers KV for all of them.
//   npx wrangler kv namespace create TOKENS
//   npx wrangler secret put THINGSPACE_CLIENT_ID      (and THINGSPACE_CLIENT_SECRET)
import { env, waitUntil } from 'cloudflare:workers';
import { createClient, OauthScopeEnum } from 'thingspace-auth';
import { storedToken } from 'thingspace-auth/stores';
import { kvStore } from 'thingspace-auth/stores/kv';

declare global {
  namespace Cloudflare {
    interface Env {
      readonly TOKENS: KVNamespace;
      readonly THINGSPACE_CLIENT_ID: string;
      readonly THINGSPACE_CLIENT_SECRET: string;
    }
  }
}

const { authorizedFetch } = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: env.THINGSPACE_CLIENT_ID,
    oauthClientSecret: env.THINGSPACE_CLIENT_SECRET,
    oauthScopes: [OauthScopeEnum.Discoveryread],
    oauthTokenProvider: storedToken(kvStore(env.TOKENS)),
  },
  waitUntil, // lets the token be refreshed before it ends, beside a request instead of in it
});

export default {
  async fetch(): Promise<Response> {
    const response = await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
    return Response.json(await response.json(), { status: response.status });
  },
};
