/**
 * One renewal: the provider asked, or an exchange made, within 60 s. What comes of it is remembered, counted and told here
 * and nowhere else. A renewal is one record, and its promise exists before anything of the caller's runs.
 * @module
 */
import type { TokenRequest } from '../config/config.ts';
import type { Settings } from '../config/settings.ts';
import { assertUsable } from '../config/settings.ts';
import { ApiError } from '../platform/errors.ts';
import type { ClientEvent } from '../platform/events.ts';
import { callHook, describeFailure, report } from '../platform/events.ts';
import type { OAuthToken } from '../platform/token.ts';
import { createToken, isExpired } from '../platform/token.ts';
import { runWithin } from '../platform/waiting.ts';
import { exchange } from './exchange.ts';
import type { HeldToken } from './heldToken.ts';
import { holdNew, isNews } from './heldToken.ts';
import type { Failure, Tried } from './outageGuard.ts';
import { barring, createFailure } from './outageGuard.ts';
import { withRetries } from './retry.ts';

/** The state of one client. All clients share the functions on it: closures would treble a client's memory. */
export interface TokenSource {
  readonly settings: Settings;
  held: HeldToken | undefined;
  /** The renewal under way. */
  renewal: Renewal | undefined;
  /** The last failure, until a success. */
  failure: Failure | undefined;
  /** Ends the time limits of calls whose bodies nobody holds any more; absent until there is one. */
  openBodies: FinalizationRegistry<() => void> | undefined;
}

/** How a renewal ended. Its promise always fulfils, so that a rejection can only be the runtime's. */
export type Outcome = { readonly token: OAuthToken; readonly error?: never } | { readonly token?: never; readonly error: unknown };

/** A renewal under way. */
export interface Renewal {
  /** Whether it was begun by the caller's own `fetchToken`. */
  readonly isForced: boolean;
  readonly startedAtMs: number;
  readonly outcome: Promise<Outcome>;
  /** What was held when it began. */
  readonly held: HeldToken | undefined;
  /** Whether nobody waits for it yet: it refreshes ahead. */
  isAhead: boolean;
  /** Whether somebody wants its token in the place of a rejected one. */
  isReplacement: boolean;
  /** Requests made. */
  attempts: number;
  /** The failure of its exchange, which has been counted. */
  failed?: Failure;
  /** The failure because of which its exchange was not made. */
  barredBy?: Failure;
}

/** Starts a renewal. Whoever joins it finds it in `source.renewal` from here on. */
export function startRenewal(source: TokenSource, kind: 'needed' | 'forced' | 'ahead'): Renewal {
  let settle: (outcome: Outcome | PromiseLike<Outcome>) => void = () => {};
  const renewal: Renewal = {
    isForced: kind === 'forced',
    isAhead: kind === 'ahead',
    isReplacement: source.held?.isGivenUp ?? false,
    startedAtMs: Date.now(),
    held: source.held,
    attempts: 0,
    // It exists before a provider runs, which may ask this client for a token.
    outcome: new Promise((resolve) => (settle = resolve)),
  };
  source.renewal = renewal;
  // A provider's error may be made so that looking at it throws.
  settle(renew(source, renewal).catch((error: unknown) => ({ error })));
  void callHook(source.settings.waitUntil, renewal.outcome);
  return renewal;
}

async function renew(source: TokenSource, renewal: Renewal): Promise<Outcome> {
  const ask = source.settings.tokenProvider ? askProvider : makeExchange;
  try {
    const given = await runWithin(RENEWAL, 60_000, undefined, (signal) => ask(source, renewal, signal));
    return succeed(source, renewal, given);
  } catch (error) {
    return fail(source, renewal, error);
  } finally {
    if (source.renewal === renewal) source.renewal = undefined;
  }
}

const RENEWAL = 'a renewal: check network, oauthTokenProvider and clientAuthentication';

