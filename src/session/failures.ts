/**
 * How a login that brought no session is told: to `onEvent`, and to the one who reads the error in a log at night.
 * @module
 */
import type { ApiErrorFields } from '../platform/errors.ts';
import { ApiError } from '../platform/errors.ts';
import { describeFailure, report } from '../platform/events.ts';
import type { Answer } from '../platform/transport.ts';
import { nameOf } from '../platform/transport.ts';
import type { Account } from './account.ts';
import { endpointOf } from './account.ts';

/** What has come of a request, and why no more has. */
export interface Reply extends Answer {
  cause?: unknown;
}

/** A login, or a logout, that did not succeed this time. `what` says why none was sent, or, with a reply, its path. */
export function failure(account: Account, what: string, reply?: Reply): ApiError {
  const { response, text: _, ...cause } = reply ?? {};
  const { status: statusCode, headers } = response ?? {};
  const answered = statusCode ? `answered ${statusCode}` : 'gave no answer';
  const happened = reply ? `${nameOf(endpointOf(account.url, what))} ${answered}` : what;
  return tell(account, 'session_failed', `${happened}; try again later`, { ...cause, code: 'session_failed', statusCode, headers });
}

/** From now on all calls get this error, the first one of the kind. */
export function refusal(account: Account, statusCode: number | undefined): ApiError {
  const what = statusCode ? `refused the username and password (${statusCode})` : 'gave no answer twice';
  return (account.refusal ??= tell(
    account,
    'session_latched',
    `${nameOf(endpointOf(account.url, '/login'))} ${what}. No further login is sent, since five failures lock the account: ` +
      'use the right password, or reset() to send this one again',
    { code: 'session_refused', statusCode },
  ));
}

function tell({ client }: Account, type: 'session_failed' | 'session_latched', what: string, fields: ApiErrorFields): ApiError {
  const error = new ApiError(`M2M session: ${what}`, fields);
  report(client.settings, { type, ...describeFailure(error) });
  return error;
}
