/**
 * What a failure bars, and for how long: while the token endpoint is down, it is asked after 1 s, 2 s and so on up to 30 s,
 * and callers in between get the last error at once.
 * @module
 */
import { isLately } from '../platform/lately.ts';
import { retryAfterMs } from './retry.ts';

/** What is tried, from the most dispensable on: a failure bars what it says and all that is less. */
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

/** The failure that follows `last` (`undefined` after a success): it holds twice as long, or as long as the server asks. */
export function createFailure(last: Failure | undefined, error: unknown, bars: Tried): Failure {
  const delayMs = Math.min((last?.delayMs ?? 500) * 2, 30_000);
  return { error, bars, atMs: Date.now(), delayMs: Math.max(delayMs, retryAfterMs(error) ?? 0) };
}

/** The failure because of which something is not tried now. One in the future (the clock was set back) holds nothing. */
export function barring(failure: Failure | undefined, tried: Tried): Failure | undefined {
  if (!failure || failure.bars < tried) return undefined;
  return isLately(failure.atMs, failure.delayMs) ? failure : undefined;
}
