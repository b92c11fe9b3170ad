/**
 * How a login that brought no session is told: to `onEvent`, and, by the error's message, to a person
 * who reads a log at night.
 * @module
 */
import { ApiError, type ApiErrorFields } from '../core/errors.ts';
import { describeFailure, report } from '../core/events.ts';
import { type Answer, nameOf } from '../platform/fetch.ts';
import { type Account, endpointOf } from './account.ts';

/** What a request has brought, and, as `cause`, why it has brought no more. */
export interface Reply extends Answer {
  cause?: unknown;
}

/**
 * The error of a login or logout that did not succeed this time. With a reply, `what` is the path of the
 * request. Without one, it says why no request was sent.
 */
export function failure(account: Account, what: string, reply?: Reply): ApiError {
  const { response, text: _, ...cause } = reply ?? {};
  const { status: statusCode, headers } = response ?? {};
  const answered = statusCode ? `answered ${statusCode}` : 'gave no answer';
  const happened = reply ? `${nameOf(endpointOf(account.url, what))} ${answered}` : what;
  return tell(account, 'session_failed', `${happened}; try again later`, {
    ...cause,
    code: 'session_failed',
    statusCode,
    headers,
  });
}

/** The error that all calls get from now on. It is made once, at the first refusal. */
export function refusal(account: Account, statusCode: number | undefined): ApiError {
  const what = statusCode ? `refused the username and password (${statusCode})` : 'gave no answer twice';
  return (account.refusal ??= tell(
    account,
    'logins_stopped',
    `${nameOf(endpointOf(account.url, '/login'))} ${what}. No further login is sent, since five failures lock the account: ` +
      'use the right password, or reset() to send this one again',
    { code: 'session_refused', statusCode },
  ));
}

function tell(
  { client }: Account,
  type: 'session_failed' | 'logins_stopped',
  what: string,
  fields: ApiErrorFields,
): ApiError {
  const error = new ApiError(`M2M session: ${what}`, fields);
  report(client.settings, { type, ...describeFailure(error) });
  return error;
}
