/**
 * `fetch` with credentials: the guard, the headers, one replay for each kind of token that turns out to be used up.
 * A call that goes well costs one URL, one `Headers` and one copy of its options.
 * @module
 */
import type { SessionTokenSource } from './config.ts';
import { report } from './events.ts';
import type { Hop } from './redirects.ts';
import { isSafe, markRedirected, nextHop } from './redirects.ts';
import type { OAuthToken } from './token.ts';
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
  const url = new URL(request?.url ?? (input as string), globalThis.location?.href);
  if (!isAllowed(url)) throw new TypeError(`${url.origin} is not among apiOrigins`);
  const options: Record<string, any> = {};
  // Not only own properties: `fetch(url, request)` works, and a Request's are getters of its prototype.
  for (const name in init) options[name] = init[name as keyof RequestInit];
  let { body } = options;
  const signal: AbortSignal | null | undefined = read('signal');
  const headers = new Headers(read('headers'));
  const method = read('method', 'GET');
  const redirect = read('redirect', 'follow');
  const mode = redirect === 'follow' && read('integrity') ? 'error' : redirect;
  const isOneShot = body?.getReader ?? body?.[Symbol.asyncIterator];
  /** A `Request` with a body is used up by sending it: a clone of it stays. Firefox has no `request.body`. */
  const spare = body == null && request?.body !== null && !isSafe(method) ? request?.clone() : undefined;
  const hasBody = body != null || !!spare;
  let hop!: Hop;

  const own = headers.get(SESSION_HEADER);
  if (own === '') headers.delete(SESSION_HEADER);
  const session = (own ?? settings.sessionToken) as (SessionTokenSource & string) | undefined;
  let token: OAuthToken | undefined;
  let reason: 'session' | 'token' | undefined;
  let replayed = '';
  try {
    for (;;) {
      const sessionToken = session?.getSessionToken ? await session.getSessionToken(source, signal) : session;
      token ??= validToken(source) ?? (await getToken(source, signal));
      headers.set('authorization', `Bearer ${token.accessToken}`);
      if (sessionToken) headers.set(SESSION_HEADER, sessionToken);
      if (reason) report(settings, { type: 'request_replayed', reason });
      const response = await send();
      // A redirect may have led outside: then this is no answer to the bearer.
      if (response.ok || !hop.headers.has('authorization') || !isAllowed(new URL(response.url, hop.url))) return response;
      const isLapsed = await session?.noteLapse?.(response, sessionToken!);
      if (!isLapsed && response.status !== 401) return response;
      reason = isLapsed ? 'session' : 'token';
      if (isOneShot || replayed.includes(reason)) {
        if (!isLapsed) markRejected(source, token.accessToken, !!isOneShot);
        return response;
      }
      replayed += reason;
      try {
        if (!isLapsed) token = await renewToken(source, token, signal);
        if (!token) return response;
      } catch (error) {
        discard(response.body);
        throw error;
      }
      discard(response.body);
    }
  } finally {
    discard(spare?.body);
  }

  function read(name: keyof RequestInit & keyof Request, standard?: string): any {
    return options[name] === undefined ? (request?.[name] ?? standard) : options[name];
  }

  /** Sends the call with its headers as they are, follows redirects, and keeps the time limit. */
  async function send(): Promise<Response> {
    const limit = timeoutMs ? startLimit('The call', timeoutMs, signal) : undefined;
    const watched = limit?.signal ?? signal;
    try {
      hop = { url, method, headers, hasBody, redirect: 'manual' };
      for (let count = 0; ; count++) {
        const response = await sendHop(watched);
        const next = response.ok ? undefined : nextHop(hop, response, count, mode, isOneShot, isAllowed);
        if (!next) {
          // The limit lasts until the body is read, of which nobody tells.
          limit?.end(response.body);
          return hop.url === url ? response : markRedirected(response);
        }
        hop = next;
      }
    } catch (error) {
      limit?.end();
      // Platforms put errors of their own in the place of the reason.
      throw watched?.aborted ? watched.reason : error;
    }
  }

  async function sendHop(watched: AbortSignal | null | undefined): Promise<Response> {
    const { method, headers, hasBody, redirect } = hop;
    const target = hop.url === url && request ? request : hop.url.href;
    if (hasBody && (target !== request || request.bodyUsed)) body ??= await spare!.arrayBuffer();
    const content = hasBody ? body : null;
    // Several times as fast as a spread of options.
    return fetch(target, Object.assign({}, options as RequestInit, { method, headers, redirect, signal: watched as AbortSignal, body: content }));
  }

  /** `*` is everything, `https://*.example.com` each subdomain. An origin has no path, so its end is its host's. */
  function isAllowed({ origin }: URL): boolean {
    return settings.apiOrigins.some((entry) => {
      const [start, end = start] = entry.split('*');
      return entry === origin || (end !== entry && origin.startsWith(start!) && origin.endsWith(end!));
    });
  }
}
