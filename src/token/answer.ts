/**
 * What an OAuth endpoint's answer says: a good one is read, every other is an error that says what happened, where and what
 * to do. Answers are outside data, and may repeat what was sent to them.
 * @module
 */
import type { ApiErrorCode } from '../platform/errors.ts';
import { ApiError, OAuthProviderError } from '../platform/errors.ts';
import { asText } from '../platform/token.ts';
import { nameOf } from '../platform/transport.ts';
import { mask } from './masking.ts';

/** A parsed body: outside data. */
export type Body = Readonly<Record<string, unknown>>;

/** An answer, and what its request carried as secrets. */
export interface Reply {
  readonly url: string;
  readonly response: Response;
  /** `undefined` where there is more than is read. */
  readonly text: string | undefined;
  readonly secrets: readonly string[];
}

/** What `read` makes of a good answer; an error for any other. GitHub and Slack send an `error` with 200. */
export function judge<T>(reply: Reply, read: (body: Body) => T): T {
  const body = parseBody(reply.text);
  if (asText(body?.['error'])) throw createRefusal(reply, body ?? {});
  if (reply.text === undefined) throw createFailure(reply, 'response_too_large', 'over 64 KiB; check the URL');
  if (isFault(reply.text, body)) throw createFailure(reply, 'gateway_fault', 'a gateway answered, not the OAuth server; check the URL', body);
  if (!reply.response.ok) throw createFailure(reply, 'invalid_response', 'no OAuth answer; check the URL', body);
  try {
    return read(body ?? {});
  } catch {
    throw createFailure(reply, 'invalid_response', `${body ? 'no usable Bearer token' : 'no OAuth answer'}; check the URL`, body);
  }
}

/** JSON under whatever content type, or a form (GitHub without `Accept`); `undefined` for anything else. */
function parseBody(text = ''): Body | undefined {
  try {
    return Object(JSON.parse(text)) as Body;
  } catch {
    return /^\w+=/.test(text) ? Object.fromEntries(new URLSearchParams(text)) : undefined;
  }
}

function isFault(text: string, body: Body | undefined): boolean {
  return Boolean(body?.['fault']) || /^\s*</.test(text);
}

/** What to look at first, for the refusals that people meet. */
const ADVICE: Readonly<Record<string, string>> = {
  invalid_client: ' (check oauthClientId, oauthClientSecret and environment)',
  invalid_scope: ' (check oauthScopes)',
};

/** The server's own words (RFC 6749 section 5.2). */
function createRefusal({ url, response, secrets }: Reply, body: Body): OAuthProviderError {
  const [error = '', errorDescription, errorUri] = ['error', 'error_description', 'error_uri'].map((name) => {
    const text = asText(body[name]);
    return text && mask(text, secrets).slice(0, 200);
  });
  const advice = Object.hasOwn(ADVICE, error) ? ADVICE[error] : '';
  const description = errorDescription ? `: ${errorDescription}` : '';
  return new OAuthProviderError(`${nameOf(url)} refused with ${error}${advice}${description}`, {
    code: 'oauth_error',
    statusCode: response.status,
    headers: response.headers,
    error,
    errorDescription,
    errorUri,
  });
}

function createFailure({ url, response, text, secrets }: Reply, code: ApiErrorCode, advice: string, body?: Body): ApiError {
  const { status: statusCode, headers } = response;
  const fault = faultCodeOf(text, body);
  // Browsers answer a redirect with status 0.
  const what = [statusCode || 'a redirect', headers.get('content-type'), fault && `(fault ${fault})`].filter(Boolean).join(' ');
  const help = statusCode === 429 ? 'it throttles; try again later' : statusCode >= 500 ? 'it is unavailable; try again later' : advice;
  // Cut off, it may come whole the next time. The platform's own error is not shown, since it may quote the body.
  const cause = response.ok && !body && text !== undefined ? new SyntaxError('the body is no JSON') : undefined;
  return new ApiError(`${nameOf(url)} answered ${mask(what, secrets)}: ${help}`, { code, statusCode, headers, cause });
}

/** The gateway's own code, of JSON or of XML. */
function faultCodeOf(text = '', body: Body | undefined): string | undefined {
  const { code } = Object(body?.['fault']) as { code?: unknown };
  if (typeof code === 'string' || typeof code === 'number') return `${code}`.slice(0, 50);
  return /^\s*</.test(text) ? /<(?:\w+:)?code>([^<]{1,50})</.exec(text)?.[1] : undefined;
}
