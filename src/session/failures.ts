/**
 * How a session says why a call gets none: to `onEvent`, and, by the error's message, to a person who reads a log
 * at night. A message says what was seen, when the next login is due, and how to go on.
 * @module
 */
import { ApiError, type ApiErrorFields } from '../core/errors.ts';
import { describeFailure, report } from '../core/events.ts';
import { nameOf } from '../platform/fetch.ts';
import { nextFailure } from '../token/outageGuard.ts';
import { endpointOf, type UsedAccount } from './account.ts';
import { loginDueAtMs } from './belief.ts';
import type { SessionReply } from './fate.ts';
import type { SessionRecord } from './record.ts';

/** The error of a call that gets no session this time. */
export function sessionFailed(
  account: UsedAccount,
  what: string,
  fields?: Omit<ApiErrorFields, 'code'>,
): ApiError {
  return tell(account, 'session_failed', what, { ...fields, code: 'session_failed' });
}

/** The error of a login or logout whose answer is not the one that was hoped for. */
export function requestFailed(
  account: UsedAccount,
  path: '/login' | '/logout',
  { response, text: _, ...cause }: SessionReply,
  advice: string,
): ApiError {
  const { status: statusCode, headers } = response ?? {};
  const answered = statusCode ? `answered ${statusCode}` : 'gave no answer';
  const what = `${nameOf(endpointOf(account, path))} ${answered}; ${advice}`;
  return sessionFailed(account, what, { ...cause, statusCode, headers });
}

/** Notes a login that was not accepted, so that the next one waits, and makes its error. */
export function loginFailed(account: UsedAccount, reply: SessionReply, isCounted: boolean): ApiError {
  const { headers, status } = reply.response ?? {};
  const seen = new ApiError('', { code: 'session_failed', headers });
  const failure = nextFailure(account.failure, seen, 'exchange');
  const counts = isCounted ? 'this may be a failed login; ' : '';
  const check = /40[45]|41[35]/.test(`${status}`) ? 'check sessionUrl; ' : '';
  const next = sayNext(account.belief.record, failure.atMs + failure.delayMs);
  const error = requestFailed(account, '/login', reply, counts + check + next);
  account.failure = { ...failure, error };
  return error;
}

/** The error of calls while no login is sent. It is made once for each record that says so. */
export function verdictOn(account: UsedAccount, record: SessionRecord): ApiError {
  if (account.verdict?.record !== record) account.verdict = { record, error: createVerdict(account, record) };
  return account.verdict.error;
}

function createVerdict(account: UsedAccount, record: SessionRecord): ApiError {
  const statusCode = record.state === 'refused' ? record.status : undefined;
  const seen = statusCode
    ? `refused the username and password (${statusCode})`
    : 'gave no clear answer twice';
  const what = `${nameOf(endpointOf(account, '/login'))} ${seen}`;
  const fields = { ...(account.failure && { cause: account.failure.error }), statusCode };
  if (loginDueAtMs(record, Date.now()) < Infinity) {
    return sessionFailed(account, `${what}; ${sayNext(record, 0)}`, fields);
  }
  const how = 'use the right password, or reset() in one process to send this one again';
  return tell(
    account,
    'logins_stopped',
    `${what}. No further login is sent, since five failures lock the account: ${how}`,
    { ...fields, code: 'session_refused' },
  );
}

/** Says when the next login is due: not before `spacedUntilMs`, and not before the end of a pause. */
function sayNext(record: SessionRecord, spacedUntilMs: number): string {
  const dueAtMs = Math.max(spacedUntilMs, loginDueAtMs(record, Date.now()));
  if (dueAtMs === Infinity) return 'no further login is sent';
  return `the next login is due at ${new Date(dueAtMs).toISOString()}`;
}

function tell(
  { client }: UsedAccount,
  type: 'session_failed' | 'logins_stopped',
  what: string,
  fields: ApiErrorFields,
): ApiError {
  const error = new ApiError(`M2M session: ${what}`, fields);
  report(client.settings, { type, ...describeFailure(error) });
  return error;
}
