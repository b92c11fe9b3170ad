/**
 * One renewal: within 60 s the provider is asked, or an exchange is made. Its outcome is remembered,
 * counted and reported here and nowhere else. A renewal is one record. Its promise exists before any code of
 * the caller's runs.
 * @module
 */
import type { ProviderContext } from '../config/config.ts';
import { assertUsable } from '../config/settings.ts';
import { ApiError } from '../core/errors.ts';
import { type ClientEvent, callHook, describeFailure, report } from '../core/events.ts';
import { createToken, isExpired, type OAuthToken } from '../core/token.ts';
import { startFlight } from '../platform/flight.ts';
import { runWithin } from '../platform/waiting.ts';
import type { ClientState, Renewal, RenewalOutcome } from './clientState.ts';
import { holdNew } from './heldToken.ts';
import { type Attempted, nextFailure } from './outageGuard.ts';

/** Why a renewal is begun. */
interface RenewalReason {
  readonly isForced?: boolean | undefined;
  readonly isAhead?: boolean;
  readonly rejected?: string | undefined;
}

/** Starts a renewal. Whoever joins it finds it in the client's state from here on. */
export function startRenewal(
  state: ClientState,
  { isForced = false, isAhead = false, rejected }: RenewalReason,
): Renewal {
  const { held, settings } = state;
  const cause = held?.isGivenUp ? held.token.accessToken : rejected;
  // The promise runs its function, which sets this, before it is returned.
  let settle!: (outcome: Promise<RenewalOutcome>) => void;
  const renewal: Renewal = {
    isForced,
    isAhead,
    rejected: cause,
    aliveAtMs: Date.now(),
    held,
    attempts: 0,
    // It exists before a provider runs, which may ask this client for a token.
    outcome: new Promise((resolve) => (settle = resolve)),
  };
  startFlight(state, renewal, settings);
  // `renew` itself may reject: a provider's error may be made so that looking at it throws.
  settle(renew(state, renewal).catch((error: unknown) => ({ error })));
  return renewal;
}

async function renew(state: ClientState, renewal: Renewal): Promise<RenewalOutcome> {
  const { settings } = state;
  const tell = (event: object) =>
    report(settings, {
      ...event,
      durationMs: Date.now() - renewal.aliveAtMs,
      attempts: renewal.attempts,
    } as ClientEvent);
  try {
    const given = await runWithin(
      'a renewal: check the network and oauthTokenProvider',
      60_000,
      undefined,
      (signal) => (settings.oauthTokenProvider ? askProvider : state.grant)(state, renewal, signal),
    );
    // A token that comes late does not replace one that a later renewal has brought meanwhile.
    const isLate = state.flight !== renewal && state.held !== renewal.held;
    const token = isLate ? given : remember(state, renewal, given);
    if (!renewal.isCounted && !renewal.blockedBy) state.failure = undefined;
    tell({
      type: 'token_obtained',
      source: sourceOf(renewal),
      expiresIn: token.expiresIn,
    });
    return { token };
  } catch (error) {
    // A provider that only passes on the last error, which it was told without a request, has not failed
    // anew.
    if (renewal.isCounted || !renewal.blockedBy || renewal.blockedBy.error !== error) {
      if (!renewal.isCounted) countFailure(state, renewal, error, sourceOf(renewal));
      tell({ type: renewal.isAhead ? 'refresh_ahead_failed' : 'token_failed', ...describeFailure(error) });
    }
    return { error };
  }
}

/** The kind of renewal so far: one that has sent no request is its provider's. */
function sourceOf({ attempts }: Renewal): 'exchange' | 'provider' {
  return attempts ? 'exchange' : 'provider';
}

function remember(state: ClientState, renewal: Renewal, given: OAuthToken): OAuthToken {
  const { settings } = state;
  const held = holdNew(settings, given, state.held, renewal.rejected);
  state.held = held;
  if (held.isNews) {
    void callHook(settings.oauthOnTokenUpdate, held.token, (error) =>
      report(settings, { type: 'token_update_failed', code: describeFailure(error).code }),
    );
  }
  return held.token;
}

/** Counts a failure of a renewal. `askedMs` is how long the server asks to wait, if it does. */
export function countFailure(
  state: ClientState,
  renewal: Renewal,
  error: unknown,
  failed: Attempted,
  askedMs?: number,
): void {
  state.failure = nextFailure(state.failure, error, renewal.isAhead ? 'refresh_ahead' : failed, askedMs);
  renewal.isCounted = true;
}

async function askProvider(state: ClientState, renewal: Renewal, signal: AbortSignal): Promise<OAuthToken> {
  const { settings } = state;
  const { tokenUrl, clientId, scope, params, clockSkew, dpop } = settings;
  const context: ProviderContext = Object.freeze({
    tokenUrl,
    clientId,
    scope,
    params,
    clockSkew,
    isForced: renewal.isForced,
    fetchToken: () => state.grant(state, renewal, signal),
    report: (event: ClientEvent) => report(settings, event),
    ...(dpop && { binding: await dpop.getThumbprint() }),
  });
  const given = await settings.oauthTokenProvider?.(renewal.held?.token, context);
  try {
    const token = assertUsable(createToken(given, Date.now()), dpop);
    // A token that an exchange has just brought serves those who waited for it, however short its life.
    if (isExpired(token) && (renewal.isCounted || !renewal.attempts)) throw new TypeError('it has ended');
    return token;
  } catch (error) {
    throw new ApiError(
      `oauthTokenProvider returned no usable token (${typeof given}): ${(error as Error).message}`,
      {
        code: 'invalid_response',
      },
    );
  }
}
