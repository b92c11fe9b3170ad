// Cloudflare Worker with a Durable Object: one token for all isolates, wherever they run, since the object
// locks. Its wrangler file is durable-object.wrangler.jsonc.
//   npx wrangler secret put THINGSPACE_CLIENT_ID      (and THINGSPACE_CLIENT_SECRET)
//   npx wrangler deploy --config durable-object.wrangler.jsonc
import { env, waitUntil } from 'cloudflare:workers';
import { createClient, OauthScopeEnum } from 'thingspace-auth';
import { storedToken } from 'thingspace-auth/stores';
import { durableObjectStore } from 'thingspace-auth/stores/durable-object';

export { TokenStoreObject } from 'thingspace-auth/stores/durable-object'; // the class that is deployed

declare global {
  namespace Cloudflare {
    interface Env {
      readonly TOKEN_STORE: DurableObjectNamespace;
      readonly THINGSPACE_CLIENT_ID: string;
      readonly THINGSPACE_CLIENT_SECRET: string;
    }
  }
}

// A function, since a stub serves only the request that made it.
const store = durableObjectStore(() => env.TOKEN_STORE.get(env.TOKEN_STORE.idFromName('tokens')));
const { authorizedFetch } = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: env.THINGSPACE_CLIENT_ID,
    oauthClientSecret: env.THINGSPACE_CLIENT_SECRET,
    oauthScopes: [OauthScopeEnum.Discoveryread],
    oauthTokenProvider: storedToken(store),
  },
  waitUntil, // lets the token be refreshed before it expires, beside a request instead of in it
});

export default {
  async fetch(): Promise<Response> {
    const response = await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
    return Response.json(await response.json(), { status: response.status });
  },
};
