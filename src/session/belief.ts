/**
 * One session object's belief about its account, and what follows from it. A belief is a record, and how that
 * relates to the text in the store. Each event makes a new belief of it, and nothing else does. Nothing
 * here waits, sends, reads or writes.
 *
 * | event | free | session | counted or failed | refused |
 * | --- | --- | --- | --- | --- |
 * | decide, without a live session | login | login | another's, under 40 s old: wait; fewer than two failures: login; no session within 30 days: stop; else, within 5 min of the count: pause; else login | stop |
 * | read: a text that this stands over, nothing, or junk | stands | stands, with the uses of others | stands | stands |
 * | read: anything else | taken | taken, unless ours is alive and theirs is not: then ours stands, void | taken | taken, unless theirs is no refusal, has had no session since our count, and ours is untold or theirs a session: then ours stands, untold |
 * | counted | counted 1 | counted 1 | counted n + 1 | – |
 * | its own count, whose login was not sent | stands, untold over the count | same | same | same |
 * | accepted | session | session | session | session |
 * | refused | refused | alive: stands; else refused | refused | refused |
 * | unknown | stands | stands | its own count: failed n, since a reset at least 1; else stands | stands |
 * | not judged | stands | stands | its own count: what was before, since a reset free; else stands | stands |
 * | lapsed | – | free, told: the next count is written over it | – | – |
 * | logged out | – | free, untold | – | – |
 * | reset | free, void | free, void | under way: still waited for, void; else free, void; one failure remains of two or more | the same |
 * | written | told | told | told | told |
 *
 * What a login brought is told if it was written, and else untold over its count.
 * @module
 */
import { isWorthReplacing, type RejectedUse } from '../core/rejections.ts';
import {
  type CountRecord,
  IDLE_MS,
  type LiveRecord,
  recordOf,
  type SessionRecord,
  type Stored,
  TRUST_MS,
} from './record.ts';

export interface Belief {
  readonly record: SessionRecord;
  /**
   * - `told`: the store holds this record.
   * - `untold`: the record is to be written over what the store holds.
   * - `void`: what the store holds does not count here. A session is used beside it; what a reset has left is
   *   to be written over it.
   */
  readonly relation: 'told' | 'untold' | 'void';
  /**
   * What was last read or written: what the record is told in, or stands over. Absent: nothing has been read
   * yet.
   */
  readonly over?: Stored | undefined;
}

/** A login that has been counted: its record as it stands in the store, and what was believed before. */
export interface CountedLogin extends Stored {
  readonly count: CountRecord;
  readonly before: Belief;
}

/** What became of a login that was sent. With neither: the account has not looked at it. */
export interface LoginFate {
  /** It was accepted, with this session token. */
  readonly token?: string;
  /** It was refused, with this HTTP status. */
  readonly status?: number;
  /** Nobody knows whether the account has judged it. */
  readonly isUnknown?: boolean;
}

/** Log in, wait for another's login, wait for the end of the pause, or send no login any more. */
export type Decision = 'login' | 'wait' | 'pause' | 'stop';

/** Logins in a row of which nobody knows what became, after which there is a pause or an end. */
const MOST_FAILURES = 2;
/** The pause between two logins after that, for the whole fleet. */
const PAUSE_MS = 300_000;
/** The time limit of a login. */
export const LOGIN_LIMIT_MS = 30_000;
/** A login must be sent within this time after it has been counted. */
export const SEND_WITHIN_MS = 5_000;
/**
 * How long others wait for a login: its limit, the time in which it must be sent, and 5 s by which clocks may
 * differ.
 */
const WAIT_MS = 40_000;
/** The last use is written when the store's is this old. */
export const WRITE_USE_AFTER_MS = 60_000;

/** What is believed before anything is known. */
export const FIRST_BELIEF: Belief = { record: { v: 1, state: 'free' }, relation: 'told' };

/** What a call does that has no live session. `self` is this object's name in counts. */
export function decide({ record }: Belief, nowMs: number, self: string): Decision {
  // It never waits for a login of its own: one that still stands there was lost with the request that began
  // it.
  if (isUnderWay(record, nowMs) && !isOwn(record, self)) return 'wait';
  const dueAtMs = loginDueAtMs(record, nowMs);
  if (dueAtMs === Infinity) return 'stop';
  // A pause that is longer than it can be has no end to wait for: the clock was set back.
  return dueAtMs > nowMs && dueAtMs - nowMs <= PAUSE_MS ? 'pause' : 'login';
}

/** When the record allows the next login: at once, at the end of a pause, or never. */
export function loginDueAtMs(record: SessionRecord, nowMs: number): number {
  if (record.state === 'refused') return Infinity;
  if (!record.failures || record.failures < MOST_FAILURES) return 0;
  const { acceptedAtMs = -Infinity, countedAtMs } = record;
  return nowMs - acceptedAtMs < TRUST_MS ? countedAtMs + PAUSE_MS : Infinity;
}

/** The session that may be used now. */
export function liveSession(record: SessionRecord, nowMs: number): LiveRecord | undefined {
  return record.token && nowMs - record.usedAtMs < IDLE_MS ? record : undefined;
}

