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
import { sendForText } from './transport.ts';

/**
 * Exchanges the client's credentials for an access token: one request.
 *
 * @throws `ApiError` (`network`, `timeout`, `response_too_large`, `gateway_fault`, `invalid_response`),
 *   `OAuthProviderError`, or the reason of the signal
 */
export async function exchange(settings: Settings, signal: AbortSignal): Promise<OAuthToken> {
  const { scope, params } = settings;
  // An empty `scope` is refused by many servers (servers that want none want no field).
  const fields = { grant_type: 'client_credentials', ...(scope && { scope }), ...params };
  const requestedAtMs = Date.now();
  const answer = await sendForm(settings, settings.tokenUrl, fields, signal);
  return readTokenResponse(settings, answer, requestedAtMs);
}

/** Sends a form with the client's authentication; it has 30 s where the client sets no limit of its own. */
export async function sendForm(
  settings: Settings,
  url: string,
  fields: Readonly<Record<string, string | readonly string[]>>,
  signal?: AbortSignal,
): Promise<ReadResponse> {
  const body = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    for (const each of [value].flat()) body.append(name, each);
  }
  const headers = new Headers({ accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' });
  await settings.authenticate(body, headers);
  const limits = { timeoutMs: settings.timeoutMs || 30_000, signal };
  return sendForText(settings.fetch, url, { headers, body: String(body) }, limits);
}

/** The body of a 2xx answer without an `error` (GitHub and Slack send those with 200); throws what any other one says. */
export function readAnswer({ conceal }: Settings, { status, headers, text }: ReadResponse): WireBody {
  const body = parseBody(text);
  const answered = { statusCode: status, headers };
  const { error, error_description: description, error_uri: errorUri, fault } = body;
  if (typeof error === 'string' && error) {
    const errorDescription = typeof description === 'string' ? conceal(description).slice(0, 200) : undefined;
    throw new OAuthProviderError(`The server refused: ${[conceal(error).slice(0, 100), errorDescription].filter(Boolean).join(': ')}`, {
      ...answered,
      code: 'oauth_error',
      error: conceal(error),
      errorDescription,
      errorUri: typeof errorUri === 'string' ? errorUri : undefined,
    });
  }
  const what = describe(status, headers);
  if (fault || text.trimStart().startsWith('<')) {
    const code = (fault as { code?: unknown } | undefined)?.code;
    const message = `A gateway answered in the server's place: ${what}${code ? `, fault code ${code}` : ''}`;
    throw new ApiError(message, { ...answered, code: 'gateway_fault' });
  }
  if (status < 200 || status > 299) {
    const hint = status < 400 ? '; redirects are not followed' : '';
    throw new ApiError(`The server answered ${what}${hint}`, { ...answered, code: 'invalid_response' });
  }
  return body;
}

type WireBody = Readonly<Record<string, unknown>>;

function readTokenResponse(settings: Settings, answer: ReadResponse, requestedAtMs: number): OAuthToken {
  const body = readAnswer(settings, answer);
  try {
    return parseToken(body, requestedAtMs);
  } catch (error) {
    const { status: statusCode, headers } = answer;
    const message = `The server's answer, ${describe(statusCode, headers)}, is no token: ${(error as Error).message}`;
    throw new ApiError(message, { code: 'invalid_response', statusCode, headers });
  }
}

/** JSON under whatever content type, or a form (GitHub without `Accept`); anything else is an empty object. */
function parseBody(text: string): WireBody {
  try {
    return Object(JSON.parse(text));
  } catch {
    return /^\w+=/.test(text) ? Object.fromEntries(new URLSearchParams(text)) : {};
  }
}

function describe(status: number, headers: Headers): string {
  return `${status} ${headers.get('content-type') ?? 'without a content type'}`;
}
