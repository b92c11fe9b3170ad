/**
 * The session held: its use, which the store learns of beside the call, and its end by the server's word.
 * @module
 */
import { callHook } from '../platform/events.ts';
import type { RejectedUse } from '../platform/rejections.ts';
import { isWorthReplacing } from '../platform/rejections.ts';
import type { Account, Held } from './account.ts';
import { current, letGo } from './account.ts';
import { save } from './sharedRecord.ts';

/** How often the store is told of the last use, and how often it is offered a session that could not be written. */
const SAVE_EVERY_MS = 60_000;
const OFFER_EVERY_MS = 1_000;

/** The token held, for a call about to be sent. */
export function use(account: Account): string | undefined {
  const held = current(account);
  if (!held) return undefined;
  held.usedAtMs = Date.now();
  if (held.usedAtMs - held.savedAtMs >= (held.over ? OFFER_EVERY_MS : SAVE_EVERY_MS)) saveBeside(account, held);
  return held.token;
}

/** Told of a lapse of `sent`. True: the next call for a session brings another one. */
export function giveUp(account: Account, sent: string, rejected: RejectedUse): boolean {
  const { held } = account;
  if (held?.token !== sent) return true;
  const isSpent = isWorthReplacing(held, rejected);
  if (isSpent) letGo(account, true);
  else if (rejected === 'replay' && isWorthReplacing(held, 'call')) {
    held.rejectedAgainAtMs = Date.now();
    saveBeside(account, held);
  }
  return isSpent;
}

function saveBeside(account: Account, held: Held): void {
  held.savedAtMs = held.usedAtMs;
  void callHook(account.client.settings.waitUntil, save(account, held));
}
