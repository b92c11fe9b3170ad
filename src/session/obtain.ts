/**
 * How a call gets a session: it joins the login under way, or looks at the record and does what the record
 * says.
 * @module
 */
import { callHook } from '../core/events.ts';
import { isRequestBound } from '../platform/runtimes.ts';
import { sleep, throwIfAborted, waitFor } from '../platform/waiting.ts';
import { type Account, type Flight, hold, type Outcome, type StoredSession } from './account.ts';
import { deriveKey } from './accountKey.ts';
import { failure, refusal } from './failures.ts';
import { use } from './heldSession.ts';
import { type Attempt, LOOK_EVERY_MS, limitMs, logIn } from './login.ts';
import { decide, waitMs } from './record.ts';
import { look } from './sharedRecord.ts';

/** A login that another request has begun counts as lost when it gives no sign of life for this long. */
const LOST_AFTER_MS = 5_000;
/** A call waits for others at most this many times as long as others would wait for its own login. */
const MOST_WAITS = 3;

/**
 * Joins the login under way, or begins one. The signal ends only this caller's wait. On workerd and edge
 * runtimes, a login dies with the request that has begun it. It then never settles, or rejects with an error
 * of the runtime. Such a login is lost, and stays counted. A login that is only slow keeps giving signs of
 * life: nobody begins a second one beside it, which would count too.
 */
export async function obtain(account: Account, signal: AbortSignal | null | undefined): Promise<string> {
  for (;;) {
    throwIfAborted(signal);
    const held = use(account);
    if (held) return held;
    const joined = account.flight;
    const flight = joined ?? begin(account);
    const outcome = await waitFor(
      flight.outcome,
      signal,
      joined && isRequestBound() ? LOST_AFTER_MS : undefined,
    ).catch(() => {
      throwIfAborted(signal);
      flight.aliveAtMs = 0;
    });
    if (outcome) return outcome();
    if (account.flight === flight && Date.now() - flight.aliveAtMs >= LOST_AFTER_MS)
      account.flight = undefined;
  }
}

function begin(account: Account): Flight {
  const pulse = isRequestBound() ? setInterval(() => (flight.aliveAtMs = Date.now()), 1_000) : undefined;
  const outcome = findOrLogIn(account)
    // Those who have waited for a session get it, even if it has been forgotten meanwhile.
    .then(
      (token): Outcome =>
        () =>
          use(account) ?? token,
      (error): Outcome =>
        () => {
          throw error;
        },
    )
    .finally(() => {
      clearInterval(pulse);
      if (account.flight === flight) account.flight = undefined;
    });
  const flight: Flight = { outcome, aliveAtMs: Date.now() };
  account.flight = flight;
  void callHook(account.client.settings.waitUntil, outcome);
  return flight;
}

/** Gets a session from the store or by one login, but sends none while another login is under way. */
async function findOrLogIn(account: Account): Promise<string> {
  // The rest runs after `begin` has returned. It may call code of the caller's that asks for the session,
  // too, and that must find this login under way.
  await undefined;
  const attempt: Attempt = { startedAtMs: Date.now() };
  account.id ||= `${crypto.getRandomValues(new Uint32Array(4))}`;
  account.key ||= await deriveKey(account);
  for (;;) {
    const token = await step(account, attempt);
    if (token) return token;
  }
}

/**
 * Looks at the record and does what it says. Returns the session token, or `undefined` if the record
 * is to be looked at again.
 */
async function step(account: Account, attempt: Attempt): Promise<string | undefined> {
  const stored = await look(account);
  const { known } = account;
  const decision = decide(known, Date.now(), account);
  if (decision === 'use') return hold(account, known as StoredSession).token;
  if (decision === 'stop') throw refusal(account, known.status);
  // While the store fails, nobody can tell when another login ends. If one may be under way, `logIn`
  // then sends none of its own.
  if (decision === 'login' || !stored) return logIn(account, attempt, stored);
  attempt.countingSinceMs = undefined;
  if (Date.now() - attempt.startedAtMs >= MOST_WAITS * waitMs(limitMs(account)))
    throw failure(account, 'another login is under way');
  await sleep(LOOK_EVERY_MS);
  return undefined;
}
