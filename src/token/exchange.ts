/**
 * The client credentials grant on the wire (RFC 6749 section 4.4): builds the request, judges the answer.
 * One call is one request, or two where the server asks for a nonce first; retries are elsewhere.
 * @module
 */
import type { Dpop } from '../config/config.ts';
import type { Settings } from '../config/settings.ts';
import { assertUsable } from '../config/settings.ts';
import { ApiError, OAuthProviderError } from '../platform/errors.ts';
import type { OAuthToken } from '../platform/token.ts';
import { parseToken } from '../platform/token.ts';
import { sendOnce, withinLimit } from '../platform/transport.ts';
import type { Body, Reply } from './answer.ts';
import { judge } from './answer.ts';

/**
 * Exchanges the client's credentials for an access token. `onRequest` is called before each request.
 *
 * @throws `ApiError` (`network`, `timeout`, `response_too_large`, `gateway_fault`, `invalid_response`),
 *   `OAuthProviderError`, or the reason of the signal
 */
export async function exchange(settings: Settings, signal: AbortSignal, onRequest: () => void): Promise<OAuthToken> {
  try {
    return await requestToken(settings, signal, onRequest);
  } catch (error) {
    if (!settings.dpop || !asksForNonce(error)) throw error;
    // RFC 9449 section 8: the nonce has come with the refusal. The assertion, too, must be a new one.
    return requestToken(settings, signal, onRequest);
  }
}

function asksForNonce(error: unknown): boolean {
  return error instanceof OAuthProviderError && error.error === 'use_dpop_nonce' && Boolean(error.headers?.has('dpop-nonce'));
}

function requestToken(settings: Settings, signal: AbortSignal, onRequest: () => void): Promise<OAuthToken> {
  const { scope, params, tokenUrl, dpop } = settings;
  const requestedAtMs = Date.now();
  // Many servers refuse an empty `scope`.
  const fields = { grant_type: 'client_credentials', ...(scope && { scope }), ...params };
  const read = (body: Body) => assertUsable(parseToken(body, requestedAtMs), dpop);
  return postForm(settings, tokenUrl, fields, read, { dpop, signal, onRequest });
}

/** What a token request has besides its form. */
interface FormOptions {
  readonly dpop?: Dpop | undefined;
  readonly signal?: AbortSignal;
  readonly onRequest?: () => void;
}

/**
 * Posts a form with the client's authentication, within the time of one request, and has `read` read the body of a 2xx
 * answer without an `error`.
 */
export async function postForm<T>(
  settings: Settings,
  url: string,
  fields: Readonly<Record<string, string | readonly string[]>>,
  read: (body: Body) => T,
  options: FormOptions = {},
): Promise<T> {
  if (!settings.clientSecret && settings.clientAuthentication.needsSecret) {
    throw new ApiError('No valid token, and nothing to get one with: give oauthClientSecret or oauthTokenProvider', {
      code: 'no_credentials',
    });
  }
  const form = new URLSearchParams();
  for (const name in fields) {
    for (const value of [fields[name] ?? []].flat()) form.append(name, value);
  }
  return judge(await withinLimit(settings, url, options.signal, (signal) => sendForm(settings, url, form, options, signal)), read);
}

async function sendForm(
  settings: Settings,
  url: string,
  body: URLSearchParams,
  { dpop, onRequest }: FormOptions,
  signal: AbortSignal,
): Promise<Reply> {
  const { clientAuthentication, clientId, clientSecret = '', tokenUrl } = settings;
  const known = new Set(body.keys());
  // workerd of 2023 says no content type for a form by itself.
  const headers = new Headers({ accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' });
  await clientAuthentication({ clientId, clientSecret, body, headers, url, tokenUrl, signal });
  const proof = { method: 'POST', url };
  if (dpop) headers.set('dpop', await dpop.createProof(proof));
  // Over its time, it is not sent.
  signal.throwIfAborted();
  onRequest?.();
  const answer = await sendOnce(settings, url, headers, `${body}`, {}, signal);
  dpop?.noteNonce(proof, answer.response);
  return { ...answer, url, secrets: [clientSecret, ...secretsOf(known, [...body, ...headers])] };
}

/** What says nothing secret, whoever wrote it; the token of a revocation is known, and a secret all the same. */
const PUBLIC = /^(client_id|client_assertion_type|accept|content-type)$/;

/** The values of what the client's authentication has written. A header's scheme is no secret, and may be left out by who repeats it. */
function secretsOf(known: ReadonlySet<string>, sent: readonly (readonly [name: string, value: string])[]): string[] {
  const written = sent.filter(([name]) => name === 'token' || !(PUBLIC.test(name) || known.has(name)));
  return written.flatMap(([, value]) => [value, value.replace(/^\w+ /, '')]);
}
