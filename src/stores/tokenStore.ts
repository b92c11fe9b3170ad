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
   * Writes a value, whatever is there. It is never empty, and need not be kept longer than `ttlSeconds` (whole, 1 or
   * more; `undefined`: for ever). May throw or reject.
   */
  set(key: string, value: string, ttlSeconds: number | undefined): Promise<unknown> | unknown;
  /** Forgets a key; one that is not there is no error. May throw or reject. */
  delete(key: string): Promise<unknown> | unknown;
  /**
   * Writes `value` (`undefined`: deletes) only if the key holds `expected` (`undefined`: nothing), and says whether it
   * did. Of any number of callers with one expectation, in whatever processes, exactly one gets `true`; nothing in the
   * place of nothing is `true` as well. `false` also where another has written meanwhile. `ttlSeconds` as for `set`. May
   * throw or reject; whether it has written is then unknown.
   *
   * All that must not happen twice is made of this. Absent where the store cannot do it: processes that start at the same
   * moment may then make an exchange each, and a session cannot be shared.
   */
  compareAndSet?(
    key: string,
    expected: string | undefined,
    value: string | undefined,
    ttlSeconds: number | undefined,
  ): Promise<boolean> | boolean;
}
