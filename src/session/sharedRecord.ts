/**
 * The record in the store: looked at, written where it has not changed meanwhile, and told of the last use.
 * An operation has 5 s; one that throws, or takes longer, is a store that fails: an event, and never more.
 * @module
 */
import { report } from '../platform/events.ts';
import { waitFor } from '../platform/waiting.ts';
import { reasonOf } from '../stores/storeFailure.ts';
import type { Account, Held, SessionStore } from './account.ts';
import { learn } from './account.ts';
import type { SessionRecord } from './record.ts';
import { IDLE_MS, isUnderWay, isUsable, parseRecord, textOf } from './record.ts';

/** What the store holds: a record, and its text, which is what is compared. No text: nothing is there. */
export interface Stored {
  readonly record: SessionRecord;
  readonly text: string | undefined;
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

/** Brings up to date what is known, and says what the store holds; `undefined` where it fails. */
export async function look(account: Account): Promise<Stored | undefined> {
  const stored = await read(account);
  const record = stored ? weigh(account, stored) : account.known;
  // What could not be written holds until the store has a session.
  if (!account.isUnwritten || isUsable(record, Date.now(), account)) learn(account, record);
  return stored;
}

/**
 * Writes a record, if the store still holds the text `expected`. `false`: it holds something else; `undefined`: it fails.
 * Sessions are kept for as long as they live, all else for ever.
 */
export function write(account: Account, expected: string | undefined, record: SessionRecord): Promise<boolean | undefined> {
  const ttlSeconds = record.token ? IDLE_MS / 1000 : undefined;
  const text = textOf(record);
  return ask(account, 'compareAndSet', async (store) => store.compareAndSet(account.key, expected, text, ttlSeconds));
}

/** Takes the session of this token out of the store, if it is still there. */
export async function remove(account: Account, token: string): Promise<void> {
  const stored = await read(account);
  if (stored?.record.token === token) await write(account, stored.text, {});
}

/** Tells the store of the last use, or of a session that it could not be told of, but never over anything else. */
export async function save(account: Account, held: Held): Promise<void> {
  for (let tries = 3; tries > 0; tries--) {
    const stored = await read(account);
    if (!stored || account.held !== held) return;
    const { record, text } = stored;
    const isWanted = record.token === held.token || (held.over && textOf(held.over) === text);
    // Whatever else lies there is newer, and this session stays this process's own.
    const isWritten = !isWanted || (await write(account, text, merge(held, record)));
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

/**
 * What is stored counts for nothing if it was read first after a reset and has not changed, but for a login under way. Where
 * nothing is stored any more, logins that failed, or may have, hold all the same.
 */
function weigh(account: Account, { record, text }: Stored): SessionRecord {
  const { known, id } = account;
  if (account.isReset) account.voided = text;
  account.isReset = false;
  if (!text) return known.failures && (!known.limitMs || known.owner === id) ? known : {};
  return text === account.voided && !isUnderWay(record, Date.now()) ? {} : record;
}

/** What the store holds; `undefined` where it fails. */
async function read(account: Account): Promise<Stored | undefined> {
  const text = await ask(account, 'get', async (store) => (await store.get(account.key)) || '');
  if (!text) return text === undefined ? text : { record: {}, text: undefined };
  try {
    return { record: parseRecord(text), text };
  } catch {
    fails(account, 'get', 'junk');
    return { record: {}, text };
  }
}

/** Asks the store: its answer, or `undefined` where it throws or takes too long. */
async function ask<T>(account: Account, operation: Operation, act: (store: SessionStore) => Promise<T>): Promise<T | undefined> {
  try {
    const asked = act(account.store);
    // In slices: a process that gets no time for a while finds its timers due before the answer that lies there.
    for (let slices = 5; slices > 0; slices--) {
      const answer = await waitFor(asked, undefined, 1_000);
      if (answer !== undefined) return answer;
    }
    fails(account, operation, 'timeout');
  } catch (error) {
    fails(account, operation, reasonOf(error));
  }
  return undefined;
}

type Operation = keyof SessionStore;

function fails({ client }: Account, operation: Operation, reason: string): void {
  report(client.settings, { type: 'store_failed', operation, reason });
}
