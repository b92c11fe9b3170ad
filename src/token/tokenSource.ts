/**
 * One client's token: the one that is held while it is valid, or else that of one renewal, which all callers
 * share. A token is refreshed ahead of its end when it is used. There are no timers but those of a renewal
 * under way.
 * @module
 */
import type { Settings } from '../config/settings.ts';
import { ApiError, OAuthProviderError } from '../core/errors.ts';
import { isWorthReplacing, type RejectedUse } from '../core/rejections.ts';
import { isExpired, type OAuthToken } from '../core/token.ts';
import { isRequestBound } from '../platform/runtimes.ts';
import { throwIfAborted, waitFor } from '../platform/waiting.ts';
import { holdGiven, refreshAtMs } from './heldToken.ts';
import { AHEAD, barring, EXCHANGE, PROVIDER } from './outageGuard.ts';
import { type Outcome, type Renewal, startRenewal, type TokenSource } from './renewal.ts';

/** The state of a client that starts from a token, or from nothing. Reads no clock. */
export function createTokenSource(settings: Settings, token: OAuthToken | undefined): TokenSource {
  return { settings, held: token && holdGiven(settings, token) };
}

/** The remembered token, while it is valid. May start a refresh beside the caller. */
export function validToken(source: TokenSource): OAuthToken | undefined {
  const { held, settings } = source;
  const nowMs = Date.now();
  if (!held || held.isGivenUp || nowMs >= held.validUntilMs) return undefined;
  held.refreshAtMs ??= refreshAtMs(settings, held.token, nowMs);
  // Where a promise cannot outlive its request, such a refresh would be lost.
  if (
    nowMs >= held.refreshAtMs &&
    !source.renewal &&
    !barring(source.failure, AHEAD) &&
    (settings.waitUntil || !isRequestBound())
  ) {
    startRenewal(source, false, true);
  }
  return held.token;
}

/**
 * Gets a valid token, other than the one `rejected`: the remembered one, or else that of one renewal, which
 * callers share. If the renewal fails, a remembered token that has not ended still serves. With `isForced`
 * only the token of a renewal will do; with a provider, the renewal must have been begun by a `fetchToken`.
 */
export function getToken(
  source: TokenSource,
  signal?: AbortSignal | null,
  isForced?: boolean,
  rejected?: string,
): Promise<OAuthToken> {
  const { renewal } = source;
  if (!renewal || signal || isForced || rejected || isRequestBound() || validToken(source)) {
    return waitForToken(source, signal, isForced, rejected);
  }
  // A wait takes memory, and a hundred thousand calls may be waiting for one token.
  return (renewal.token ??= waitForToken(source));
}

async function waitForToken(
  source: TokenSource,
  signal?: AbortSignal | null,
  isForced = false,
  rejected?: string,
): Promise<OAuthToken> {
  const { tokenProvider } = source.settings;
  const usable = () => {
    const token = source.held?.token;
    return isForced || token?.accessToken === rejected ? undefined : token;
  };
  for (;;) {
    const valid = usable() && validToken(source);
    if (valid) return valid;
    throwIfAborted(signal);
    const joined = source.renewal;
    // A provider is asked all the same: another process may have stored a token.
    let outcome: Outcome | undefined =
      joined || isForced ? undefined : barring(source.failure, tokenProvider ? PROVIDER : EXCHANGE);
    if (!outcome) {
      const renewal = joined ?? startRenewal(source, isForced, false);
      // With a provider, a renewal that others have begun may be served from a store, which is no answer to
      // an explicit `fetchToken`.
      const isShared = !isForced || renewal.isForced || !tokenProvider;
      if (isShared) renewal.isAhead = false;
      if (rejected) renewal.isReplacement = true;
      outcome = await awaitOutcome(renewal, signal, Boolean(joined));
      throwIfAborted(signal);
      if (!outcome && source.renewal === renewal) source.renewal = undefined;
      if (!isShared) continue;
    }
    if (outcome) return settle(outcome, usable());
  }
}

/** The token of a renewal; if it has failed, the one held, as long as that has not ended. */
function settle({ token, error }: Outcome, held: OAuthToken | undefined): OAuthToken {
  if (token) return token;
  if (held && !isExpired(held)) return held;
  throw error;
}

/**
 * Waits for a renewal. On workerd and edge runtimes, a renewal that another request has begun may never
 * settle, or reject with an error of the runtime. It counts as lost when it rejects, or 5 s after its begin:
 * the result is then `undefined`.
 */
function awaitOutcome(
  { outcome, startedAtMs }: Renewal,
  signal: AbortSignal | null | undefined,
  isJoined: boolean,
): Promise<Outcome | undefined> {
  const limitMs = isJoined && isRequestBound() ? Math.min(startedAtMs - Date.now(), 0) + 5_000 : undefined;
  return signal || limitMs !== undefined ? waitFor(outcome, signal, limitMs).catch(() => undefined) : outcome;
}

/**
 * Gets another token than the one that was answered with 401. Only for when {@link rejectToken} has said that
 * another one may help. `undefined`: the server has given the same token again. If the renewal fails, the
 * error says that the API had answered 401, unless it is a provider's own error.
 */
export async function renewToken(
  source: TokenSource,
  { accessToken: rejected }: OAuthToken,
  signal?: AbortSignal | null,
): Promise<OAuthToken | undefined> {
  try {
    const token = await getToken(source, signal, false, rejected);
    if (token.accessToken !== rejected) return token;
    // The server has given the same token again. To ask once more would not help, either.
    rejectToken(source, rejected, 'replay');
    return undefined;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const Class = error instanceof OAuthProviderError ? OAuthProviderError : ApiError;
    throw new Class(`The API answered 401, then: ${error.message}`, error);
  }
}

/** Takes note of a 401 that a call met, and says whether another token is to be had. */
export function rejectToken({ held, settings }: TokenSource, accessToken: string, use: RejectedUse): boolean {
  // Another caller has renewed the token meanwhile.
  if (held?.token.accessToken !== accessToken) return true;
  const isWorthIt = settings.canRenew && isWorthReplacing(held, use);
  if (use === 'stream') held.isGivenUp ||= isWorthIt;
  if (use === 'replay') held.rejectedAgainAtMs = Date.now();
  return isWorthIt;
}
