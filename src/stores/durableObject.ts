/**
 * A token store in a Durable Object. Such an object does one thing at a time, so that all Workers of an
 * account can share one token request. This file holds both sides: the class to deploy, and the store that
 * speaks to it over the stub's `fetch`. The class imports nothing of `cloudflare:workers`, so that it runs at
 * any compatibility date.
 * @module
 */

import { createEntry, type Entry, valueOfEntry } from './entry.ts';
import { requireMethods, type TokenStore } from './tokenStore.ts';

/** The part of a Durable Object's storage that the store needs. */
export interface ObjectStorage {
  get(key: string): Promise<unknown>;
  put(key: string, value: unknown): Promise<unknown>;
  delete(key: string): Promise<unknown>;
  list(): Promise<Map<string, unknown>>;
  getAlarm(): Promise<number | null>;
  setAlarm(time: number): Promise<unknown>;
}

/** The part of a Durable Object's stub that the store needs. */
export interface TokenStoreStub {
  fetch(
    url: string,
    init: { method: string; body: string },
  ): Promise<{ readonly ok: boolean; readonly status: number; text(): Promise<string> }>;
}

const OPERATIONS = ['get', 'set', 'delete', 'compareAndSet'] as const;

/** A request of the store to the object, as JSON. */
interface StoreCommand {
  readonly operation: (typeof OPERATIONS)[number];
  readonly key: string;
  readonly expected?: string | undefined;
  /** Absent: the key is deleted. */
  readonly value?: string | undefined;
  readonly ttlSeconds?: number | undefined;
}

/**
 * The Durable Object to deploy. Export it from the Worker's main module, and name it in the configuration's
 * bindings and migrations (`new_sqlite_classes` or `new_classes`). It keeps everything in its storage, so
 * that nothing is lost when the platform evicts it. An alarm deletes values that have ended.
 *
 * @example
 * ```ts
 * export { TokenStoreObject } from 'thingspace-auth/stores/durable-object';
 * ```
 */
export class TokenStoreObject {
  readonly #storage: ObjectStorage;

  constructor(state: { readonly storage: ObjectStorage }) {
    this.#storage = state.storage;
  }

  /** Answers {@link durableObjectStore}. */
  async fetch(request: { json(): Promise<unknown> }): Promise<Response> {
    const command = (await request.json()) as StoreCommand;
    // A Worker with a later version of this package may ask for what this one does not know.
    if (!OPERATIONS.includes(command.operation)) return new Response(null, { status: 400 });
    const result = await runStoreCommand(this.#storage, command);
    return new Response(JSON.stringify(result ?? null));
  }

  /** Deletes what has ended. */
  async alarm(): Promise<void> {
    let next = Infinity;
    for (const [key, entry] of await this.#storage.list()) {
      if (valueOfEntry(entry) === undefined) await this.#storage.delete(key);
      else next = Math.min(next, (entry as Entry).endMs ?? Infinity);
    }
    if (next < Infinity) await this.#storage.setAlarm(next);
  }
}

/**
 * A store on a {@link TokenStoreObject}. Each method is one request to the object, and rejects when that
 * request fails. All Workers that speak to one object make one token request for each token.
 *
 * A stub may be used only in the request that made it. For a client that outlives a request, such as one at
 * module scope, give a function that makes the stub: it is called for each operation.
 *
 * @param stub a stub of the object, or a function that makes one
 * @throws `TypeError` for anything else
 *
 * @example
 * ```ts
 * import { storedToken } from 'thingspace-auth/stores';
 * import { durableObjectStore, type TokenStoreStub } from 'thingspace-auth/stores/durable-object';
 *
 * interface Namespace {
 *   idFromName(name: string): unknown;
 *   get(id: unknown): TokenStoreStub;
 * }
 * declare const env: { TOKENS: Namespace }; // import { env } from 'cloudflare:workers'
 * const provider = storedToken(durableObjectStore(() => env.TOKENS.get(env.TOKENS.idFromName('tokens'))));
 * ```
 */
export function durableObjectStore(stub: TokenStoreStub | (() => TokenStoreStub)): TokenStore {
  if (typeof stub !== 'function') requireMethods('stub', stub, 'fetch');
  const send = (command: StoreCommand) => sendCommand(typeof stub === 'function' ? stub() : stub, command);
  return {
    get: async (key) => (await send({ operation: 'get', key })) as string | null,
    set: (key, value, ttlSeconds) => send({ operation: 'set', key, value, ttlSeconds }),
    delete: (key) => send({ operation: 'delete', key }),
    compareAndSet: async (key, expected, value, ttlSeconds) =>
      (await send({ operation: 'compareAndSet', key, expected, value, ttlSeconds })) as boolean,
  };
}

async function sendCommand(stub: TokenStoreStub, command: StoreCommand): Promise<unknown> {
  const response = await stub.fetch('https://token-store/', {
    method: 'POST',
    body: JSON.stringify(command),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`the Durable Object answered ${response.status}`);
  return JSON.parse(text);
}

/**
 * An object takes no other request while it waits for its storage, so that nothing comes between reading and
 * writing.
 */
async function runStoreCommand(
  storage: ObjectStorage,
  { operation, key, expected, value, ttlSeconds }: StoreCommand,
): Promise<unknown> {
  const held = valueOfEntry(await storage.get(key));
  if (operation === 'get') return held;
  if (operation === 'compareAndSet' && held !== expected) return false;
  if (value === undefined) await storage.delete(key);
  else await storage.put(key, createEntry(value, ttlSeconds));
  if (ttlSeconds !== undefined && (await storage.getAlarm()) === null)
    await storage.setAlarm(Date.now() + ttlSeconds * 1000);
  return true;
}
