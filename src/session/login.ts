/**
 * One login. It is counted, then sent within 5 s, then its answer is judged, then the result is written. A
 * process may be stopped or killed at each step. A login that has been counted stays counted if a later step
 * is never reached.
 * @module
 */
import type { ApiError } from '../core/errors.ts';
import { report } from '../core/events.ts';
import type { OAuthToken } from '../core/token.ts';
import { nameOf, sendOnce } from '../platform/fetch.ts';
import { runWithin, sleep } from '../platform/waiting.ts';
import { getToken } from '../token/getToken.ts';
import { blockingFailure } from '../token/outageGuard.ts';
import { rejectToken, renewToken } from '../token/rejectedToken.ts';
import { endpointOf, type UsedAccount } from './account.ts';
import {
  afterCount,
  afterFailedCount,
  afterLogin,
  afterUnsentLogin,
  type CountedLogin,
  countNext,
  LOGIN_LIMIT_MS,
  type LoginFate,
  SEND_WITHIN_MS,
} from './belief.ts';
import { loginFailed, sessionFailed, verdictOn } from './failures.ts';
import { isBearerFault, judgeLogin, type SessionReply } from './fate.ts';
import { recordOf } from './record.ts';
import { look, storeFailed, writeRecord } from './storedRecord.ts';

/** The search for a session, on behalf of all who wait for it. Times are in milliseconds of Unix time. */
export interface SessionSearch {
  readonly startedAtMs: number;
  /** Since when it has tried in vain to count a login. */
  countingSinceMs?: number | undefined;
  /** Whether it has already got another bearer, in place of one that the gateway did not take. */
  isRenewed?: boolean;
}

/** How often the record is looked at while others write it. */
export const LOOK_EVERY_MS = 200;
/** For how long a search tries to count a login while others write the record all the time. */
const COUNT_WITHIN_MS = 30_000;

/**
 * Sends one login, if it can be counted, and returns the session token. `undefined`: the record is to be looked at
 * again.
 */
export async function logIn(account: UsedAccount, search: SessionSearch): Promise<string | undefined> {
  const { username, password, belief } = account;
  const last = blockingFailure(account.failure, 'exchange');
  if (last) throw last.error;
  const bearer = await getToken(account.client);
  // What was decided upon may have changed while the bearer was fetched.
  if (account.belief !== belief) return undefined;
  const login = await countLogin(account, search);
  if (!login) return undefined;
  const reply = await postSession(account, '/login', bearer, JSON.stringify({ username, password }));
  const fate = judgeLogin(reply, account.suspectBearers.includes(bearer.accessToken));
  await conclude(account, login, fate);
  if (fate.token) {
    forgetFailures(account);
    report(account.client.settings, { type: 'session_obtained' });
    return fate.token;
  }
  if (fate.status) throw refusedLogin(account, login, fate.status);
  const isRenewed = isBearerFault(reply) && (await replaceBearer(account, bearer));
  if (isRenewed && !fate.isUnknown && !search.isRenewed) {
    search.isRenewed = true;
    return undefined;
  }
  throw loginFailed(account, reply, Boolean(fate.isUnknown));
}

/** There is a session: what failed before counts no more. */
export function forgetFailures(account: UsedAccount): void {
  account.failure = undefined;
  account.suspectBearers = [];
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
  const { settings } = account.client;
  const url = endpointOf(account, path);
  const sent = { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json', ...headers };
  // Whatever `timeout` says: where a login is cut short, nobody knows what became of it.
  await runWithin(`${nameOf(url)}: check the network`, LOGIN_LIMIT_MS, undefined, (signal) =>
    sendOnce(settings, url, sent, body, reply, signal),
  ).catch((cause: unknown) => {
    reply.cause = cause;
  });
  return reply;
}

/** Gets another bearer in place of one that the gateway did not take. `undefined`: there is none. */
export async function renewBearer(
  { client }: UsedAccount,
  bearer: OAuthToken,
): Promise<OAuthToken | undefined> {
  if (!rejectToken(client, bearer.accessToken, 'call')) return undefined;
  return renewToken(client, bearer).catch(() => undefined);
}

/** Counts a login. `undefined`: it must not be sent. */
async function countLogin(account: UsedAccount, search: SessionSearch): Promise<CountedLogin | undefined> {
  const before = account.belief;
  const countedAtMs = Date.now();
  const login = countNext(before, countedAtMs, account.id, ++account.logins);
  const { answer: isWritten, failure } = await writeRecord(account, before.over?.text, login);
  const isUnchanged = account.belief === before;
  if (failure) {
    if (isUnchanged) account.belief = afterFailedCount(before);
    throw storeFailed(account, failure);
  }
  if (isWritten && isUnchanged && Math.abs(Date.now() - countedAtMs) < SEND_WITHIN_MS) {
    account.belief = afterCount(login);
    return login;
  }
  if (isWritten) {
    // The moment to send is over, or there was a reset: the count is written over with what is believed.
    account.belief = afterUnsentLogin(account.belief, login);
    await look(account);
  }
  search.countingSinceMs ??= Date.now();
  if (Date.now() - search.countingSinceMs >= COUNT_WITHIN_MS) {
    throw sessionFailed(account, 'the record keeps changing; try again later');
  }
  await sleep(LOOK_EVERY_MS);
  return undefined;
}

/**
 * Writes the result over the count, then believes it. Until then the login is under way, for a `reset()` too. A result
 * that cannot be written is offered with the next looks.
 */
async function conclude(account: UsedAccount, login: CountedLogin, fate: LoginFate): Promise<void> {
  const nowMs = Date.now();
  const expected = afterLogin(account.belief, login, fate, nowMs);
  if (expected === account.belief) return;
  const result = recordOf(expected.record);
  const { answer: isWritten, failure } = await writeRecord(account, login.text, result);
  account.belief = afterLogin(account.belief, login, fate, nowMs, isWritten ? result.text : undefined);
  // Another process has written over the count, or there was a `reset()` during the write.
  if (!failure && account.belief.relation === 'untold') await look(account);
}

function refusedLogin(account: UsedAccount, { count }: CountedLogin, status: number): ApiError {
  const { record } = account.belief;
  // On workerd, a session may have come meanwhile, which stands.
  return verdictOn(account, record.state === 'refused' ? record : { ...count, state: 'refused', status });
}

/** Both are suspect until the next session: if one of them meets a fault, the bearer may not be its reason. */
async function replaceBearer(account: UsedAccount, bearer: OAuthToken): Promise<boolean> {
  const renewed = await renewBearer(account, bearer);
  account.suspectBearers = [bearer, renewed ?? bearer].map(({ accessToken }) => accessToken);
  return renewed !== undefined;
}
