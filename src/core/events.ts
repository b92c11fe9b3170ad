/**
 * Events, and calls of the caller's hooks. Whatever a hook throws or rejects with, no call fails because of
 * it.
 * @module
 */
import { type ApiErrorCode, isApiError } from './errors.ts';
import { freezeRecord } from './record.ts';

/** The code of a failure in an event: `'other'` for an error that is no `ApiError`. */
export type EventCode = ApiErrorCode | 'other';

/** The operation that a store was asked for. */
export type StoreOperation = 'get' | 'set' | 'delete' | 'compareAndSet';

/**
 * A frozen record of something that happened, without secrets. Its `type` says what. Times are in
 * milliseconds.
 */
export type ClientEvent =
  /**
   * The client has a token. `attempts` is the number of requests made, 0 for none. `expiresIn` is its
   * lifetime in seconds.
   */
  | {
      readonly type: 'token_obtained';
      readonly source: 'exchange' | 'provider';
      readonly durationMs: number;
      readonly attempts: number;
      readonly expiresIn?: number;
    }
  /**
   * The client got no token in `attempts` requests. After `refresh_ahead_failed` it goes on using the current
   * one.
   */
  | {
      readonly type: 'token_failed' | 'refresh_ahead_failed';
      readonly code: EventCode;
      readonly statusCode?: number;
      readonly durationMs: number;
      readonly attempts: number;
    }
  /**
   * The token endpoint is asked again after `delayMs`. `attempt` is the number of the attempt that failed,
   * counted from 1.
   */
  | {
      readonly type: 'retry_waiting';
      readonly attempt: number;
      readonly delayMs: number;
      readonly code: EventCode;
      readonly statusCode?: number;
    }
  /** `oauthOnTokenUpdate` threw or rejected. */
  | { readonly type: 'token_update_failed'; readonly code: EventCode }
  /** An API call was sent again: with a new token, a new M2M session, or a proof with the nonce asked for. */
  | { readonly type: 'request_replayed'; readonly reason: 'token' | 'session' | 'nonce' }
  /**
   * A store failed, hung or returned junk. A token request goes on without it. A session sends no login
   * until the store works again, and goes on using the session that it holds. `reason` is one word, and no
   * more of an error's text.
   */
  | { readonly type: 'store_failed'; readonly operation: StoreOperation; readonly reason: string }
  /**
   * `session_obtained`: the M2M login brought a session. `session_failed`: the login, or the logout, failed
   * this time. `logins_stopped`: from now on no login is sent.
   */
  | {
      readonly type: 'session_obtained' | 'session_failed' | 'logins_stopped';
      readonly code?: EventCode;
      readonly statusCode?: number;
    };

/** Takes an event. */
export type Report = (event: ClientEvent) => void;

/**
 * Calls a hook at once. What it throws or rejects with goes to `onFailure` and no further: an error may be
 * made so that looking at it throws.
 */
export async function callHook<T>(
  hook: ((argument: T) => unknown) | undefined,
  argument: T,
  onFailure?: (error: unknown) => void,
): Promise<void> {
  try {
    await hook?.(argument);
  } catch (error) {
    void callHook(onFailure, error);
  }
}

/** Tells the caller's `onEvent` of an event. */
export function report(
  { onEvent }: { readonly onEvent?: ((event: ClientEvent) => unknown) | undefined },
  event: LooseEvent,
): void {
  // A provider's event may hold what JSON cannot write.
  void callHook((each) => onEvent?.(freezeRecord<ClientEvent>(each)), event as ClientEvent);
}

/** The fields of an event that describe an error. */
export function describeFailure(error: unknown): {
  readonly code: EventCode;
  readonly statusCode?: number | undefined;
} {
  return isApiError(error) ? { code: error.code, statusCode: error.statusCode } : { code: 'other' };
}

/** An event whose absent fields are still there as `undefined`. */
type Loose<T> = T extends unknown ? { readonly [K in keyof T]: T[K] | undefined } : never;
type LooseEvent = Loose<ClientEvent>;
