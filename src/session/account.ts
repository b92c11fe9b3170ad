/**
 * What one session object knows: the session it holds, and what the record in the store does not say.
 * All that changes in a session stands here, in one object.
 * @module
 */
import type { ApiError } from '../platform/errors.ts';
import type { TokenStore } from '../stores/tokenStore.ts';
import type { Failure } from '../token/outageGuard.ts';
import type { TokenSource } from '../token/renewal.ts';
import type { Self, SessionRecord } from './record.ts';
import { isAlive } from './record.ts';

/** The session held. Times are in milliseconds of Unix time. */
export interface Held {
  readonly token: string;
  usedAtMs: number;
  readonly replacedAtMs?: number | undefined;
  rejectedAgainAtMs?: number | undefined;
  /** The last use that the store has been told of, or was to be. */
  savedAtMs: number;
  /** What this session is still to be written over in the store; absent once it has been. */
  over?: { readonly text: string | undefined } | undefined;
}

/** A login under way, shared by all who wait. */
export interface Flight {
  /** Always fulfils, so that a rejection can only come from the runtime. */
  readonly outcome: Promise<Outcome>;
  /** Its last sign of life. */
  aliveAtMs: number;
}

/** How a login ended for those who waited. */
export type Outcome = { readonly token: string } | { readonly error: unknown };

/** What a session asks of a store. */
export type SessionStore = Required<Pick<TokenStore, 'get' | 'compareAndSet'>>;

/** The state of one session object. */
export interface Account extends Self {
  readonly username: string;
  readonly password: string;
  /** The one given, or one in memory. */
  readonly store: SessionStore;
  readonly isShared: boolean;
  /** Its name in counts, and the account's key in the store: empty until they are first needed. */
  id: string;
  key: string;
  /** The client that used the session last, where no login is under way, and the session endpoint. */
  client?: TokenSource;
  url?: string;
  held?: Held | undefined;
  spent?: Self['spent'];
  /** The record as it was last read or written; nothing after a reset. */
  known: SessionRecord;
  /** Whether that one could not be written: then it holds until a reset, or until a session is found in the store. */
  isUnwritten?: boolean;
  /** Whether the text read next is to be void, and the one that is while it stands unchanged. */
  isReset?: boolean;
  voided?: string | undefined;
  /** The error of all calls since logins have been stopped. */
  refusal?: ApiError | undefined;
  /** The last failure that spaces logins out. */
  failure?: Failure | undefined;
  flight?: Flight | undefined;
}

/** One that a client has asked for its session. */
export type AccountInUse = Account & Required<Pick<Account, 'client' | 'url'>>;

export function isInUse(account: Account): account is AccountInUse {
  return account.client !== undefined;
}

/** Where the login or the logout is sent: below the session endpoint, whether that ends with a slash or has a query. */
export function endpointOf({ url }: AccountInUse, path: string): string {
  const endpoint = new URL(url);
  endpoint.pathname = endpoint.pathname.replace(/\/?$/, path);
  return endpoint.href;
}

/** The session held, while it is alive. */
export function current({ held }: Account): Held | undefined {
  return held && isAlive(held, Date.now()) ? held : undefined;
}

/** Holds a session that the record has, or is to have. */
export function hold(account: Account, record: SessionRecord): Held {
  const { token = '', usedAtMs = 0 } = record;
  // Clocks of a fleet differ: none has been used in the future.
  const atMs = Math.min(usedAtMs, Date.now());
  account.known = record;
  account.isUnwritten = false;
  account.refusal = account.failure = undefined;
  account.held = { ...record, token, usedAtMs: atMs, savedAtMs: atMs };
  return account.held;
}

/** Holds no session any more, and takes this one from no store. */
export function letGo(account: Account, isLapse: boolean): void {
  if (account.held) account.spent = { token: account.held.token, isLapse };
  account.held = undefined;
}

/** Forgets session, refusal and count. */
export function reset(account: Account): void {
  letGo(account, false);
  account.known = {};
  account.isUnwritten = false;
  account.isReset = true;
  account.refusal = account.failure = undefined;
}
