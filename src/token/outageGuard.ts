/**
 * The outage guard: it decides what a failure blocks, and for how long. While the token endpoint is down, it
 * is asked again after 1 s, then after 2 s, and so on up to 30 s. Callers in between get the last error at
 * once.
 * @module
 */
import { isLately } from '../core/lately.ts';

/**
 * An attempt that may fail: a refresh ahead of the token's end, an exchange that is needed, or a call of the
 * provider.
 */
export type Attempted = 'refresh_ahead' | 'exchange' | 'provider';

/** The last failure of a client. Times are in milliseconds. */
export interface Failure {
  readonly error: unknown;
  readonly failed: Attempted;
  readonly atMs: number;
  /** Milliseconds for which it blocks. */
  readonly delayMs: number;
  /** The same, without what the server asks for. */
  readonly ownDelayMs: number;
}

/**
 * The failure that follows `last` (`undefined` after a success). It holds for twice as long as that, or for
 * longer if the server asks: `askedMs`.
 */
export function nextFailure(
  last: Failure | undefined,
  error: unknown,
  failed: Attempted,
  askedMs = 0,
): Failure {
  // Only this client's own delay doubles. A server that asked for a longer one may not ask again.
  const ownDelayMs = Math.min((last?.ownDelayMs ?? 500) * 2, 30_000);
  const delayMs = Math.max(ownDelayMs, Math.min(askedMs, 300_000));
  return { error, failed, atMs: Date.now(), ownDelayMs, delayMs };
}

/**
 * The failure because of which something is not tried now; `undefined` if it may be tried. A failure in the
 * future blocks nothing: the clock was set back.
 */
export function blockingFailure(failure: Failure | undefined, attempted: Attempted): Failure | undefined {
  if (!failure || !blocks(failure.failed, attempted)) return undefined;
  return isLately(failure.atMs, failure.delayMs) ? failure : undefined;
}

function blocks(failed: Attempted, attempted: Attempted): boolean {
  // A refresh ahead can always wait, and whoever asks the provider first gets no further than that.
  if (attempted === 'refresh_ahead' || failed === 'provider') return true;
  // A failed refresh ahead does not block the exchange that is needed at the token's end. A failed
  // exchange does not block a provider: another process may have stored a token meanwhile.
  return failed === attempted;
}
