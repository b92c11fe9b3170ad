/**
 * One client's token: the one held while it is valid, else that of one renewal which all callers share. Refreshes ahead on
 * use; there are no timers but those of a renewal under way.
 * @module
 */
import type { Settings } from '../config/settings.ts';
import { ApiError, OAuthProviderError } from '../platform/errors.ts';
import type { RejectedUse } from '../platform/rejections.ts';
import type { OAuthToken } from '../platform/token.ts';
import { isExpired } from '../platform/token.ts';
import { isRequestBound, throwIfAborted, waitFor } from '../platform/waiting.ts';
import type { HeldToken } from './heldToken.ts';
import { holdGiven, isDue, isValid, noteRejection } from './heldToken.ts';
import { barring } from './outageGuard.ts';
import type { Outcome, Renewal, TokenSource } from './renewal.ts';
import { startRenewal } from './renewal.ts';


/** The state of a client that starts from a token, or from nothing. Reads no clock. */
export function createTokenSource(settings: Settings, token: OAuthToken | undefined): TokenSource {
  return { settings, held: token && holdGiven(token), renewal: undefined, failure: undefined, openBodies: undefined };
}

/** The remembered token while it is valid. May start a refresh beside the caller. */
export function validToken(source: TokenSource): OAuthToken | undefined {
  const { held, settings } = source;
  if (!held || !isValid(settings, held)) return undefined;
  if (isDue(settings, held) && mayRefreshAhead(source)) startRenewal(source, 'ahead');
  return held.token;
}

/** Where a promise cannot outlive its request, a refresh beside it would be lost. */
function mayRefreshAhead({ settings, renewal, failure }: TokenSource): boolean {
  return !renewal && !barring(failure, 'refreshAhead') && (settings.waitUntil !== undefined || !isRequestBound());
}

/** A valid token: the remembered one, or else that of one shared renewal. Where that fails one that has not ended serves. */
export function getToken(source: TokenSource, signal?: AbortSignal | null): Promise<OAuthToken> {
  return obtain(source, signal, {});
}

/** The token of a renewal that is begun now, or that another `fetchToken` has begun. */
export function fetchToken(source: TokenSource, signal?: AbortSignal | null): Promise<OAuthToken> {
  return obtain(source, signal, { isForced: true });
}

/**
 * Another token than the one that was answered with 401; `undefined` where there is none: nothing to renew with, the
 * same token again, or rejected again within the last minute. An error says that the API had answered 401, unless it is a
 * provider's own.
 */
export async function renewToken(
  source: TokenSource,
  { accessToken: rejected }: OAuthToken,
  signal?: AbortSignal | null,
): Promise<OAuthToken | undefined> {
  if (!rejectToken(source, rejected, 'call')) return undefined;
  try {
    const token = await obtain(source, signal, { rejected });
    if (token.accessToken !== rejected) return token;
    // The server repeats it, so that asking again would not help either.
    rejectToken(source, rejected, 'replay');
    return undefined;
  } catch (error) {
    throw error instanceof ApiError ? createRenewalError(error) : error;
  }
}

/** Takes note of a 401 that a call met; whether another token is to be had. */
export function rejectToken({ held, settings }: TokenSource, accessToken: string, use: RejectedUse): boolean {
  // Somebody has renewed meanwhile.
  if (held?.token.accessToken !== accessToken) return use === 'call';
  return settings.canRenew && noteRejection(held, use);
}

function createRenewalError(error: ApiError): ApiError {
  const Class = error instanceof OAuthProviderError ? OAuthProviderError : ApiError;
  return new Class(`The API answered 401, and its token could not be renewed: ${error.message}`, error);
}

/** What a caller wants: a token in the place of a rejected one, or one that a renewal brings in any case. */
interface Wish {
  readonly isForced?: boolean;
  readonly rejected?: string;
}

async function obtain(source: TokenSource, signal: AbortSignal | null | undefined, wish: Wish): Promise<OAuthToken> {
  for (;;) {
    const valid = otherToken(source, wish) && validToken(source);
    if (valid) return valid;
    throwIfAborted(signal);
    const outcome = lastError(source, wish) ?? (await shareRenewal(source, signal, wish));
    if (outcome) return settle(source, wish, outcome);
  }
}

/** The held token, where it is what the caller wants. */
function otherToken({ held }: TokenSource, { isForced, rejected }: Wish): HeldToken | undefined {
  return isForced || held?.token.accessToken === rejected ? undefined : held;
}

/** The last failure, where it holds a renewal back. A provider is asked all the same: another process may have stored a token. */
function lastError({ renewal, failure, settings }: TokenSource, { isForced }: Wish): Outcome | undefined {
  return renewal || isForced ? undefined : barring(failure, settings.tokenProvider ? 'provider' : 'exchange');
}

/** Waits for the renewal under way, or for one that is begun. Nothing where its outcome is none for this caller. */
async function shareRenewal(source: TokenSource, signal: AbortSignal | null | undefined, wish: Wish): Promise<Outcome | undefined> {
  const { isForced = false, rejected } = wish;
  const joined = source.renewal;
  const renewal = joined ?? startRenewal(source, isForced ? 'forced' : 'needed');
  // With a provider, what others have begun may be served from a store: no answer to an explicit fetchToken.
  const isShared = !isForced || renewal.isForced || !source.settings.tokenProvider;
  if (isShared) {
    renewal.isAhead = false;
    renewal.isReplacement ||= rejected !== undefined;
  }
  const outcome = await awaitOutcome(renewal, signal, joined !== undefined);
  throwIfAborted(signal);
  if (!outcome && source.renewal === renewal) source.renewal = undefined;
  return isShared ? outcome : undefined;
}

/**
 * On workerd and edge runtimes a renewal that another request has begun may never settle, or reject with the runtime's
 * refusal: then, and 5 s after its begin, it counts as lost.
 */
function awaitOutcome({ outcome, startedAtMs }: Renewal, signal: AbortSignal | null | undefined, isJoined: boolean): Promise<Outcome | undefined> {
  const limitMs = isJoined && isRequestBound() ? Math.min(startedAtMs - Date.now(), 0) + 5_000 : undefined;
  if (!signal && limitMs === undefined) return outcome;
  return waitFor(outcome, signal, limitMs).catch(() => undefined);
}

function settle(source: TokenSource, wish: Wish, { token, error }: Outcome): OAuthToken {
  if (token) return token;
  const held = otherToken(source, wish);
  if (held && !isExpired(held.token)) return held.token;
  throw error;
}
