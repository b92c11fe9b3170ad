/**
 * One login. It is counted, then sent within 5 s, then its answer is judged, then the result is written. A
 * process may be stopped or killed at each step. A login that has been counted stays counted if a later step
 * is never reached.
 * @module
 */
import type { ApiError } from '../core/errors.ts';
import { report } from '../core/events.ts';
import { isLately } from '../core/lately.ts';
import type { OAuthToken } from '../core/token.ts';
import { nameOf, sendOnce } from '../platform/fetch.ts';
import { runWithin, sleep } from '../platform/waiting.ts';
import { blockingFailure } from '../token/outageGuard.ts';
import { endpointOf, type UsedAccount } from './account.ts';
import {
  afterCount,
  afterLogin,
  afterUnsentLogin,
  type CountedLogin,
  countNext,
  LOGIN_LIMIT_MS,
  type LoginFate,
  SEND_WITHIN_MS,
} from './belief.ts';
import { loginFailed, sessionError, storeFailed, verdictOn } from './failures.ts';
import { isBearerFault, judgeLogin, type SessionReply } from './fate.ts';
import { recordOf } from './record.ts';
import { syncRecord, writeRecord } from './storedRecord.ts';

/** The search for a session, on behalf of all who wait for it. Times are in milliseconds of Unix time. */
export interface SessionSearch {
  readonly startedAtMs: number;
  /** The time since which it has failed to count a login. */
  countingSinceMs?: number | undefined;
  /** Whether it has renewed a bearer that the gateway did not take. It does so once. */
  hasRenewed?: boolean;
}

/** How often the record is looked at while others write it. */
export const LOOK_EVERY_MS = 200;
/** For how long a search tries to count a login while others write the record all the time. */
const COUNT_WITHIN_MS = 30_000;

/**
 * Sends one login, if it can be counted, and returns the session token. `undefined`: the record is to be
 * looked at again.
 */
export async function logIn(account: UsedAccount, search: SessionSearch): Promise<string | undefined> {
  const { username, password, belief } = account;
  const last = blockingFailure(account.failure, 'exchange');
  if (last) throw last.error;
  const bearer = await account.client.getToken();
  // What was decided upon may have changed while the bearer was fetched.
  if (account.belief !== belief) return undefined;
  const login = await countLogin(account, search);
  if (!login) return undefined;
  const reply = await postSession(account, '/login', bearer, JSON.stringify({ username, password }));
  const fate = judgeLogin(reply);
  await conclude(account, login, fate);
  if (fate.token) {
    account.failure = undefined;
    report(account.client, { type: 'session_obtained' });
    return fate.token;
  }
  if (fate.status) throw refusedLogin(account, login, fate.status);
  if (isBearerFault(reply) && !search.hasRenewed) {
    search.hasRenewed = true;
    if (await replaceBearer(account, bearer)) return undefined;
  }
  throw loginFailed(account, reply);
}

/** Sends one request and returns what has come of it. Never rejects. */
export async function postSession(
  account: UsedAccount,
  path: '/login' | '/logout',
  { accessToken }: OAuthToken,
  body: string,
  headers?: Readonly<Record<string, string>>,
): Promise<SessionReply> {
  const reply: SessionReply = {};
  const url = endpointOf(account, path);
  const sent = { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json', ...headers };
  // Whatever `timeout` says: where a login is cut short, nobody knows what became of it.
  await runWithin(nameOf(url), LOGIN_LIMIT_MS, undefined, (signal) =>
    sendOnce(account.client, url, sent, body, reply, signal),
  ).catch((cause: unknown) => {
    reply.cause = cause;
  });
  return reply;
}

/** Gets another bearer in place of one that the gateway did not take. `undefined`: there is none. */
export async function replaceBearer(
  { client }: UsedAccount,
  { accessToken: rejected }: OAuthToken,
): Promise<OAuthToken | undefined> {
  if (!client.rejectToken(rejected)) return undefined;
  const token = await client.getToken({ rejected }).catch(() => undefined);
  return token?.accessToken === rejected ? undefined : token;
}

/** Counts a login. `undefined`: it must not be sent. */
async function countLogin(account: UsedAccount, search: SessionSearch): Promise<CountedLogin | undefined> {
  const before = account.belief;
  const login = countNext(before, Date.now(), account.id, ++account.logins);
  const write = await writeRecord(account, before.over?.text, login);
  // It may be in the store. Whoever reads a count of their own that they do not believe takes it back.
  if (!write) throw storeFailed(account);
  if (write.answer && account.belief === before && isLately(login.count.countedAtMs, SEND_WITHIN_MS)) {
    account.belief = afterCount(login);
    return login;
  }
  if (write.answer) {
    // The moment to send is over, or there was a reset: the count is written over with what is believed.
    account.belief = afterUnsentLogin(account.belief, login);
    await syncRecord(account);
  }
  if (Date.now() - (search.countingSinceMs ??= Date.now()) >= COUNT_WITHIN_MS) {
    throw sessionError(account, 'the record keeps changing; try again later');
  }
  await sleep(LOOK_EVERY_MS);
  return undefined;
}

/**
 * Writes the result over the count, then believes it. Until then the login is under way, for a `reset()` too.
 * A result that cannot be written is offered with the next looks.
 */
async function conclude(account: UsedAccount, login: CountedLogin, fate: LoginFate): Promise<void> {
  const nowMs = Date.now();
  const expected = afterLogin(account.belief, login, fate, nowMs);
  if (expected === account.belief) return;
  const result = recordOf(expected.record);
  const write = await writeRecord(account, login.text, result);
  const written = write?.answer ? result.text : undefined;
  account.belief = afterLogin(account.belief, login, fate, nowMs, written);
  // It is offered with the next use.
  if (!write) account.lookedAtMs = 0;
  // Another process has written over the count, or there was a `reset()` during the write.
  else if (account.belief.relation === 'untold') await syncRecord(account);
}

function refusedLogin(account: UsedAccount, { count }: CountedLogin, status: number): ApiError {
  const { record } = account.belief;
  // On workerd, a session may have come meanwhile, which stands.
  return verdictOn(account, record.state === 'refused' ? record : { ...count, state: 'refused', status });
}
