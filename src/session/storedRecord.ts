/**
 * The record in the store. There is one way to look at it: it is read, what follows is believed, and what the
 * store is still to be told is written, if the record has not changed meanwhile. A store operation has 5 s.
 * @module
 */
import { ApiError } from '../core/errors.ts';
import { callHook, report } from '../core/events.ts';
import { waitFor } from '../platform/waiting.ts';
import { storeFailureReason } from '../stores/storeFailure.ts';
import type { SessionStore, UsedAccount } from './account.ts';
import { afterRead, afterWrite, isToWrite } from './belief.ts';
import { parseStored, recordOf, type Stored, TRUST_MS } from './record.ts';

/** How often the record is read and written anew where it has changed in between. */
const MOST_TRIES = 3;

/** What the store answered. `undefined`: it failed, and the account has its error. */
type StoreAnswer<T> = { readonly answer: T } | undefined;

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
export function syncRecordBeside(account: UsedAccount): void {
  void callHook(account.client.waitUntil, syncRecord(account));
}

/** Looks at the record. `false`: the store cannot be read. */
export async function syncRecord(account: UsedAccount): Promise<boolean> {
  for (let tries = MOST_TRIES; tries > 0; tries--) {
    account.lookedAtMs = Date.now();
    const { belief } = account;
    const read = await askStore(account, 'get', () => account.store.get(account.key));
    if (!read) return false;
    // Something newer was learnt meanwhile, so this is no news. An event's handler may have reset the
    // session.
    if (account.belief !== belief) continue;
    const nowMs = Date.now();
    const stored = parseStored(read.answer ?? undefined, nowMs);
    if (stored.text !== undefined && !stored.record) reportStoreFailure(account, 'get', 'junk');
    const asked = afterRead(belief, stored, nowMs, account.id);
    account.belief = asked;
    if (!isToWrite(asked, nowMs)) return true;
    const written = recordOf(asked.record);
    const write = await writeRecord(account, asked.over?.text, written);
    // If the store fails, it is told with the next look.
    if (!write) return true;
    if (write.answer) {
      account.belief = afterWrite(account.belief, asked, written);
      return true;
    }
  }
  return true;
}

/** Writes a record, if the store still holds the text `expected`. */
export function writeRecord(
  account: UsedAccount,
  expected: string | undefined,
  { text, record }: Stored,
): Promise<StoreAnswer<boolean>> {
  // Refusals and counts are kept for ever.
  const ttlSeconds = record?.failures ? undefined : TRUST_MS / 1_000;
  return askStore(account, 'compareAndSet', () =>
    account.store.compareAndSet(account.key, expected, text, ttlSeconds),
  );
}

async function askStore<T>(
  account: UsedAccount,
  operation: keyof SessionStore,
  act: () => Promise<T> | T,
): Promise<StoreAnswer<T>> {
  try {
    const asked = (async () => ({ answer: await act() }))();
    // Waits in one-second slices: after a stall, timers fire before answers that have already arrived; the
    // next slice sees the answer.
    for (let slices = 5; slices > 0; slices--) {
      const answered = await waitFor(asked, undefined, 1_000);
      if (answered) return answered;
    }
    throw new ApiError('no answer within 5 s', { code: 'timeout' });
  } catch (cause) {
    reportStoreFailure(account, operation, storeFailureReason(cause));
    account.storeFailure = { cause };
    return undefined;
  }
}

function reportStoreFailure({ client }: UsedAccount, operation: keyof SessionStore, reason: string): void {
  report(client, { type: 'store_failed', operation, reason });
}
