/**
 * Tells whether something happened a short while ago, by a clock that may be set back.
 * @module
 */

/**
 * Whether something has happened within the last `withinMs`. `undefined`: it never has. A time in the future
 * does not count: the clock was set back.
 */
export function isLately(atMs: number | undefined, withinMs: number): boolean {
  const elapsedMs = Date.now() - (atMs ?? -Infinity);
  return elapsedMs >= 0 && elapsedMs < withinMs;
}
