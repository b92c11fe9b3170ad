/**
 * One login: counted, sent within 5 s, its answer judged and written, in this order. What has been counted stays counted
 * wherever a step is never reached, since a process may be stopped or killed at each.
 * @module
 */
import { report } from '../platform/events.ts';
import { asHeaderText } from '../platform/token.ts';
import type { OAuthToken } from '../platform/token.ts';
import { post } from '../platform/transport.ts';
import { retryAfterMs } from '../token/retry.ts';
import type { TokenSource } from '../token/tokenSource.ts';
import { getToken, renewToken } from '../token/tokenSource.ts';
import { pause } from '../platform/waiting.ts';
import type { Account } from './account.ts';
import { current, hold } from './account.ts';
import type { Reply } from './failures.ts';
import { describe, failure, refusal } from './failures.ts';
import { isBearerFault, parse } from './lapse.ts';
import { countLogin, MOST_FAILURES, SEND_WITHIN_MS } from './record.ts';
import type { Entry, Finding } from './sharedRecord.ts';
import { entryOf, write } from './sharedRecord.ts';

/** The way to a session for all who wait for it. Times are in milliseconds of Unix time. */
export interface Attempt {
  readonly account: Account;
  readonly client: TokenSource;
  readonly startedAtMs: number;
  /** Since when it has tried in vain to count a login. */
  countingSinceMs?: number | undefined;
  /** Whether another bearer has been had, in the place of one that the gateway did not take. */
  isRenewed?: boolean;
}

/** A login that has been counted. */
interface Counted {
  readonly entry: Entry;
  /** What was there before, to be put back where the login turns out not to count. */
  readonly before: Entry;
  /** Whether the store fails, so that it is counted in this process only. */
  readonly isAlone: boolean;
}

/** Sends one login, if it can be counted: the session token, or `undefined` where the record is to be looked at again. */
export async function logIn(attempt: Attempt, finding: Finding): Promise<string | undefined> {
  const { account, client } = attempt;
  const { failure: last } = account;
  if (last && Math.abs(Date.now() - last.atMs) < last.delayMs) throw last.error;
  const bearer = await getToken(client);
  const counted = await count(attempt, finding);
  if (!counted) return undefined;
  const body = JSON.stringify({ username: account.username, password: account.password });
  const reply = await send(account, client, '/login', bearer, body);
  return judge(attempt, counted, reply, bearer);
}

