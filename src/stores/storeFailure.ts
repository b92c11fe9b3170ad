/**
 * Names the reason of a store's failure.
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
