/**
 * The state of one client: its settings, the token it holds, the renewal under way, its last failure. All
 * clients share the functions that work on this record, since closures would treble a client's memory.
 * @module
 */
import type { Settings } from '../config/settings.ts';
import type { OAuthToken } from '../core/token.ts';
import type { Flight } from '../platform/flight.ts';
import { endMs, type HeldToken } from './heldToken.ts';
import type { Failure } from './outageGuard.ts';

/** Gets a token for a renewal by the client's own means. */
export type Grant = (state: ClientState, renewal: Renewal, signal: AbortSignal) => Promise<OAuthToken>;

/** The state of one client. */
export interface ClientState {
  readonly settings: Settings;
  readonly grant: Grant;
  held: HeldToken | undefined;
  /** The renewal under way. */
  flight?: Renewal | undefined;
  /** The last failure, until a success. */
  failure?: Failure | undefined;
}

/** A renewal under way. */
export interface Renewal extends Flight<RenewalOutcome> {
  /** Whether it was begun by the caller's own `fetchToken`. */
  readonly isForced: boolean;
  /** The token that was held when it began. */
  readonly held: HeldToken | undefined;
  /** Whether nobody waits for it yet: it refreshes ahead. */
  isAhead: boolean;
  /** The rejected access token because of which it was begun. */
  readonly rejected: string | undefined;
  /**
   * The promise shared by all callers that joined it and take any valid token, whenever it comes. Absent
   * until the first of them.
   */
  token?: Promise<OAuthToken>;
  /** How many requests it has made. */
  attempts: number;
  /** Whether the failure of its exchange has been counted. */
  isCounted?: boolean;
  /** The failure because of which its exchange was not made. */
  blockedBy?: Failure | undefined;
}

/** How a renewal ended. */
export type RenewalOutcome =
  | { readonly token: OAuthToken; readonly error?: never }
  | { readonly token?: never; readonly error: unknown };

/**
 * The state of a client that starts from a token, or from nothing, with what its entry hands in. Reads no
 * clock.
 */
export function createClientState<Strategy extends Pick<ClientState, 'grant'>>(
  settings: Settings,
  token: OAuthToken | undefined,
  strategy: Strategy,
): ClientState & Strategy {
  const held = token && { token, validUntilMs: endMs(token, settings.clockSkew) };
  return { settings, held, ...strategy };
}