function succeed(source: TokenSource, renewal: Renewal, given: OAuthToken): Outcome {
  // A late one does not replace what a later renewal has brought meanwhile.
  const isLate = source.renewal !== renewal && source.held !== renewal.held;
  const token = isLate ? given : remember(source, renewal, given);
  if (!renewal.failed && !renewal.barredBy) source.failure = undefined;
  tell(source, renewal, { type: 'token_obtained', source: renewal.attempts ? 'exchange' : 'provider', expiresIn: token.expiresIn });
  return { token };
}

function remember(source: TokenSource, { isReplacement }: Renewal, given: OAuthToken): OAuthToken {
  const { settings, held: last } = source;
  const held = holdNew(settings, given, last, isReplacement);
  source.held = held;
  if (isNews(given, last)) {
    void callHook(settings.onTokenUpdate, held.token, (error) =>
      report(settings, { type: 'token_update_failed', code: describeFailure(error).code }),
    );
  }
  return held.token;
}

function fail(source: TokenSource, renewal: Renewal, error: unknown): Outcome {
  // A provider that was told the last error again has not failed anew.
  if (renewal.barredBy && renewal.barredBy.error === error) return { error };
  if (!renewal.failed) count(source, renewal, error, renewal.attempts ? 'exchange' : 'provider');
  tell(source, renewal, { type: renewal.isAhead ? 'refresh_ahead_failed' : 'token_failed', ...describeFailure(error) });
  return { error };
}

/** An exchange in vain bars no provider: another process may have stored a token meanwhile. */
function count(source: TokenSource, { isAhead }: Renewal, error: unknown, tried: Tried): Failure {
  source.failure = createFailure(source.failure, error, isAhead ? 'refreshAhead' : tried);
  return source.failure;
}

function tell({ settings }: TokenSource, { startedAtMs, attempts }: Renewal, event: object): void {
  report(settings, { ...event, durationMs: Date.now() - startedAtMs, attempts } as ClientEvent);
}

async function makeExchange(source: TokenSource, renewal: Renewal, signal: AbortSignal): Promise<OAuthToken> {
  // Over its limit, a renewal neither asks nor counts any more, whatever a provider still does.
  signal.throwIfAborted();
  const barred = renewal.isForced ? undefined : barring(source.failure, renewal.isAhead ? 'refreshAhead' : 'exchange');
  if (barred) {
    renewal.barredBy = barred;
    throw barred.error;
  }
  try {
    return await withRetries(source.settings, signal, () => exchange(source.settings, signal, () => renewal.attempts++));
  } catch (error) {
    if (!signal.aborted) renewal.failed = count(source, renewal, error, 'exchange');
    throw error;
  }
}

async function askProvider(source: TokenSource, renewal: Renewal, signal: AbortSignal): Promise<OAuthToken> {
  const { settings } = source;
  const request = await createRequest(settings, renewal, () => makeExchange(source, renewal, signal));
  const given = await settings.tokenProvider?.(renewal.held?.token, request);
  try {
    const token = assertUsable(createToken(given, Date.now()), settings.dpop);
    // What an exchange has just brought serves those who waited, however short its life.
    if (isExpired(token) && (renewal.failed || !renewal.attempts)) throw new TypeError('it has ended');
    return token;
  } catch (error) {
    throw new ApiError(`oauthTokenProvider returned no usable token: ${(error as Error).message}`, { code: 'invalid_response' });
  }
}

async function createRequest(settings: Settings, { isForced }: Renewal, fetchToken: () => Promise<OAuthToken>): Promise<TokenRequest> {
  const { tokenUrl, clientId, scope, params, clockSkewSeconds: clockSkew, dpop } = settings;
  return Object.freeze({
    tokenUrl,
    clientId,
    scope,
    params,
    clockSkew,
    isForced,
    fetchToken,
    report: (event: ClientEvent) => report(settings, event),
    ...(dpop && { binding: await dpop.getThumbprint() }),
  });
}
