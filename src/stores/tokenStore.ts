/**
 * What a store is: a handful of text operations. Types only.
 * @module
 */

/**
 * Where texts are kept. Values hold bearer tokens: keep them where only this application can read, or wrap the store in
 * `encryptedStore`. Every operation may throw or reject; `storedToken` gives it 2 s, a session 5 s.
 */
export interface TokenStore {
  /** The value last written under the key; nothing where there is none or its time is over. May throw or reject. */
  get(key: string): Promise<string | null | undefined> | string | null | undefined;
  /**
   * Writes a value, which need not be kept longer than `ttlSeconds` (whole, 1 or more; `undefined`: for ever).
   * May throw or reject.
   */
  set(key: string, value: string, ttlSeconds: number | undefined): Promise<unknown> | unknown;
  /** Forgets a key; one that is not there is no error. May throw or reject. */
  delete(key: string): Promise<unknown> | unknown;
  /**
   * Writes `value` (`undefined`: forgets the key) only if the key holds `expected` (`undefined`: nothing), as one step that
   * nobody can come between. `true` if it did, for nothing in the place of nothing too; `false` if the key held something
   * else, or if another has written over it at once. May throw or reject. Absent where the store cannot.
   */
  compareAndSet?(
    key: string,
    expected: string | undefined,
    value: string | undefined,
    ttlSeconds: number | undefined,
  ): Promise<boolean> | boolean;
  /**
   * Tries once to take a lock that ends by itself after `ttlSeconds`: a release function, or `undefined` while another
   * holds it. May reject. A release that comes late must not end another's lock. Absent where the store cannot lock:
   * processes that start at the same moment may then make an exchange each.
   */
  lock?(key: string, ttlSeconds: number): Promise<(() => Promise<unknown>) | undefined>;
}
