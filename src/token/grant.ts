/**
 * The grant of a client that makes token requests: one exchange with its retries, as far as the outage guard
 * allows it.
 * @module
 */
import type { OAuthToken } from '../core/token.ts';
import { throwIfAborted } from '../platform/waiting.ts';
import type { ClientState, Renewal } from './clientState.ts';
import { exchange } from './exchange.ts';
import { blockingFailure } from './outageGuard.ts';
import { countFailure } from './renewal.ts';
import { retryAfterMs, withRetries } from './retry.ts';

/** Gets a token for a renewal. Rejects with the last error where the guard blocks, else like an exchange. */
export async function requestToken(
  state: ClientState,
  renewal: Renewal,
  signal: AbortSignal,
): Promise<OAuthToken> {
  const { settings } = state;
  // A renewal whose time limit has passed makes no request and counts nothing any more, whatever a provider
  // still does.
  throwIfAborted(signal);
  renewal.blockedBy = renewal.isForced
    ? undefined
    : blockingFailure(state.failure, renewal.isAhead ? 'refresh_ahead' : 'exchange');
  if (renewal.blockedBy) throw renewal.blockedBy.error;
  try {
    return await withRetries(settings, signal, () => exchange(settings, signal, () => renewal.attempts++));
  } catch (error) {
    if (!signal.aborted) countFailure(state, renewal, error, 'exchange', retryAfterMs(error));
    throw error;
  }
}
