// The Worker under test: one client for the life of the isolate, on the store that the request names.
import { createClient } from 'thingspace-auth';
import { createSession } from 'thingspace-auth/session';
import { storedToken } from 'thingspace-auth/stores';
import { durableObjectStore } from 'thingspace-auth/stores/durable-object';
import { kvStore } from 'thingspace-auth/stores/kv';

export { TokenStoreObject } from 'thingspace-auth/stores/durable-object';

const clients = new Map();

export default {
  async fetch(request, env) {
    const { store: name, method, args, tokenUrl } = await request.json();
    const store = name === 'kv' ? kvStore(env.TOKENS_KV) : durableObjectStore(() => env.TOKENS.get(env.TOKENS.idFromName('tokens')));
    try {
      const result = tokenUrl ? await useClient(name, store, method, tokenUrl) : await call(store, method, args);
      return new Response(JSON.stringify({ result: result ?? null }));
    } catch (error) {
      return new Response(JSON.stringify({ error: error.code ?? String(error) }));
    }
  },
};

async function useClient(name, store, method, tokenUrl) {
  if (!clients.has(name)) clients.set(name, createFleetClient(store, tokenUrl));
  const { getToken, authorizedFetch } = clients.get(name);
  if (method === 'getToken') return getToken();
  const response = await authorizedFetch(new URL('/api', tokenUrl));
  return response.text();
}

function createFleetClient(store, tokenUrl) {
  return createClient({
    clientCredentialsAuthCredentials: {
      oauthClientId: 'invented-id',
      oauthClientSecret: 'invented-secret',
      oauthClockSkew: 0,
      oauthTokenProvider: storedToken(store),
    },
    ...(store.compareAndSet && { vZM2mToken: createSession({ username: 'invented-name', password: 'invented-password', store }) }),
    environment: { tokenUrl, apiOrigins: [new URL(tokenUrl).origin] },
  });
}

/** JSON carries `undefined` as `null`. */
function call(store, method, args) {
  return store[method](...args.map((arg) => arg ?? undefined));
}
