/**
 * The record in the store: looked at, written where it has not changed meanwhile, and told of the last use.
 * An operation has 5 s; one that throws, or takes longer, is a store that fails: an event, and never more.
 * @module
 */
import { report } from '../platform/events.ts';
import { waitFor } from '../platform/waiting.ts';
import { reasonOf } from '../stores/storeFailure.ts';
import type { AccountInUse, Held, SessionStore } from './account.ts';
import type { SessionRecord } from './record.ts';
import { IDLE_MS, isUnderWay, isUsable, parseRecord, remembered } from './record.ts';

/** A record and its text, which is what is compared; no text: nothing is there. */
export interface Entry {
  readonly record: SessionRecord;
  readonly text: string | undefined;
}

/** What was found, as it counts for this process. */
export interface Finding extends Entry {
  /** The text that the store holds, to be written over; `text` is what is to be put back. */
  readonly found: string | undefined;
  /** Whether the store fails; then the record is the one last known. */
  readonly isFailing: boolean;
}

export const NOTHING: Entry = { record: {}, text: undefined };

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
export async function look(account: AccountInUse): Promise<Finding> {
  const stored = await read(account);
  const { record, text } = stored ? weigh(account, stored) : { record: account.known, text: undefined };
  // What could not be written holds until the store has a session.
  if (!account.isUnwritten || isUsable(record, Date.now(), account)) {
    account.known = record;
    account.isUnwritten = false;
  }
  return { record: account.known, text, found: stored?.text, isFailing: !stored };
}

/**
 * Writes an entry, if the store still holds `expected`. `false`: it holds something else; `undefined`: it fails.
 * Sessions are kept for as long as they live, all else for ever.
 */
export async function write(
  account: AccountInUse,
  expected: string | undefined,
  { record, text }: Entry,
): Promise<boolean | undefined> {
  const ttlSeconds = record.token ? IDLE_MS / 1000 : undefined;
  return ask(account, 'compareAndSet', async (store) => {
    const isWritten = await store.compareAndSet(account.key, expected, text, ttlSeconds);
    return Boolean(isWritten);
  });
}

/** Takes the session of this token out of the store, if it is still there. */
export async function remove(account: AccountInUse, token: string): Promise<void> {
  const stored = await read(account);
  if (stored?.record.token === token) await write(account, stored.text, NOTHING);
}

/** Tells the store of the last use, or of a session that it could not be told of, but never over anything else. */
export async function save(account: AccountInUse, held: Held): Promise<void> {
  for (let tries = 3; tries > 0; tries--) {
    const stored = await read(account);
    if (!stored || account.held !== held) return;
    const isWanted = stored.record.token === held.token || (held.over && held.over.text === stored.text);
    const isWritten = isWanted ? await write(account, stored.text, entryOf(merge(held, stored.record))) : true;
    // Whatever else lies there is newer, and this session stays this process's own.
    if (isWritten) held.over = undefined;
    if (isWritten !== false) return;
  }
}

/** The session with what another process may have written of it. */
function merge(held: Held, { usedAtMs = 0, rejectedAgainAtMs = 0 }: SessionRecord): SessionRecord {
  held.rejectedAgainAtMs = Math.max(held.rejectedAgainAtMs ?? 0, rejectedAgainAtMs) || undefined;
  const { savedAtMs: _, over: __, ...record } = held;
  return { ...record, usedAtMs: Math.max(held.usedAtMs, usedAtMs) };
}

/** What is stored counts for nothing if it was read first after a reset and has not changed, but for a login under way. */
function weigh(account: AccountInUse, stored: Entry): Entry {
  const { record, text } = stored;
  if (account.isReset) account.voided = text;
  account.isReset = false;
  if (text === undefined) return { record: remembered(account.known, account), text };
  return text === account.voided && !isUnderWay(record, Date.now()) ? NOTHING : stored;
}

/** What the store holds; `undefined` where it fails. */
async function read(account: AccountInUse): Promise<Entry | undefined> {
  const text = await ask(account, 'get', async (store) => (await store.get(account.key)) ?? null);
  if (!text) return text === undefined ? text : NOTHING;
  try {
    return { record: parseRecord(text), text };
  } catch {
    report(account.client.settings, { type: 'store_failed', operation: 'get', reason: 'junk' });
    return { record: {}, text };
  }
}

/** Asks the store: its answer, or `undefined` where it throws or takes too long. */
async function ask<T>(
  { client, store }: AccountInUse,
  operation: 'get' | 'compareAndSet',
  act: (store: SessionStore) => Promise<T>,
): Promise<T | undefined> {
  let reason = 'timeout';
  try {
    const asked = act(store);
    // In slices: a process that gets no time for a while finds its timers due before the answer that lies there.
    for (let slices = 5; slices > 0; slices--) {
      const answer = await waitFor(asked, undefined, 1_000);
      if (answer !== undefined) return answer;
    }
  } catch (error) {
    reason = reasonOf(error);
  }
  report(client.settings, { type: 'store_failed', operation, reason });
  return undefined;
}
