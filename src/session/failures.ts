/**
 * How a login that brought no session is told: to `onEvent`, and to the one who reads the error in a log at night.
 * @module
 */
import { ApiError } from '../platform/errors.ts';
import { report } from '../platform/events.ts';
import type { Answer } from '../platform/transport.ts';
import { nameOf } from '../platform/transport.ts';
import type { AccountInUse } from './account.ts';
import { endpointOf } from './account.ts';

/** What has come of a request, and why no more has. */
export interface Reply extends Answer {
  cause?: unknown;
}

/** A login, or a logout, that did not succeed this time. `what` says why none was sent, or, with a reply, its path. */
export function failure(account: AccountInUse, what: string, reply?: Reply): ApiError {
  const { response, text: _, ...cause } = reply ?? {};
  const { status: statusCode, headers } = response ?? {};
  const code = 'session_failed';
  report(account.client.settings, { type: code, code, statusCode });
  const answered = statusCode ? `answered ${statusCode}` : 'gave no answer';
  const message = reply ? `${nameOf(endpointOf(account, what))} ${answered}; try again later` : what;
  return new ApiError(`M2M session: ${message}`, { ...cause, code, statusCode, headers });
}

/** From now on all calls get this error, the first one of the kind. */
export function refusal(account: AccountInUse, status: unknown): ApiError {
  if (account.refusal) return account.refusal;
  const statusCode = Number(status) || undefined;
  const code = 'session_refused';
  report(account.client.settings, { type: 'session_latched', code, statusCode });
  const where = nameOf(endpointOf(account, '/login'));
  const what = statusCode ? `refused the username and password (${statusCode})` : 'gave no answer twice';
  account.refusal = new ApiError(
    `M2M session: ${where} ${what}. No further login is sent, since five failures lock the account: ` +
      'make a session with the right password; reset() sends the same username and password again',
    { code, statusCode },
  );
  return account.refusal;
}
