/**
 * One login: counted, sent within 5 s, its answer judged and written, in this order. What has been counted stays counted
 * wherever a step is never reached, since a process may be stopped or killed at each.
 * @module
 */
import { report } from '../platform/events.ts';
import type { OAuthToken } from '../platform/token.ts';
import { asHeaderText } from '../platform/token.ts';
import { post } from '../platform/transport.ts';
import { sleep } from '../platform/waiting.ts';
import { parseBody } from '../token/answer.ts';
import { barring, createFailure, EXCHANGE } from '../token/outageGuard.ts';
import { getToken, rejectToken, renewToken } from '../token/tokenSource.ts';
import type { Account } from './account.ts';
import { current, endpointOf, hold, learn } from './account.ts';
import type { Reply } from './failures.ts';
import { failure, refusal } from './failures.ts';
import { isBearerFault } from './lapse.ts';
import type { SessionRecord } from './record.ts';
import { MOST_FAILURES, SEND_WITHIN_MS, textOf } from './record.ts';
import type { Stored } from './sharedRecord.ts';
import { write } from './sharedRecord.ts';

/** The way to a session for all who wait for it. Times are in milliseconds of Unix time. */
export interface Attempt {
  readonly startedAtMs: number;
  /** Since when it has tried in vain to count a login. */
  countingSinceMs?: number | undefined;
  /** Whether another bearer has been had, in the place of one that the gateway did not take. */
  isRenewed?: boolean;
}

/** A login that has been counted. */
interface Counted {
  readonly record: SessionRecord;
  /** What was known before, to be put back where the login turns out not to count. */
  readonly before: SessionRecord;
  /**
   * There where the store fails, so that it is counted in this process only: what its session may be written over, which is
   * the count, of which nobody knows whether it was written, or nothing.
   */
  readonly over?: SessionRecord;
}

/** How often the record is looked at while others write it. */
export const LOOK_EVERY_MS = 200;

/** Sends one login, if it can be counted: the session token, or `undefined` where the record is to be looked at again. */
export async function logIn(account: Account, attempt: Attempt, stored: Stored | undefined): Promise<string | undefined> {
  const { username, password } = account;
  const last = barring(account.failure, EXCHANGE);
  if (last) throw last.error;
  const bearer = await getToken(account.client);
  const counted = await count(account, attempt, stored);
  if (!counted) return undefined;
  const reply = await send(account, '/login', bearer, JSON.stringify({ username, password }));
  const { status = 0, ok } = reply.response ?? {};
  const token = ok && asHeaderText(parseBody(reply.text)?.['sessionToken']);
  if (token) return succeed(account, counted, token);
  const isFault = isBearerFault(reply);
  // Not a 408, which was not read, nor a 429, which was not looked at.
  const isRefused = !isFault && /^4(?!08|29)/.test(`${status}`);
  const isUnknown = !reply.response || (ok && reply.text === undefined);
  await conclude(account, counted, isRefused ? { status } : isUnknown ? {} : undefined);
  if (isRefused) throw refusal(account, status);
  if (isFault && !attempt.isRenewed) {
    attempt.isRenewed = true;
    if (await renewBearer(account, bearer)) return undefined;
  }
  const error = failure(account, '/login', reply);
  // 429, 5xx and the like are spaced out as failed exchanges are.
  if (!isUnknown) account.failure = createFailure(account.failure, error, EXCHANGE);
  throw error;
}

/** Sends one request, and tells what has come of it. */
export async function send(
  { client, url }: Account,
  path: string,
  { accessToken }: OAuthToken,
  body: string,
  headers?: Readonly<Record<string, string>>,
): Promise<Reply> {
  const reply: Reply = {};
  const sent = { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json', ...headers };
  await post(client.settings, endpointOf(url, path), sent, body, reply).catch((cause: unknown) => {
    reply.cause = cause;
  });
  return reply;
}

/** The time limit of a login. */
export function limitMs({ client }: Account): number {
  return client.settings.timeoutMs || 30_000;
}

/** Another bearer in the place of one that the gateway did not take, if there is one. */
export async function renewBearer({ client }: Account, bearer: OAuthToken): Promise<OAuthToken | undefined> {
  if (!rejectToken(client, bearer.accessToken, 'call')) return undefined;
  return renewToken(client, bearer).catch(() => undefined);
}

async function count(account: Account, attempt: Attempt, stored: Stored | undefined): Promise<Counted | undefined> {
  // A reset since the record was read makes it void.
  if (account.isReset && stored) return undefined;
  const before = account.known;
  const countedAtMs = Date.now();
  const failures = (before.failures ?? 0) + 1;
  const record = { failures, owner: account.id, countedAtMs, limitMs: limitMs(account) };
  const isWritten = stored && (await write(account, stored.text, record));
  if (isWritten === undefined) {
    // The process has one login, unless one is known that may have failed.
    if (before.failures) throw failure(account, 'the store fails, and another login may be under way');
    learn(account, { failures: MOST_FAILURES }, true);
    return { record, before, over: stored ? record : {} };
  }
  if (isWritten) {
    learn(account, record);
    if (Math.abs(Date.now() - countedAtMs) < SEND_WITHIN_MS) return { record, before };
    await conclude(account, { record, before });
  }
  attempt.countingSinceMs ??= Date.now();
  if (Date.now() - attempt.countingSinceMs >= limitMs(account)) throw failure(account, 'the record keeps changing');
  await sleep(LOOK_EVERY_MS);
  return undefined;
}

async function succeed(account: Account, { record, over }: Counted, token: string): Promise<string> {
  const isReplacing = account.spent?.isLapse && !account.held;
  // A count has its time.
  const session = { token, usedAtMs: record.countedAtMs!, replacedAtMs: isReplacing ? Date.now() : undefined };
  const held = hold(account, session);
  const put = () => write(account, textOf(record), session);
  // Where the count stays, the next login would be one too many.
  const isWritten = over ? undefined : ((await put()) ?? (await put()));
  if (isWritten === undefined) held.over = over ?? record;
  if (isWritten) account.isReset = false;
  report(account.client.settings, { type: 'session_obtained' });
  return token;
}

/**
 * Writes over the count what the login has brought: a failure that counts, or, without one, what was there before. Only if
 * the count is still there; and a refusal that cannot be written holds in this process.
 */
async function conclude(account: Account, { record, before, over }: Counted, failed?: Pick<SessionRecord, 'status'>): Promise<void> {
  // What was counted before a reset counts no more.
  const { isReset } = account;
  const failures = over ? MOST_FAILURES : isReset ? 1 : record.failures;
  const next = failed ? { ...record, limitMs: undefined, failures, ...failed } : isReset ? {} : before;
  const isWritten = !over && (await write(account, textOf(record), next));
  if (isWritten) account.isReset = false;
  const isHeld = failed && !isWritten && (over || (failed.status && !current(account)));
  if (isWritten || over || isHeld || account.known === record) learn(account, next, Boolean(isHeld));
}
