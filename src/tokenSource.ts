/**
 * One client's token: remembers it, shares one renewal among all callers, refreshes it ahead of its end, and keeps
 * quiet after failures. All state is in the record that {@link createTokenSource} makes; there are no timers but those
 * of a renewal under way.
 * @module
 */
import type { Settings, TokenRequest } from './config.ts';
import { ApiError } from './errors.ts';
import { callHook, describeFailure } from './events.ts';
import { retryAfterMs } from './retry.ts';
import type { OAuthToken } from './token.ts';
import { isExpired, reviveToken, withExpiry } from './token.ts';
import { timeoutError } from './transport.ts';
import { isRequestBound, waitFor } from './waiting.ts';

/** Makes one exchange with its retries; calls `onRequest` before each request. */
export type Exchange = (settings: Settings, signal: AbortSignal, onRequest: () => void) => Promise<OAuthToken>;

/** The state of one client's token. Times are in milliseconds of Unix time. */
export interface TokenSource {
  readonly settings: Settings;
  readonly exchange: Exchange;
  token: OAuthToken | undefined;
  /** Until when the token is valid; `undefined` until a token from the configuration is first used. */
  validUntilMs: number | undefined;
  /** From when on a call refreshes the token beside itself. */
  refreshAtMs: number;
  /** The renewal under way. */
  flight: Flight | undefined;
  /** Flights begun, and the one that the token came from: a late result never replaces a newer one. */
  begun: number;
  applied: number;
  /** The last failure, until a success. */
  failure: Failure | undefined;
  /** The access token last answered with 401, and when: it causes no further exchange for a minute. */
  rejected: { readonly accessToken: string; readonly atMs: number } | undefined;
}

/** How a renewal ended. Shared promises always fulfil, so that a rejection can only come from the runtime. */
type Outcome = { readonly token: OAuthToken } | { readonly error: unknown };

interface Flight {
  readonly number: number;
  readonly isForced: boolean;
  readonly startedAtMs: number;
  /** Whether nobody waits for it yet. */
  isAhead: boolean;
  /** Requests made. */
  attempts: number;
  /** What an exchange in it brought or failed with. */
  exchanged: Outcome | undefined;
  outcome: Promise<Outcome>;
}

interface Failure {
  readonly error: unknown;
  readonly atMs: number;
  readonly delayMs: number;
  /** The doubling delay, without what a `Retry-After` added. */
  readonly stepMs: number;
  /** What has to wait: refreshing ahead, any exchange, or the provider too. */
  readonly bars: number;
}

const RENEWAL_LIMIT_MS = 60_000;
const REJOIN_MS = 5_000;
const REJECTED_FOR_MS = 60_000;

/** The state of a client that starts from `token`. Reads no clock. */
export function createTokenSource(settings: Settings, exchange: Exchange, token: OAuthToken | undefined): TokenSource {
  return {
    settings,
    exchange,
    token,
    validUntilMs: undefined,
    refreshAtMs: Infinity,
    flight: undefined,
    begun: 0,
    applied: 0,
    failure: undefined,
    rejected: undefined,
  };
}

/** The remembered token while it is valid. May start a refresh beside the caller. */
export function validToken(source: TokenSource): OAuthToken | undefined {
  const { token } = source;
  if (!token) return undefined;
  const nowMs = Date.now();
  if (source.validUntilMs === undefined) schedule(source, token, nowMs, false, false);
  if (nowMs >= source.validUntilMs!) return undefined;
  if (nowMs >= source.refreshAtMs) refreshAhead(source);
  return token;
}

/** A valid token: the remembered one, else that of one shared renewal; one that has not ended serves when that fails. */
export async function getToken(source: TokenSource, signal?: AbortSignal | null): Promise<OAuthToken> {
  const token = validToken(source);
  if (token) return token;
  const outcome = await renew(source, false, signal, () => validToken(source));
  if ('token' in outcome) return outcome.token;
  const held = source.token;
  if (held && !isExpired(held)) return held;
  throw outcome.error;
}

