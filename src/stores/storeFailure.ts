/**
 * Names the reason of a store's failure, and refuses values that cannot be a store.
 * @module
 */
import { asText } from '../core/token.ts';

/**
 * The `reason` of a `store_failed` event for what a store threw or rejected with. It is the first word of the
 * error's text if that is in capitals (Redis: `'WRONGPASS'`), else a code (`'ECONNREFUSED'`, `'sealed'`),
 * else the error's name. It never holds more of the text, which may quote keys and values.
 */
export function storeFailureReason(error: unknown): string {
  const { message, code, cause, errors, name } = membersOf(error);
  const word = /^[A-Z]{2,}(?!\S)/.exec(String(message))?.[0];
  // An error of `fetch` has a cause with a code; a connection that several addresses refuse has errors.
  const inner = membersOf(cause ?? membersOf(errors)[0]);
  return word ?? asText(code) ?? asText(inner['code']) ?? asText(name) ?? 'Error';
}

function membersOf(value: unknown): Readonly<Record<PropertyKey, unknown>> {
  return Object(value);
}

/** @throws `TypeError` for a value that cannot be a store, or whose `compareAndSet` is not a function */
export function requireStore(value: unknown): void {
  requireMethods('store', value, 'get', 'set', 'delete');
  if (membersOf(value)['compareAndSet'] !== undefined) requireMethods('store', value, 'compareAndSet');
}

/** @throws `TypeError` for a value without these methods; `what` names the argument */
export function requireMethods(what: string, value: unknown, ...names: readonly string[]): void {
  if (names.some((name) => typeof membersOf(value)[name] !== 'function'))
    throw new TypeError(`${what} must have ${names.join(', ')}`);
}
