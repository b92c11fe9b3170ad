/**
 * A store in the browser's Web Storage, shared by the tabs of one origin.
 * @module
 */
import type { TokenStore } from './tokenStore.ts';

/** What is used of `localStorage`, `sessionStorage` or a stand-in. */
export interface WebStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** What is used of `navigator.locks` (Web Locks API). */
export interface WebLocks {
  request(
    name: string,
    options: { ifAvailable: true },
    callback: (lock: object | null) => Promise<void> | undefined,
  ): Promise<unknown>;
}

/**
 * A store in Web Storage: `localStorage` for all tabs of an origin and across restarts, `sessionStorage` for one tab.
 * Any script of the origin can read it: keep tokens there only where that is acceptable, and never a client secret.
 * It is not encrypted, and keeps values beyond their lifetime; `storedToken` looks at the token's own end.
 *
 * @param storage the storage; one that is full or switched off throws, which `storedToken` bears
 * @param options `locks`: `navigator.locks`, where the platform has it, so that of all tabs one makes the exchange; the
 *   lock of a closed tab ends at once. Absent: no lock, and tabs that start together make an exchange each
 *
 * @example
 * const provider = storedToken(webStore(localStorage, { locks: navigator.locks }));
 */
export function webStore(storage: WebStorage, { locks }: { readonly locks?: WebLocks | undefined } = {}): TokenStore {
  return {
    get: (key) => storage.getItem(key),
    set: (key, value) => storage.setItem(key, value),
    delete: (key) => storage.removeItem(key),
    ...(locks && { lock: (key: string, ttlSeconds: number) => takeLock(locks, key, ttlSeconds) }),
  };
}

/** A Web Lock is held for as long as the callback's promise is open: until it is released, or its time is over. */
function takeLock(locks: WebLocks, key: string, ttlSeconds: number): Promise<(() => Promise<unknown>) | undefined> {
  return new Promise((resolve, reject) => {
    let requested: Promise<unknown> | undefined;
    const hold = (end: () => void): void => {
      const timer = setTimeout(end, Math.min(ttlSeconds * 1000, 2 ** 31 - 1));
      resolve(async () => {
        clearTimeout(timer);
        end();
        await requested;
      });
    };
    requested = locks.request(key, { ifAvailable: true }, (lock) => (lock ? new Promise(hold) : void resolve(undefined)));
    requested.catch(reject);
  });
}
