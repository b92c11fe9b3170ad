/**
 * What one session object knows: the session it holds, and what the record in the store does not say.
 * All that changes in a session stands here, in one object.
 * @module
 */
import type { ApiError } from '../core/errors.ts';
import type { Rejections } from '../core/rejections.ts';
import type { TokenStore } from '../stores/tokenStore.ts';
import type { ClientState } from '../token/clientState.ts';
import type { Failure } from '../token/outageGuard.ts';
import { isAlive, type Self, type SessionRecord } from './record.ts';

/** A record that holds a session. */
export type StoredSession = SessionRecord & { readonly token: string; readonly usedAtMs: number };

/** The session held. Times are in milliseconds of Unix time. */
export interface Held extends Rejections {
  readonly token: string;
  usedAtMs: number;
  rejectedAgainAtMs?: number | undefined;
  /** The last use that has been written to the store, or whose writing was begun. */
  savedAtMs: number;
  /**
   * The record in the store that this session is still to be written over. Absent once that has been done.
   */
  over?: SessionRecord | undefined;
}

/** A login under way, shared by all who wait. */
export interface Flight {
  /** Always fulfils, so that a rejection can only come from the runtime. */
  readonly outcome: Promise<Outcome>;
  /** When it gave its last sign of life. */
  aliveAtMs: number;
}

/** How a login ended, for those who waited for it: returns the session token, or throws. */
export type Outcome = () => string;

/** The operations of a store that a session needs. */
export type SessionStore = Required<Pick<TokenStore, 'get' | 'compareAndSet'>>;

/** The state of one session object. */
export interface Account extends Self {
  readonly username: string;
  readonly password: string;
  /** The store that was given, or one in memory. */
  readonly store: SessionStore;
  /**
   * `id` is this object's name in counts, there from the first call on. `key` is the account's key in the
   * store, empty until it is first needed.
   */
  id: string;
  key: string;
  /**
   * The client that used the session last, or, while a login is under way, the one that began it. It is set
   * before anything is asked of it.
   */
  client: ClientState;
  /** The session endpoint, the same for all clients. It is set with the first client. */
  url: string;
  held?: Held | undefined;
  spent?: Self['spent'];
  /** The record as it was last read or written. An empty one after a reset. */
  known: SessionRecord;
  /**
   * Whether `known` could not be written. It then holds until a reset, or until a session is found in the
   * store.
   */
  isUnwritten?: boolean;
  /**
   * `isReset`: the text that is read next from the store counts for nothing. `voided`: that text, which
   * counts for nothing as long as it stands there unchanged.
   */
  isReset?: boolean;
  voided?: string | undefined;
  /** The error that all calls get since logins have been stopped. */
  refusal?: ApiError | undefined;
  /** The last failure because of which the next login has to wait. */
  failure?: Failure | undefined;
  flight?: Flight | undefined;
}

/**
 * The URL of the login or the logout: below the session endpoint, which may end with a slash or have a query.
 */
export function endpointOf(url: string, path: string): string {
  const endpoint = new URL(url);
  endpoint.pathname = endpoint.pathname.replace(/\/?$/, path);
  return endpoint.href;
}

/** The session held, while it is alive. */
export function current({ held }: Account): Held | undefined {
  return held && isAlive(held, Date.now()) ? held : undefined;
}

/** Takes a record as what is known, in the place of what was known before. */
export function learn(account: Account, record: SessionRecord, isUnwritten = false): void {
  account.known = record;
  account.isUnwritten = isUnwritten;
}

/** Holds a session that the record has, or is to have. */
export function hold(account: Account, record: StoredSession): Held {
  // The clocks of a fleet differ. A last use that lies in our future counts as now.
  const usedAtMs = Math.min(record.usedAtMs, Date.now());
  begin(account, record);
  return (account.held = { ...record, usedAtMs, savedAtMs: usedAtMs });
}

/** Gives up the session that is held, and remembers it, so that it is not taken from the store again. */
export function letGo(account: Account, isLapse: boolean): void {
  if (account.held) account.spent = { token: account.held.token, isLapse };
  account.held = undefined;
}

/** Forgets session, refusal and count. */
export function reset(account: Account): void {
  letGo(account, false);
  begin(account, {});
  account.isReset = true;
}

/** Starts anew from a record: what failed before counts no more. */
function begin(account: Account, record: SessionRecord): void {
  learn(account, record);
  account.refusal = account.failure = undefined;
}
