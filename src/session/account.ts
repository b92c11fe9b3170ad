/**
 * What one session object knows: the session it holds, and what the record in the store does not say.
 * All that changes in a session stands here, in one object.
 * @module
 */
import type { ApiError } from '../platform/errors.ts';
import type { TokenStore } from '../stores/tokenStore.ts';
import type { TokenSource } from '../token/tokenSource.ts';
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
  /** The text in the store that this session is still to be written over; absent once it has been. */
  over?: { readonly text: string | undefined } | undefined;
}

/** A login under way, shared by all who wait. */
export interface Flight {
  /** Always fulfils, so that a rejection can only come from the runtime. */
  outcome: Promise<Outcome>;
  /** Its last sign of life. */
  aliveAtMs: number;
}

/** How a login ended for those who waited. */
export type Outcome = { readonly token: string } | { readonly error: unknown };

/** What a store's operations are needed of. */
export type SessionStore = Required<Pick<TokenStore, 'get' | 'compareAndSet'>>;

/** The state of one session object. */
export interface Account extends Self {
  readonly username: string;
  readonly password: string;
  /** The one given, or one in memory. */
  readonly store: SessionStore;
  readonly isShared: boolean;
  /** Its name in counts, drawn when it is first needed. */
  id: string;
  /** The session endpoint, the account's key in the store, and the client that used the session last. */
  url?: string;
  key?: string | undefined;
  client?: TokenSource;
  held?: Held | undefined;
  spent?: Self['spent'];
  /** The record as it was last read or written; void after a reset. */
  known: SessionRecord;
  /** Whether that one could not be written: then it holds until a reset, or until a session is found in the store. */
  isUnwritten: boolean;
  /** Whether the text read next is to be void, and the one that is while it stands unchanged. */
  isReset: boolean;
  voided?: string | undefined;
  /** The error of all calls since logins have been stopped. */
  refusal?: ApiError | undefined;
  /** The last failure that spaces logins out. */
  failure?: { readonly error: ApiError; readonly atMs: number; readonly delayMs: number } | undefined;
  flight?: Flight | undefined;
}

/** The session held, while it is alive. */
export function current({ held }: Account): Held | undefined {
  return held && isAlive(held, Date.now()) ? held : undefined;
}

/** Holds a session that the record has, or is to have. */
export function hold(account: Account, { token = '', usedAtMs = 0, replacedAtMs, rejectedAgainAtMs }: SessionRecord): Held {
  // Clocks of a fleet differ: none has been used in the future.
  const atMs = Math.min(usedAtMs, Date.now());
  account.held = { token, usedAtMs: atMs, replacedAtMs, rejectedAgainAtMs, savedAtMs: atMs };
  account.isUnwritten = false;
  account.refusal = account.failure = undefined;
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
