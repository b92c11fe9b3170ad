// The Worker under test: one client for the life of the isolate, on the store that the request names.
import { createClient } from 'thingspace-auth';
import { storedToken } from 'thingspace-auth/stores';
import { durableObjectStore } from 'thingspace-auth/stores/durable-object';
import { kvStore } from 'thingspace-auth/stores/kv';

export { TokenStoreObject } from 'thingspace-auth/stores/durable-object';

const clients = new Map();
const releases = new Map();

export default {
  async fetch(request, env) {
    const { store: name, method, args, config } = await request.json();
    const store = name === 'kv' ? kvStore(env.TOKENS_KV) : durableObjectStore(() => env.TOKENS.get(env.TOKENS.idFromName('tokens')));
    try {
      const result = config ? await useClient(name, store, method, config) : await call(store, method, args);
      return new Response(JSON.stringify({ result: result ?? null }));
    } catch (error) {
      return new Response(JSON.stringify({ error: String(error) }));
    }
  },
};

async function useClient(name, store, method, { tokenUrl, clientId }) {
  if (method === 'keyOf') return keyOf(tokenUrl, clientId);
  const id = JSON.stringify([name, tokenUrl, clientId]);
  if (!clients.has(id)) clients.set(id, createFleetClient(store, tokenUrl, clientId));
  return clients.get(id).getToken();
}

/** The key under which a client looks for its token. */
async function keyOf(tokenUrl, clientId) {
  let found;
  const store = { get: (key) => JSON.stringify({ accessToken: 'invented-token', tokenType: 'Bearer', key: (found = key) }) };
  await createFleetClient(store, tokenUrl, clientId).getToken();
  return found;
}

function createFleetClient(store, tokenUrl, clientId) {
  return createClient({
    clientCredentialsAuthCredentials: {
      oauthClientId: clientId,
      oauthClientSecret: 'invented-secret',
      oauthClockSkew: 0,
      oauthTokenProvider: storedToken(store),
    },
    environment: { tokenUrl, apiOrigins: [new URL(tokenUrl).origin] },
  });
}

/** What JSON cannot carry: `undefined` comes as `null`, and a lock's release stays here under a number. */
async function call(store, method, sentArgs) {
  const args = sentArgs.map((arg) => arg ?? undefined);
  if (method === 'release') return releases.get(args[0])();
  if (method !== 'lock') return store[method](...args);
  const release = await store.lock(...args);
  return release && releases.set(releases.size, release).size - 1;
}
