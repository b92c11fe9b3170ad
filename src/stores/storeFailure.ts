/**
 * What is said of a store that fails: in an event, and where a caller gives something that is none.
 * @module
 */

/**
 * The `reason` of a `store_failed` event for what a store threw or rejected with: its text's first word where that is in
 * capitals (Redis: `'WRONGPASS'`), else its `code` where that is a text (`'ECONNREFUSED'`, `'sealed'`), else its name.
 * Never more of its text, which may quote keys and values.
 */
export function reasonOf(error: unknown): string {
  const { message, code, name } = Object(error) as { readonly message?: unknown; readonly code?: unknown; readonly name?: unknown };
  const [word] = /^[A-Z]{2,}(?=\s|$)/.exec(String(message)) ?? [];
  return word ?? [code, name].find((text): text is string => typeof text === 'string' && text !== '') ?? 'Error';
}

/** @throws `TypeError` where `value` is no object with these methods; `what` names the argument */
export function requireMethods(what: string, value: unknown, names: readonly string[]): void {
  if (names.some((name) => typeof Object(value)[name] !== 'function')) {
    throw new TypeError(`${what} must be an object with the functions ${names.join(', ')}`);
  }
}

/** @throws `TypeError` where `value` is no `TokenStore` */
export function requireStore(what: string, value: unknown): void {
  requireMethods(what, value, ['get', 'set', 'delete']);
}
