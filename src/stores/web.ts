/**
 * A store in the browser's Web Storage, shared by the tabs of one origin.
 * @module
 */
import { requireMethods } from './storeFailure.ts';
import type { TokenStore } from './tokenStore.ts';

/** What is used of `localStorage`, `sessionStorage` or a stand-in. */
export interface WebStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** What is used of `navigator.locks` (Web Locks API). */
export interface WebLocks {
  request(name: string, callback: () => unknown): Promise<unknown>;
}

/**
 * A store in Web Storage: `localStorage` for all tabs of an origin and across restarts, `sessionStorage` for one tab.
 * Any script of the origin can read it: keep tokens there only where that is acceptable, and never a client secret.
 * It is not encrypted, and keeps values beyond their lifetime; `storedToken` looks at the token's own end.
 *
 * With `locks` each change is made under an exclusive Web Lock of its key, which is held for no longer than that takes.
 * A browser that runs tabs in several processes may show a change in another one a moment later than the lock: an
 * exchange may then be made twice.
 *
 * @param storage the storage; one that is full or switched off throws, which `storedToken` bears
 * @param options `locks`: `navigator.locks`, where the platform has it, so that of all tabs one makes the exchange.
 *   Absent: no `compareAndSet`, and tabs that start together make an exchange each
 * @throws `TypeError` for what is no storage, or no locks
 *
 * @example
 * const provider = storedToken(webStore(localStorage, { locks: navigator.locks }));
 */
export function webStore(storage: WebStorage, { locks }: { readonly locks?: WebLocks | undefined } = {}): TokenStore {
  requireMethods('storage', storage, 'getItem', 'setItem', 'removeItem');
  const get = (key: string) => storage.getItem(key);
  const write = (key: string, value: string | undefined) =>
    value === undefined ? storage.removeItem(key) : storage.setItem(key, value);
  if (locks === undefined) return { get, set: write, delete: (key) => write(key, undefined) };

  requireMethods('locks', locks, 'request');
  // Names that begin with a hyphen are the browser's.
  const alone = (key: string, act: () => unknown) => locks.request(`store:${key}`, act);
  return {
    get,
    set: (key, value) => alone(key, () => write(key, value)),
    delete: (key) => alone(key, () => write(key, undefined)),
    compareAndSet: async (key, expected, value) => {
      const change = () => {
        const isAsExpected = (get(key) ?? undefined) === expected;
        if (isAsExpected) write(key, value);
        return isAsExpected;
      };
      return (await alone(key, change)) === true;
    },
  };
}
