/**
 * One client's token: remembers it, shares one renewal among all callers, refreshes it ahead of its end, and keeps
 * quiet after failures. There are no timers but those of a renewal under way. Times are in milliseconds of Unix time.
 * All clients share these functions and own one record each: a closure for each function would treble its memory.
 * @module
 */
import type { Settings } from '../config/settings.ts';
import { ApiError, OAuthProviderError } from '../platform/errors.ts';
import type { ClientEvent } from '../platform/events.ts';
import { callHook, describeFailure, report } from '../platform/events.ts';
import { exchange } from './exchange.ts';
import { retryAfterMs, withRetries } from './retry.ts';
import type { OAuthToken } from '../platform/token.ts';
import { GRACE_SECONDS, isExpired, reviveToken, withEnd } from '../platform/token.ts';
import { isRequestBound, runWithin, waitFor } from '../platform/waiting.ts';

/** The state of one client's token. */
export interface TokenSource {
  readonly settings: Settings;
  token: OAuthToken | undefined;
  /** Until when the token is valid; absent until a token from the configuration is first used. */
  validUntilMs?: number;
  /** From when on a call refreshes the token beside itself. */
  refreshAtMs?: number;
  /** The renewal under way. */
  flight?: Flight | undefined;
  /** The last failure, until a success. */
  failure?: Failure | undefined;
  /** The access token last answered with 401: for a minute it causes no further exchange. */
  rejected?: Rejection;
}

/** Something that holds for a while. */
interface Hold {
  readonly atMs: number;
  readonly delayMs: number;
}

interface Rejection extends Hold {
  readonly accessToken: string;
}

/** How a renewal or an exchange ended. Shared promises always fulfil, so that a rejection can only be the runtime's. */
interface Outcome {
  readonly token?: OAuthToken;
  readonly error?: unknown;
}

/** A renewal under way. */
interface Flight {
  /** Whether it was begun by the caller's own `fetchToken`. */
  readonly isForced: boolean | undefined;
  /** Whether nobody waits for it yet. */
  isAhead: boolean;
  readonly startedAtMs: number;
  outcome?: Promise<Outcome>;
}

interface Failure extends Outcome, Hold {
  /** What has to wait: {@link AHEAD}, {@link EXCHANGE} or {@link PROVIDER}, and all below. */
  readonly bars: number;
}

/** What a failure bars: refreshing ahead, an exchange, the provider. */
const AHEAD = 0;
const EXCHANGE = 1;
const PROVIDER = 2;

/** The remembered token while it is valid. May start a refresh beside the caller. */
export function validToken(source: TokenSource): OAuthToken | undefined {
  const { token, settings } = source;
  if (!token) return undefined;
  const nowMs = Date.now();
  if (source.validUntilMs === undefined) schedule(source, nowMs, 0);
  if (nowMs >= source.validUntilMs!) return undefined;
  // Where a promise cannot outlive its request, a refresh beside it would be lost.
  if (nowMs >= source.refreshAtMs! && !source.flight && !barring(source, AHEAD) && (settings.waitUntil || !isRequestBound())) {
    begin(source, true);
  }
  return token;
}

/**
 * A valid token, other than the one `rejected`: the remembered one, or else that of one shared renewal. Where that fails
 * a remembered one that has not ended serves. With `isForced` only a renewal will do, or one under way.
 */
