/**
 * A store in the browser's Web Storage, shared by the tabs of one origin.
 * @module
 */
import { requireMethods, type TokenStore } from './tokenStore.ts';

/** The part of `localStorage`, `sessionStorage` or an object like them that the store needs. */
export interface WebStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** The part of `navigator.locks` (Web Locks API) that the store needs. */
export interface WebLocks {
  request(name: string, callback: () => unknown): Promise<unknown>;
}

/**
 * A store in Web Storage: `localStorage` for all tabs of an origin and across restarts, `sessionStorage` for
 * one tab. Any script of the origin can read it, so keep tokens there only where that is acceptable, and
 * never a client secret. Values are not encrypted, and stay there when they have expired; `storedToken`
 * looks at the token's own end.
 *
 * With `locks`, each change is made under an exclusive Web Lock of its key, which is held only as long as the
 * change takes. A browser that runs its tabs in several processes may show a change to the others a moment
 * after the lock was given back. A token request may then be made twice.
 *
 * @param storage `localStorage`, `sessionStorage` or an object like them. Storage that is full or switched
 *   off throws; `storedToken` puts up with that
 * @param options `locks`: give `navigator.locks` where the platform has it, so that one of all tabs makes the
 *   token request. Absent: the store has no `compareAndSet`, and tabs that start together may make one each
 * @throws `TypeError` if `storage` or `locks` lacks a method that is used
 *
 * @example
 * ```ts
 * import { storedToken } from 'thingspace-auth/stores';
 * import { webStore } from 'thingspace-auth/stores/web';
 *
 * const provider = storedToken(webStore(localStorage, { locks: navigator.locks }));
 * ```
 */
export function webStore(
  storage: WebStorage,
  { locks }: { readonly locks?: WebLocks | undefined } = {},
): TokenStore {
  requireMethods('storage', storage, 'getItem', 'setItem', 'removeItem');
  const get = (key: string) => storage.getItem(key);
  const write = (key: string, value: string | undefined) =>
    value === undefined ? storage.removeItem(key) : storage.setItem(key, value);
  if (locks === undefined) return { get, set: write, delete: (key) => write(key, undefined) };

  requireMethods('locks', locks, 'request');
  // The prefix, since browsers refuse names that begin with a hyphen.
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
