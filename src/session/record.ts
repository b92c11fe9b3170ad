/**
 * The account's record, as it lies in a store. ThingSpace locks an account after five failed logins, so each
 * login is counted here before it is sent. Here is what a record may say, and how it becomes text and comes
 * back. Nothing here knows a process, a clock or a store.
 * @module
 */
import type { Rejections } from '../core/rejections.ts';
import { asHeaderText, asText } from '../core/token.ts';

/** What all records have. JSON-safe. All times are in milliseconds of Unix time. */
interface AnyRecord {
  /** The version of this format. The key has it, too. */
  readonly v: 1;
  /** When this password last had a session. Absent: never. */
  readonly acceptedAtMs?: number | undefined;
}

/** Nothing is known that speaks against a login. */
export interface FreeRecord extends AnyRecord {
  readonly state: 'free';
  /** When the last session was found lapsed, if the next one replaces it. */
  readonly replacedAtMs?: number | undefined;
}

/** A session that may be used. */
export interface LiveRecord extends AnyRecord, Rejections {
  readonly state: 'session';
  readonly token: string;
  readonly usedAtMs: number;
}

/** The last login that was counted. */
interface AnyCount extends AnyRecord {
  /** Logins in a row that failed, may have failed, or are under way. */
  readonly failures: number;
  /** Who counted the last one, which of its logins that was, and when. So no two counts have the same text. */
  readonly owner: string;
  readonly login: number;
  readonly countedAtMs: number;
  readonly replacedAtMs?: number | undefined;
}

/** A login that may still be under way (`counted`), or of which nobody knows what became (`failed`). */
export interface CountRecord extends AnyCount {
  readonly state: 'counted' | 'failed';
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

/** For how long a store keeps a record: refusals and counts for ever. */
export function ttlSecondsOf({ state }: SessionRecord): number | undefined {
  return state === 'session' || state === 'free' ? TRUST_MS / 1_000 : undefined;
}

/**
 * Reads what a store holds, which is outside data. Clocks of a fleet differ: a time in the future counts as now.
 * A refusal is left as it is, since it is written again byte for byte.
 */
export function parseStored(text: string | undefined, nowMs: number): Stored {
  const record = text === undefined ? undefined : parseJson(text);
  if (!isRecord(record)) return { text };
  if (record.state === 'refused') return { text, record };
  const past = Object.entries(record).map(([name, value]) => [
    name,
    name.endsWith('AtMs') ? Math.min(value, nowMs) : value,
  ]);
  return { text, record: Object.fromEntries(past) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is SessionRecord {
  const { v, state, token, usedAtMs, owner, failures, login, countedAtMs, status, ...times } = Object(value);
  const isCount = asText(owner) && [failures, login, countedAtMs].every(isWhole);
  const isGood = {
    free: true,
    session: asHeaderText(token) && isWhole(usedAtMs),
    counted: isCount,
    failed: isCount,
    refused: isCount && isWhole(status) && `${status}`.length === 3,
  };
  return (
    v === 1 && Object.values(times).every(isWhole) && Boolean(new Map(Object.entries(isGood)).get(state))
  );
}

function isWhole(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
