/**
 * A token store in Workers KV or `Deno.Kv`, which are told apart by their methods. Both delete values late:
 * Workers KV keeps each for at least 60 s, and `Deno.Kv` deletes when it likes. So each entry carries its own
 * end.
 * @module
 */

import { createEntry, valueOfEntry } from './entry.ts';
import { requireMethods, type TokenStore } from './tokenStore.ts';

/** The part of a Workers KV binding that the store needs. */
export interface WorkersKv {
  get(key: string, type: 'json'): Promise<unknown>;
  put(key: string, value: string, options: { expirationTtl?: number }): Promise<unknown>;
  delete(key: string): Promise<unknown>;
}

/**
 * The part of an entry of `Deno.Kv` that the store needs. Its `versionstamp` is new with each write, and
 * `null` where there is no entry.
 */
export interface DenoKvEntry {
  readonly key: readonly string[];
  readonly versionstamp: string | null;
}

/** The part of a `Deno.Kv` that the store needs: `Deno.openKv()` opens one. */
export interface DenoKv {
  get(key: readonly string[]): Promise<{ readonly value: unknown; readonly versionstamp: string | null }>;
  set(key: readonly string[], value: unknown, options: { expireIn?: number }): Promise<unknown>;
  delete(key: readonly string[]): Promise<unknown>;
  atomic(): DenoKvTransaction;
}

/** The part of `Deno.Kv`'s atomic operations that the store needs. */
export interface DenoKvTransaction {
  check(entry: DenoKvEntry): DenoKvTransaction;
  set(key: readonly string[], value: unknown, options: { expireIn?: number }): DenoKvTransaction;
  delete(key: readonly string[]): DenoKvTransaction;
  commit(): Promise<{ readonly ok: boolean }>;
}

/** With the waits between them, these attempts take about a second. */
const ATTEMPTS = 20;

/**
 * A store on a key-value namespace: a Workers KV binding or `Deno.Kv`. Each method is one request to it,
 * and `compareAndSet` is two.
 *
 * `Deno.Kv` has what `compareAndSet` needs, so that a fleet makes one token request for each token. Workers
 * KV does not, and a write may take up to a minute to be seen elsewhere. There the store saves token
 * requests, but two Workers may still make one at the same time; `durableObjectStore` prevents that. Rejects
 * with what the namespace rejects with; Workers KV refuses keys of more than 512 bytes, which leaves 200 for
 * a prefix before those of `storedToken`.
 *
 * @param namespace a binding of Workers KV, or what `Deno.openKv()` resolves to
 * @throws `TypeError` for anything else
 *
 * @example
 * ```ts
 * import { storedToken } from 'thingspace-auth/stores';
 * import { kvStore, type WorkersKv } from 'thingspace-auth/stores/kv';
 *
 * declare const env: { TOKENS: WorkersKv };
 * const provider = storedToken(kvStore(env.TOKENS));
 * ```
 */
export function kvStore(namespace: WorkersKv | DenoKv): TokenStore {
  const isDeno = 'atomic' in Object(namespace);
  requireMethods('namespace', namespace, 'get', isDeno ? 'set' : 'put', 'delete');
  return isDeno ? denoStore(namespace as DenoKv) : workersStore(namespace as WorkersKv);
}

function workersStore(namespace: WorkersKv): TokenStore {
  return {
    get: async (key) => valueOfEntry(await namespace.get(key, 'json')),
    set: (key, value, ttlSeconds) =>
      namespace.put(
        key,
        JSON.stringify(createEntry(value, ttlSeconds)),
        ttlSeconds === undefined ? {} : { expirationTtl: Math.max(60, Math.ceil(ttlSeconds)) },
      ),
    delete: (key) => namespace.delete(key),
  };
}

function denoStore(kv: DenoKv): TokenStore {
  return {
    get: async (key) => valueOfEntry((await kv.get([key])).value),
    set: (key, value, ttlSeconds) =>
      whenFree(() => kv.set([key], createEntry(value, ttlSeconds), createExpiry(ttlSeconds))),
    delete: (key) => whenFree(() => kv.delete([key])),
    compareAndSet: async (name, expected, value, ttlSeconds) => {
      const key = [name];
      const { value: entry, versionstamp } = await kv.get(key);
      if (valueOfEntry(entry) !== expected) return false;
      const checked = kv.atomic().check({ key, versionstamp });
      const change =
        value === undefined
          ? checked.delete(key)
          : checked.set(key, createEntry(value, ttlSeconds), createExpiry(ttlSeconds));
      return (await whenFree(() => change.commit())).ok;
    },
  };
}

/**
 * Writes. When two processes write to one file at the same time, `Deno.Kv` answers "database is locked"; the
 * write is then tried again after a moment.
 */
async function whenFree<T>(write: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await write();
    } catch (error) {
      if (attempt === ATTEMPTS || !/locked/.test(String(error))) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 10 + Math.random() * 90));
  }
}

function createExpiry(ttlSeconds: number | undefined): { expireIn?: number } {
  return ttlSeconds === undefined ? {} : { expireIn: Math.ceil(ttlSeconds * 1000) };
}
