/**
 * One login. It is counted, then sent within 5 s, then its answer is judged, then the result is written. A
 * process may be stopped or killed at each step. A login that has been counted stays counted if a later step
 * is never reached.
 * @module
 */
import { report } from '../core/events.ts';
import { asHeaderText, type OAuthToken } from '../core/token.ts';
import { post } from '../platform/fetch.ts';
import { sleep } from '../platform/waiting.ts';
import { parseBody } from '../token/answer.ts';
import { getToken } from '../token/getToken.ts';
import { blockingFailure, nextFailure } from '../token/outageGuard.ts';
import { rejectToken, renewToken } from '../token/rejectedToken.ts';
import { type Account, current, endpointOf, hold, learn } from './account.ts';
import { failure, type Reply, refusal } from './failures.ts';
import { isBearerFault } from './lapse.ts';
import { MOST_FAILURES, SEND_WITHIN_MS, type SessionRecord, textOf } from './record.ts';
import { type Stored, write } from './sharedRecord.ts';

/** The search for a session, on behalf of all who wait for it. Times are in milliseconds of Unix time. */
export interface Attempt {
  readonly startedAtMs: number;
  /** Since when it has tried in vain to count a login. */
  countingSinceMs?: number | undefined;
  /** Whether it has already got another bearer, in the place of one that the gateway did not take. */
  isRenewed?: boolean;
}

/** A login that has been counted. */
interface Counted {
  readonly record: SessionRecord;
  /** What was known before. It is put back if the login turns out not to count. */
  readonly before: SessionRecord;
  /**
   * Set if the store fails, so that the login is counted in this process only. It is the record that the
   * session may be written over later: the count, if nobody knows whether that was written, or else an empty
   * record.
   */
  readonly over?: SessionRecord;
}

/** How often the record is looked at while others write it. */
export const LOOK_EVERY_MS = 200;

/**
 * Sends one login, if it can be counted, and returns the session token. `undefined`: the record is to be
 * looked at again.
 */
export async function logIn(
  account: Account,
  attempt: Attempt,
  stored: Stored | undefined,
): Promise<string | undefined> {
  const { username, password } = account;
  const last = blockingFailure(account.failure, 'exchange');
  if (last) throw last.error;
  const bearer = await getToken(account.client);
  const counted = await count(account, attempt, stored);
  if (!counted) return undefined;
  const reply = await send(account, '/login', bearer, JSON.stringify({ username, password }));
  const { status = 0, ok } = reply.response ?? {};
  const token = ok && asHeaderText(parseBody(reply.text)?.['sessionToken']);
  if (token) return succeed(account, counted, token);
  const isFault = isBearerFault(reply);
  // A 408 is no refusal: the login was not read. A 429 is none either: the login was not looked at.
  const isRefused = !isFault && /^4(?!08|29)/.test(`${status}`);
  const isUnknown = !reply.response || (ok && reply.text === undefined);
  await conclude(account, counted, isRefused ? { status } : isUnknown ? {} : undefined);
  if (isRefused) throw refusal(account, status);
  if (isFault && !attempt.isRenewed) {
    attempt.isRenewed = true;
    if (await renewBearer(account, bearer)) return undefined;
  }
  const error = failure(account, '/login', reply);
  // After a 429, a 5xx or the like, the next login waits for as long as an exchange does after a failed one.
  if (!isUnknown) account.failure = nextFailure(account.failure, error, 'exchange');
  throw error;
}

/** Sends one request and returns what has come of it. Never rejects. */
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

/** The time limit of a login, in milliseconds. */
export function limitMs({ client }: Account): number {
  return client.settings.timeoutMs || 30_000;
}

/** Gets another bearer in the place of one that the gateway did not take. `undefined`: there is none. */
export async function renewBearer({ client }: Account, bearer: OAuthToken): Promise<OAuthToken | undefined> {
  if (!rejectToken(client, bearer.accessToken, 'call')) return undefined;
  return renewToken(client, bearer).catch(() => undefined);
}

async function count(
  account: Account,
  attempt: Attempt,
  stored: Stored | undefined,
): Promise<Counted | undefined> {
  // There was a reset after the record was read, which makes it void.
  if (account.isReset && stored) return undefined;
  const before = account.known;
  const countedAtMs = Date.now();
  const failures = (before.failures ?? 0) + 1;
  const record = { failures, owner: account.id, countedAtMs, limitMs: limitMs(account) };
  const isWritten = stored && (await write(account, stored.text, record));
  if (isWritten === undefined) {
    // The store fails. This process may send one login, unless it knows of a login that may have failed.
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
  if (Date.now() - attempt.countingSinceMs >= limitMs(account))
    throw failure(account, 'the record keeps changing');
  await sleep(LOOK_EVERY_MS);
  return undefined;
}

async function succeed(account: Account, { record, over }: Counted, token: string): Promise<string> {
  const isReplacing = account.spent?.isLapse && !account.held;
  // A count always has its time.
  const session = {
    token,
    usedAtMs: record.countedAtMs!,
    replacedAtMs: isReplacing ? Date.now() : undefined,
  };
  const held = hold(account, session);
  const put = () => write(account, textOf(record), session);
  // Tried twice: if the count stayed in the store, the next login would be one too many.
  const isWritten = over ? undefined : ((await put()) ?? (await put()));
  if (isWritten === undefined) held.over = over ?? record;
  if (isWritten) account.isReset = false;
  report(account.client.settings, { type: 'session_obtained' });
  return token;
}

/**
 * Writes the result of the login over its count: a failure that counts, or, if there is none, what was there
 * before. It writes only if the count is still there. A refusal that cannot be written holds in this process.
 */
async function conclude(
  account: Account,
  { record, before, over }: Counted,
  failed?: Pick<SessionRecord, 'status'>,
): Promise<void> {
  // Logins that were counted before a reset count no more.
  const { isReset } = account;
  const failures = over ? MOST_FAILURES : isReset ? 1 : record.failures;
  const next = failed ? { ...record, limitMs: undefined, failures, ...failed } : isReset ? {} : before;
  if (!over && (await write(account, textOf(record), next))) {
    account.isReset = false;
    learn(account, next);
  } else if (over || (failed?.status && !current(account))) {
    learn(account, next, Boolean(failed));
  } else if (isReset || account.known === record) {
    // Otherwise another request has counted a login meanwhile, in the place of this one.
    learn(account, next);
  }
}
