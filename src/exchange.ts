/**
 * The client credentials grant on the wire (RFC 6749 section 4.4): builds the request, judges the answer.
 * One call is one request; retries are elsewhere.
 * @module
 */
import type { Settings } from './config.ts';
import type { ApiErrorCode } from './errors.ts';
import { ApiError, OAuthProviderError } from './errors.ts';
import type { OAuthToken } from './token.ts';
import { parseToken } from './token.ts';
import { postForText } from './transport.ts';

/**
 * Exchanges the client's credentials for an access token: one request.
 *
 * @throws `ApiError` (`network`, `timeout`, `response_too_large`, `gateway_fault`, `invalid_response`),
 *   `OAuthProviderError`, or the reason of the signal
 */
export async function exchange(settings: Settings, signal: AbortSignal): Promise<OAuthToken> {
  const { scope, params } = settings;
  const requestedAtMs = Date.now();
  // Many servers refuse an empty `scope`.
  const fields = { grant_type: 'client_credentials', ...(scope && { scope }), ...params };
  return postForm(settings, settings.tokenUrl, fields, (body) => parseToken(body, requestedAtMs), signal);
}

/**
 * Posts a form with the client's authentication, and has `read` read the body of a 2xx answer without an `error`
 * (GitHub and Slack send those with 200). It has 30 s where the client sets no limit of its own.
 */
export async function postForm<T>(
  { clientAuthentication, clientId, secret, fetch, timeoutMs }: Settings,
  url: string,
  fields: Readonly<Record<string, string | readonly string[]>>,
  read: (body: Readonly<Record<string, unknown>>) => T,
  signal?: AbortSignal,
): Promise<T> {
  const form = new URLSearchParams();
  for (const name in fields) {
    for (const value of [fields[name]!].flat()) form.append(name, value);
  }
  const headers = new Headers({ accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' });
  const clientSecret = secret();
  await clientAuthentication({ clientId, clientSecret, body: form, headers });
  const answer = await postForText(fetch, url, { headers, body: `${form}` }, timeoutMs || 30_000, signal);
  const { status: statusCode, text } = answer;
  const body = parseBody(text);
  // Servers echo what they were sent.
  const conceal = (value: unknown) =>
    typeof value === 'string' ? value.replaceAll(clientSecret || '\0', '***').slice(0, 200) : '';
  const fail = (code: ApiErrorCode, what: string): never => {
    const type = answer.headers.get('content-type') ?? 'without a content type';
    throw new ApiError(`${what} (${statusCode} ${type})`, { code, statusCode, headers: answer.headers });
  };
  if (typeof body.error === 'string' && body.error) {
    const error = conceal(body.error);
    const errorDescription = conceal(body.error_description);
    throw new OAuthProviderError(`The server refused: ${[error, errorDescription].filter(Boolean).join(': ')}`, {
      code: 'oauth_error',
      statusCode,
      headers: answer.headers,
      error,
      errorDescription: errorDescription || undefined,
      errorUri: conceal(body.error_uri) || undefined,
    });
  }
  if (body.fault || /^\s*</.test(text)) fail('gateway_fault', `A gateway answered${body.fault ? ` fault ${conceal(`${body.fault.code}`)}` : ''}`);
  if (statusCode < 200 || statusCode > 299) fail('invalid_response', 'The server answered with an error or a redirect');
  try {
    return read(body);
  } catch (error) {
    return fail('invalid_response', `The answer is no token: ${(error as Error).message}`);
  }
}

/** JSON under whatever content type, or a form (GitHub without `Accept`); anything else is an empty object. */
function parseBody(text: string): Record<string, any> {
  try {
    return Object(JSON.parse(text));
  } catch {
    return /^\w+=/.test(text) ? Object.fromEntries(new URLSearchParams(text)) : {};
  }
}
