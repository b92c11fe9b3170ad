/**
 * The account's record, as it lies in a store. ThingSpace locks an account after five failed logins, so each
 * login is counted here before it is sent. Here is what a record may say, and how it becomes text and comes
 * back. Nothing here knows a process, a clock or a store.
 * @module
 */
import type { Rejections } from '../core/rejections.ts';
import { asHeaderText, asText } from '../core/token.ts';

/** What a record may have. JSON-safe. All times are in milliseconds of Unix time. */
interface AnyRecord {
  /** The version of this format. The key has it, too. */
  readonly v: 1;
  readonly state: 'free' | 'session' | 'counted' | 'failed' | 'refused';
  /** When this password last had a session. Absent: never. */
  readonly acceptedAtMs?: number | undefined;
  /** When a session was found lapsed, if the next one replaces it, or when this one replaced one. */
  readonly replacedAtMs?: number | undefined;
  readonly token?: string;
  usedAtMs?: number;
  readonly failures?: number;
  readonly status?: number | undefined;
}

/** Nothing is known that speaks against a login. */
export interface FreeRecord extends AnyRecord {
  readonly state: 'free';
  readonly token?: never;
  usedAtMs?: never;
  readonly failures?: never;
  readonly status?: never;
}

/** A session that may be used. */
export interface LiveRecord extends AnyRecord, Rejections {
  readonly state: 'session';
  readonly token: string;
  /** The last use. Each call changes it in place: it is no news that would make a new record. */
  usedAtMs: number;
  readonly failures?: never;
  readonly status?: never;
}

/** The last login that was counted. */
interface AnyCount extends AnyRecord {
  readonly token?: never;
  usedAtMs?: never;
  /** Logins in a row that failed, may have failed, or are under way. */
  readonly failures: number;
  /** The last one: the name of who counted it, and its own number. No two counts have the same. */
  readonly login: string;
  readonly countedAtMs: number;
}

/** A login that may still be under way (`counted`), or of which nobody knows what became (`failed`). */
export interface CountRecord extends AnyCount {
  readonly state: 'counted' | 'failed';
  readonly status?: undefined;
}

/** A login that was refused, with the HTTP status. */
export interface RefusedRecord extends AnyCount {
  readonly state: 'refused';
  readonly status: number;
}

export type SessionRecord = FreeRecord | LiveRecord | CountRecord | RefusedRecord;

/** What a store holds: a text, no text, or a text that is no record. */
export interface Stored {
  readonly text: string | undefined;
  readonly record?: SessionRecord | undefined;
}

/** A session ends when it has not been used for this long. */
export const IDLE_MS = 1_200_000;
/** A password that has had a session within this time is believed to be right, although logins fail. */
export const TRUST_MS = 2_592_000_000;

export function recordOf(record: SessionRecord): Stored & { readonly text: string } {
  return { record, text: JSON.stringify(record) };
}

/**
 * Reads what a store holds, which is outside data. Clocks of a fleet differ: a time in the future counts as
 * now. A refusal is left as it is, since it is written again byte for byte.
 */
export function parseStored(text: string | undefined, nowMs: number): Stored {
  try {
    const record = JSON.parse(`${text}`);
    if (!isRecord(record)) return { text };
    if (record.status) return { text, record };
    const past = Object.entries(record).map(([name, value]) => [
      name,
      /AtMs$/.test(name) ? Math.min(value, nowMs) : value,
    ]);
    return { text, record: Object.fromEntries(past) };
  } catch {
    return { text };
  }
}

function isRecord(value: unknown): value is SessionRecord {
  const { state, token, login, ...numbers } = Object(value);
  const { v, usedAtMs, failures, countedAtMs, status } = numbers;
  if (v !== 1 || !Object.values(numbers).every(isWhole)) return false;
  if (state === 'free') return true;
  if (state === 'session') return Boolean(asHeaderText(token)) && usedAtMs >= 0;
  if (!asText(login) || !(failures >= 0 && countedAtMs >= 0)) return false;
  return state === 'refused' ? status > 99 && status < 1_000 : /^(counted|failed)$/.test(state);
}

function isWhole(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
