/**
 * What one session object knows: the session it holds, and what the record in the store does not say.
 * All that changes in a session stands here, in one object.
 * @module
 */
import type { ApiError } from '../platform/errors.ts';
import type { Rejections } from '../platform/rejections.ts';
import type { TokenStore } from '../stores/tokenStore.ts';
import type { Failure } from '../token/outageGuard.ts';
import type { TokenSource } from '../token/renewal.ts';
import type { Self, SessionRecord } from './record.ts';
import { isAlive } from './record.ts';

/** A record that holds a session. */
export type StoredSession = SessionRecord & { readonly token: string; readonly usedAtMs: number };

/** The session held. Times are in milliseconds of Unix time. */
export interface Held extends Rejections {
  readonly token: string;
  usedAtMs: number;
  rejectedAgainAtMs?: number | undefined;
  /** The last use that the store has been told of, or was to be. */
  savedAtMs: number;
  /** The record that this session is still to be written over in the store; absent once it has been. */
  over?: SessionRecord | undefined;
}

/** A login under way, shared by all who wait. */
export interface Flight {
  /** Always fulfils, so that a rejection can only come from the runtime. */
  readonly outcome: Promise<Outcome>;
  /** Its last sign of life. */
  aliveAtMs: number;
}

/** How a login ended for those who waited: gives the session token, or throws. */
export type Outcome = () => string;

/** What a session asks of a store. */
export type SessionStore = Required<Pick<TokenStore, 'get' | 'compareAndSet'>>;

/** The state of one session object. */
export interface Account extends Self {
  readonly username: string;
  readonly password: string;
  /** The one given, or one in memory. */
  readonly store: SessionStore;
  /** Its name in counts, from the first call on, and the account's key in the store, empty until it is first needed. */
  id: string;
  key: string;
  /** The client that used the session last, where no login is under way: there is one before anything is asked of it. */
  client: TokenSource;
  /** The session endpoint, the same for all clients; there as soon as there is one. */
  url: string;
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

/** Where the login or the logout is sent: below the session endpoint, whether that ends with a slash or has a query. */
export function endpointOf(url: string, path: string): string {
  const endpoint = new URL(url);
  endpoint.pathname = endpoint.pathname.replace(/\/?$/, path);
  return endpoint.href;
}

/** The session held, while it is alive. */
export function current({ held }: Account): Held | undefined {
  return held && isAlive(held, Date.now()) ? held : undefined;
}

/** Takes a record as what is known, whatever was known before. */
export function learn(account: Account, record: SessionRecord, isUnwritten = false): void {
  account.known = record;
  account.isUnwritten = isUnwritten;
}

/** Holds a session that the record has, or is to have. */
export function hold(account: Account, record: StoredSession): Held {
  // Clocks of a fleet differ: none has been used in the future.
  const usedAtMs = Math.min(record.usedAtMs, Date.now());
  begin(account, record);
  return (account.held = { ...record, usedAtMs, savedAtMs: usedAtMs });
}

/** Holds no session any more, and takes this one from no store. */
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

/** What failed before counts no more. */
function begin(account: Account, record: SessionRecord): void {
  learn(account, record);
  account.refusal = account.failure = undefined;
}