/** Whether the record is to be written now. A refusal and a reset wait until another's login has ended. */
export function isToWrite(belief: Belief, nowMs: number): boolean {
  const { record, relation, over } = belief;
  if (isReset(belief)) return !isUnderWay(record, nowMs);
  return relation === 'untold' && !(record.state === 'refused' && isUnderWay(over?.record, nowMs));
}

/** Whether there was a `reset()` that the store has not been told of. */
export function isReset({ record, relation }: Belief): boolean {
  return relation === 'void' && !record.token;
}

/** Whether a login of this object's own is under way: until its result is believed. */
export function isLoggingIn({ record }: Belief, nowMs: number, self: string): boolean {
  return isUnderWay(record, nowMs) && isOwn(record, self);
}

/** The store holds this. */
export function afterRead(belief: Belief, stored: Stored, nowMs: number, self: string): Belief {
  const { record, relation, over } = belief;
  const theirs = stored.record;
  if (theirs?.token && record.token && theirs.token === record.token) {
    return mergeUses(belief, record, stored, theirs);
  }
  if (!theirs || over?.text === stored.text) {
    // A session that was used beside it has ended.
    const hasEnded = record.token && relation === 'void' && !liveSession(record, nowMs);
    return theirs && hasEnded ? take(belief, stored, theirs) : standOver(belief, stored);
  }
  // A reset before anything was read.
  if (relation === 'void' && !over) return afterReset(take(belief, stored, theirs), nowMs, self);
  // A count is believed before its login is sent. So this one was not sent: it seemed that it was not
  // written.
  if (isOwn(theirs, self)) return afterUnsentLogin(belief, stored);
  if (holdsRefusal(belief, theirs)) return changeBelief(belief, 'untold', belief.record, stored);
  if (isGivenUp(belief, theirs)) return standOver(belief, stored);
  const isBeside = liveSession(record, nowMs) && !liveSession(theirs, nowMs);
  return isBeside ? changeBelief(belief, 'void', record, stored) : take(belief, stored, theirs);
}

/** The store holds what was written of `asked`. */
export function afterWrite(belief: Belief, asked: Belief, written: Stored): Belief {
  if (belief === asked) return changeBelief(belief, 'told', belief.record, written);
  return belief.over === asked.over ? changeBelief(belief, belief.relation, belief.record, written) : belief;
}

/** The record that counts the next login. */
export function countNext(before: Belief, nowMs: number, self: string, login: number): CountedLogin {
  const { record } = before;
  const count: CountRecord = {
    v: 1,
    state: 'counted',
    failures: (record.failures ?? 0) + 1,
    login: `${self} ${login}`,
    countedAtMs: nowMs,
    acceptedAtMs: acceptedAt(record),
    replacedAtMs: record.token ? undefined : record.replacedAtMs,
  };
  return { ...recordOf(count), count, before };
}

/** The store holds the count. */
export function afterCount(login: CountedLogin): Belief {
  return changeBelief(login.before, 'told', login.count, login);
}

/** The login was not sent although it has been counted. What is believed is written over the count. */
export function afterUnsentLogin(belief: Belief, count: Stored): Belief {
  return changeBelief(belief, 'untold', belief.record, count);
}

/**
 * A login has ended. If the store holds `written`, a text that was written over its count, what is learnt is
 * told, or else is to be written over that: there was a `reset()` meanwhile.
 */
export function afterLogin(
  belief: Belief,
  login: CountedLogin,
  fate: LoginFate,
  nowMs: number,
  written?: string,
): Belief {
  const record = recordAfterLogin(belief, login, fate, nowMs);
  if (!record) return belief;
  const stored = recordOf(record);
  if (stored.text === written) return changeBelief(belief, 'told', record, stored);
  return changeBelief(belief, 'untold', record, { text: written ?? login.text });
}

/**
 * A call with the session token `sent` met a lapse. The session is given up, if another one may help. If a
 * new one turned out not to help, that is noted.
 */
export function afterLapse(belief: Belief, sent: string, rejected: RejectedUse, nowMs: number): Belief {
  const { record, relation } = belief;
  if (!record.token || record.token !== sent) return belief;
  if (isWorthReplacing(record, rejected)) return giveUp(belief, 'told', nowMs);
  if (rejected !== 'replay' || !isWorthReplacing(record, 'call')) return belief;
  const again = { ...record, rejectedAgainAtMs: nowMs };
  return changeBelief(belief, relation === 'told' ? 'untold' : relation, again);
}

export function afterLogout(belief: Belief): Belief {
  return giveUp(belief, 'untold');
}

/**
 * The record that was last read or written counts for nothing any more. A login under way is still waited
 * for.
 */
export function afterReset(belief: Belief, nowMs: number, self: string): Belief {
  const theirs = belief.over?.record;
  const isTheirs = isUnderWay(theirs, nowMs) && !isOwn(theirs, self);
  return changeBelief(belief, 'void', resetRecord(isTheirs ? theirs : belief.record, nowMs, self));
}

