/**
 * The type of a store, a handful of text operations, and the checks of what a caller gives as one.
 * @module
 */

/**
 * A place where texts are kept. The values hold bearer tokens: keep them where only this application can read
 * them, or wrap the store in `encryptedStore`. Every operation may throw or reject. `storedToken` gives each
 * operation 2 s, a session 5 s.
 */
export interface TokenStore {
  /**
   * Gives the value last written under the key, or nothing if there is none or it has expired. May throw or
   * reject.
   */
  get(key: string): Promise<string | null | undefined> | string | null | undefined;
  /**
   * Writes a value, whatever the key holds. The value is never empty. It need not be kept longer than
   * `ttlSeconds`, a whole number, 1 or more; `undefined` means for ever. May throw or reject.
   */
  set(key: string, value: string, ttlSeconds: number | undefined): Promise<unknown> | unknown;
  /** Deletes a key. A key that is not there is not an error. May throw or reject. */
  delete(key: string): Promise<unknown> | unknown;
  /**
   * Writes `value` only if the key holds `expected`, in one step that nothing can come between, and says
   * whether it did. If `value` is `undefined`, the key is deleted. If `expected` is `undefined`, the key must
   * hold nothing. If several callers expect the same, in whatever processes, exactly one of them gets `true`.
   * Replacing nothing by nothing is `true` as well. A caller that loses against a write at the same
   * moment gets `false`, too. `ttlSeconds` is as for `set`. May throw or reject; it is then unknown whether
   * it has written.
   *
   * Everything that must not happen twice is built on this. Absent where the store cannot do it: processes
   * that start at the same moment may then make a token request each, and a session cannot be shared.
   */
  compareAndSet?(
    key: string,
    expected: string | undefined,
    value: string | undefined,
    ttlSeconds: number | undefined,
  ): Promise<boolean> | boolean;
}

/** @throws `TypeError` for a value that cannot be a store, or whose `compareAndSet` is not a function */
export function requireStore(value: unknown): void {
  requireMethods('store', value, 'get', 'set', 'delete');
  if (Object(value).compareAndSet !== undefined) requireMethods('store', value, 'compareAndSet');
}

/** @throws `TypeError` for a value without these methods; `what` names the argument */
export function requireMethods(what: string, value: unknown, ...names: readonly string[]): void {
  if (names.some((name) => typeof Object(value)[name] !== 'function'))
    throw new TypeError(`${what} must have ${names.join(', ')}`);
}
