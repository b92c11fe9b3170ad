/**
 * The client credentials grant on the wire (RFC 6749 section 4.4): builds the request, judges the answer.
 * One call is one request, or two where the server asks for a nonce first; retries are elsewhere.
 * @module
 */
import { assertUsable } from '../config/settings.ts';
import type { Settings } from '../config/settings.ts';
import { ApiError, OAuthProviderError } from '../platform/errors.ts';
import type { OAuthToken } from '../platform/token.ts';
import { parseToken } from '../platform/token.ts';
import { sendOnce, withinLimit } from '../platform/transport.ts';
import type { Body, Reply } from './answer.ts';
import { judge } from './answer.ts';
import { secretsOf } from './masking.ts';

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
  return postForm(settings, {
    url: tokenUrl,
    // Many servers refuse an empty `scope`.
    fields: { grant_type: 'client_credentials', ...(scope && { scope }), ...params },
    secretFields: {},
    read: (body) => assertUsable(parseToken(body, requestedAtMs), dpop),
    dpop,
    signal,
    onRequest,
  });
}

/** A form to be posted with the client's authentication. */
export interface FormRequest<T> {
  readonly url: string;
  readonly fields: Readonly<Record<string, string | readonly string[]>>;
  /** Further fields, whose values no error may show. */
  readonly secretFields: Readonly<Record<string, string>>;
  /** Reads the body of a 2xx answer without an `error`. */
  readonly read: (body: Body) => T;
  readonly dpop?: Settings['dpop'];
  readonly signal?: AbortSignal;
  readonly onRequest?: () => void;
}

/** Posts a form within the time of one request, the client's authentication included. */
export async function postForm<T>(settings: Settings, request: FormRequest<T>): Promise<T> {
  if (!settings.clientSecret && settings.clientAuthentication.needsSecret) {
    throw new ApiError('No valid token, and nothing to get one with: give oauthClientSecret or oauthTokenProvider', {
      code: 'no_credentials',
    });
  }
  const reply = await withinLimit(settings, request.url, request.signal, (signal) => sendForm(settings, request, signal));
  return judge(reply, request.read);
}

async function sendForm<T>(settings: Settings, request: FormRequest<T>, signal: AbortSignal): Promise<Reply> {
  const { url, fields, secretFields, dpop, onRequest } = request;
  const { clientAuthentication, clientId, clientSecret = '', tokenUrl } = settings;
  const body = createForm(fields);
  // workerd of 2023 says no content type for a form by itself.
  const headers = new Headers({ accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' });
  await clientAuthentication({ clientId, clientSecret, body, headers, url, tokenUrl, signal });
  for (const [name, value] of Object.entries(secretFields)) body.append(name, value);
  const proof = { method: 'POST', url };
  if (dpop) headers.set('dpop', await dpop.createProof(proof));
  signal.throwIfAborted();
  onRequest?.();
  const { response, text } = await sendOnce(settings, { url, headers, body: `${body}` }, {}, signal);
  dpop?.noteNonce(proof, response!);
  return { url, response: response!, text, secrets: secretsOf(settings, body, headers, fields) };
}

function createForm(fields: FormRequest<unknown>['fields']): URLSearchParams {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    for (const each of [value].flat()) form.append(name, each);
  }
  return form;
}
