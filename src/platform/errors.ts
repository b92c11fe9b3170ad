/**
 * What can go wrong in the world outside, as two error classes. Mistakes of the caller are plain `TypeError`s.
 * No error holds a request, a body or a configuration, so that none can print a secret.
 * @module
 */
import { withoutAbsent } from './record.ts';

/**
 * What happened, as a word to switch on:
 * - `oauth_error`: the token endpoint refused with an RFC 6749 error; see {@link OAuthProviderError}.
 * - `gateway_fault`: a gateway in front of the server answered (a JSON `fault`, XML or HTML).
 * - `invalid_response`: the answer, or what a token provider returned, is no usable token.
 * - `response_too_large`: a token response of more than 64 KiB.
 * - `timeout`: one HTTP call took longer than `timeout`, or a whole renewal longer than 60 s.
 * - `network`: the platform's `fetch` failed; `cause` is what it rejected with.
 * - `no_credentials`: a token is needed, and there is neither a secret nor a provider to get one with.
 * - `session_refused`: the M2M login was refused and is not repeated before `reset()` or new credentials.
 * - `session_failed`: the M2M login did not succeed this time.
 */
export type ApiErrorCode =
  | 'oauth_error'
  | 'gateway_fault'
  | 'invalid_response'
  | 'response_too_large'
  | 'timeout'
  | 'network'
  | 'no_credentials'
  | 'session_refused'
  | 'session_failed';

/** Any error of this package, told apart by `code`: a test for `'oauth_error'` narrows to {@link OAuthProviderError}. */
export type AnyApiError =
  | OAuthProviderError
  | (ApiError & { readonly code: Exclude<ApiErrorCode, 'oauth_error'> });

/** The parts of an {@link ApiError} besides its message. */
export interface ApiErrorFields {
  /** What happened. */
  readonly code: ApiErrorCode;
  /** The HTTP status of the answer, where there was one. */
  readonly statusCode?: number | undefined;
  /** The headers of the answer, where there was one. */
  readonly headers?: Headers | undefined;
  /** The error behind this one, where there is one: only ever a real exception, never a body. */
  readonly cause?: unknown;
  /** For an {@link OAuthProviderError}: the server's `error` (RFC 6749 section 5.2). */
  readonly error?: string | undefined;
  /** For an {@link OAuthProviderError}: the server's `error_description`, at most 200 characters. */
  readonly errorDescription?: string | undefined;
  /** For an {@link OAuthProviderError}: the server's `error_uri`. */
  readonly errorUri?: string | undefined;
}

/**
 * A failure outside this program: the network, a gateway, the token endpoint, the M2M login.
 * Test with `error instanceof ApiError`, then look at `code`.
 */
export class ApiError extends Error {
  /** `'ApiError'`, or the subclass's name. */
  override readonly name: string = 'ApiError';
  /** What happened; see {@link ApiErrorCode}. */
  declare readonly code: ApiErrorCode;
  /** The HTTP status of the answer; absent where there was none (network, time-out). */
  declare readonly statusCode?: number;
  /** The headers of the answer (`Retry-After`, request ids), absent where there was none; not enumerable: logs stay short. */
  declare readonly headers?: Headers;

  constructor(message: string, fields: ApiErrorFields) {
    // `Error` takes the cause, if there is one.
    super(message, fields as ErrorOptions);
    Object.assign(this, withoutAbsent({ ...fields, headers: undefined, cause: undefined }));
    Object.defineProperty(this, 'headers', { value: fields.headers });
  }
}

/**
 * The token endpoint's own refusal (RFC 6749 section 5.2): wrong credentials, an unknown scope and so on.
 * Retried only with a status that passes (408, 429, 500, 502, 503, 504); its `code` is always `'oauth_error'`.
 */
export class OAuthProviderError extends ApiError {
  /** `'OAuthProviderError'`. */
  override readonly name: string = 'OAuthProviderError';
  /** Always `'oauth_error'`. */
  declare readonly code: 'oauth_error';
  /** The server's `error`: `invalid_client`, `invalid_scope` and so on (RFC 6749 section 5.2). */
  declare readonly error: string;
  /** The server's `error_description`, at most 200 characters; absent where it sent none (RFC 6749 section 5.2). */
  declare readonly errorDescription?: string;
  /** The server's `error_uri`, a page about the error; absent where it named none (RFC 6749 section 5.2). */
  declare readonly errorUri?: string;
}
