/**
 * How a call comes by a session: it joins the login under way, or looks at the record and does what that says.
 * @module
 */
import { callHook } from '../platform/events.ts';
import { isRequestBound, sleep, throwIfAborted, waitFor } from '../platform/waiting.ts';
import type { Account, Flight, Outcome, StoredSession } from './account.ts';
import { hold } from './account.ts';
import { deriveKey } from './accountKey.ts';
import { failure, refusal } from './failures.ts';
import { use } from './heldSession.ts';
import type { Attempt } from './login.ts';
import { limitMs, logIn, LOOK_EVERY_MS } from './login.ts';
import { decide, waitMs } from './record.ts';
import { look } from './sharedRecord.ts';

/** A login of another request's that gives no sign of life for so long is lost. */
const LOST_AFTER_MS = 5_000;
/** How often a call waits for what its own login would be waited for. */
const MOST_WAITS = 3;

/**
 * Joins the login under way or begins one. The signal ends only this caller's wait. On workerd and edge runtimes a login
 * that another request has begun dies with it and never settles, or rejects with the runtime's refusal: then it is lost, and
 * stays counted. One that is only slow goes on giving signs of life; a second one beside it would count too.
 */
export async function obtain(account: Account, signal: AbortSignal | null | undefined): Promise<string> {
  for (;;) {
    throwIfAborted(signal);
    const held = use(account);
    if (held) return held;
    const joined = account.flight;
    const flight = joined ?? begin(account);
    const outcome = await waitFor(flight.outcome, signal, joined && isRequestBound() ? LOST_AFTER_MS : undefined).catch(() => {
      throwIfAborted(signal);
      flight.aliveAtMs = 0;
    });
    if (outcome) return outcome();
    if (account.flight === flight && Date.now() - flight.aliveAtMs >= LOST_AFTER_MS) account.flight = undefined;
  }
}

function begin(account: Account): Flight {
  const pulse = isRequestBound() ? setInterval(() => (flight.aliveAtMs = Date.now()), 1_000) : undefined;
  const outcome = findOrLogIn(account)
    // Those who have waited for a session get it, though it has been forgotten meanwhile.
    .then((token): Outcome => () => use(account) ?? token, (error): Outcome => () => {
      throw error;
    })
    .finally(() => {
      clearInterval(pulse);
      if (account.flight === flight) account.flight = undefined;
    });
  const flight: Flight = { outcome, aliveAtMs: Date.now() };
  account.flight = flight;
  void callHook(account.client.settings.waitUntil, outcome);
  return flight;
}

/** Brings a session, from the store or by one login, and never beside another's. */
async function findOrLogIn(account: Account): Promise<string> {
  // In a turn of its own: what it calls of the caller's may ask for the session too, and must find this login under way.
  await undefined;
  const attempt: Attempt = { startedAtMs: Date.now() };
  account.id ||= `${crypto.getRandomValues(new Uint32Array(4))}`;
  account.key ||= await deriveKey(account);
  for (;;) {
    const token = await step(account, attempt);
    if (token) return token;
  }
}

/** Does what the record says: a session token, or `undefined` where it is to be looked at again. */
async function step(account: Account, attempt: Attempt): Promise<string | undefined> {
  const stored = await look(account);
  const { known } = account;
  const decision = decide(known, Date.now(), account);
  if (decision === 'use') return hold(account, known as StoredSession).token;
  if (decision === 'stop') throw refusal(account, known.status);
  // Nobody can be waited for where the store fails; the login that may be under way then bars this process's own.
  if (decision === 'login' || !stored) return logIn(account, attempt, stored);
  attempt.countingSinceMs = undefined;
  if (Date.now() - attempt.startedAtMs >= MOST_WAITS * waitMs(limitMs(account))) throw failure(account, 'another login is under way');
  await sleep(LOOK_EVERY_MS);
  return undefined;
}
