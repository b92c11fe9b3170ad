/**
 * `fetch` with credentials: the guard, the headers, one replay for each token that turns out to be used up.
 * A call that goes well costs one URL, one `Headers` and one copy of its options.
 * @module
 */
import type { SessionContext, Settings } from './config.ts';
import type { Hop } from './redirects.ts';
import { sendFollowing } from './redirects.ts';
import type { OAuthToken } from './token.ts';
import type { TokenSource } from './tokenSource.ts';
import { getToken, markRejected, renewToken, validToken } from './tokenSource.ts';
import type { Fetch } from './transport.ts';
import { discard, timeoutError } from './transport.ts';
import { startLimit } from './waiting.ts';

/** One call of the caller's, settled. */
interface Call {
  readonly settings: Settings;
  readonly url: URL;
  readonly input: string | URL | Request;
  readonly init: RequestInit | undefined;
  readonly method: string;
  readonly mode: RequestRedirect;
  readonly integrity: string | undefined;
  readonly signal: AbortSignal | null | undefined;
  readonly headers: Headers;
  readonly hasBody: boolean;
  /** Whether the body is a stream given in `init`, gone once it has been sent. */
  readonly isOneShot: boolean;
  /** What is sent next of a `Request` that has a body; sending uses it up. */
  spare: Request | undefined;
  /** The headers of the last request: without `authorization` once a redirect has led outside. */
  lastHeaders: Headers;
}

const SESSION_HEADER = 'vz-m2m-token';

/** Sends one call with the client's credentials; same arguments and results as `fetch`. */
export async function authorizedFetch(
  source: TokenSource,
  context: SessionContext,
  ...[input, init]: Parameters<Fetch>
): Promise<Response> {
  const call = prepare(source.settings, input, init);
  try {
    return await sendWithTokens(call, source, context);
  } finally {
    if (call.spare) discard(call.spare.body);
  }
}

/** The guard comes first: for an origin outside, no token is even fetched. */
function prepare(settings: Settings, input: string | URL | Request, init: RequestInit | undefined): Call {
  // `fetch(url, request)` works, and a copy of a Request would be empty: its properties are getters.
  if (init instanceof Request) return prepare(settings, new Request(input, init), undefined);
  const request = typeof input === 'object' && 'headers' in input ? input : undefined;
  const url = new URL(request?.url ?? String(input), globalThis.location?.href);
  if (!isAllowed(settings, url.origin)) {
    throw new TypeError(`${url.origin} is not among the environment's apiOrigins, so no token is sent there`);
  }
  const headers = new Headers(init?.headers ?? request?.headers);
  const method = init?.method ?? request?.method ?? 'GET';
  const body = init?.body;
  // Firefox has no `request.body`.
  const sendsRequestBody = request && body == null && request.body !== null && !/^(GET|HEAD)$/.test(method);
  return {
    settings,
    url,
    input,
    init,
    method,
    mode: init?.redirect ?? request?.redirect ?? 'follow',
    integrity: init?.integrity ?? request?.integrity,
    signal: init?.signal === undefined ? request?.signal : init.signal,
    headers,
    hasBody: body != null || !!sendsRequestBody,
    isOneShot: typeof body === 'object' && body !== null && ('getReader' in body || Symbol.asyncIterator in body),
    spare: sendsRequestBody ? request : undefined,
    lastHeaders: headers,
  };
}

async function sendWithTokens(call: Call, source: TokenSource, context: SessionContext): Promise<Response> {
  const { settings, signal, headers } = call;
  const configured = headers.has(SESSION_HEADER) ? undefined : settings.sessionToken;
  if (headers.get(SESSION_HEADER) === '') headers.delete(SESSION_HEADER);
  const session = typeof configured === 'object' ? configured : undefined;
  let sessionToken = session ? await session.getSessionToken(context, signal) : (configured as string | undefined);
  let token = validToken(source) ?? (await getToken(source, signal));
  const replayed = { token: false, session: false };
  for (;;) {
    const response = await attempt(call, token, sessionToken);
    if (response.ok || !call.lastHeaders.has('authorization')) return response;
    const isLapsed = session && (await session.noteLapse(response, sessionToken!));
    const reason = isLapsed ? 'session' : 'token';
    if (!isLapsed && response.status !== 401) return response;
    if (call.isOneShot || replayed[reason]) {
      if (!isLapsed) markRejected(source, token, call.isOneShot);
      return response;
    }
    try {
      if (isLapsed) sessionToken = await session.getSessionToken(context, signal);
      else {
        const renewed = await renewToken(source, token, signal);
        if (!renewed) return response;
        token = renewed;
      }
    } catch (error) {
      discard(response.body);
      throw error;
    }
    discard(response.body);
    replayed[reason] = true;
    settings.report({ type: 'request_replayed', reason });
  }
}

/** Sends the call once, within the time limit; what it rejects with is what `fetch` rejects with, or the limit's error. */
async function attempt(call: Call, token: OAuthToken, sessionToken: string | undefined): Promise<Response> {
  const { settings, signal, headers } = call;
  headers.set('authorization', `Bearer ${token.accessToken}`);
  if (sessionToken) headers.set(SESSION_HEADER, sessionToken);
  const { timeoutMs } = settings;
  const limit = timeoutMs ? startLimit(timeoutMs, signal, () => timeoutError('The call', timeoutMs)) : undefined;
  try {
    const response = await sendFollowing(
      call,
      call,
      (origin) => isAllowed(settings, origin),
      (hop, redirect) => sendHop(call, hop, redirect, limit?.signal),
    );
    if (response.body) limit?.release();
    else limit?.stop();
    return response;
  } catch (error) {
    limit?.stop();
    // Platforms put errors of their own in the place of the caller's reason.
    if (signal?.aborted) throw signal.reason;
    throw limit?.signal.aborted ? limit.signal.reason : error;
  }
}

async function sendHop(call: Call, hop: Hop, redirect: RequestRedirect, limit: AbortSignal | undefined): Promise<Response> {
  const { init, input, settings } = call;
  const { fetch } = settings;
  const { headers } = hop;
  call.lastHeaders = headers;
  const options: RequestInit = Object.assign({}, init, { headers, redirect }, limit && { signal: limit });
  if (hop.url === call.url) return fetch(call.spare ? takeSpare(call) : input, options);
  const body = hop.hasBody ? (init?.body ?? (await takeSpare(call).arrayBuffer())) : null;
  return fetch(hop.url.href, Object.assign(options, { method: hop.method, body, signal: limit ?? call.signal }));
}

/** The `Request` to send now; a clone of it stays for a replay. */
function takeSpare(call: Call): Request {
  const request = call.spare!;
  call.spare = request.clone();
  return request;
}

function isAllowed({ apiOrigins }: Settings, origin: string): boolean {
  return apiOrigins.includes(origin) || apiOrigins.some((entry) => matchesWildcard(entry, origin));
}

/** `*` is everything, `https://*.example.com` each subdomain. An origin has no path, so its end is its host's. */
function matchesWildcard(entry: string, origin: string): boolean {
  const [start = '', end] = entry.split('*');
  return end !== undefined && origin.startsWith(start) && origin.endsWith(end);
}
