/**
 * Gets a session for a call: the one at hand, the one that a login under way will bring, or the one that the
 * record allows to look for.
 * @module
 */
import { startFlight, waitForFlight } from '../platform/flight.ts';
import { isRequestBound } from '../platform/runtimes.ts';
import { sleep, throwIfAborted } from '../platform/waiting.ts';
import type { SessionFlight, SessionOutcome, UsedAccount } from './account.ts';
import { deriveAccountKey } from './accountKey.ts';
import { decide, isLoggingIn, isReset, liveSession, WRITE_USE_AFTER_MS } from './belief.ts';
import { sessionError, storeFailed, verdictOn } from './failures.ts';
import { LOOK_EVERY_MS, logIn, type SessionSearch } from './login.ts';
import { syncRecord, syncRecordBeside } from './storedRecord.ts';

/** A call waits this long for the logins of others. */
const WAIT_FOR_OTHERS_MS = 120_000;
/** How often what the store did not take is offered again. */
const OFFER_EVERY_MS = 1_000;

/**
 * The session token for a call that is about to be sent; `undefined` if there is none at hand. The last use
 * is written to the store beside the call.
 */
export function useSession(account: UsedAccount): string | undefined {
  const nowMs = Date.now();
  const session = liveSession(account.belief.record, nowMs);
  if (!session) return undefined;
  session.usedAtMs = nowMs;
  const everyMs = account.belief.relation === 'untold' ? OFFER_EVERY_MS : WRITE_USE_AFTER_MS;
  if (nowMs - account.lookedAtMs >= everyMs) syncRecordBeside(account);
  return session.token;
}

/**
 * Joins the login under way, or begins one. The signal ends only this caller's wait. On workerd and edge
 * runtimes, a login dies with the request that has begun it. It then never settles, or rejects with an error
 * of the runtime. Such a login is lost, and stays counted. A login that is only slow keeps giving signs of
 * life: nobody begins a second one beside it, which would count too.
 */
export async function obtainSession(
  account: UsedAccount,
  signal: AbortSignal | null | undefined,
): Promise<string> {
  for (;;) {
    throwIfAborted(signal);
    const token = useSession(account);
    if (token) return token;
    const joined = account.flight;
    const flight = joined ?? beginFlight(account);
    const outcome = await waitForFlight(account, flight, { signal, isJoined: Boolean(joined) });
    // Those who have waited for a session get it, even if it has been forgotten meanwhile.
    if (outcome?.token) return useSession(account) ?? outcome.token;
    if (outcome) throw outcome.error;
  }
}

function beginFlight(account: UsedAccount): SessionFlight {
  const pulse = isRequestBound() ? setInterval(() => (flight.aliveAtMs = Date.now()), 1_000) : undefined;
  const outcome = findOrLogIn(account)
    .then(
      (token): SessionOutcome => ({ token }),
      (error): SessionOutcome => ({ error }),
    )
    .finally(() => clearInterval(pulse));
  const flight: SessionFlight = { outcome, aliveAtMs: Date.now() };
  return startFlight(account, flight, account.client);
}

/** Gets a session from the store or by one login, but sends none while another login is under way. */
async function findOrLogIn(account: UsedAccount): Promise<string> {
  // The rest runs after `beginFlight` has returned. It may call code of the caller's that asks for the
  // session, too, and that must find this login under way.
  await undefined;
  const search: SessionSearch = { startedAtMs: Date.now() };
  await nameAccount(account);
  for (;;) {
    const token = await step(account, search);
    if (token) return token;
  }
}

/**
 * Tells the store of a reset, once no login is under way any more. Until this object's own login has ended,
 * the store is not looked at: the result of that login must not be taken for news from others.
 */
export async function tellReset(account: UsedAccount): Promise<void> {
  const startedAtMs = Date.now();
  await nameAccount(account);
  for (;;) {
    if (!isLoggingIn(account.belief, Date.now(), account.id)) {
      account.storeFailure = undefined;
      await syncRecord(account);
      if (account.storeFailure) throw storeFailed(account);
      if (!isReset(account.belief)) return;
    }
    assertPatience(account, startedAtMs);
    await sleep(LOOK_EVERY_MS);
  }
}

async function nameAccount(account: UsedAccount): Promise<void> {
  account.id ||= `${crypto.getRandomValues(new Uint32Array(4))}`;
  account.key ||= await deriveAccountKey(account);
}

function assertPatience(account: UsedAccount, startedAtMs: number): void {
  if (Date.now() - startedAtMs < WAIT_FOR_OTHERS_MS) return;
  throw sessionError(account, 'another login is under way; try again later');
}

/**
 * Looks at the record and does what it says. Returns the session token, or `undefined` if the record is to be
 * looked at again.
 */
async function step(account: UsedAccount, search: SessionSearch): Promise<string | undefined> {
  if (!(await syncRecord(account))) throw storeFailed(account);
  const { belief, id } = account;
  const nowMs = Date.now();
  const session = liveSession(belief.record, nowMs);
  if (session) {
    account.failure = undefined;
    // If its last use is a while ago, the others learn at once that it is used.
    account.lookedAtMs = session.usedAtMs;
    return useSession(account);
  }
  const decision = decide(belief, nowMs, id);
  if (decision === 'login') return logIn(account, search);
  if (decision !== 'wait') throw verdictOn(account, belief.record);
  search.countingSinceMs = undefined;
  assertPatience(account, search.startedAtMs);
  await sleep(LOOK_EVERY_MS);
  return undefined;
}
