/**
 * How a call comes by a session: it joins the login under way, or looks at the record and does what that says.
 * @module
 */
import { callHook } from '../platform/events.ts';
import { isRequestBound, pause, waitFor } from '../platform/waiting.ts';
import type { TokenSource } from '../token/tokenSource.ts';
import type { Account, Flight, Outcome } from './account.ts';
import { hold } from './account.ts';
import { deriveKey } from './accountKey.ts';
import { failure, refusal } from './failures.ts';
import { use } from './heldSession.ts';
import type { Attempt } from './login.ts';
import { limitMs, logIn } from './login.ts';
import { decide, waitMs } from './record.ts';
import { look } from './sharedRecord.ts';

/** A login of another request's that gives no sign of life for so long is lost. */
const LOST_AFTER_MS = 5_000;
/** How often the record is looked at while another process logs in. */
const LOOK_EVERY_MS = 200;

/**
 * Joins the login under way or begins one. The signal ends only this caller's wait. On workerd and edge runtimes a login
 * that another request has begun dies with it and never settles, or rejects with the runtime's refusal: then it is lost, and
 * stays counted. One that is only slow goes on giving signs of life; a second one beside it would count too.
 */
export async function obtain(account: Account, client: TokenSource, signal: AbortSignal | null | undefined): Promise<string> {
  for (;;) {
    throwIfAborted(signal);
    const held = use(account);
    if (held) return held;
    const joined = account.flight;
    const flight = joined ?? begin(account, client);
    const outcome = await waitFor(flight.outcome, signal, joined && isRequestBound() ? LOST_AFTER_MS : undefined).catch(() => {
      throwIfAborted(signal);
      flight.aliveAtMs = 0;
    });
    if (outcome) return bring(account, outcome);
    if (account.flight === flight && Date.now() - flight.aliveAtMs >= LOST_AFTER_MS) account.flight = undefined;
  }
}

/** Those who have waited for a session get it, though it has been forgotten meanwhile. */
function bring(account: Account, outcome: Outcome): string {
  if ('error' in outcome) throw outcome.error;
  return use(account) ?? outcome.token;
}

function begin(account: Account, client: TokenSource): Flight {
  const beat = (): unknown => (flight.aliveAtMs = Date.now());
  const pulse = isRequestBound() ? setInterval(beat, 1_000) : undefined;
  const end = (): void => {
    clearInterval(pulse);
    if (account.flight === flight) account.flight = undefined;
  };
  // Begun in a turn of its own: what it calls of the caller's may ask for the session too, and must find this one.
  const outcome = Promise.resolve()
    .then(() => findOrLogIn({ account, client, startedAtMs: Date.now() }))
    .then((token) => ({ token }), (error: unknown) => ({ error }))
    .finally(end);
  const flight: Flight = { outcome, aliveAtMs: Date.now() };
  account.flight = flight;
  void callHook(client.settings.waitUntil, outcome);
  return flight;
}

/** Brings a session, from the store or by one login, and never beside another's. */
async function findOrLogIn(attempt: Attempt): Promise<string> {
  const { account } = attempt;
  account.id ||= `${crypto.getRandomValues(new Uint32Array(4))}`;
  account.key ??= await deriveKey(account.url!, account.username, account.password); // the URL came with the client
  for (;;) {
    const token = await step(attempt);
    if (token) return token;
  }
}

/** Does what the record says: a session token, or `undefined` where it is to be looked at again. */
async function step(attempt: Attempt): Promise<string | undefined> {
  const { account, client, startedAtMs } = attempt;
  const finding = await look(account, client);
  const { record } = finding.entry;
  switch (decide(record, Date.now(), account)) {
    case 'use':
      return hold(account, record).token;
    case 'stop':
      throw refusal(account, client, record.status);
    case 'wait':
      attempt.countingSinceMs = undefined;
      if (finding.isFailing) throw failure(client, 'the store fails, and another process was logging in; no other login is sent');
      if (Date.now() - startedAtMs >= 3 * waitMs(limitMs(client))) throw failure(client, 'another login is under way; try again later');
      return pause(LOOK_EVERY_MS);
    case 'login':
      return logIn(attempt, finding);
  }
}

/** Signals of older make have no `throwIfAborted`. */
function throwIfAborted(signal: AbortSignal | null | undefined): void {
  if (signal?.aborted) throw signal.reason;
}
