/**
 * How a login that brought no session is told: to `onEvent`, and to the one who reads the error in a log at night.
 * @module
 */
import { ApiError } from '../platform/errors.ts';
import { report } from '../platform/events.ts';
import type { Answer } from '../platform/transport.ts';
import type { TokenSource } from '../token/tokenSource.ts';
import type { Account } from './account.ts';

/** What has come of a request, and why no more has. */
export interface Reply extends Answer {
  cause?: unknown;
}

/** A login, or a logout, that did not succeed this time. */
export function failure({ settings }: TokenSource, what: string, { response, cause }: Reply = {}): ApiError {
  const { status: statusCode, headers } = response ?? {};
  report(settings, { type: 'session_failed', code: 'session_failed', statusCode });
  const fields = { code: 'session_failed', statusCode, headers } as const;
  return new ApiError(`M2M session: ${what}`, cause === undefined ? fields : { ...fields, cause });
}

/** What a reply says, in words. */
export function describe({ response }: Reply): string {
  return response ? `was answered with ${response.status}` : 'was not answered';
}

/** From now on all calls get this error, the first one of the kind. */
export function refusal(account: Account, { settings }: TokenSource, status: unknown): ApiError {
  if (account.refusal) return account.refusal;
  const statusCode = Number(status) || undefined;
  report(settings, { type: 'session_latched', code: 'session_refused', statusCode });
  const what = statusCode
    ? `${account.url}/login refused the username and password (${statusCode})`
    : `two logins at ${account.url}/login have failed or may have`;
  account.refusal = new ApiError(
    `M2M session: ${what}; no further login is sent, since five failures lock the account. ` +
      'Make a session with the right password; reset() sends the same username and password again',
    { code: 'session_refused', statusCode },
  );
  return account.refusal;
}
