/**
 * One client's token: the one that is held while it is valid, or else that of one renewal, which all callers
 * share. A token is refreshed ahead of its end when it is used. There are no timers but those of a renewal
 * under way.
 * @module
 */
import { isExpired, type OAuthToken } from '../core/token.ts';
import { isRequestBound } from '../platform/runtimes.ts';
import { throwIfAborted, waitFor } from '../platform/waiting.ts';
import type { ClientState, Renewal, RenewalOutcome } from './clientState.ts';
import { refreshAtMs } from './heldToken.ts';
import { blockingFailure } from './outageGuard.ts';
import { startRenewal } from './renewal.ts';

/** Which token a caller wants, and how long it waits. */
export interface TokenWish {
  /** Ends this caller's wait. */
  readonly signal?: AbortSignal | null | undefined;
  /**
   * Only the token of a renewal will do. With a provider, the renewal must have been begun by a `fetchToken`.
   */
  readonly isForced?: boolean;
  /** The access token that an API has answered with 401. Any other token will do. */
  readonly rejected?: string | undefined;
}

/** The remembered token, while it is valid. May start a refresh beside the caller. */
export function validToken(state: ClientState): OAuthToken | undefined {
  const { held, settings } = state;
  const nowMs = Date.now();
  if (!held || held.isGivenUp || nowMs >= held.validUntilMs) return undefined;
  held.refreshAtMs ??= refreshAtMs(settings, held.token, nowMs);
  // Where a promise cannot outlive its request, such a refresh would be lost.
  if (
    nowMs >= held.refreshAtMs &&
    !state.renewal &&
    !blockingFailure(state.failure, 'refresh_ahead') &&
    (settings.waitUntil || !isRequestBound())
  ) {
    startRenewal(state, { isAhead: true });
  }
  return held.token;
}

/**
 * Gets a valid token: the remembered one, or else that of one renewal, which callers share. If the renewal
 * fails, a remembered token that has not ended still serves.
 */
export function getToken(state: ClientState, wish: TokenWish = {}): Promise<OAuthToken> {
  const { renewal } = state;
  const { signal, isForced, rejected } = wish;
  if (!renewal || signal || isForced || rejected || isRequestBound() || validToken(state)) {
    return waitForToken(state, wish);
  }
  // A wait takes memory, and a hundred thousand calls may be waiting for one token.
  return (renewal.token ??= waitForToken(state, wish));
}

async function waitForToken(
  state: ClientState,
  { signal, isForced = false, rejected }: TokenWish,
): Promise<OAuthToken> {
  const { tokenProvider } = state.settings;
  const usable = () => {
    const token = state.held?.token;
    return isForced || token?.accessToken === rejected ? undefined : token;
  };
  for (;;) {
    const valid = usable() && validToken(state);
    if (valid) return valid;
    throwIfAborted(signal);
    const joined = state.renewal;
    // A provider is asked all the same: another process may have stored a token.
    let outcome: RenewalOutcome | undefined =
      joined || isForced
        ? undefined
        : blockingFailure(state.failure, tokenProvider ? 'provider' : 'exchange');
    if (!outcome) {
      const renewal = joined ?? startRenewal(state, { isForced });
      // With a provider, a renewal that others have begun may be served from a store, which is no answer to
      // an explicit `fetchToken`.
      const isShared = !isForced || renewal.isForced || !tokenProvider;
      if (isShared) renewal.isAhead = false;
      if (rejected) renewal.isReplacement = true;
      outcome = await waitForRenewal(renewal, signal, Boolean(joined));
      throwIfAborted(signal);
      if (!outcome && state.renewal === renewal) state.renewal = undefined;
      if (!isShared) continue;
    }
    if (outcome) return tokenOf(outcome, usable());
  }
}

/** The token of a renewal; if it has failed, the one held, as long as that has not ended. */
function tokenOf({ token, error }: RenewalOutcome, held: OAuthToken | undefined): OAuthToken {
  if (token) return token;
  if (held && !isExpired(held)) return held;
  throw error;
}

/**
 * Waits for a renewal. On workerd and edge runtimes, a renewal that another request has begun may never
 * settle, or reject with an error of the runtime. It counts as lost when it rejects, or 5 s after its begin:
 * the result is then `undefined`.
 */
function waitForRenewal(
  { outcome, startedAtMs }: Renewal,
  signal: AbortSignal | null | undefined,
  isJoined: boolean,
): Promise<RenewalOutcome | undefined> {
  const limitMs = isJoined && isRequestBound() ? Math.min(startedAtMs - Date.now(), 0) + 5_000 : undefined;
  return signal || limitMs !== undefined ? waitFor(outcome, signal, limitMs).catch(() => undefined) : outcome;
}
