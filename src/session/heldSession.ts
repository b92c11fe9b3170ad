/**
 * The session that is held: its use, which is written to the store while the call goes on, and its
 * end when the server says so.
 * @module
 */
import { callHook } from '../core/events.ts';
import { isWorthReplacing, type RejectedUse } from '../core/rejections.ts';
import { type Account, current, type Held, letGo } from './account.ts';
import { save } from './sharedRecord.ts';

/**
 * How often the last use is written to the store at most, and how often a session that the store did
 * not take is offered again.
 */
const SAVE_EVERY_MS = 60_000;
const OFFER_EVERY_MS = 1_000;

/** The session token for a call that is about to be sent; `undefined` if none is held. */
export function use(account: Account): string | undefined {
  const held = current(account);
  if (!held) return undefined;
  held.usedAtMs = Date.now();
  if (held.usedAtMs - held.savedAtMs >= (held.over ? OFFER_EVERY_MS : SAVE_EVERY_MS))
    saveBeside(account, held);
  return held.token;
}

/**
 * Takes note that a call with the session token `sent` met a lapse. `true`: the next call for a session
 * brings another one.
 */
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
