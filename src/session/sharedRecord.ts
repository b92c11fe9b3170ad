/**
 * The record in the store: it is read, written if it has not changed meanwhile, and told of the last use. A
 * store operation has 5 s. A store that takes longer, or throws, counts as one that fails. That is told as an
 * event and throws nothing here.
 * @module
 */
import { report } from '../core/events.ts';
import { waitFor } from '../platform/waiting.ts';
import { storeFailureReason } from '../stores/storeFailure.ts';
import { type Account, type Held, learn, type SessionStore } from './account.ts';
import { IDLE_MS, isUnderWay, isUsable, parseRecord, type SessionRecord, textOf } from './record.ts';

/** How often a record is read and written anew where another process has changed it in between. */
const MOST_TRIES = 3;

/**
 * What the store holds: a record, and its text, by which changes are seen. No text: the store holds nothing.
 */
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

/**
 * Reads the store, brings up to date what is known, and returns what the store holds; `undefined` if it
 * fails.
 */
export async function look(account: Account): Promise<Stored | undefined> {
  const stored = await read(account);
  const record = stored ? weigh(account, stored) : account.known;
  // What could not be written holds until the store has a session that can be used.
  if (!account.isUnwritten || isUsable(record, Date.now(), account)) learn(account, record);
  return stored;
}

/**
 * Writes a record, if the store still holds the text `expected`. `false`: it holds something else.
 * `undefined`: it fails. Sessions are kept for as long as they live, everything else for ever.
 */
export function write(
  account: Account,
  expected: string | undefined,
  record: SessionRecord,
): Promise<boolean | undefined> {
  const ttlSeconds = record.token ? IDLE_MS / 1000 : undefined;
  const text = textOf(record);
  return ask(account, 'compareAndSet', async (store) =>
    store.compareAndSet(account.key, expected, text, ttlSeconds),
  );
}

/**
 * Deletes the session with this token from the store, if it is still there, also where a process writes a
 * last use meanwhile.
 */
export async function remove(account: Account, token: string): Promise<void> {
  for (let tries = MOST_TRIES; tries > 0; tries--) {
    const stored = await read(account);
    if (stored?.record.token !== token || (await write(account, stored.text, {})) !== false) return;
  }
}

/**
 * Writes the last use to the store, or a session that could not be written before. It never writes over
 * anything but this session, or the record that the session was to replace.
 */
export async function save(account: Account, held: Held): Promise<void> {
  for (let tries = MOST_TRIES; tries > 0; tries--) {
    const stored = await read(account);
    if (!stored || account.held !== held) return;
    const { record, text } = stored;
    const isWanted = record.token === held.token || (held.over && textOf(held.over) === text);
    // Whatever else the store holds is newer, and this session stays in this process only.
    const isWritten = !isWanted || (await write(account, text, merge(held, record)));
    if (isWritten) held.over = undefined;
    if (isWritten !== false) return;
  }
}

/** The session, together with what another process may have written about it. */
function merge(
  held: Held,
  { usedAtMs = held.usedAtMs, rejectedAgainAtMs = 0 }: SessionRecord,
): SessionRecord {
  held.rejectedAgainAtMs = Math.max(held.rejectedAgainAtMs ?? 0, rejectedAgainAtMs) || undefined;
  const { savedAtMs: _, over: __, ...record } = held;
  return { ...record, usedAtMs: Math.max(held.usedAtMs, usedAtMs) };
}

/**
 * Says what the stored record counts for. The record that is read first after a reset counts for nothing as
 * long as it stands there unchanged, unless it is a login under way. If the store holds nothing any more,
 * logins that this process knows to have failed, or that may have failed, count all the same.
 */
function weigh(account: Account, { record, text }: Stored): SessionRecord {
  const { known, id } = account;
  if (account.isReset) account.voided = text;
  account.isReset = false;
  if (!text) return known.failures && (!known.limitMs || known.owner === id) ? known : {};
  return text === account.voided && !isUnderWay(record, Date.now()) ? {} : record;
}

/** What the store holds; `undefined` if it fails. */
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

/** Asks the store and returns its answer; `undefined` if it throws or takes too long. */
async function ask<T>(
  account: Account,
  operation: Operation,
  act: (store: SessionStore) => Promise<T>,
): Promise<T | undefined> {
  try {
    const asked = act(account.store);
    // In slices of a second: when a process gets no time to run for a while, its timers come before an answer
    // that has arrived meanwhile. The next slice then finds the answer.
    for (let slices = 5; slices > 0; slices--) {
      const answer = await waitFor(asked, undefined, 1_000);
      if (answer !== undefined) return answer;
    }
    fails(account, operation, 'timeout');
  } catch (error) {
    fails(account, operation, storeFailureReason(error));
  }
  return undefined;
}

type Operation = keyof SessionStore;

function fails({ client }: Account, operation: Operation, reason: string): void {
  report(client.settings, { type: 'store_failed', operation, reason });
}
