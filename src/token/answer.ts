/**
 * What an OAuth endpoint's answer says. A good one is read. Any other becomes an error that says what
 * happened, where, and what to do. Answers are outside data and may repeat what was sent to them, so secrets
 * are masked in all that is taken from them.
 * @module
 */

import { formEncode } from '../config/clientAuthentication.ts';
import { ApiError, type ApiErrorCode, OAuthProviderError } from '../core/errors.ts';
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
export function judge<T>({ url, response, text, secrets }: Reply, read: (body: Body) => T): T {
  const { status: statusCode, headers, ok } = response;
  const body = parseBody(text);
  const say = (value: unknown) => asText(value) && mask(`${value}`, secrets).slice(0, 200);
  const error = say(body?.['error']);
  if (error) {
    const errorDescription = say(body?.['error_description']);
    const message = [`${nameOf(url)} refused with ${error}${adviceOn(error)}`, errorDescription]
      .filter(Boolean)
      .join(': ');
    const errorUri = say(body?.['error_uri']);
    throw new OAuthProviderError(message, {
      code: 'oauth_error',
      statusCode,
      headers,
      error,
      errorDescription,
      errorUri,
    });
  }
  let code: ApiErrorCode = 'invalid_response';
  let help = 'no OAuth answer';
  if (text === undefined) {
    code = 'response_too_large';
    help = 'over 64 KiB';
  } else if (body?.['fault'] || /^\s*</.test(text)) {
    code = 'gateway_fault';
    help = 'a gateway answered, not the OAuth server';
  } else if (ok) {
    try {
      return read(body ?? {});
    } catch {
      if (body) help = 'no usable Bearer token';
    }
  }
  help =
    statusCode === 429
      ? 'it throttles; try again later'
      : statusCode < 500
        ? `${help}; check the URL`
        : 'it is unavailable; try again later';
  // Browsers answer a redirect with status 0.
  const what = [statusCode || 'a redirect', headers.get('content-type'), faultOf(body, text)]
    .filter(Boolean)
    .join(' ');
  // This cause says that the answer may have been cut off, so that it is asked for again. The platform's own
  // error is not shown, since it may quote the body.
  const cause = ok && !body && text !== undefined ? new SyntaxError('the body is no JSON') : undefined;
  throw new ApiError(`${nameOf(url)} answered ${say(what)}: ${help}`, { code, statusCode, headers, cause });
}

/** JSON under whatever content type, or a form (GitHub without `Accept`); `undefined` for anything else. */
export function parseBody(text = ''): Body | undefined {
  try {
    return Object(JSON.parse(text));
  } catch {
    return /^\w+=/.test(text) ? Object.fromEntries(new URLSearchParams(text)) : undefined;
  }
}

function adviceOn(error: string): string {
  if (error === 'invalid_client') return ' (check oauthClientId, oauthClientSecret and environment)';
  return error === 'invalid_scope' ? ' (check oauthScopes)' : '';
}

/** The code of a gateway's fault, in JSON or XML. */
function faultOf(body: Body | undefined, text = ''): unknown {
  const code = body?.['fault']?.code ?? /<(?:\w+:)?code>([^<]*)</.exec(text)?.[1];
  return /string|number/.test(typeof code) && `(fault ${code})`;
}

/** The text with each secret masked, as it is and form-encoded. */
function mask(text: string, secrets: readonly string[]): string {
  const all = secrets.flatMap((secret) => [secret, formEncode(secret)]).filter(Boolean);
  // Long secrets first, since a short one may be a part of a long one.
  return all
    .sort((one, other) => other.length - one.length)
    .reduce((masked, secret) => masked.replaceAll(secret, '***'), text);
}
