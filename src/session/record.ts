/**
 * The account's record, the same whether it lies in a store or in one session object only, and what follows from it.
 * ThingSpace locks an account after five failed logins, so a login is sent only right after it has been counted here, and
 * two in a row that failed, or may have, stop all further ones. Nothing here waits, sends or writes.
 * @module
 */
import type { Rejections } from '../platform/rejections.ts';
import { isWorthReplacing } from '../platform/rejections.ts';
import { asHeaderText } from '../platform/token.ts';

/** A session with its last use; or logins counted; or nothing. JSON-safe. Times are in milliseconds of Unix time. */
export interface SessionRecord extends Rejections {
  readonly token?: string;
  readonly usedAtMs?: number;
  /** Logins since the last success or reset that failed, may have failed, or are under way. */
  readonly failures?: number | undefined;
  /** Who counted the last one, and when. It makes each count's text another. */
  readonly owner?: string;
  readonly countedAtMs?: number;
  /** The last one's time limit, while it is under way. */
  readonly limitMs?: number | undefined;
  /** The HTTP status with which it was refused: no further one is sent. */
  readonly status?: number;
}

/** The one who asks. */
export interface Self {
  /** Its name in counts. */
  readonly id: string;
  /** The session it has given up last: the record may still hold it. */
  readonly spent?: { readonly token: string; readonly isLapse: boolean } | undefined;
}

/** What is to be done: use the session, wait for another's login, send none any more, or log in. */
export type Decision = 'use' | 'wait' | 'stop' | 'login';

/** A session ends after so long without use. */
export const IDLE_MS = 1_200_000;
/** Failed logins in a row after which none is sent any more. */
export const MOST_FAILURES = 2;
/** How long a count holds for its login to be sent. */
export const SEND_WITHIN_MS = 5_000;
/** What clocks may differ by. */
const CLOCKS_DIFFER_MS = 5_000;

export function decide(record: SessionRecord, nowMs: number, self: Self): Decision {
  if (isUsable(record, nowMs, self)) return 'use';
  if (record.status) return 'stop';
  // One of its own that is still counted is none that it waits for: it was lost with the request that began it.
  if (isUnderWay(record, nowMs) && record.owner !== self.id) return 'wait';
  return (record.failures ?? 0) < MOST_FAILURES ? 'login' : 'stop';
}

/** Whether it holds a session that is alive and has not been given up. */
export function isUsable(record: SessionRecord, nowMs: number, { spent }: Self): boolean {
  // Another process may have found meanwhile that a login in the place of the spent session does not help.
  if (record.token === spent?.token && (!spent?.isLapse || isWorthReplacing(record, 'call'))) return false;
  return isAlive(record, nowMs);
}

/** Whether it holds a session that is not 20 minutes idle. Clocks of a fleet differ: none has been used in the future. */
export function isAlive({ usedAtMs = -Infinity }: SessionRecord, nowMs: number): boolean {
  return nowMs - usedAtMs < IDLE_MS;
}

/** Whether a login may still be sent, on its way or being answered. */
export function isUnderWay({ countedAtMs, limitMs }: SessionRecord, nowMs: number): boolean {
  return limitMs !== undefined && Math.abs(nowMs - countedAtMs!) < waitMs(limitMs);
}

/** How long a login with this limit is waited for. */
export function waitMs(limitMs: number): number {
  return limitMs + SEND_WITHIN_MS + CLOCKS_DIFFER_MS;
}

/** A record's text; none for one that holds nothing. */
export function textOf(record: SessionRecord): string | undefined {
  return record.token || record.failures ? JSON.stringify(record) : undefined;
}

/** A record from its text, which is outside data: what is none is an empty one. Throws where it is no JSON. */
export function parseRecord(text: string): SessionRecord {
  const record = Object(JSON.parse(text));
  const isValid = record.token ? asHeaderText(record.token) && Number.isFinite(record.usedAtMs) : record.failures > 0;
  return isValid ? record : {};
}
