/**
 * What has happened lately.
 * @module
 */

/** Whether something has happened (absent: never) within the last `withinMs`. A time in the future (the clock was set back) is not lately. */
export function isLately(atMs: number | undefined, withinMs: number): boolean {
  const elapsedMs = Date.now() - (atMs ?? -Infinity);
  return elapsedMs >= 0 && elapsedMs < withinMs;
}
