/**
 * The account's record, and what follows from it. It is the same in a store and in one session object alone.
 * ThingSpace locks an account after five failed logins. So each login is counted here right before it is
 * sent, and when two in a row have failed, or may have failed, no further one is sent. Nothing here waits,
 * sends or writes.
 * @module
 */
import { isWorthReplacing, type Rejections } from '../core/rejections.ts';
import { asHeaderText } from '../core/token.ts';

/**
 * A session with its last use; or logins counted; or nothing. JSON-safe. Times are in milliseconds of Unix
 * time.
 */
export interface SessionRecord extends Rejections {
  readonly token?: string;
  readonly usedAtMs?: number;
  /** Logins since the last success or reset that failed, may have failed, or are under way. */
  readonly failures?: number | undefined;
  /** Who counted the last one, and when. So no two counts have the same text. */
  readonly owner?: string;
  readonly countedAtMs?: number;
  /** The time limit of the last one, while that is under way. */
  readonly limitMs?: number | undefined;
  /** The HTTP status with which a login was refused: no further one is sent. */
  readonly status?: number;
}

/** The session object that asks. */
export interface Self {
  /** Its name in counts. */
  readonly id: string;
  /** The session that it gave up last. The record may still hold that one. */
  readonly spent?: { readonly token: string; readonly isLapse: boolean } | undefined;
}

/** What is to be done: use the session, wait for another's login, send none any more, or log in. */
export type Decision = 'use' | 'wait' | 'stop' | 'login';

/** A session ends when it has not been used for this long. */
export const IDLE_MS = 1_200_000;
/** Failed logins in a row after which none is sent any more. */
export const MOST_FAILURES = 2;
/** A login must be sent within this time after it has been counted. */
export const SEND_WITHIN_MS = 5_000;
/** By how much clocks may differ. */
const CLOCKS_DIFFER_MS = 5_000;

export function decide(record: SessionRecord, nowMs: number, self: Self): Decision {
  if (isUsable(record, nowMs, self)) return 'use';
  if (record.status) return 'stop';
  // It never waits for a login of its own: one that still stands there was lost with the request that began
  // it.
  if (isUnderWay(record, nowMs) && record.owner !== self.id) return 'wait';
  return (record.failures ?? 0) < MOST_FAILURES ? 'login' : 'stop';
}

/** Whether the record holds a session that is alive and has not been given up. */
export function isUsable(record: SessionRecord, nowMs: number, { spent }: Self): boolean {
  // A spent session is used again only if another process has found that a new login in its place does not
  // help.
  if (record.token === spent?.token && (!spent?.isLapse || isWorthReplacing(record, 'call'))) return false;
  return isAlive(record, nowMs);
}

/**
 * Whether the record holds a session that is not 20 minutes idle. Clocks of a fleet differ: a last use may
 * seem to lie in the future.
 */
export function isAlive({ usedAtMs = -Infinity }: SessionRecord, nowMs: number): boolean {
  return nowMs - usedAtMs < IDLE_MS;
}

/** Whether a login may still be about to be sent, on its way, or being answered. */
export function isUnderWay({ countedAtMs, limitMs }: SessionRecord, nowMs: number): boolean {
  return limitMs !== undefined && Math.abs(nowMs - countedAtMs!) < waitMs(limitMs);
}

/** How long others wait for a login with this time limit. */
export function waitMs(limitMs: number): number {
  return limitMs + SEND_WITHIN_MS + CLOCKS_DIFFER_MS;
}

/** A record's text; `undefined` for a record that holds nothing. */
export function textOf(record: SessionRecord): string | undefined {
  return record.token || record.failures ? JSON.stringify(record) : undefined;
}

/**
 * Reads a record from its text, which is outside data. What is no record becomes an empty one. Throws for
 * what is no JSON.
 */
export function parseRecord(text: string): SessionRecord {
  const record = Object(JSON.parse(text));
  const isValid = record.token
    ? asHeaderText(record.token) && Number.isFinite(record.usedAtMs)
    : record.failures > 0;
  return isValid ? record : {};
}
