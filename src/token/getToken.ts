/**
 * One client's token: the one that is held while it is valid, or else that of one renewal, which all callers
 * share. A token is refreshed ahead of its end when it is used. There are no timers but those of a renewal
 * under way.
 * @module
 */
import { isExpired, type OAuthToken } from '../core/token.ts';
import { waitForFlight } from '../platform/flight.ts';
import { isRequestBound } from '../platform/runtimes.ts';
import { assertSignal, throwIfAborted } from '../platform/waiting.ts';
import type { ClientState, RenewalOutcome } from './clientState.ts';
import { refreshAtMs } from './heldToken.ts';
import { blockingFailure } from './outageGuard.ts';
import { startRenewal } from './renewal.ts';

/** A caller's wish for a token. */
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
    !state.flight &&
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
  const { flight } = state;
  const { signal, isForced, rejected } = wish;
  if (!flight || signal != null || isForced || rejected || isRequestBound() || validToken(state)) {
    return waitForToken(state, wish);
  }
  // A wait takes memory, and a hundred thousand calls may be waiting for one token.
  return (flight.token ??= waitForToken(state, wish));
}

async function waitForToken(state: ClientState, wish: TokenWish): Promise<OAuthToken> {
  assertSignal(wish.signal);
  for (;;) {
    const valid = usableToken(state, wish) && validToken(state);
    if (valid) return valid;
    throwIfAborted(wish.signal);
    const outcome = blockedOutcome(state, wish) ?? (await renewalOutcome(state, wish));
    if (outcome) return tokenOf(outcome, usableToken(state, wish));
  }
}

/** The token held, if it is what the caller wants. */
function usableToken({ held }: ClientState, { isForced, rejected }: TokenWish): OAuthToken | undefined {
  return isForced || held?.token.accessToken === rejected ? undefined : held?.token;
}

/** The last failure, while it blocks a renewal that nobody has begun yet. `fetchToken` always asks. */
function blockedOutcome({ settings, failure, flight }: ClientState, { isForced }: TokenWish) {
  if (flight || isForced) return undefined;
  return blockingFailure(failure, settings.oauthTokenProvider ? 'provider' : 'exchange');
}

/** The outcome of the renewal under way, or of a new one. `undefined`: it is no answer to this caller. */
async function renewalOutcome(state: ClientState, wish: TokenWish): Promise<RenewalOutcome | undefined> {
  const { signal, isForced, rejected } = wish;
  const isJoined = Boolean(state.flight);
  const renewal = state.flight ?? startRenewal(state, wish);
  // With a provider, a renewal that others have begun may be served from a store, which is no answer to an
  // explicit `fetchToken`.
  const isShared = !isForced || renewal.isForced || !state.settings.oauthTokenProvider;
  if (isShared) renewal.isAhead = false;
  const outcome = await waitForFlight(state, renewal, { signal, isJoined });
  // A provider that hangs would hang for another minute.
  if (!isShared) return Object(outcome?.error).code === 'timeout' ? outcome : undefined;
  // A renewal that was begun before the rejection may have been answered before the token was revoked.
  const isStale = rejected && renewal.rejected !== rejected && outcome?.token?.accessToken === rejected;
  return isStale ? undefined : outcome;
}

/** The token of a renewal; if it has failed, the one held, as long as that has not ended. */
function tokenOf({ token, error }: RenewalOutcome, held: OAuthToken | undefined): OAuthToken {
  if (token) return token;
  if (held && !isExpired(held)) return held;
  throw error;
}
