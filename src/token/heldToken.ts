/**
 * The token that a client holds: until when it is valid, when it is refreshed ahead, and what its rejections mean.
 * Times are in milliseconds of Unix time.
 * @module
 */
import type { Settings } from '../config/settings.ts';
import type { RejectedUse, Rejections } from '../platform/rejections.ts';
import { isWorthReplacing } from '../platform/rejections.ts';
import type { OAuthToken } from '../platform/token.ts';
import { createToken, GRACE_SECONDS, isExpired } from '../platform/token.ts';

/** A token and what is known of it. */
export interface HeldToken {
  readonly token: OAuthToken;
  /** Absent until its first use: `createClient` reads no clock. */
  schedule?: Schedule;
  rejections: Rejections;
  /** Whether a call that could not be sent again met a 401 with it: it serves no further call that can have another. */
  isGivenUp: boolean;
}

interface Schedule {
  readonly validUntilMs: number;
  /** From when on a call refreshes the token beside itself. */
  readonly refreshAtMs: number;
}

/** Holds a token given by the configuration. Reads no clock. */
export function holdGiven(token: OAuthToken): HeldToken {
  return { token, rejections: {}, isGivenUp: false };
}

/**
 * Holds a token that has just come. ThingSpace and WSO2 repeat one until it ends, and may say its full lifetime each time:
 * an end that lies ahead holds. `isReplacement`: it was obtained in the place of a rejected one.
 */
export function holdNew(settings: Settings, given: OAuthToken, last: HeldToken | undefined, isReplacement: boolean): HeldToken {
  const nowMs = Date.now();
  const isRepeated = last?.token.accessToken === given.accessToken;
  const knownEnd = isRepeated && !hasSurelyEnded(last.token) ? last.token.expiry : undefined;
  const isEarlier = knownEnd !== undefined && knownEnd < (given.expiry ?? Infinity);
  const token = isEarlier ? createToken({ ...given, expiry: knownEnd }) : given;
  const replaced = isReplacement ? { replacedAtMs: nowMs } : {};
  return {
    token,
    schedule: isRepeated ? scheduleRepeated(token, nowMs) : scheduleNew(settings, token, nowMs, nowMs + 1_000),
    rejections: isRepeated ? { ...last.rejections, ...replaced } : replaced,
    isGivenUp: false,
  };
}

/** Whether a token that has come is news: another one, or the same past its end. */
export function isNews(given: OAuthToken, last: HeldToken | undefined): boolean {
  return last?.token.accessToken !== given.accessToken || hasSurelyEnded(last.token);
}

/** Whether it can serve a call that may have another. */
export function isValid(settings: Settings, held: HeldToken): boolean {
  return !held.isGivenUp && Date.now() < scheduleOf(settings, held).validUntilMs;
}

/** Whether it is time to refresh it ahead of its end. */
export function isDue(settings: Settings, held: HeldToken): boolean {
  return Date.now() >= scheduleOf(settings, held).refreshAtMs;
}

/** Takes note of a 401 that the token met; whether another one may help. One that a stream met is given up then. */
export function noteRejection(held: HeldToken, use: RejectedUse): boolean {
  const isWorthIt = isWorthReplacing(held.rejections, use);
  if (use === 'stream') held.isGivenUp ||= isWorthIt;
  else if (use === 'replay') held.rejections = { ...held.rejections, rejectedAgainAtMs: Date.now() };
  return isWorthIt;
}

function hasSurelyEnded(token: OAuthToken): boolean {
  return isExpired(token, -GRACE_SECONDS);
}

function scheduleOf(settings: Settings, held: HeldToken): Schedule {
  return (held.schedule ??= scheduleNew(settings, held.token, Date.now(), 0));
}

/** Valid until its end less the skew, but no earlier than `earliestMs`: each token serves every call for a second. */
function scheduleNew({ clockSkewSeconds, canRenew }: Settings, token: OAuthToken, nowMs: number, earliestMs: number): Schedule {
  const { expiry = Infinity, expiresIn = expiry - nowMs / 1000 } = token;
  const untilMs = (expiry - clockSkewSeconds) * 1000;
  // The jitter keeps a fleet from asking in the same second.
  const windowMs = Math.min(300, expiresIn / 5) * (1000 + Math.random() * 500);
  return {
    validUntilMs: Math.max(untilMs, earliestMs),
    refreshAtMs: canRenew ? Math.max(untilMs - windowMs, nowMs + 1_000) : Infinity,
  };
}

/**
 * A repeated token is valid to its very end, and not refreshed ahead again, since that would bring the same. It is asked for
 * again a little later than a new one, since it goes on for as long as the server's clock is behind.
 */
function scheduleRepeated({ expiry = Infinity }: OAuthToken, nowMs: number): Schedule {
  return { validUntilMs: Math.max(expiry * 1000, nowMs + 2_000), refreshAtMs: Infinity };
}
