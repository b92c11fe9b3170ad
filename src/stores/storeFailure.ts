/**
 * What is told of a store that fails.
 * @module
 */

/**
 * Why an operation of a store failed, in one word: of an error its text's first word where that is in capitals (Redis), else
 * its `code`, else its `name`. Never more of its text, which may quote what was to be stored.
 */
export function reasonOf(error: unknown): string {
  const { message, code, name } = Object(error) as { message?: unknown; code?: unknown; name?: unknown };
  const [word] = /^[A-Z]{2,}\b/.exec(String(message)) ?? [];
  return word ?? [code, name].find((each): each is string => typeof each === 'string') ?? 'unknown';
}
