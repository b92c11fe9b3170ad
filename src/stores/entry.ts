/**
 * An entry that carries its own end, for stores that expire late or not at all.
 * @module
 */

/** A value and when it ends, in milliseconds of Unix time (absent: never). */
export interface Entry {
  readonly value: string;
  readonly endMs?: number;
}

/** An entry that ends `ttlSeconds` from now. */
export function createEntry(value: string, ttlSeconds: number | undefined): Entry {
  return ttlSeconds === undefined ? { value } : { value, endMs: Date.now() + ttlSeconds * 1000 };
}

/** The value of an entry that has not ended; `undefined` for anything else. */
export function valueOfEntry(entry: unknown): string | undefined {
  const { value, endMs = Infinity } = (entry ?? {}) as Partial<Entry>;
  return typeof value === 'string' && Date.now() < endMs ? value : undefined;
}
