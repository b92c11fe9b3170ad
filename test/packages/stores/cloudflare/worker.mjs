// The Worker under test: one client for the life of the isolate, on the store that the request names.
import { createSession } from 'thingspace-auth/session';
import { durableObjectStore } from 'thingspace-auth/stores/durable-object';
import { kvStore } from 'thingspace-auth/stores/kv';
import { createFleetClient } from '../fleetClient.mjs';
import { callStore } from '../remoteStore.mjs';

export { TokenStoreObject } from 'thingspace-auth/stores/durable-object';

const clients = new Map();

export default {
  async fetch(request, env) {
    const { kind, method, args, tokenUrl } = await request.json();
    const store =
      kind === 'kv'
        ? kvStore(env.TOKENS_KV)
        : durableObjectStore(() => env.TOKENS.get(env.TOKENS.idFromName('tokens')));
    try {
      const result = tokenUrl
        ? await useClient(kind, store, method, tokenUrl)
        : await callStore(store, method, args);
      return new Response(JSON.stringify({ result: result ?? null }));
    } catch (error) {
      return new Response(JSON.stringify({ error: error.code ?? String(error) }));
    }
  },
};

async function useClient(kind, store, method, tokenUrl) {
  if (!clients.has(kind)) clients.set(kind, createFleetClient(store, tokenUrl, sessionOn(store)));
  const { getToken, authorizedFetch } = clients.get(kind);
  if (method === 'getToken') return getToken();
  const response = await authorizedFetch(new URL('/api', tokenUrl));
  return response.text();
}

/** Fleets that share a session share it by a store that can compare. */
function sessionOn(store) {
  return (
    store.compareAndSet && {
      vZM2mToken: createSession({ username: 'invented-name', password: 'invented-password', store }),
    }
  );
}
