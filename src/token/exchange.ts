/**
 * The client credentials grant on the wire (RFC 6749 section 4.4): builds the request and judges the answer.
 * One call makes one request, or two if the server asks for a nonce first. Retries are elsewhere.
 * @module
 */
import type { Dpop } from '../config/config.ts';
import { assertUsable, type Settings } from '../config/settings.ts';
import { ApiError, type OAuthProviderError } from '../core/errors.ts';
import { type OAuthToken, parseToken } from '../core/token.ts';
import { sendOnce, withinLimit } from '../platform/fetch.ts';
import { throwIfAborted } from '../platform/waiting.ts';
import { type Body, judge } from './answer.ts';

/**
 * Exchanges the client's credentials for an access token. `onRequest` is called before each request.
 *
 * @throws `ApiError` (`network`, `timeout`, `response_too_large`, `gateway_fault`, `invalid_response`),
 *   `OAuthProviderError`, or the reason of the signal
 */
export async function exchange(
  settings: Settings,
  signal: AbortSignal,
  onRequest: () => void,
): Promise<OAuthToken> {
  const { scope, params, tokenUrl, dpop } = settings;
  // Many servers refuse an empty `scope`.
  const fields = { grant_type: 'client_credentials', ...(scope && { scope }), ...params };
  const request = () => {
    const requestedAtMs = Date.now();
    const read = (body: Body) => assertUsable(parseToken(body, requestedAtMs), dpop);
    return postForm(settings, tokenUrl, fields, read, { dpop, signal, onRequest });
  };
  try {
    return await request();
  } catch (error) {
    const { error: refusal, headers } = Object(error) as Partial<OAuthProviderError>;
    if (!dpop || refusal !== 'use_dpop_nonce' || !headers?.has('dpop-nonce')) throw error;
    // RFC 9449 section 8: the nonce has come with the refusal. A client assertion must be new for this
    // request, too.
    return request();
  }
}

/** The parts of a request besides its form. */
interface FormOptions {
  readonly dpop?: Dpop | undefined;
  readonly signal?: AbortSignal;
  readonly onRequest?: () => void;
  /** A secret among the form's fields. */
  readonly secret?: string;
}

/**
 * Posts a form with the client's authentication, within the time of one request. If the answer is a 2xx
 * without an `error`, `read` reads its body.
 */
export async function postForm<T>(
  settings: Settings,
  url: string,
  fields: Readonly<Record<string, string | readonly string[]>>,
  read: (body: Body) => T,
  { dpop, signal, onRequest, secret = '' }: FormOptions = {},
): Promise<T> {
  const { clientAuthentication, clientId, clientSecret = '', tokenUrl, issuer } = settings;
  if (!clientSecret && clientAuthentication.needsSecret) {
    throw new ApiError('No valid token: give oauthClientSecret or oauthTokenProvider', {
      code: 'no_credentials',
    });
  }
  const body = new URLSearchParams();
  for (const [name, field] of Object.entries(fields))
    [field].flat().forEach((value) => body.append(name, value));
  // workerd of 2023 sets no content type for a form by itself.
  const headers = new Headers({
    accept: 'application/json',
    'content-type': 'application/x-www-form-urlencoded',
  });
  const known = new Set([...body, ...headers].map(String));
  const proof = { method: 'POST', url };
  const answer = await withinLimit(settings, url, signal, async (within) => {
    const request = { clientId, clientSecret, body, headers, url, tokenUrl, issuer, signal: within };
    await clientAuthentication(request);
    if (dpop) headers.set('dpop', await dpop.createProof(proof));
    // After its time limit the request is not sent.
    throwIfAborted(within);
    onRequest?.();
    return sendOnce(settings, url, headers, `${body}`, {}, within);
  });
  dpop?.noteNonce(proof, answer.response);
  // What the authentication has written counts as secret, but for the client's own name.
  const written = [...body, ...headers].filter(
    ([name, value]) => !known.has(`${name},${value}`) && value !== clientId,
  );
  // A header's scheme is no secret, and a server that repeats the value may leave it out.
  const secrets = written.flatMap(([, value]) => [value, value.replace(/^\w+ /, '')]);
  return judge({ ...answer, url, secrets: [clientSecret, secret, ...secrets] }, read);
}
