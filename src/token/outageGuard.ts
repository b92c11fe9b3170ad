/**
 * What a failure bars, and for how long. While the token endpoint is down, it is asked again after 1 s, then
 * after 2 s, and so on up to 30 s. Callers in between get the last error at once.
 * @module
 */
import { isLately } from '../core/lately.ts';
import { retryAfterMs } from './retry.ts';

/**
 * What may be tried, from the least needed on. A failure bars what it says, and all that stands before that
 * in this list.
 */
export const AHEAD = 1;
export const EXCHANGE = 2;
export const PROVIDER = 3;

export type Tried = typeof AHEAD | typeof EXCHANGE | typeof PROVIDER;

/** The last failure of a client. Times are in milliseconds. */
export interface Failure {
  readonly error: unknown;
  readonly bars: Tried;
  readonly atMs: number;
  readonly delayMs: number;
}

/**
 * The failure that follows `last` (`undefined` after a success). It holds for twice as long as that, or for
 * longer if the server asks.
 */
export function createFailure(last: Failure | undefined, error: unknown, bars: Tried): Failure {
  const delayMs = Math.min((last?.delayMs ?? 500) * 2, 30_000);
  return { error, bars, atMs: Date.now(), delayMs: Math.max(delayMs, retryAfterMs(error) ?? 0) };
}

/**
 * The failure because of which something is not tried now; `undefined` if it may be tried. A failure in the
 * future holds nothing: the clock was set back.
 */
export function barring(failure: Failure | undefined, tried: Tried): Failure | undefined {
  if (!failure || failure.bars < tried) return undefined;
  return isLately(failure.atMs, failure.delayMs) ? failure : undefined;
}