/** A token from a renewal that the caller asked for in so many words. */
export async function fetchToken(source: TokenSource, signal?: AbortSignal | null): Promise<OAuthToken> {
  const outcome = await renew(source, true, signal);
  if ('token' in outcome) return outcome.token;
  throw outcome.error;
}

/**
 * Another token than the one that was answered with 401; `undefined` where there is none: nothing to renew with, the
 * same token again, or rejected within the last minute.
 */
export async function renewToken(
  source: TokenSource,
  rejected: OAuthToken,
  signal?: AbortSignal | null,
): Promise<OAuthToken | undefined> {
  if (source.token?.accessToken !== rejected.accessToken) return getToken(source, signal);
  if (!canRenew(source.settings) || wasRejected(source, rejected)) return undefined;
  const isOther = (token: OAuthToken | undefined) => (token?.accessToken === rejected.accessToken ? undefined : token);
  const outcome = await renew(source, false, signal, () => isOther(source.token));
  if ('error' in outcome) throw afterRejection(outcome.error);
  markRejected(source, rejected);
  return isOther(outcome.token);
}

/** Counts a token as rejected. With `isSpent` the call cannot be sent again, and the next one renews first. */
export function markRejected(source: TokenSource, token: OAuthToken, isSpent = false): void {
  if (source.token?.accessToken !== token.accessToken || wasRejected(source, token)) return;
  source.rejected = { accessToken: token.accessToken, atMs: Date.now() };
  if (isSpent && canRenew(source.settings)) source.validUntilMs = 0;
}

/**
 * Joins the renewal under way or begins one. `look` finds what another caller may have brought meanwhile.
 * Rejects only with the reason of the caller's own signal.
 */
async function renew(
  source: TokenSource,
  isForced: boolean,
  signal: AbortSignal | null | undefined,
  look?: () => OAuthToken | undefined,
): Promise<Outcome> {
  const { settings } = source;
  if (!canRenew(settings)) return { error: noCredentials() };
  for (;;) {
    if (signal?.aborted) throw signal.reason;
    const current = source.flight;
    const barred = current || isForced ? undefined : barring(source, settings.provider ? PROVIDER : EXCHANGE);
    if (barred) return { error: barred.error };
    const flight = current ?? begin(source, isForced, false);
    // With a provider, what others have begun may be served from a store: it is no answer to an explicit fetchToken.
    const isShared = !isForced || flight.isForced || !settings.provider;
    if (isShared) flight.isAhead = false;
    const outcome = await join(flight, flight !== current, signal);
    if (outcome && isShared) return outcome;
    if (!outcome && source.flight === flight) source.flight = undefined;
    const token = look?.();
    if (token) return { token };
  }
}

/**
 * Waits for a renewal. On workerd and edge runtimes one that another request has begun may never settle, or reject with
 * the runtime's refusal: then, and after {@link REJOIN_MS}, it counts as lost (`undefined`), and the caller looks again.
 */
async function join(flight: Flight, isOwn: boolean, signal: AbortSignal | null | undefined): Promise<Outcome | undefined> {
  const ageMs = Math.max(Date.now() - flight.startedAtMs, 0);
  const limitMs = isOwn || !isRequestBound() ? undefined : Math.max(REJOIN_MS - ageMs, 0);
  try {
    return await waitFor(flight.outcome, signal, limitMs);
  } catch (error) {
    if (signal?.aborted) throw error;
    return undefined;
  }
}

/** Starts a refresh beside the caller, unless one is under way, has just failed, or could not outlive the request. */
function refreshAhead(source: TokenSource): void {
  const isLost = !source.settings.waitUntil && isRequestBound();
  if (!source.flight && !isLost && !barring(source, AHEAD)) begin(source, false, true);
}

