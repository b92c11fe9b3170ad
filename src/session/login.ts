/**
 * One login: counted, sent within 5 s, its answer judged and written, in this order. What has been counted stays counted
 * wherever a step is never reached, since a process may be stopped or killed at each.
 * @module
 */
import type { ApiError } from '../platform/errors.ts';
import { report } from '../platform/events.ts';
import type { OAuthToken } from '../platform/token.ts';
import { asHeaderText } from '../platform/token.ts';
import { post } from '../platform/transport.ts';
import { sleep } from '../platform/waiting.ts';
import { parseBody } from '../token/answer.ts';
import { barring, createFailure, EXCHANGE } from '../token/outageGuard.ts';
import { getToken, renewToken } from '../token/tokenSource.ts';
import type { AccountInUse } from './account.ts';
import { current, endpointOf, hold } from './account.ts';
import type { Reply } from './failures.ts';
import { failure, refusal } from './failures.ts';
import { isBearerFault } from './lapse.ts';
import type { SessionRecord } from './record.ts';
import { countLogin, MOST_FAILURES, SEND_WITHIN_MS } from './record.ts';
import type { Entry, Finding } from './sharedRecord.ts';
import { entryOf, NOTHING, write } from './sharedRecord.ts';

/** The way to a session for all who wait for it. Times are in milliseconds of Unix time. */
export interface Attempt {
  readonly startedAtMs: number;
  /** Since when it has tried in vain to count a login. */
  countingSinceMs?: number | undefined;
  /** Whether another bearer has been had, in the place of one that the gateway did not take. */
  isRenewed?: boolean;
}

/** A login that has been counted. */
interface Counted extends Entry {
  /** What was there before, to be put back where the login turns out not to count. */
  readonly before: Entry;
  /** Whether the store fails, so that it is counted in this process only. */
  readonly isAlone: boolean;
}

/** How often the record is looked at while another process logs in. */
export const LOOK_EVERY_MS = 200;

/** Sends one login, if it can be counted: the session token, or `undefined` where the record is to be looked at again. */
export async function logIn(account: AccountInUse, attempt: Attempt, finding: Finding): Promise<string | undefined> {
  const { client, username, password } = account;
  const last = barring(account.failure, EXCHANGE);
  if (last) throw last.error;
  const bearer = await getToken(client);
  const counted = await count(account, attempt, finding);
  if (!counted) return undefined;
  const reply = await send(account, '/login', bearer, JSON.stringify({ username, password }));
  if (!isBearerFault(reply) || attempt.isRenewed) return judge(account, counted, reply);
  await conclude(account, counted);
  attempt.isRenewed = true;
  if (await renewBearer(account, bearer)) return undefined;
  throw spaceOut(account, reply);
}

