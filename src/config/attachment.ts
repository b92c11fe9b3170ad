/**
 * Connects a client and its M2M session: the part of each that the other sees, and which objects are
 * sessions.
 * @module
 */
import type { ClientEvent } from '../core/events.ts';
import type { RejectedUse } from '../core/rejections.ts';
import type { OAuthToken } from '../core/token.ts';
import type { Fetch } from '../platform/fetch.ts';

/** The part of a client that its session sees: no more than a login needs, and never the client's secret. */
export interface SessionClient {
  readonly tokenUrl: string;
  readonly sessionUrl?: string | undefined;
  readonly fetch: Fetch;
  readonly waitUntil?: ((promise: Promise<unknown>) => unknown) | undefined;
  readonly onEvent?: ((event: ClientEvent) => unknown) | undefined;
  /** Gets a bearer, as the client's own `getToken` does; another one in place of one that was `rejected`. */
  readonly getToken: (options?: { readonly rejected: string }) => Promise<OAuthToken>;
  /** Notes that a bearer was not taken, and returns whether to get another one. */
  readonly rejectToken: (accessToken: string) => boolean;
}

/** The part of a session that its client sees. */
export interface AttachedSession {
  /**
   * Gives the session token for one call: the one that is held, or a new one after a login. Rejects like
   * `getToken`, or with the login's error.
   */
  readonly getSessionToken: (signal: AbortSignal | null | undefined) => string | Promise<string>;
  /**
   * Whether an answer says that the session has lapsed. The answer can still be read afterwards.
   * Rejects if its body breaks off.
   */
  readonly isLapse: (response: Response) => Promise<boolean>;
  /**
   * Tells the session that a call with the session token `sent` found the session lapsed. `use` says what
   * kind of call that was. Returns `true` if the next `getSessionToken` brings another token. Never throws.
   */
  readonly giveUp: (sent: string, use: RejectedUse) => boolean;
}

/**
 * Puts a session to work for a client.
 *
 * @throws `TypeError` for a client with another session endpoint than the clients before it
 */
export type AttachSession = (client: SessionClient) => AttachedSession;

/** The inside of each session, by the object that its caller holds. Any other object is not a session. */
export const sessions: WeakMap<object, AttachSession> = new WeakMap();