function begin(source: TokenSource, isForced: boolean, isAhead: boolean): Flight {
  const flight: Flight = {
    number: ++source.begun,
    isForced,
    isAhead,
    startedAtMs: Date.now(),
    attempts: 0,
    exchanged: undefined,
    outcome: undefined as unknown as Promise<Outcome>,
  };
  source.flight = flight;
  flight.outcome = run(source, flight);
  void callHook(source.settings.waitUntil, flight.outcome);
  return flight;
}

async function run(source: TokenSource, flight: Flight): Promise<Outcome> {
  let outcome: Outcome;
  try {
    outcome = { token: remember(source, flight, await obtain(source, flight)) };
  } catch (error) {
    outcome = { error };
  }
  if (source.flight === flight) source.flight = undefined;
  conclude(source, flight, outcome);
  return outcome;
}

async function obtain(source: TokenSource, flight: Flight): Promise<OAuthToken> {
  const controller = new AbortController();
  const exchange = () => exchangeOnce(source, flight, controller.signal);
  const work = source.settings.provider ? askProvider(source, flight, exchange) : exchange();
  try {
    const token = await waitFor(work, undefined, RENEWAL_LIMIT_MS);
    if (token) return token;
    throw timeoutError('The renewal', RENEWAL_LIMIT_MS);
  } finally {
    controller.abort();
  }
}

async function exchangeOnce(source: TokenSource, flight: Flight, signal: AbortSignal): Promise<OAuthToken> {
  const barred = flight.isForced ? undefined : barring(source, EXCHANGE);
  if (barred) throw barred.error;
  try {
    if (!source.settings.canExchange) throw noCredentials();
    const token = await source.exchange(source.settings, signal, () => flight.attempts++);
    flight.exchanged = { token };
    return token;
  } catch (error) {
    flight.exchanged = { error };
    noteFailure(source, error, flight.isAhead ? AHEAD : EXCHANGE);
    throw error;
  }
}

async function askProvider(source: TokenSource, flight: Flight, fetchToken: () => Promise<OAuthToken>): Promise<OAuthToken> {
  const { provider, tokenUrl, clientId, scope, params, clockSkewSeconds: clockSkew, report } = source.settings;
  const request: TokenRequest = { fetchToken, tokenUrl, clientId, scope, params, clockSkew, isForced: flight.isForced, report };
  const given = await provider!(source.token, Object.freeze(request));
  const exchanged = flight.exchanged && 'token' in flight.exchanged ? flight.exchanged.token : undefined;
  if (given === exchanged) return given;
  const token = reviveGiven(given);
  if (isExpired(token) && token.accessToken !== exchanged?.accessToken) {
    throw new ApiError('The token provider returned a token that has ended', { code: 'invalid_response' });
  }
  return token;
}

/** A lifetime without an end counts from the token's arrival. */
function reviveGiven(given: unknown): OAuthToken {
  try {
    const token = reviveToken(given);
    const { expiresIn, expiry } = token;
    return withExpiry(token, expiry ?? (expiresIn === undefined ? undefined : Math.floor(Date.now() / 1000) + expiresIn));
  } catch (error) {
    throw new ApiError(`The token provider returned no token: ${(error as Error).message}`, { code: 'invalid_response' });
  }
}

/** Keeps a token, unless a later renewal has brought one. Returns the one kept. */
function remember(source: TokenSource, flight: Flight, token: OAuthToken): OAuthToken {
  const held = source.token;
  if (flight.number < source.applied && held) return held;
  source.applied = flight.number;
  const isSame = held?.accessToken === token.accessToken;
  // ThingSpace and WSO2 repeat a token, and may give its full lifetime each time: the known end holds while it lies ahead.
  const isAhead = isSame && held.expiry !== undefined && !isExpired(held);
  const kept = isAhead ? withExpiry(token, Math.min(held.expiry!, token.expiry ?? Infinity)) : token;
  source.token = kept;
  schedule(source, kept, Date.now(), true, isSame);
  if (!isSame || isExpired(held)) {
    void callHook(source.settings.onTokenUpdate, kept, (error) =>
      source.settings.report({ type: 'token_update_failed', code: describeFailure(error).code }),
    );
  }
  return kept;
}