/** Sends one request, and tells what has come of it. */
export async function send(
  account: AccountInUse,
  path: string,
  { accessToken }: OAuthToken,
  body: string,
  headers?: Readonly<Record<string, string>>,
): Promise<Reply> {
  const reply: Reply = {};
  try {
    const sent = { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json', ...headers };
    await post(account.client.settings, endpointOf(account, path), sent, body, reply);
  } catch (cause) {
    reply.cause = cause;
  }
  return reply;
}

/** The time limit of a login. */
export function limitMs({ client }: AccountInUse): number {
  return client.settings.timeoutMs || 30_000;
}

/** Another bearer in the place of one that the gateway did not take, if there is one. */
export function renewBearer({ client }: AccountInUse, bearer: OAuthToken): Promise<OAuthToken | undefined> {
  return renewToken(client, bearer).catch(() => undefined);
}

async function count(account: AccountInUse, attempt: Attempt, finding: Finding): Promise<Counted | undefined> {
  // A reset since the record was read makes it void.
  if (account.isReset && !finding.isFailing) return undefined;
  const countedAtMs = Date.now();
  const entry = entryOf(countLogin(finding.record, account.id, countedAtMs, limitMs(account)));
  const isWritten = finding.isFailing ? undefined : await write(account, finding.found, entry);
  if (isWritten === undefined) return countAlone(account, finding, entry);
  if (isWritten) {
    account.known = entry.record;
    const counted = { ...entry, before: finding, isAlone: false };
    if (Math.abs(Date.now() - countedAtMs) < SEND_WITHIN_MS) return counted;
    await conclude(account, counted);
  }
  attempt.countingSinceMs ??= Date.now();
  if (Date.now() - attempt.countingSinceMs >= limitMs(account)) {
    throw failure(account, 'the record changes all the time; try again later');
  }
  await sleep(LOOK_EVERY_MS);
  return undefined;
}

/**
 * The store fails: the process has one login, unless one is known that may have failed. What that may be written over once it
 * has succeeded is its count, of which nobody knows whether it was written, or nothing.
 */
function countAlone(account: AccountInUse, before: Finding, { text }: Entry): Counted {
  if (before.record.failures) throw failure(account, 'the store fails, and there may be another login');
  account.known = { failures: MOST_FAILURES };
  account.isUnwritten = true;
  return { record: account.known, text: before.isFailing ? undefined : text, before, isAlone: true };
}

async function judge(account: AccountInUse, counted: Counted, reply: Reply): Promise<string> {
  const { response, text } = reply;
  const { status = 0, ok } = response ?? {};
  const token = ok && asHeaderText(parseBody(text)?.['sessionToken']);
  if (token) return succeed(account, counted, token);
  // Not a 408, which was not read, nor a 429, which was not looked at.
  if (/^4(?!08|29)/.test(`${status}`) && !isBearerFault(reply)) {
    await conclude(account, counted, { status });
    throw refusal(account, status);
  }
  if (!response || (ok && text === undefined)) {
    await conclude(account, counted, {});
    throw failure(account, '/login', reply);
  }
  await conclude(account, counted);
  throw spaceOut(account, reply);
}

async function succeed(account: AccountInUse, { record, text, isAlone }: Counted, token: string): Promise<string> {
  const { countedAtMs: usedAtMs = Date.now() } = record;
  const replaced = account.spent?.isLapse && !account.held ? { replacedAtMs: Date.now() } : {};
  const session = entryOf({ token, usedAtMs, ...replaced });
  const held = hold(account, session.record);
  held.over = { text };
  if (!isAlone) {
    // Where the count stays, the next login would be one too many.
    const isWritten = (await write(account, text, session)) ?? (await write(account, text, session));
    if (isWritten !== undefined) held.over = undefined;
    if (isWritten) account.isReset = false;
  }
  report(account.client.settings, { type: 'session_obtained' });
  return token;
}

/**
 * Writes over the count what the login has brought: a failure that counts, or, without one, what was there before. Only if
 * the count is still there; and a refusal that cannot be written holds in this process.
 */
async function conclude(account: AccountInUse, counted: Counted, failed?: Pick<SessionRecord, 'status'>): Promise<void> {
  const { record, text, before, isAlone } = counted;
  const { limitMs: _, ...rest } = record;
  // What was counted before a reset counts no more.
  const isReset = account.isReset && !isAlone;
  const next = failed ? entryOf({ ...rest, ...(isReset && { failures: 1 }), ...failed }) : isReset ? NOTHING : before;
  const isWritten = isAlone ? false : await write(account, text, next);
  if (isWritten) account.isReset = false;
  const isHeld = !isWritten && failed?.status !== undefined && !current(account);
  if (!isWritten && !isAlone && !isHeld && account.known !== record) return;
  account.known = next.record;
  account.isUnwritten = isHeld || (isAlone && failed !== undefined);
}

/** 429, 5xx and the like are spaced out as failed exchanges are. */
function spaceOut(account: AccountInUse, reply: Reply): ApiError {
  const error = failure(account, '/login', reply);
  account.failure = createFailure(account.failure, error, EXCHANGE);
  return error;
}
