/**
 * `fetch` with credentials: the guard, the headers, one replay for each kind of token that turns out to be used up.
 * A call that goes well costs one `Headers` and one copy of its options, and no further promise: all is one loop.
 * @module
 */
import type { SessionTokenSource } from '../config/config.ts';
import { report } from '../platform/events.ts';
import type { Hop } from './redirects.ts';
import { isAllowed, isSafe, markRedirected, nextHop } from './redirects.ts';
import type { OAuthToken } from '../platform/token.ts';
import type { TokenSource } from '../token/tokenSource.ts';
import { getToken, markRejected, renewToken, validToken } from '../token/tokenSource.ts';
import type { Fetch } from '../platform/transport.ts';
import { discard } from '../platform/transport.ts';
import type { Limit } from '../platform/waiting.ts';
import { startLimit } from '../platform/waiting.ts';

const SESSION_HEADER = 'vz-m2m-token';

/** Sends one call with the client's credentials; same arguments and results as `fetch`. */
export async function authorizedFetch(
  source: TokenSource,
  input: Parameters<Fetch>[0],
  init: RequestInit | undefined,
): Promise<Response> {
  // The caller's arguments are read once, here. The guard comes first: for an origin outside, no token is even fetched.
  const { settings } = source;
  const { apiOrigins, fetch, timeoutMs } = settings;
  const request = (input as Request | undefined)?.headers ? (input as Request) : undefined;
  let url = request?.url ?? `${input as string}`;
  // What begins with an allowed origin needs no parsing, a fiftieth of a call over loopback: after the `/` nothing can
  // change where a URL leads. All else is parsed, and sent as it was judged: a page's `<base>` would lead it elsewhere.
  if (!apiOrigins.some((entry) => url.startsWith(`${entry}/`))) {
    const { href, origin } = new URL(url, globalThis.location?.href);
    if (!isAllowed(apiOrigins, origin)) throw new TypeError(`${origin} is not among apiOrigins`);
    url = href;
  }
  const options: Record<string, any> = {};
  // Not only own properties: `fetch(url, request)` works, and a Request's are getters of its prototype.
  for (const name in init) options[name] = init[name as keyof RequestInit];
  let { body } = options;
  const {
    headers: given = request?.headers,
    method = request?.method ?? 'GET',
    redirect = request?.redirect ?? 'follow',
    integrity = request?.integrity,
    signal = request?.signal,
  }: Partial<Request> & RequestInit = options;
  const headers = new Headers(given);
  Object.assign(options, { headers, redirect: 'manual' });
  const mode = redirect === 'follow' && integrity ? 'error' : redirect;
  const isOneShot = body?.getReader ?? body?.[Symbol.asyncIterator];
  /** A `Request` with a body is used up by sending it: a clone of it stays. Firefox has no `request.body`. */
  const spare = request && request.body !== null && body == null && !isSafe(method) ? request.clone() : undefined;
  // The caller's own session token wins; an empty one means that none is sent.
  const session = ((given && headers.get(SESSION_HEADER)) ?? settings.sessionToken) as (SessionTokenSource & string) | undefined;
  if (given) headers.delete(SESSION_HEADER);
  let sessionToken: string | undefined;
  let token: OAuthToken | undefined;
  let reason: 'session' | 'token' | undefined;
  let replayed = '';
  /** The request to be sent; absent: a call is to begin, or to begin again. */
  let hop: Hop | undefined;
  /** How many redirects have led to it. */
  let count = 0;
  let limit: Limit | undefined;
  let response: Response | undefined;
  try {
    for (;;) {
      if (!hop) {
        sessionToken = session?.getSessionToken
          ? await session.getSessionToken(source, signal)
          : session;
        token ??= validToken(source) ?? (await getToken(source, signal));
        headers.set('authorization', `Bearer ${token.accessToken}`);
        if (sessionToken) headers.set(SESSION_HEADER, sessionToken);
        if (reason) report(settings, { type: 'request_replayed', reason });
        limit = timeoutMs ? startLimit('The call', timeoutMs, signal) : undefined;
        hop = { url, method, headers, redirect: 'manual' };
      }
      if (spare && (count || request!.bodyUsed)) body ??= await spare.arrayBuffer();
      // The options of a plain call are complete, and each further member would cost `fetch` time. A replay's are made
      // anew, since tracing libraries put headers of theirs in the place of those that they were given.
      response = await fetch(
        count && hop.redirect === 'manual' ? hop.url : (request ?? url),
        limit || count || reason
          ? {
              ...options,
              ...hop,
              signal: limit?.signal ?? signal,
              body: count && isSafe(hop.method) ? null : body,
            }
          : options,
      );
      const next: Hop | undefined = response.ok ? undefined : nextHop(hop, response, count, mode, isOneShot, apiOrigins);
      if (next) {
        hop = next;
        count++;
        continue;
      }
      // The limit lasts until the body is read, of which nobody tells.
      limit?.end(response.body);
      limit = undefined;
      if (count) markRedirected(response);
      // A redirect may have led outside: then this is no answer to the bearer.
      if (response.ok || !hop.headers.has('authorization') || !isAllowed(apiOrigins, new URL(response.url, hop.url).origin)) break;
      const lapse = session?.isLapse && (await session.isLapse(response)) ? 'session' : undefined;
      if (!lapse && response.status !== 401) break;
      reason = lapse || 'token';
      const isAgain = replayed.includes(reason);
      const isReplaced = lapse && session!.giveUp(sessionToken!, isOneShot ? 'stream' : isAgain ? 'replay' : 'call');
      if (isOneShot || isAgain || isReplaced === false) {
        if (!lapse) markRejected(source, token!.accessToken, isOneShot);
        break;
      }
      replayed += reason;
      // A login may take longer than the bearer lives: it is looked at again after one.
      token = lapse ? undefined : await renewToken(source, token!, signal);
      if (!lapse && !token) break;
      discard(response.body);
      hop = undefined;
      count = 0;
    }
  } catch (error) {
    limit?.end();
    discard(response?.body);
    discard(spare?.body);
    // Platforms put errors of their own in the place of the reason.
    const watched = limit?.signal ?? signal;
    throw watched?.aborted ? watched.reason : error;
  }
  discard(spare?.body);
  return response;
}