/** Sends one request, and tells what has come of it. */
export async function send(
  { url }: Account,
  { settings }: TokenSource,
  path: string,
  { accessToken }: OAuthToken,
  body: string,
  headers?: Readonly<Record<string, string>>,
): Promise<Reply> {
  const reply: Reply = {};
  try {
    const sent = { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json', ...headers };
    await post(settings, url + path, sent, body, reply);
  } catch (cause) {
    reply.cause = cause;
  }
  return reply;
}

/** The time limit of a login. */
export function limitMs({ settings }: TokenSource): number {
  return settings.timeoutMs || 30_000;
}

/** Another bearer in the place of one that the gateway did not take, if there is one. */
export async function renewBearer(client: TokenSource, bearer: OAuthToken): Promise<OAuthToken | undefined> {
  return renewToken(client, bearer).catch(() => undefined);
}

async function count(attempt: Attempt, { text, entry, isFailing }: Finding): Promise<Counted | undefined> {
  const { account, client } = attempt;
  // A reset since the record was read makes it void.
  if (account.isReset) account.voided = text;
  const before = account.isReset ? { record: {}, text: undefined } : entry;
  account.isReset = false;
  const countedAtMs = Date.now();
  const counted = { entry: entryOf(countLogin(before.record, account.id, countedAtMs, limitMs(client))), before, isAlone: false };
  const isWritten = isFailing ? undefined : await write(account, client, text, counted.entry);
  if (isWritten === undefined) return countAlone(account, client, counted, isFailing);
  if (isWritten) {
    account.known = counted.entry.record;
    account.voided = undefined;
    if (Math.abs(Date.now() - countedAtMs) < SEND_WITHIN_MS) return counted;
    await settle(attempt, counted, before);
  }
  attempt.countingSinceMs ??= Date.now();
  if (Date.now() - attempt.countingSinceMs < limitMs(client)) return pause(200);
  throw failure(client, 'no login could be counted, since the record changes all the time; try again later');
}

/** The store fails: the process has one login, unless one is known whose fate is not. */
function countAlone(account: Account, client: TokenSource, { entry, before }: Counted, isUnread: boolean): Counted {
  if (before.record.failures) throw failure(client, 'the store fails, and a login that may have failed is known; no other is sent');
  const { limitMs: _, ...alone } = entry.record;
  account.known = { ...alone, failures: MOST_FAILURES };
  account.isUnwritten = true;
  // What may be written over once it has succeeded: the count, of which nobody knows whether it was written, or nothing.
  return { entry: { record: account.known, text: isUnread ? undefined : entry.text }, before, isAlone: true };
}

async function judge(attempt: Attempt, counted: Counted, reply: Reply, bearer: OAuthToken): Promise<string | undefined> {
  const { account, client } = attempt;
  const { response, text } = reply;
  const token = response?.ok && asHeaderText(parse(text).sessionToken);
  if (token) return succeed(attempt, counted, token);
  // A 408 says that the login was not read, a 429 that it was not looked at.
  if (/^4(?!08|29)/.test(`${response?.status}`) && !isBearerFault(reply)) {
    await refuse(attempt, counted, response!.status); // it has a status
    throw refusal(account, client, response!.status);
  }
  const what = `${account.url}/login ${describe(reply)}`;
  if (!response || (response.ok && text === undefined)) {
    await keepCounted(attempt, counted);
    throw failure(client, `${what}; it counts as a failure`, reply);
  }
  await settle(attempt, counted, counted.before);
  if (isBearerFault(reply) && !attempt.isRenewed && (await renewBearer(client, bearer))) {
    attempt.isRenewed = true;
    return undefined;
  }
  throw spaceOut(account, failure(client, `${what}; a later call tries again`, reply));
}

async function succeed({ account, client }: Attempt, { entry, isAlone }: Counted, token: string): Promise<string> {
  const isInPlaceOfLapsed = account.spent?.isLapse && !account.held;
  const { countedAtMs: usedAtMs = 0 } = entry.record;
  const session = entryOf({ token, usedAtMs, ...(isInPlaceOfLapsed && { replacedAtMs: Date.now() }) });
  const held = hold(account, session.record);
  account.known = session.record;
  held.over = entry;
  if (!isAlone) {
    // Where the count stays, the next login would be one too many.
    const isWritten = (await write(account, client, entry.text, session)) ?? (await write(account, client, entry.text, session));
    if (isWritten !== undefined) held.over = undefined;
    if (isWritten) account.isReset = false;
  }
  report(client.settings, { type: 'session_obtained' });
  return token;
}

/** The refusal is written before anything else goes on. One that cannot be holds in this process. */
async function refuse(attempt: Attempt, counted: Counted, status: number): Promise<void> {
  const { limitMs: _, ...record } = counted.entry.record;
  const isWritten = await settle(attempt, counted, entryOf({ ...record, status }));
  if (isWritten || current(attempt.account)) return;
  attempt.account.known = { ...record, status };
  attempt.account.isUnwritten = true;
}

async function keepCounted(attempt: Attempt, counted: Counted): Promise<void> {
  const { limitMs: _, ...record } = counted.entry.record;
  await settle(attempt, counted, entryOf(attempt.account.isReset && !counted.isAlone ? { ...record, failures: 1 } : record));
  if (counted.isAlone) attempt.account.isUnwritten = true;
}

/** Writes over the count what the login has brought, if the count is still there; after a reset nothing comes back. */
async function settle({ account, client }: Attempt, counted: Counted, next: Entry): Promise<boolean | undefined> {
  const brought = next === counted.before && account.isReset ? { record: {}, text: undefined } : next;
  const isWritten = counted.isAlone ? undefined : await write(account, client, counted.entry.text, brought);
  // What it has brought holds, though a reset came meanwhile.
  if (isWritten) account.isReset = false;
  if (isWritten || counted.isAlone || account.known === counted.entry.record) {
    account.known = brought.record;
    account.isUnwritten = false;
  }
  return isWritten;
}

/** 429, 5xx and the like are spaced out as failed exchanges are. */
function spaceOut(account: Account, error: ReturnType<typeof failure>): ReturnType<typeof failure> {
  const delayMs = Math.min((account.failure?.delayMs ?? 500) * 2, 30_000);
  account.failure = { error, atMs: Date.now(), delayMs: Math.max(delayMs, retryAfterMs(error) ?? 0) };
  return error;
}