export async function getToken(
  source: TokenSource,
  signal?: AbortSignal | null,
  isForced?: boolean,
  rejected?: string,
): Promise<OAuthToken> {
  const { tokenProvider } = source.settings;
  const isOther = () => !isForced && source.token && source.token.accessToken !== rejected;
  for (;;) {
    const valid = isOther() && validToken(source);
    if (valid) return valid;
    signal?.throwIfAborted();
    const joined = source.flight;
    let outcome: Outcome | undefined = joined || isForced ? undefined : barring(source, tokenProvider ? PROVIDER : EXCHANGE);
    if (!outcome) {
      const flight = joined ?? begin(source, false, isForced);
      // With a provider, what others have begun may be served from a store: no answer to an explicit fetchToken.
      const isShared = !isForced || flight.isForced || !tokenProvider;
      if (isShared) flight.isAhead = false;
      // On workerd and edge runtimes one that another request has begun may never settle, or reject with the runtime's
      // refusal: then, and 5 s after its begin, it counts as lost.
      const limitMs = joined && isRequestBound() ? Math.min(flight.startedAtMs - Date.now(), 0) + 5_000 : undefined;
      outcome = await waitFor(flight.outcome, signal, limitMs).catch(() => undefined);
      signal?.throwIfAborted();
      if (!outcome && source.flight === flight) source.flight = undefined;
      if (!isShared) outcome = undefined;
    }
    if (outcome) {
      const { token = isOther() && !isExpired(source.token!) && source.token, error } = outcome;
      if (token) return token;
      throw error;
    }
  }
}

/**
 * Another token than the one that was answered with 401; `undefined` where there is none: nothing to renew with, the
 * same token again, or rejected within the last minute. An error says that the API had answered 401, unless it is a
 * provider's own.
 */
export async function renewToken(
  source: TokenSource,
  { accessToken }: OAuthToken,
  signal?: AbortSignal | null,
): Promise<OAuthToken | undefined> {
  const isHeld = source.token?.accessToken === accessToken;
  if (isHeld && (!source.settings.canRenew || wasRejected(source, accessToken))) return undefined;
  try {
    const token = await getToken(source, signal, false, accessToken);
    markRejected(source, accessToken);
    return token.accessToken === accessToken ? undefined : token;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const Class = error instanceof OAuthProviderError ? OAuthProviderError : ApiError;
    throw new Class(`The API answered 401, then: ${error.message}`, error);
  }
}

/** Counts a token as rejected, if it is held. With `isSpent` the call cannot be sent again, and the next one renews first. */
export function markRejected(source: TokenSource, accessToken: string, isSpent?: unknown): void {
  if (source.token?.accessToken !== accessToken || wasRejected(source, accessToken)) return;
  source.rejected = { accessToken, atMs: Date.now(), delayMs: 60_000 };
  if (isSpent) source.validUntilMs = 0;
}

function begin(source: TokenSource, isAhead: boolean, isForced?: boolean): Flight {
  const { settings, token: held } = source;
  const startedAtMs = Date.now();
  const flight: Flight = { isForced, isAhead, startedAtMs };
  /** Requests made. */
  let attempts = 0;
  /** Whether its failure has been counted. */
  let isCounted = false;
  /** The failure because of which it was told to wait, instead of a request. */
  let barred: Failure | undefined;
  source.flight = flight;
  flight.outcome = run()
    // A provider's error may be made so that looking at it throws.
    .catch((error: unknown) => ({ error }))
    .finally(() => {
      if (source.flight === flight) source.flight = undefined;
    });
  void callHook(settings.waitUntil, flight.outcome);
  return flight;

  async function run(): Promise<Outcome> {
    try {
      const given = await runWithin('The renewal', 60_000, undefined, settings.tokenProvider ? askProvider : exchangeOnce);
      // A late one does not replace what another renewal has brought since.
      const token = source.flight === flight || source.token === held ? remember(source, given) : given;
      if (!isCounted && !barred) source.failure = undefined;
      tell({ type: 'token_obtained', source: attempts ? 'exchange' : 'provider', expiresIn: token.expiresIn });
      return { token };
    } catch (error) {
      // A provider that was told the last error again has not failed anew.
      if (isCounted || !barred || barred.error !== error) {
        if (!isCounted) count(error, attempts ? EXCHANGE : PROVIDER);
        tell({ type: flight.isAhead ? 'refresh_ahead_failed' : 'token_failed', ...describeFailure(error) });
      }
      return { error };
    }
  }

  function tell(event: object): void {
    report(settings, { ...event, durationMs: Date.now() - startedAtMs, attempts } as ClientEvent);
  }

  async function exchangeOnce(signal: AbortSignal): Promise<OAuthToken> {
    // Over its limit, a renewal neither asks nor counts any more, whatever a provider still does.
    signal.throwIfAborted();
    barred = isForced ? undefined : barring(source, flight.isAhead ? AHEAD : EXCHANGE);
    if (barred) throw barred.error;
    try {
      return await withRetries(settings, signal, () => exchange(settings, signal, () => attempts++));
    } catch (error) {
      if (!signal.aborted) count(error, EXCHANGE);
      throw error;
    }
  }

  async function askProvider(signal: AbortSignal): Promise<OAuthToken> {
    const given = await settings.tokenProvider!(
      held,
      Object.freeze({
        tokenUrl: settings.tokenUrl,
        clientId: settings.clientId,
        scope: settings.scope,
        params: settings.params,
        clockSkew: settings.clockSkew,
        isForced: !!isForced,
        fetchToken: () => exchangeOnce(signal),
        report: (event: ClientEvent) => report(settings, event),
      }),
    );
    try {
      const token = withEnd(given, Date.now());
      // What an exchange has just brought serves those who waited, however short its life.
      if (isExpired(token) && (isCounted || !attempts)) throw new TypeError('it has ended');
      return token;
    } catch (error) {
      throw new ApiError(`oauthTokenProvider returned no token: ${(error as Error).message}`, { code: 'invalid_response' });
    }
  }

  /** Bars what has failed for a while. An exchange in vain bars no provider: others may have stored a token meanwhile. */
  function count(error: unknown, failed: number): void {
    const delayMs = Math.min((source.failure?.delayMs ?? 500) * 2, 30_000);
    source.failure = {
      error,
      bars: flight.isAhead ? AHEAD : failed,
      atMs: Date.now(),
      delayMs: Math.max(delayMs, retryAfterMs(error) ?? 0),
    };
    isCounted = true;
  }
}

