/**
 * What an event says of a store that fails, and what an error says of a value that is no store.
 * @module
 */
import { asText } from '../core/token.ts';

/**
 * The `reason` of a `store_failed` event for what a store threw or rejected with. It is the first word of the
 * error's text if that is in capitals (Redis: `'WRONGPASS'`), else the error's `code` if that is a text
 * (`'ECONNREFUSED'`, `'sealed'`), else its name. It never holds more of the text, which may quote keys and
 * values.
 */
export function storeFailureReason(error: unknown): string {
  const { message, code, name } = Object(error) as { readonly [name: string]: unknown };
  const [word] = /^[A-Z]{2,}(?!\S)/.exec(String(message)) ?? [];
  return word ?? asText(code) ?? asText(name) ?? 'Error';
}

/** @throws `TypeError` where `value` is no object with these methods; `what` names the argument */
export function requireMethods(what: string, value: unknown, ...names: readonly string[]): void {
  if (names.some((name) => typeof Object(value)[name] !== 'function'))
    throw new TypeError(`${what} must have ${names.join(', ')}`);
}
