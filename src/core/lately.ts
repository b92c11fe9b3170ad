/**
 * What has happened lately.
 * @module
 */

/**
 * Whether something has happened within the last `withinMs`. Absent: it never has. A time in the future is
 * not lately: the clock was set back.
 */
export function isLately(atMs: number | undefined, withinMs: number): boolean {
  const elapsedMs = Date.now() - (atMs ?? -Infinity);
  return elapsedMs >= 0 && elapsedMs < withinMs;
}
