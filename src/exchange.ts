/**
 * The client credentials grant on the wire (RFC 6749 section 4.4): builds the request, judges the answer.
 * One call is one request; retries are elsewhere.
 * @module
 */
import type { Settings } from './config.ts';
import { ApiError, OAuthProviderError } from './errors.ts';
import type { OAuthToken } from './token.ts';
import { parseToken } from './token.ts';
import type { ReadResponse } from './transport.ts';
import { postForText } from './transport.ts';

/**
 * Exchanges the client's credentials for an access token: one request.
 *
 * @throws `ApiError` (`network`, `timeout`, `response_too_large`, `gateway_fault`, `invalid_response`),
 *   `OAuthProviderError`, or the reason of the signal
 */
export async function exchange(settings: Settings, signal: AbortSignal): Promise<OAuthToken> {
  const { scope, params, tokenUrl } = settings;
  const requestedAtMs = Date.now();
  // Many servers refuse an empty `scope`.
  const fields = { grant_type: 'client_credentials', ...(scope && { scope }), ...params };
  const answer = await postForm(settings, tokenUrl, fields, signal);
  const body = readAnswer(settings, answer);
  try {
    return parseToken(body, requestedAtMs);
  } catch (error) {
    throw failure('invalid_response', `The answer is no token: ${(error as Error).message}`, answer);
  }
}

/** Sends a form with the client's authentication; it has 30 s where the client sets no limit of its own. */
export async function postForm(
  { clientAuthentication, clientId, secret, fetch, timeoutMs }: Settings,
  url: string,
  fields: Readonly<Record<string, string | readonly string[]>>,
  signal?: AbortSignal,
): Promise<ReadResponse> {
  const body = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    for (const each of [value].flat()) body.append(name, each);
  }
  const headers = new Headers({ accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' });
  await clientAuthentication({ clientId, clientSecret: secret(), body, headers });
  return postForText(fetch, url, { headers, body: String(body) }, timeoutMs || 30_000, signal);
}

type WireBody = Readonly<Record<string, unknown>>;

/** The body of a 2xx answer without an `error` (GitHub and Slack send those with 200); throws what any other one says. */
export function readAnswer({ secret }: Settings, answer: ReadResponse): WireBody {
  // Servers echo what they were sent.
  const conceal = (value: unknown) => (typeof value === 'string' ? value.replaceAll(secret() || '\0', '***').slice(0, 200) : '');
  const { status, headers, text } = answer;
  const body = parseBody(text);
  const { error, error_description: description, error_uri: errorUri, fault } = body as Record<string, any>;
  if (conceal(error)) {
    throw new OAuthProviderError(`The server refused: ${[conceal(error), conceal(description)].filter(Boolean).join(': ')}`, {
      code: 'oauth_error',
      statusCode: status,
      headers,
      error: conceal(error),
      errorDescription: conceal(description) || undefined,
      errorUri: conceal(errorUri) || undefined,
    });
  }
  if (fault || /^\s*</.test(text)) {
    const code = fault?.code ? ` fault ${conceal(`${fault.code}`)}` : '';
    throw failure('gateway_fault', `A gateway answered${code}`, answer);
  }
  if (status > 399) throw failure('invalid_response', 'The server failed', answer);
  if (status < 200 || status > 299) throw failure('invalid_response', 'Redirects are not followed', answer);
  return body;
}

/** JSON under whatever content type, or a form (GitHub without `Accept`); anything else is an empty object. */
function parseBody(text: string): WireBody {
  try {
    return Object(JSON.parse(text));
  } catch {
    return /^\w+=/.test(text) ? Object.fromEntries(new URLSearchParams(text)) : {};
  }
}

function failure(code: 'gateway_fault' | 'invalid_response', what: string, { status, headers }: ReadResponse): ApiError {
  return new ApiError(`${what} (${status} ${headers.get('content-type') ?? 'without a content type'})`, { code, statusCode: status, headers });
}