function remember(source: TokenSource, given: OAuthToken): OAuthToken {
  const { settings, token: held } = source;
  const nowMs = Date.now();
  const isSame = held?.accessToken === given.accessToken;
  const hasEnded = held && isExpired(held, -GRACE_SECONDS);
  // ThingSpace and WSO2 repeat a token, and may say its full lifetime each time: an end that lies ahead holds.
  const isEarlier = isSame && !hasEnded && held!.expiry! < (given.expiry ?? Infinity);
  const token = isEarlier ? reviveToken({ ...given, expiry: held!.expiry }) : given;
  source.token = token;
  // A repeated one is asked for again a little later, since it goes on for as long as the server's clock is behind.
  schedule(source, nowMs, nowMs + (isSame ? 2000 : 1000), isSame);
  if (!isSame || hasEnded) {
    void callHook(settings.onTokenUpdate, token, (error) =>
      report(settings, { type: 'token_update_failed', code: describeFailure(error).code }),
    );
  }
  return token;
}

/** Settles until when the held token is valid, no earlier than `earliestMs`, and when it is refreshed ahead. */
function schedule(source: TokenSource, nowMs: number, earliestMs: number, isSame?: boolean): void {
  const { clockSkew, canRenew } = source.settings;
  const { expiry = Infinity, expiresIn } = source.token!;
  const untilMs = (expiry - (isSame ? 0 : clockSkew)) * 1000;
  const lifetime = expiresIn ?? expiry - nowMs / 1000;
  const windowMs = Math.min(300, lifetime / 5) * (1000 + Math.random() * 500);
  source.validUntilMs = Math.max(untilMs, earliestMs);
  source.refreshAtMs = isSame || !canRenew ? Infinity : Math.max(untilMs - windowMs, nowMs + 1000);
}

/** The failure because of which something is not tried now. */
function barring({ failure }: TokenSource, what: number): Failure | undefined {
  return failure && failure.bars >= what && holds(failure) ? failure : undefined;
}

function wasRejected({ rejected }: TokenSource, accessToken: string): boolean {
  return rejected?.accessToken === accessToken && holds(rejected);
}

/** A time in the future (the clock was set back) holds nothing. */
function holds({ atMs, delayMs }: Hold): boolean {
  return Date.now() >= atMs && Date.now() < atMs + delayMs;
}
