/**
 * Reads an OAuth endpoint's answer, or turns it into an error that says what happened, where, and what to do.
 * Answers are outside data and may repeat what was sent to them, so secrets are masked in all that is taken
 * from them.
 * @module
 */

import { formEncode } from '../config/clientAuthentication.ts';
import { safeOrigin } from '../config/settings.ts';
import { ApiError, type ApiErrorCode, OAuthProviderError } from '../core/errors.ts';
import { mayPass } from '../core/statuses.ts';
import { asText } from '../core/token.ts';
import { nameOf } from '../platform/fetch.ts';

/** A parsed body: outside data. */
export type Body = Readonly<Record<string, any>>;

/** An answer, and the secrets that its request carried. */
export interface Reply {
  readonly url: string;
  readonly response: Response;
  /** `undefined` if there is more than 64 KiB. */
  readonly text: string | undefined;
  readonly secrets: readonly string[];
}

/**
 * Returns what `read` makes of a good answer, and throws an error for any other. GitHub and Slack send
 * an `error` with status 200.
 */
export function judge<T>(reply: Reply, read: (body: Body) => T): T {
  const { response, text } = reply;
  const body = parseBody(text);
  if (asText(body?.['error'])) throw refusal(reply, body as Body);
  if (text === undefined) throw foreignAnswer(reply, 'response_too_large', 'over 64 KiB');
  if (!response.ok) throw foreignAnswer(reply, 'gateway_fault', 'not from the OAuth server');
  try {
    return read(body ?? {});
  } catch {
    // An answer that is not JSON may have been cut off, so it is asked for again. The platform's own error is
    // not shown, since it may quote the body.
    throw foreignAnswer(
      reply,
      'invalid_response',
      'no usable Bearer token, perhaps from a proxy',
      body ? undefined : new SyntaxError('no JSON'),
    );
  }
}

function refusal({ url, response, secrets }: Reply, body: Body): OAuthProviderError {
  const { status: statusCode, headers } = response;
  const show = (value: unknown) => shown(value, secrets);
  // A secret may be a word like `client`. To mask it in a code that programs compare would help nobody.
  const error = REGISTERED.test(body['error']) ? body['error'] : show(body['error']);
  const errorDescription = show(body['error_description']);
  const errorUri = show(body['error_uri']);
  const what = `${nameOf(url)} refused with ${error}${refusalAdvice(error)}`;
  const message = [what, errorDescription].filter(Boolean).join(': ');
  return new OAuthProviderError(message, {
    code: 'oauth_error',
    statusCode,
    headers,
    error,
    errorDescription,
    errorUri,
  });
}

/** How registered error codes look (RFC 6749, 7009, 8707, 9449). */
const REGISTERED = /^[a-z]+_[a-z_]+$/;

/** The error for what is not an OAuth server's answer. */
function foreignAnswer(
  { url, response, text, secrets }: Reply,
  code: ApiErrorCode,
  reason: string,
  cause?: SyntaxError,
): ApiError {
  const { status: statusCode, headers } = response;
  const show = (value: unknown) => shown(value, secrets);
  const fault = parseBody(text)?.['fault']?.code ?? /<(?:\w+:)?code>([^<]*)</.exec(text ?? '')?.[1];
  const retryAfter = show(headers.get('retry-after'));
  // Only the origin is shown, and nothing of a URL with a user name or password.
  const target = safeOrigin(show(headers.get('location')), { allowInsecureRequests: true });
  const parts = [
    // Browsers answer a redirect with status 0.
    statusCode || 'a redirect',
    show(headers.get('content-type')),
    /string|number/.test(typeof fault) && `(fault ${show(`${fault}`)})`,
    target && `to ${target}`,
    retryAfter && `(Retry-After: ${retryAfter})`,
  ];
  const advice = adviceAfter(statusCode) ?? `${reason}; check the URL`;
  const message = `${nameOf(url)} answered ${parts.filter(Boolean).join(' ')}: ${advice}`;
  return new ApiError(message, { code, statusCode, headers, cause });
}

/** What to do about a status that says nothing against the request. */
function adviceAfter(status: number): string | undefined {
  if (status === 429) return 'it throttles; try again later';
  return mayPass(status) ? 'it is unavailable; try again later' : undefined;
}

/** JSON under whatever content type, or a form (GitHub without `Accept`); `undefined` for anything else. */
export function parseBody(text = ''): Body | undefined {
  try {
    return Object(JSON.parse(text));
  } catch {
    return /^\w+=/.test(text) ? Object.fromEntries(new URLSearchParams(text)) : undefined;
  }
}

function refusalAdvice(error: string): string {
  if (error === 'invalid_client') return ' (check oauthClientId, oauthClientSecret and environment)';
  return error === 'invalid_scope' ? ' (check oauthScopes)' : '';
}

/**
 * A text of the server's as it is shown: on one line, with each secret masked, as it is and form-encoded, and
 * at most 200 characters long. `undefined` for anything but a text. A secret of fewer than four characters is
 * not masked: the mask, which stands in ordinary words then, would tell what it is.
 */
export function shown(value: unknown, secrets: readonly string[]): string | undefined {
  const all = secrets.flatMap((secret) => [secret, formEncode(secret)]).filter(({ length }) => length > 3);
  // Long secrets first, since a short one may be a part of a long one.
  return all
    .sort((one, other) => other.length - one.length)
    .reduce((masked, secret) => masked?.replaceAll(secret, '***'), asText(value))
    ?.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, encodeURIComponent)
    .slice(0, 200);
}
