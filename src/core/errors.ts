/**
 * The two error classes for failures outside your program. A caller's own mistakes are plain `TypeError`s.
 * No error holds a request, a body or a configuration, so that none can print a secret.
 * @module
 */
import { freezeRecord } from './record.ts';
import { mayPass } from './statuses.ts';

/**
 * The kind of failure, as a word to switch on:
 * - `oauth_error`: the token endpoint refused with an RFC 6749 error; see {@link OAuthProviderError}.
 * - `gateway_fault`: a status other than 2xx without an OAuth error: a gateway, a proxy or an overloaded
 *   server answered.
 * - `invalid_response`: an answer with status 2xx, or what a token provider returned, holds no usable token
 *   (for `discover`: no usable metadata).
 * - `response_too_large`: an answer of more than 64 KiB.
 * - `timeout`: it timed out: one HTTP call took longer than `timeout`, or a whole renewal longer than 60 s.
 * - `network`: `fetch` failed, or the source of a `clientAssertion` did; `cause` is what it rejected with.
 * - `no_credentials`: a token is needed, and there is neither a secret nor a provider to get one with, or the
 *   file of a `clientAssertion` is not there.
 * - `session_refused`: the M2M login was refused, or two logins in a row had no answer. To go on, call
 *   `reset()` or use other credentials.
 * - `session_failed`: the M2M login, or the logout, did not succeed this time.
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

/**
 * Any {@link ApiError}. Its `code` says which: a test for `'oauth_error'` narrows to {@link
 * OAuthProviderError}.
 */
export type AnyApiError =
  | OAuthProviderError
  | (ApiError & { readonly code: Exclude<ApiErrorCode, 'oauth_error'> });

/** The parts of an {@link ApiError} besides its message. */
export interface ApiErrorFields {
  /** The kind of failure; see {@link ApiErrorCode}. */
  readonly code: ApiErrorCode;
  /** The HTTP status of the answer, where there was one. */
  readonly statusCode?: number | undefined;
  /** The headers of the answer, where there was one. */
  readonly headers?: Headers | undefined;
  /** See {@link ApiError.isTemporary}. Default: told by status, code and cause. */
  readonly isTemporary?: boolean | undefined;
  /**
   * The error behind this one, where there is one. It is always an exception, never the body of an answer.
   */
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
  /** The kind of failure; see {@link ApiErrorCode}. */
  declare readonly code: ApiErrorCode;
  /** The HTTP status of the answer; absent where there was none (network, time-out). */
  declare readonly statusCode?: number;
  /**
   * The headers of the answer, such as `Retry-After` and request ids; absent where there was none. They are
   * not enumerable, so that logs stay short.
   */
  declare readonly headers?: Headers;
  /**
   * Whether the same call may succeed later if nothing is changed: there was no answer, the server throttles
   * or is unavailable (408, 429, 5xx), or the M2M login has to wait. `false` if something must be changed
   * first, for example a permission that the runtime, the disk or a store denies.
   */
  declare readonly isTemporary: boolean;

  constructor(message: string, { cause, headers, ...fields }: ApiErrorFields) {
    // `Error` would keep, and print, a cause that is `undefined`.
    super(message, cause ? { cause } : {});
    const isTemporary = mayPass(fields.statusCode || fields.code) && !isDenied(cause);
    Object.assign(this, { isTemporary }, freezeRecord(fields));
    Object.defineProperty(this, 'headers', { value: headers });
  }
}

/** Whether a permission is missing: Node, the operating system and Deno use these codes for that. */
function isDenied(cause: unknown): boolean {
  return /ERR_ACCESS_DENIED|EACCES|NotCapable/.test(`${cause} ${Object(Object(cause).cause).code}`);
}

/**
 * Whether an error is one of these two classes, or the same of another copy of this package: a provider and a
 * client may come from different versions.
 */
export function isApiError(error: unknown): error is ApiError {
  const { name, code } = Object(error) as Partial<ApiError>;
  return error instanceof ApiError || /^(Api|OAuthProvider)Error [a-z_]+$/.test(`${name} ${code}`);
}

/**
 * A refusal by the token endpoint itself (RFC 6749 section 5.2): wrong credentials, an unknown scope and so
 * on. Its `code` is always `'oauth_error'`. A token request is tried again after such a refusal only if the
 * status says that it may pass (408, 429, 500, 502, 503, 504).
 */
export class OAuthProviderError extends ApiError {
  /** `'OAuthProviderError'`. */
  override readonly name: string = 'OAuthProviderError';
  /** Always `'oauth_error'`. */
  declare readonly code: 'oauth_error';
  /** The server's `error`: `invalid_client`, `invalid_scope` and so on (RFC 6749 section 5.2). */
  declare readonly error: string;
  /**
   * The server's `error_description`, at most 200 characters; absent where it sent none (RFC 6749 section
   * 5.2).
   */
  declare readonly errorDescription?: string;
  /** The server's `error_uri`, a page about the error; absent where it named none (RFC 6749 section 5.2). */
  declare readonly errorUri?: string;
}
