/**
 * What is said of a store that fails: in an event, and where a caller gives something that is none.
 * @module
 */
import { asText } from '../platform/token.ts';

/**
 * The `reason` of a `store_failed` event for what a store threw or rejected with: its text's first word where that is in
 * capitals (Redis: `'WRONGPASS'`), else its `code` where that is a text (`'ECONNREFUSED'`, `'sealed'`), else its name.
 * Never more of its text, which may quote keys and values.
 */
export function reasonOf(error: unknown): string {
  const { message, code, name } = Object(error) as { readonly [name: string]: unknown };
  const [word] = /^[A-Z]{2,}(?!\S)/.exec(String(message)) ?? [];
  return word ?? asText(code) ?? asText(name) ?? 'Error';
}

/** @throws `TypeError` where `value` is no object with these methods; `what` names the argument */
export function requireMethods(what: string, value: unknown, ...names: readonly string[]): void {
  if (names.some((name) => typeof Object(value)[name] !== 'function')) throw new TypeError(`${what} must have ${names.join(', ')}`);
}
