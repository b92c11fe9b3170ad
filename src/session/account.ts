/**
 * The state of one session object: whose session it is, what it believes, and what is under way.
 * @module
 */
import type { SessionClient } from '../config/attachment.ts';
import type { ApiError } from '../core/errors.ts';
import type { Flight } from '../platform/flight.ts';
import type { TokenStore } from '../stores/tokenStore.ts';
import type { Failure } from '../token/outageGuard.ts';
import type { Belief } from './belief.ts';
import type { SessionRecord } from './record.ts';

/** The operations of a store that a session needs. */
export type SessionStore = Required<Pick<TokenStore, 'get' | 'compareAndSet'>>;

/** A session object. All that changes in it stands here. */
export interface Account {
  readonly username: string;
  readonly password: string;
  /** The store that was given, or one in memory. */
  readonly store: SessionStore;
  /** The account's key in the store. Empty until it is first needed. */
  key: string;
  /**
   * This object's name in counts, and how many logins it has counted. The name is empty before the first
   * call.
   */
  id: string;
  logins: number;
  belief: Belief;
  /** Why the store gave no answer the last time that it gave none. */
  storeFailure?: { readonly cause: unknown } | undefined;
  /** When the record was last looked at. */
  lookedAtMs: number;
  /** The last login that was not accepted. The next one has to wait because of it. */
  failure?: Failure | undefined;
  /** The error that calls get as long as this record is believed. */
  verdict?: { readonly record: SessionRecord; readonly error: ApiError } | undefined;
  /** The login under way. */
  flight?: SessionFlight | undefined;
  /** The client that used the session last, or, while a login is under way, the one that began it. */
  client?: SessionClient | undefined;
  /** The session endpoint, the same for all clients. Empty before there is one. */
  url: string;
}

/** A session object that a client uses. */
export type UsedAccount = Account & { client: SessionClient };

/** A login under way, shared by all who wait. */
export type SessionFlight = Flight<SessionOutcome>;

/** How a login ended, for those who waited for it. */
export interface SessionOutcome {
  readonly token?: string;
  readonly error?: unknown;
}

/** The URL of the login or the logout: below the session endpoint, which may have a query. */
export function endpointOf({ url }: Account, path: '/login' | '/logout'): string {
  const endpoint = new URL(url);
  endpoint.pathname = endpoint.pathname.replace(/\/?$/, path);
  return endpoint.href;
}
