/**
 * Limits what rejected tokens cost. Bearers and M2M sessions share one rule: an API that refuses everything
 * causes one token request or one login a minute, not one for each call.
 * @module
 */
import { isLately } from './lately.ts';

/**
 * What was rejected: a call that can be sent again, one that cannot (its body was a stream), or the replay of
 * a call.
 */
export type RejectedUse = 'call' | 'stream' | 'replay';

/** The rejections of the token that is held. Times are in milliseconds. It survives JSON. */
export interface Rejections {
  /** When it was obtained instead of a rejected one. */
  readonly replacedAtMs?: number | undefined;
  /**
   * When it turned out that replacing it does not help: the replay was rejected too, or the server repeated
   * the token.
   */
  readonly rejectedAgainAtMs?: number | undefined;
}

/** Whether another token instead of the rejected one may help. */
export function isWorthReplacing({ replacedAtMs, rejectedAgainAtMs }: Rejections, use: RejectedUse): boolean {
  if (use === 'replay' || isLately(rejectedAgainAtMs, 60_000)) return false;
  // A stream is not sent again, so nobody learns whether a replacement helps. It gets one at most once a
  // minute.
  return use === 'call' || !isLately(replacedAtMs, 60_000);
}
