/**
 * `fetch` with credentials: the guard, the headers, one replay for each kind of token that turns out to be used up.
 * A call that goes well costs one URL, one `Headers` and one copy of its options.
 * @module
 */
import type { SessionTokenSource } from './config.ts';
import { report } from './events.ts';
import type { Hop } from './redirects.ts';
import { isSafe, markRedirected, nextHop } from './redirects.ts';
import type { TokenSource } from './tokenSource.ts';
import { getToken, markRejected, renewToken, validToken } from './tokenSource.ts';
import type { Fetch } from './transport.ts';
import { discard } from './transport.ts';
import { startLimit } from './waiting.ts';

const SESSION_HEADER = 'vz-m2m-token';

/** Sends one call with the client's credentials; same arguments and results as `fetch`. */
export async function authorizedFetch(
  source: TokenSource,
  input: Parameters<Fetch>[0],
  init: RequestInit | undefined,
): Promise<Response> {
  // The caller's arguments are read once, here. The guard comes first: for an origin outside, no token is even fetched.
  const { settings } = source;
  const { fetch, timeoutMs } = settings;
  const request = Object(input).headers ? (input as Request) : undefined;
  const url = new URL(request ? request.url : String(input), globalThis.location?.href);
  if (!isAllowed(url)) throw new TypeError(`${url.origin} is not among apiOrigins`);
  const options: Record<string, any> = {};
  // Not only own properties: `fetch(url, request)` works, and a Request's are getters of its prototype.
  for (const name in init) options[name] = init[name as keyof RequestInit];
  const { body } = options;
  const signal: AbortSignal | null | undefined = read('signal');
  const headers = new Headers(read('headers'));
  const method = read('method') ?? 'GET';
  const redirect = read('redirect') ?? 'follow';
  const mode = redirect === 'follow' && read('integrity') ? 'error' : redirect;
  const isOneShot = Object(body).getReader ?? Object(body)[Symbol.asyncIterator];
  /** A `Request` with a body is used up by sending it: this one is next, and a clone of it stays. Firefox has no `request.body`. */
  let spare = body == null && request?.body !== null && !isSafe(method) ? request : undefined;
  const first: Hop = { url, method, headers, hasBody: body != null || !!spare, redirect: 'manual' };
  let hop = first;

  const own = headers.get(SESSION_HEADER);
  if (own === '') headers.delete(SESSION_HEADER);
  const configured = own === null ? settings.sessionToken : undefined;
  const session = configured as (SessionTokenSource & string) | undefined;
  let replayed = '';
  try {
    let sessionToken = session?.getSessionToken ? await session.getSessionToken(source, signal) : session;
    let token = validToken(source) ?? (await getToken(source, signal));
    for (;;) {
      headers.set('authorization', `Bearer ${token.accessToken}`);
      if (sessionToken) headers.set(SESSION_HEADER, sessionToken);
      const response = await send();
      if (response.ok || !isAnswered(response)) return response;
      const isLapsed = await session?.noteLapse?.(response, sessionToken!);
      if (!isLapsed && response.status !== 401) return response;
      const reason = isLapsed ? 'session' : 'token';
      if (isOneShot || replayed.includes(reason)) {
        if (!isLapsed) markRejected(source, token.accessToken, !!isOneShot);
        return response;
      }
      try {
        if (isLapsed) sessionToken = await session!.getSessionToken(source, signal);
        const renewed = isLapsed ? token : await renewToken(source, token, signal);
        if (!renewed) return response;
        token = renewed;
      } catch (error) {
        discard(response.body);
        throw error;
      }
      discard(response.body);
      replayed += reason;
      report(settings, { type: 'request_replayed', reason });
    }
  } finally {
    discard(spare?.body);
  }

  function read(name: keyof RequestInit & keyof Request): any {
    return options[name] === undefined ? request?.[name] : options[name];
  }

  /** Sends the call with its headers as they are, follows redirects, and keeps the time limit. */
  async function send(): Promise<Response> {
    const limit = timeoutMs ? startLimit('The call', timeoutMs, signal) : undefined;
    const watched = limit?.signal ?? signal;
    try {
      for (let count = 0, next: Hop | undefined = first; ; count++) {
        hop = next;
        const response: Response = await sendHop(watched);
        next = mode === 'manual' ? undefined : nextHop(hop, response, count, mode, isOneShot, isAllowed);
        if (next) continue;
        // The limit lasts until the body is read, of which nobody tells.
        limit?.end(response.body);
        return hop.url === url ? response : markRedirected(response);
      }
    } catch (error) {
      limit?.end();
      // Platforms put errors of their own in the place of the reason.
      throw watched?.aborted ? watched.reason : error;
    }
  }

  async function sendHop(watched: AbortSignal | null | undefined): Promise<Response> {
    const sent: RequestInit = Object.assign({}, options, { headers: hop.headers, redirect: hop.redirect, signal: watched as AbortSignal });
    if (hop.url === url) return fetch(spare ? takeSpare() : (request ?? url.href), sent);
    const content = hop.hasBody ? (body ?? (await takeSpare().arrayBuffer())) : null;
    return fetch(hop.url.href, Object.assign(sent, { method: hop.method, body: content }));
  }

  function takeSpare(): Request {
    const taken = spare!;
    spare = taken.clone();
    return taken;
  }

  /** Whether an answer is one to a request with the bearer: a redirect may have led outside. */
  function isAnswered(response: Response): boolean {
    return hop.headers.has('authorization') && (hop.redirect === 'manual' || isAllowed(new URL(response.url)));
  }

  /** `*` is everything, `https://*.example.com` each subdomain. An origin has no path, so its end is its host's. */
  function isAllowed({ origin }: URL): boolean {
    const matches = ([start = '', end]: string[]) => end !== undefined && origin.startsWith(start) && origin.endsWith(end);
    return settings.apiOrigins.some((entry) => entry === origin || matches(entry.split('*')));
  }
}
