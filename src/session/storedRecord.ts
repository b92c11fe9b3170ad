/**
 * The record in the store. There is one way to look at it: it is read, what follows is believed, and what the store
 * is still to be told is written, if the record has not changed meanwhile. A store operation has 5 s.
 * @module
 */
import { ApiError } from '../core/errors.ts';
import { callHook, report } from '../core/events.ts';
import { waitFor } from '../platform/waiting.ts';
import { storeFailureReason } from '../stores/storeFailure.ts';
import type { SessionStore, UsedAccount } from './account.ts';
import { afterRead, afterWrite, isToWrite } from './belief.ts';
import { sessionFailed } from './failures.ts';
import { parseStored, recordOf, type Stored, ttlSecondsOf } from './record.ts';

/** How often the record is read and written anew where it has changed in between. */
const MOST_TRIES = 3;

/** Why the store gave no answer. */
export interface StoreFailure {
  readonly cause: unknown;
}

type StoreAnswer<T> =
  | { readonly answer: T; readonly failure?: never }
  | { readonly answer?: never; readonly failure: StoreFailure };

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

/** Looks at the record beside a call, which does not wait for it. */
export function lookBeside(account: UsedAccount): void {
  account.lookedAtMs = Date.now();
  void callHook(account.client.settings.waitUntil, look(account));
}

/** Looks at the record. Returns the store's failure if it cannot be read. */
export async function look(account: UsedAccount): Promise<StoreFailure | undefined> {
  for (let tries = MOST_TRIES; tries > 0; tries--) {
    const { news } = account.belief;
    const read = await askStore(account, 'get', async (store) => store.get(account.key));
    if (read.failure) return read.failure;
    // Something newer was learnt meanwhile, so this is no news. An event's handler may have reset the session.
    if (account.belief.news !== news) continue;
    learnStored(account, read.answer ?? undefined);
    const asked = account.belief;
    if (!isToWrite(asked, Date.now())) return undefined;
    const written = recordOf(asked.record);
    const { answer } = await writeRecord(account, asked.over?.text, written);
    if (answer) account.belief = afterWrite(account.belief, asked, written);
    // If the store fails, it is told with the next look.
    if (answer !== false) return undefined;
  }
  return undefined;
}

/** Writes a record, if the store still holds the text `expected`. */
export function writeRecord(
  account: UsedAccount,
  expected: string | undefined,
  { text, record }: Stored,
): Promise<StoreAnswer<boolean>> {
  const ttlSeconds = record && ttlSecondsOf(record);
  return askStore(account, 'compareAndSet', async (store) =>
    Boolean(await store.compareAndSet(account.key, expected, text, ttlSeconds)),
  );
}

/** The error of a call for which the store could not be asked. */
export function storeFailed(account: UsedAccount, { cause }: StoreFailure): ApiError {
  return sessionFailed(account, 'the store failed, so no login is sent: check the store', { cause });
}

function learnStored(account: UsedAccount, text: string | undefined): void {
  const nowMs = Date.now();
  const stored = parseStored(text, nowMs);
  if (text !== undefined && !stored.record) reportStoreFailure(account, 'get', 'junk');
  account.belief = afterRead(account.belief, stored, nowMs, account.id);
}

async function askStore<T>(
  account: UsedAccount,
  operation: keyof SessionStore,
  act: (store: SessionStore) => Promise<T>,
): Promise<StoreAnswer<T>> {
  try {
    const asked = act(account.store).then((answer) => ({ answer }));
    // In slices of a second: when a process gets no time to run for a while, its timers come before an answer
    // that has arrived meanwhile. The next slice then finds the answer.
    for (let slices = 5; slices > 0; slices--) {
      const answered = await waitFor(asked, undefined, 1_000);
      if (answered) return answered;
    }
    throw new ApiError('the store gave no answer within 5 s', { code: 'timeout' });
  } catch (cause) {
    reportStoreFailure(account, operation, storeFailureReason(cause));
    return { failure: { cause } };
  }
}

function reportStoreFailure({ client }: UsedAccount, operation: keyof SessionStore, reason: string): void {
  report(client.settings, { type: 'store_failed', operation, reason });
}
