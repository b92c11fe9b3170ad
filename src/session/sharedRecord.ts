/**
 * The record in the store: looked at, written where it has not changed meanwhile, and told of the last use.
 * An operation has 5 s; one that throws, or takes longer, is a store that fails: an event, and never more.
 * @module
 */
import { report } from '../platform/events.ts';
import { reasonOf } from '../stores/storeFailure.ts';
import type { TokenSource } from '../token/tokenSource.ts';
import { waitFor } from '../platform/waiting.ts';
import type { Account, Held, SessionStore } from './account.ts';
import type { SessionRecord } from './record.ts';
import { IDLE_MS, isUnderWay, isUsable, parseRecord, remembered } from './record.ts';

/** A record and its text, which is what is compared; no text: nothing is written. */
export interface Entry {
  readonly record: SessionRecord;
  readonly text: string | undefined;
}

/** What was found, and what it counts for: nothing where a reset has made it void. */
export interface Finding {
  /** The text that the store holds, to be written over. */
  readonly text: string | undefined;
  /** What holds, with the text to be put back. */
  readonly entry: Entry;
  /** Whether the store fails; then the record is the one last known. */
  readonly isFailing: boolean;
}

/** A store for one session object alone: one text. */
export function memoryStore(): SessionStore {
  let text: string | undefined;
  return {
    get: () => text,
    compareAndSet: (_key, expected, value) => {
      if (text !== expected) return false;
      text = value;
      return true;
    },
  };
}

export function entryOf(record: SessionRecord): Entry {
  return { record, text: JSON.stringify(record) };
}

/** What the store holds, as it counts for this process. */
export async function look(account: Account, client: TokenSource): Promise<Finding> {
  const text = await read(account, client);
  if (text === undefined) return { text: undefined, entry: entryOf(account.known), isFailing: true };
  const entry = weigh(account, text, parseOrTell(client, text));
  // What could not be written holds until the store has a session.
  if (!account.isUnwritten || isUsable(entry.record, Date.now(), account)) {
    account.known = entry.record;
    account.isUnwritten = false;
  }
  return { text: text ?? undefined, entry: { ...entry, record: account.known }, isFailing: false };
}

/**
 * Writes `next`, if the store still holds `expected`. `false`: it holds something else; `undefined`: it fails.
 * Sessions are kept for as long as they live, all else for ever.
 */
export async function write(
  account: Account,
  client: TokenSource,
  expected: string | undefined,
  { record, text }: Entry,
): Promise<boolean | undefined> {
  const ttlSeconds = record.token ? IDLE_MS / 1000 : undefined;
  const isWritten = await ask(client, 'compareAndSet', () => account.store.compareAndSet(account.key!, expected, text, ttlSeconds));
  return isWritten === undefined ? undefined : Boolean(isWritten);
}

/** Takes the session of this token out of the store, if it is still there. */
export async function remove(account: Account, client: TokenSource, token: string): Promise<void> {
  const text = await read(account, client);
  if (text && parseOrTell(client, text).token === token) await write(account, client, text, { record: {}, text: undefined });
}

/** Tells the store of the last use, or of a session that it could not be told of, but never over anything else. */
export async function save(account: Account, client: TokenSource, held: Held): Promise<void> {
  for (let tries = 3; tries > 0; tries--) {
    const text = await read(account, client);
    if (text === undefined || account.held !== held) return;
    const stored = parseOrTell(client, text);
    const isWanted = stored.token === held.token || (held.over && (text ?? undefined) === held.over.text);
    const isWritten = isWanted ? await write(account, client, text ?? undefined, entryOf(merge(held, stored))) : undefined;
    // Whatever else lies there is newer, and this session stays this process's own.
    if (isWritten ?? !isWanted) held.over = undefined;
    if (isWritten !== false) return;
  }
}

/** The session with what another process may have written of it. */
function merge(held: Held, { usedAtMs = 0, rejectedAgainAtMs = 0 }: SessionRecord): SessionRecord {
  held.rejectedAgainAtMs = Math.max(held.rejectedAgainAtMs ?? 0, rejectedAgainAtMs) || undefined;
  const { token, replacedAtMs } = held;
  return { token, usedAtMs: Math.max(held.usedAtMs, usedAtMs), replacedAtMs, rejectedAgainAtMs: held.rejectedAgainAtMs };
}

/** What a text counts for. The one that is read first after a reset is void, but for a login under way. */
function weigh(account: Account, text: string | null, record: SessionRecord): Entry {
  if (account.isReset) account.voided = text ?? undefined;
  account.isReset = false;
  if (text === null) return { record: remembered(account.known, account), text: undefined };
  if (text !== account.voided || isUnderWay(record, Date.now())) return { record, text };
  // Its last use may be written meanwhile, and make another text of it.
  if (record.token) account.spent = { token: record.token, isLapse: false };
  return { record: {}, text: undefined };
}

/** The text in the store, `null` for none; `undefined` where the store fails. */
async function read(account: Account, client: TokenSource): Promise<string | null | undefined> {
  const text = await ask(client, 'get', () => account.store.get(account.key!));
  if (text === null || text === undefined || typeof text === 'string') return text;
  report(client.settings, { type: 'store_failed', operation: 'get', reason: 'junk' });
  return undefined;
}

/** Junk is a miss, and told as a failure. */
function parseOrTell(client: TokenSource, text: string | null): SessionRecord {
  try {
    return text ? parseRecord(text) : {};
  } catch {
    report(client.settings, { type: 'store_failed', operation: 'get', reason: 'junk' });
    return {};
  }
}

/** Asks the store: its answer, `null` for none; `undefined` where it throws or takes too long. */
async function ask<T>(
  client: TokenSource,
  operation: 'get' | 'compareAndSet',
  act: () => Promise<T> | T,
): Promise<NonNullable<T> | null | undefined> {
  let reason = 'timeout';
  try {
    const asked = (async () => (await act()) ?? null)();
    // In slices: a process that gets no time for a while finds its timers due before the answer that lies there.
    for (let slices = 5; slices--; ) {
      const answer = await waitFor(asked, undefined, 1_000);
      if (answer !== undefined) return answer;
    }
  } catch (error) {
    reason = reasonOf(error);
  }
  report(client.settings, { type: 'store_failed', operation, reason });
  return undefined;
}