/** Settles until when a token is valid and when it is refreshed ahead; each new one serves for a second at least. */
function schedule(source: TokenSource, token: OAuthToken, nowMs: number, isNew: boolean, isSame: boolean): void {
  const { settings } = source;
  const { expiry = Infinity, expiresIn } = token;
  const endMs = expiry * 1000;
  const untilMs = endMs - (isSame ? 0 : settings.clockSkewSeconds * 1000);
  const lifetimeMs = expiresIn === undefined ? endMs - nowMs : expiresIn * 1000;
  const windowMs = Math.min(300_000, lifetimeMs * 0.2) * (1 + Math.random() / 2);
  source.validUntilMs = isNew ? Math.max(untilMs, nowMs + 1000) : untilMs;
  source.refreshAtMs = isSame || !canRenew(settings) ? Infinity : Math.max(untilMs - windowMs, nowMs + 1000);
}

/** Clears or counts the failure of a renewal that has ended, and tells about it. */
function conclude(source: TokenSource, flight: Flight, outcome: Outcome): void {
  const { settings } = source;
  const { attempts, exchanged, isAhead } = flight;
  const measured = { durationMs: Date.now() - flight.startedAtMs, attempts };
  if ('token' in outcome) {
    if (!exchanged || 'token' in exchanged) source.failure = undefined;
    const { expiresIn } = outcome.token;
    const origin = exchanged && 'token' in exchanged ? 'exchange' : 'provider';
    settings.report({ type: 'token_obtained', source: origin, ...measured, ...(expiresIn !== undefined && { expiresIn }) });
    return;
  }
  const { error } = outcome;
  if (!exchanged) {
    // A provider that was told the last error again has not failed anew.
    if (error === barring(source, EXCHANGE)?.error) return;
    noteFailure(source, error, isAhead ? AHEAD : PROVIDER);
  }
  settings.report({ type: isAhead ? 'refresh_ahead_failed' : 'token_failed', ...describeFailure(error), ...measured });
}

/** What a failure keeps from being tried, and all below it: refreshing ahead, an exchange, the provider. */
const AHEAD = 0;
const EXCHANGE = 1;
const PROVIDER = 2;

function noteFailure(source: TokenSource, error: unknown, bars: number): void {
  const stepMs = Math.min(source.failure ? source.failure.stepMs * 2 : 1000, 30_000);
  source.failure = { error, bars, stepMs, atMs: Date.now(), delayMs: Math.max(stepMs, retryAfterMs(error) ?? 0) };
}

/** The failure because of which something is not tried now. One from the future (the clock was set back) bars nothing. */
function barring({ failure }: TokenSource, what: number): Failure | undefined {
  return failure && failure.bars >= what && isWithin(failure.delayMs, failure.atMs) ? failure : undefined;
}

function wasRejected({ rejected }: TokenSource, token: OAuthToken): boolean {
  return rejected?.accessToken === token.accessToken && isWithin(REJECTED_FOR_MS, rejected.atMs);
}

function isWithin(durationMs: number, sinceMs: number): boolean {
  const elapsedMs = Date.now() - sinceMs;
  return elapsedMs >= 0 && elapsedMs < durationMs;
}

function canRenew({ canExchange, provider }: Settings): boolean {
  return canExchange || !!provider;
}

function noCredentials(): ApiError {
  return new ApiError('A token is needed, and there is neither oauthClientSecret nor oauthTokenProvider to get one with', {
    code: 'no_credentials',
  });
}

/** The same error for a call that the API had answered with 401. A provider's own error stays what it is. */
function afterRejection(error: unknown): unknown {
  if (!(error instanceof ApiError)) return error;
  const renewed = error.constructor as new (message: string, fields: ApiError) => ApiError;
  return new renewed(`The API answered 401, and no new token could be had: ${error.message}`, error);
}
