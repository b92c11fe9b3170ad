/**
 * Says why a call gets no session: to `onEvent`, and, by the error's message, to a person who reads a log at
 * night. A message says what was seen, when the next login is due, and how to go on.
 * @module
 */
import { ApiError, type ApiErrorFields } from '../core/errors.ts';
import { describeFailure, report } from '../core/events.ts';
import { nameOf } from '../platform/fetch.ts';
import { storeFailureReason } from '../stores/storeFailure.ts';
import { nextFailure } from '../token/outageGuard.ts';
import { retryAfterMs } from '../token/retry.ts';
import { endpointOf, type UsedAccount } from './account.ts';
import { loginDueAtMs } from './belief.ts';
import { gatewayCode, type SessionReply } from './fate.ts';
import type { SessionRecord } from './record.ts';

/** The error of a call that gets no session. Unless `fields` says so, it is for this time only. */
export function sessionError(account: UsedAccount, what: string, fields?: Partial<ApiErrorFields>): ApiError {
  const error = new ApiError(`M2M session: ${what}`, { code: 'session_failed', ...fields });
  const type = error.code === 'session_refused' ? 'logins_stopped' : 'session_failed';
  report(account.client, { type, ...describeFailure(error) });
  return error;
}

/** The error of a call for which the store could not be asked. */
export function storeFailed(account: UsedAccount): ApiError {
  const { storeFailure } = account;
  // What a disk, `encryptedStore` or Redis denies does not pass by itself.
  const isForGood = /^(EACCES|EPERM|EROFS|sealed|NOAUTH|WRONGPASS)$/.test(
    storeFailureReason(storeFailure?.cause),
  );
  const fields = { ...storeFailure, ...(isForGood && { isTemporary: false }) };
  return sessionError(account, 'the store failed: check it', fields);
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
  return sessionError(account, what, { ...cause, statusCode, headers });
}

/** Makes the error of a login that was not accepted, and notes it, so that the next login waits. */
export function loginFailed(account: UsedAccount, reply: SessionReply): ApiError {
  const error = requestFailed(account, '/login', reply, loginAdvice(reply));
  account.failure = nextFailure(account.failure, error, 'exchange', retryAfterMs(error));
  // How long the next login waits follows from the error, whose answer may ask for more.
  error.message += sayNext(account.belief.record, account.failure.atMs + account.failure.delayMs);
  return error;
}

/** What a person can do about a login that was not accepted, if anything. */
function loginAdvice(reply: SessionReply): string {
  const code = gatewayCode(reply);
  const said = code ? `fault ${code}; ` : '';
  if (code === '900908') return `${said}the application is not subscribed to this API; `;
  return /40[45]|41[35]/.test(`${reply.response?.status}`) ? `${said}check sessionUrl; ` : said;
}

/**
 * The error of calls while no login is sent. It is made once for each record, and once more when a pause has
 * no end.
 */
export function verdictOn(account: UsedAccount, record: SessionRecord): ApiError {
  const { verdict, failure } = account;
  const isOver = loginDueAtMs(record, Date.now()) === Infinity;
  const code = isOver ? 'session_refused' : 'session_failed';
  if (verdict?.record === record && verdict.error.code === code) return verdict.error;
  const { status: statusCode } = record;
  const seen = statusCode
    ? `refused the username and password (${statusCode})`
    : 'gave no clear answer twice';
  const what = `${nameOf(endpointOf(account, '/login'))} ${seen}; ${sayNext(record)}`;
  const error = sessionError(account, what, { code, statusCode, ...(failure && { cause: failure.error }) });
  account.verdict = { record, error };
  return error;
}

/** Says when the next login is due: not before `spacedUntilMs`, and not before the end of a pause. */
function sayNext(record: SessionRecord, spacedUntilMs = 0): string {
  const dueAtMs = Math.max(spacedUntilMs, loginDueAtMs(record, Date.now()));
  if (dueAtMs < Infinity) return `next login: ${new Date(dueAtMs).toISOString()}`;
  return (
    'no further login is sent, since five failures lock the account: ' +
    'use the right password, or reset() in one process'
  );
}
