/**
 * The token that a client holds: until when it is valid, when it is refreshed ahead of its end, and what its
 * rejections mean. Times are in milliseconds of Unix time.
 * @module
 */
import type { Settings } from '../config/settings.ts';
import { createToken, GRACE_SECONDS, isExpired, type OAuthToken } from '../core/token.ts';

/** A token and what is known of it; the facts about its rejections are those of `Rejections`. */
export interface HeldToken {
  readonly token: OAuthToken;
  readonly validUntilMs: number;
  /**
   * From this time on, a call starts a refresh beside itself. A token that was given in the configuration has
   * none before its first use, since `createClient` reads no clock.
   */
  refreshAtMs?: number;
  /** Whether the token is new: another one than the client had, or the same one after it had ended. */
  readonly isNews?: boolean;
  /**
   * Whether a call that could not be sent again met a 401 with this token. It then serves no further call
   * that could get another token.
   */
  isGivenUp?: boolean | undefined;
  readonly replacedAtMs?: number;
  rejectedAgainAtMs?: number;
}

/**
 * Holds a token that the client has just received. ThingSpace and WSO2 repeat a token until it ends, and may
 * state its full lifetime each time: a known end holds while it lies ahead. `rejected` is the access token
 * because of whose rejection it was asked for.
 */
export function holdNew(
  settings: Settings,
  given: OAuthToken,
  last: HeldToken | undefined,
  rejected: string | undefined,
): HeldToken {
  const nowMs = Date.now();
  const isRepeated = last?.token.accessToken === given.accessToken;
  const isNews = !isRepeated || isExpired(last.token, -GRACE_SECONDS);
  const token =
    !isNews && endMs(given) > endMs(last.token)
      ? createToken({ ...given, expiry: last.token.expiry })
      : given;
  const isRejectedAgain = rejected === given.accessToken;
  return {
    ...(isRepeated && last),
    token,
    isNews,
    // If it was asked for before it was rejected, it may have been answered before it was revoked.
    isGivenUp: isRepeated && last.isGivenUp && !isRejectedAgain,
    // Each token serves every call for at least a second. A repeated one is valid until it ends, without
    // the skew. It is asked for again two seconds later at the earliest, since the server's clock may be
    // behind. Refreshing it ahead would bring the same token.
    validUntilMs: Math.max(
      endMs(token, isRepeated ? 0 : settings.clockSkew),
      nowMs + (isRepeated ? 2_000 : 1_000),
    ),
    refreshAtMs: isRepeated ? Infinity : refreshAtMs(settings, token, nowMs),
    ...(rejected && { replacedAtMs: nowMs }),
    // The server has given the rejected token again. To ask once more would not help, either.
    ...(isRejectedAgain && { rejectedAgainAtMs: nowMs }),
  };
}

/** When a token ends, less the skew. */
export function endMs({ expiry = Infinity }: OAuthToken, clockSkew = 0): number {
  return (expiry - clockSkew) * 1000;
}

/**
 * When to refresh a token ahead of its end, but never within the first second. The jitter keeps a fleet from
 * asking at the same moment.
 */
export function refreshAtMs(settings: Settings, token: OAuthToken, nowMs: number): number {
  const { expiry = Infinity, expiresIn = expiry - nowMs / 1000 } = token;
  const aheadMs = Math.min(300, expiresIn / 5) * (1000 + Math.random() * 500);
  return settings.canRenew ? Math.max(endMs(token, settings.clockSkew) - aheadMs, nowMs + 1_000) : Infinity;
}
