/**
 * What an OAuth endpoint's answer says: a good one is read, every other is an error that says what happened, where and what
 * to do. Answers are outside data, and may repeat what was sent to them: secrets are masked in all that they say.
 * @module
 */
import type { ApiErrorCode } from '../platform/errors.ts';
import { ApiError, OAuthProviderError } from '../platform/errors.ts';
import { formEncode } from '../config/clientAuthentication.ts';
import { asText } from '../platform/token.ts';
import { nameOf } from '../platform/transport.ts';

/** A parsed body: outside data. */
export type Body = Readonly<Record<string, any>>;

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
  const { text, response } = reply;
  const body = parseBody(text);
  if (asText(body?.['error'])) throw createRefusal(reply, body ?? {});
  if (text === undefined) throw createFailure(reply, body, 'response_too_large', 'over 64 KiB');
  if (body?.['fault'] || /^\s*</.test(text)) throw createFailure(reply, body, 'gateway_fault', 'a gateway answered, not the OAuth server');
  try {
    if (response.ok) return read(body ?? {});
  } catch {
    if (body) throw createFailure(reply, body, 'invalid_response', 'no usable Bearer token');
  }
  throw createFailure(reply, body, 'invalid_response', 'no OAuth answer');
}

/** JSON under whatever content type, or a form (GitHub without `Accept`); `undefined` for anything else. */
function parseBody(text = ''): Body | undefined {
  try {
    return Object(JSON.parse(text));
  } catch {
    return /^\w+=/.test(text) ? Object.fromEntries(new URLSearchParams(text)) : undefined;
  }
}

/** The server's own words (RFC 6749 section 5.2). */
function createRefusal({ url, response: { status: statusCode, headers }, secrets }: Reply, body: Body): OAuthProviderError {
  const say = (name: string) => asText(body[name]) && mask(body[name], secrets).slice(0, 200);
  const error = `${say('error')}`;
  const errorDescription = say('error_description');
  const fields = { statusCode, headers, error, errorDescription, errorUri: say('error_uri') };
  const options = error === 'invalid_client' ? 'oauthClientId, oauthClientSecret and environment' : error === 'invalid_scope' && 'oauthScopes';
  const advice = options ? ` (check ${options})` : '';
  const message = `${nameOf(url)} refused with ${error}${advice}${errorDescription ? `: ${errorDescription}` : ''}`;
  return new OAuthProviderError(message, { code: 'oauth_error', ...fields });
}

function createFailure({ url, response, text = '', secrets }: Reply, body: Body | undefined, code: ApiErrorCode, advice: string): ApiError {
  const { status: statusCode, headers, ok } = response;
  const fault = body?.['fault']?.code ?? /<(?:\w+:)?code>([^<]*)</.exec(text)?.[1];
  const faultCode = /^(string|number)$/.test(typeof fault) && `(fault ${fault})`.slice(0, 60);
  // Browsers answer a redirect with status 0.
  const what = [statusCode || 'a redirect', headers.get('content-type'), faultCode].filter(Boolean).join(' ');
  const help = statusCode === 429 ? 'it throttles; try again later' : statusCode < 500 ? `${advice}; check the URL` : 'it is unavailable; try again later';
  // Cut off, it may come whole the next time. The platform's own error is not shown, since it may quote the body.
  const cause = ok && !body && code !== 'response_too_large' ? new SyntaxError('the body is no JSON') : undefined;
  return new ApiError(`${nameOf(url)} answered ${mask(what, secrets)}: ${help}`, { code, statusCode, headers, cause });
}

/** The text with each secret masked, also where it stands there form-encoded. */
function mask(text: string, secrets: readonly string[]): string {
  const all = secrets.flatMap((secret) => [secret, formEncode(secret)]).filter(Boolean);
  // Long ones first, since a short one may be a part of them.
  return all.sort((one, other) => other.length - one.length).reduce((masked, secret) => masked.replaceAll(secret, '***'), text);
}
