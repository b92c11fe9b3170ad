/**
 * The client credentials grant on the wire (RFC 6749 section 4.4): builds the request, judges the answer.
 * One call is one request; retries are elsewhere.
 * @module
 */
import type { Settings } from '../config/settings.ts';
import type { ApiErrorCode } from '../platform/errors.ts';
import { ApiError, OAuthProviderError } from '../platform/errors.ts';
import type { OAuthToken } from '../platform/token.ts';
import { asText, parseToken } from '../platform/token.ts';
import type { Answer } from '../platform/transport.ts';
import { post } from '../platform/transport.ts';

/** A parsed body: outside data. */
type Body = Readonly<Record<string, any>>;

/**
 * Exchanges the client's credentials for an access token: one request.
 *
 * @throws `ApiError` (`network`, `timeout`, `response_too_large`, `gateway_fault`, `invalid_response`),
 *   `OAuthProviderError`, or the reason of the signal
 */
export function exchange(settings: Settings, signal: AbortSignal, onRequest: () => void): Promise<OAuthToken> {
  const { scope, params } = settings;
  const requestedAtMs = Date.now();
  // Many servers refuse an empty `scope`.
  const fields = { grant_type: 'client_credentials', scope, ...params };
  return postForm(settings, settings.tokenUrl, fields, (body) => parseToken(body, requestedAtMs), signal, onRequest);
}

/**
 * Posts a form with the client's authentication, and has `read` read the body of a 2xx answer without an `error`
 * (GitHub and Slack send those with 200).
 */
export async function postForm<T>(
  settings: Settings,
  url: string,
  fields: Readonly<Record<string, string | readonly string[] | undefined>>,
  read: (body: Body) => T,
  signal?: AbortSignal,
  onRequest?: () => void,
): Promise<T> {
  const { clientAuthentication, clientId, clientSecret = '' } = settings;
  if (!clientSecret && clientAuthentication.needsSecret) {
    throw new ApiError('oauthClientSecret or oauthTokenProvider must be given', { code: 'no_credentials' });
  }
  const form = new URLSearchParams();
  for (const name in fields) {
    for (const value of [fields[name] ?? []].flat()) form.append(name, value);
  }
  // workerd of 2023 says no content type for a form by itself.
  const sent = new Headers({ accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' });
  const { tokenUrl } = settings;
  await clientAuthentication({ clientId, clientSecret, body: form, headers: sent, url, tokenUrl, signal: signal ?? new AbortController().signal });
  onRequest?.();
  return judge(await post(settings, url, sent, `${form}`, {}, signal), clientSecret, read);
}

/** What `read` makes of a good answer; an error for any other. */
function judge<T>({ response, text }: Answer, clientSecret: string, read: (body: Body) => T): T {
  const { status: statusCode, headers } = response!;
  const body = parseBody(text);
  // Servers echo what they were sent.
  const conceal = (value: unknown) => asText(value)?.replaceAll(clientSecret || '\0', '***').slice(0, 200);
  const error = conceal(body.error);
  const errorDescription = conceal(body.error_description);
  if (error) {
    throw new OAuthProviderError(`The server refused: ${[error, errorDescription].filter(Boolean).join(': ')}`, {
      code: 'oauth_error',
      statusCode,
      headers,
      error,
      errorDescription,
      errorUri: conceal(body.error_uri),
    });
  }
  let code: ApiErrorCode = 'invalid_response';
  let detail: string | undefined;
  if (text === undefined) code = 'response_too_large';
  else if (body.fault || /^\s*</.test(text)) {
    code = 'gateway_fault';
    detail = conceal(`${body.fault?.code ?? ''}`);
  } else if (response!.ok) {
    try {
      return read(body);
    } catch (cause) {
      detail = (cause as Error).message;
    }
  }
  const what = `No OAuth answer, check the URL (${statusCode} ${headers.get('content-type') ?? 'untyped'})`;
  throw new ApiError([what, code, detail].filter(Boolean).join(': '), { code, statusCode, headers });
}

/** JSON under whatever content type, or a form (GitHub without `Accept`); anything else is an empty object. */
function parseBody(text = ''): Body {
  try {
    return Object(JSON.parse(text));
  } catch {
    return /^\w+=/.test(text) ? Object.fromEntries(new URLSearchParams(text)) : {};
  }
}
