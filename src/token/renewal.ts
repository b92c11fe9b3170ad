/**
 * One renewal: within 60 s the provider is asked, or an exchange is made. What comes of it is remembered,
 * counted and told here and nowhere else. A renewal is one record. Its promise exists before any code of the
 * caller's runs.
 * @module
 */
import type { TokenRequest } from '../config/config.ts';
import { assertUsable, type Settings } from '../config/settings.ts';
import { ApiError } from '../core/errors.ts';
import { type ClientEvent, callHook, describeFailure, report } from '../core/events.ts';
import { createToken, isExpired, type OAuthToken } from '../core/token.ts';
import { runWithin } from '../platform/waiting.ts';
import { exchange } from './exchange.ts';
import { type HeldToken, holdNew } from './heldToken.ts';
import {
  AHEAD,
  barring,
  createFailure,
  EXCHANGE,
  type Failure,
  PROVIDER,
  type Tried,
} from './outageGuard.ts';
import { withRetries } from './retry.ts';

/**
 * The state of one client. All clients share the functions on it: closures would treble a client's memory.
 */
export interface TokenSource {
  readonly settings: Settings;
  held: HeldToken | undefined;
  /** The renewal under way. */
  renewal?: Renewal | undefined;
  /** The last failure, until a success. */
  failure?: Failure | undefined;
  /**
   * Ends the time limit of a call when nobody holds the answer's body any more. Absent until it is first
   * needed.
   */
  openBodies?: FinalizationRegistry<() => void>;
}

/**
 * How a renewal ended. The promise for this always fulfils, so that a rejection can only come from the
 * runtime.
 */
export type Outcome =
  | { readonly token: OAuthToken; readonly error?: never }
  | { readonly token?: never; readonly error: unknown };

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
  /**
   * What all callers wait for that joined it and want the same: any valid token, whenever it comes. Absent
   * until the first.
   */
  token?: Promise<OAuthToken>;
  /** How many requests it has made. */
  attempts: number;
  /** Whether the failure of its exchange has been counted. */
  isCounted?: boolean;
  /** The failure because of which its exchange was not made. */
  barredBy?: Failure | undefined;
}

/** Starts a renewal. Whoever joins it finds it in `source.renewal` from here on. */
export function startRenewal(source: TokenSource, isForced: boolean, isAhead: boolean): Renewal {
  const { held, settings } = source;
  // The promise runs its function, which sets this, before it is returned.
  let settle!: (outcome: Promise<Outcome>) => void;
  const renewal: Renewal = {
    isForced,
    isAhead,
    isReplacement: held?.isGivenUp ?? false,
    startedAtMs: Date.now(),
    held,
    attempts: 0,
    // It exists before a provider runs, which may ask this client for a token.
    outcome: new Promise((resolve) => (settle = resolve)),
  };
  source.renewal = renewal;
  // `renew` itself may reject: a provider's error may be made so that looking at it throws.
  settle(renew(source, renewal).catch((error: unknown) => ({ error })));
  void callHook(settings.waitUntil, renewal.outcome);
  return renewal;
}

async function renew(source: TokenSource, renewal: Renewal): Promise<Outcome> {
  const { settings } = source;
  const tell = (event: object) =>
    report(settings, {
      ...event,
      durationMs: Date.now() - renewal.startedAtMs,
      attempts: renewal.attempts,
    } as ClientEvent);
  try {
    const given = await runWithin(
      'a renewal: check network, oauthTokenProvider and clientAuthentication',
      60_000,
      undefined,
      (signal) => (settings.tokenProvider ? askProvider : makeExchange)(source, renewal, signal),
    );
    // A token that comes late does not replace one that a later renewal has brought meanwhile.
    const isLate = source.renewal !== renewal && source.held !== renewal.held;
    const token = isLate ? given : remember(source, renewal, given);
    if (!renewal.isCounted && !renewal.barredBy) source.failure = undefined;
    tell({
      type: 'token_obtained',
      source: renewal.attempts ? 'exchange' : 'provider',
      expiresIn: token.expiresIn,
    });
    return { token };
  } catch (error) {
    // A provider that only passes on the last error, which it was told without a request, has not failed
    // anew.
    if (renewal.isCounted || !renewal.barredBy || renewal.barredBy.error !== error) {
      if (!renewal.isCounted) count(source, renewal, error, renewal.attempts ? EXCHANGE : PROVIDER);
      tell({ type: renewal.isAhead ? 'refresh_ahead_failed' : 'token_failed', ...describeFailure(error) });
    }
    return { error };
  } finally {
    if (source.renewal === renewal) source.renewal = undefined;
  }
}

function remember(source: TokenSource, { isReplacement }: Renewal, given: OAuthToken): OAuthToken {
  const { settings } = source;
  const held = holdNew(settings, given, source.held, isReplacement);
  source.held = held;
  if (held.isNews) {
    void callHook(settings.onTokenUpdate, held.token, (error) =>
      report(settings, { type: 'token_update_failed', code: describeFailure(error).code }),
    );
  }
  return held.token;
}

/**
 * Counts a failure. A failed exchange does not bar a provider: another process may have stored a token
 * meanwhile.
 */
function count(source: TokenSource, renewal: Renewal, error: unknown, tried: Tried): void {
  source.failure = createFailure(source.failure, error, renewal.isAhead ? AHEAD : tried);
  renewal.isCounted = true;
}

async function makeExchange(source: TokenSource, renewal: Renewal, signal: AbortSignal): Promise<OAuthToken> {
  const { settings } = source;
  // A renewal whose time is over makes no request and counts nothing any more, whatever a provider still
  // does.
  signal.throwIfAborted();
  renewal.barredBy = renewal.isForced
    ? undefined
    : barring(source.failure, renewal.isAhead ? AHEAD : EXCHANGE);
  if (renewal.barredBy) throw renewal.barredBy.error;
  try {
    return await withRetries(settings, signal, () => exchange(settings, signal, () => renewal.attempts++));
  } catch (error) {
    if (!signal.aborted) count(source, renewal, error, EXCHANGE);
    throw error;
  }
}

async function askProvider(source: TokenSource, renewal: Renewal, signal: AbortSignal): Promise<OAuthToken> {
  const { settings } = source;
  const { tokenUrl, clientId, scope, params, clockSkewSeconds: clockSkew, dpop } = settings;
  const request: TokenRequest = Object.freeze({
    tokenUrl,
    clientId,
    scope,
    params,
    clockSkew,
    isForced: renewal.isForced,
    fetchToken: () => makeExchange(source, renewal, signal),
    report: (event: ClientEvent) => report(settings, event),
    ...(dpop && { binding: await dpop.getThumbprint() }),
  });
  const given = await settings.tokenProvider?.(renewal.held?.token, request);
  try {
    const token = assertUsable(createToken(given, Date.now()), dpop);
    // A token that an exchange has just brought serves those who waited for it, however short its life.
    if (isExpired(token) && (renewal.isCounted || !renewal.attempts)) throw new TypeError('it has ended');
    return token;
  } catch (error) {
    throw new ApiError(`oauthTokenProvider returned no usable token: ${(error as Error).message}`, {
      code: 'invalid_response',
    });
  }
}
