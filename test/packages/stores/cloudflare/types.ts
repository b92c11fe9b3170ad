// Compiles against Cloudflare's own types: the bindings fit as they are.
import type { TokenStore } from 'thingspace-auth/stores';
import { durableObjectStore, TokenStoreObject } from 'thingspace-auth/stores/durable-object';
import { kvStore } from 'thingspace-auth/stores/kv';

export function storesOf(env: { TOKENS: DurableObjectNamespace; TOKENS_KV: KVNamespace }): TokenStore[] {
  const getStub = () => env.TOKENS.get(env.TOKENS.idFromName('tokens'));
  return [kvStore(env.TOKENS_KV), durableObjectStore(getStub()), durableObjectStore(getStub)];
}

export const createObject = (state: DurableObjectState): DurableObject => new TokenStoreObject(state);