/** Of two failures or more, one remains. So each reset allows one more login whose answer is lost. */
function resetRecord(record: SessionRecord, nowMs: number, self: string): SessionRecord {
  if (record.failures === undefined) return freeRecord(record);
  const failures = record.failures < MOST_FAILURES ? 0 : 1;
  const isAwaited = isOwn(record, self) || isUnderWay(record, nowMs);
  if (isAwaited) return { ...record, failures };
  return failures ? { ...record, failures, state: 'failed', status: undefined } : freeRecord(record);
}

function recordAfterLogin(
  belief: Belief,
  { count, before }: CountedLogin,
  fate: LoginFate,
  nowMs: number,
): SessionRecord | undefined {
  const { record, relation } = belief;
  const { token, status } = fate;
  const { countedAtMs: usedAtMs, replacedAtMs } = count;
  if (token) {
    return {
      v: 1,
      state: 'session',
      token,
      usedAtMs,
      acceptedAtMs: nowMs,
      replacedAtMs: replacedAtMs && nowMs,
    };
  }
  const isOwnCount = record.state === 'counted' && record.login === count.login;
  const failures = Math.max(isOwnCount ? record.failures : count.failures, 1);
  if (status)
    return liveSession(record, nowMs) ? undefined : { ...count, failures, state: 'refused', status };
  if (!isOwnCount) return undefined;
  if (fate.isUnknown) return { ...count, failures, state: 'failed' };
  return relation === 'void' ? freeRecord(count) : before.record;
}

/** The session is over for this object. What it stood apart from counts again. */
function giveUp(belief: Belief, relation: Belief['relation'], replacedAtMs?: number): Belief {
  const { record, over } = belief;
  // It was used beside what the store holds.
  if (belief.relation === 'void' && over?.record) return take(belief, over, over.record);
  return changeBelief(belief, relation, freeRecord(record, replacedAtMs));
}

function take(belief: Belief, over: Stored, theirs: SessionRecord): Belief {
  // A refusal that was read is written once more, as it is: so it outlives a change of an encrypted store's
  // keys.
  if (theirs.state === 'refused') return changeBelief(belief, 'untold', theirs, over);
  const acceptedAtMs = later(acceptedAt(belief.record), theirs.acceptedAtMs);
  return changeBelief(belief, 'told', { ...theirs, acceptedAtMs }, over);
}

function standOver(belief: Belief, over: Stored): Belief {
  return belief.over?.text === over.text && belief.over
    ? belief
    : changeBelief(belief, belief.relation, belief.record, over);
}

/** The same session, with what others have written of it. */
function mergeUses(belief: Belief, ours: LiveRecord, stored: Stored, theirs: LiveRecord): Belief {
  const record = {
    ...ours,
    usedAtMs: Math.max(ours.usedAtMs, theirs.usedAtMs),
    rejectedAgainAtMs: later(ours.rejectedAgainAtMs, theirs.rejectedAgainAtMs),
  };
  const isNews =
    record.usedAtMs - theirs.usedAtMs >= WRITE_USE_AFTER_MS ||
    record.rejectedAgainAtMs !== theirs.rejectedAgainAtMs;
  return changeBelief(belief, isNews ? 'untold' : 'told', record, stored);
}

/**
 * Whether the store has only the session that this object has given up, unless another one would not help.
 */
function isGivenUp({ record, over }: Belief, theirs: SessionRecord): boolean {
  if (record.state !== 'free' || !theirs.token || theirs.token !== over?.record?.token) return false;
  return !record.replacedAtMs || isWorthReplacing(theirs, 'call');
}

/**
 * Whether a refusal holds although the store says something else: one of ours, which could not be written
 * yet, or any over an older session, since a store that goes back in time (a failover to a replica that
 * lagged) does not void what is known.
 */
function holdsRefusal({ record, relation, over }: Belief, theirs: SessionRecord): boolean {
  if (record.state !== 'refused' || relation === 'void' || theirs.state === 'refused') return false;
  const isUnwritten = relation === 'untold' && record !== over?.record;
  return (isUnwritten || Boolean(theirs.token)) && !((theirs.acceptedAtMs ?? 0) > record.countedAtMs);
}

function changeBelief(
  belief: Belief,
  relation: Belief['relation'],
  record = belief.record,
  over = belief.over,
): Belief {
  return { record, relation, over };
}

function freeRecord(record: SessionRecord, replacedAtMs?: number): SessionRecord {
  return { v: 1, state: 'free', acceptedAtMs: acceptedAt(record), replacedAtMs };
}

/** When the password of a record last had a session. */
function acceptedAt(record: SessionRecord): number | undefined {
  return later(record.acceptedAtMs, record.usedAtMs);
}

/** Whether a login may still be about to be sent, on its way, or being answered. */
function isUnderWay(record: SessionRecord | undefined, nowMs: number): record is CountRecord {
  return record?.state === 'counted' && Math.abs(nowMs - record.countedAtMs) < WAIT_MS;
}

/** Whether the record is a count of this object's. */
function isOwn(record: SessionRecord, self: string): boolean {
  return record.state === 'counted' && record.login.startsWith(self);
}

function later(one: number | undefined, other: number | undefined): number | undefined {
  return Math.max(one ?? 0, other ?? 0) || undefined;
}
