/**
 * `fetch` with credentials: the guard, the headers, one replay for each kind of token that turns out to be used up.
 * A call that goes well costs one URL, one `Headers` and one copy of its options.
 * @module
 */
import type { Settings } from './config.ts';
import { report } from './events.ts';
import type { Hop } from './redirects.ts';
import { markRedirected, nextHop } from './redirects.ts';
import type { TokenSource } from './tokenSource.ts';
import { getToken, markRejected, renewToken, validToken } from './tokenSource.ts';
import type { Fetch } from './transport.ts';
import { discard } from './transport.ts';
import { startLimit } from './waiting.ts';

const SESSION_HEADER = 'vz-m2m-token';

type Input = Parameters<Fetch>[0];

/** One call of the caller's, checked and ready to be sent more than once. */
interface Call {
  readonly headers: Headers;
  readonly signal: AbortSignal | null | undefined;
  /** Whether the body is a stream, gone once it has been sent. */
  readonly isOneShot: boolean;
  /** Sends it with the headers as they are, follows redirects, and keeps the time limit. */
  readonly send: () => Promise<Response>;
  /** Whether the last answer is one to a request with the bearer: a redirect may have led outside. */
  readonly isAnswered: (response: Response) => boolean;
  /** Lets go of what was kept for a replay. */
  readonly end: () => void;
}

/** Sends one call with the client's credentials; same arguments and results as `fetch`. */
export async function authorizedFetch(source: TokenSource, input: Input, init: RequestInit | undefined): Promise<Response> {
  const call = prepare(source.settings, input, init);
  try {
    return await sendWithTokens(source, call);
  } finally {
    call.end();
  }
}

/** Reads the caller's arguments, once. The guard comes first: for an origin outside, no token is even fetched. */
function prepare({ apiOrigins, fetch, timeoutMs }: Settings, input: Input, init: RequestInit | undefined): Call {
  const request = Object(input).headers ? (input as Request) : undefined;
  const url = new URL(request ? request.url : String(input), globalThis.location?.href);
  if (!isAllowed(url.origin)) throw new TypeError(`${url.origin} is not among apiOrigins, so it gets no token`);
  const options: Record<string, any> = {};
  // Not only own properties: `fetch(url, request)` works, and a Request's are getters of its prototype.
  for (const name in init) options[name] = init[name as keyof RequestInit];
  const { body } = options;
  const read = (name: keyof RequestInit & keyof Request) => (options[name] === undefined ? request?.[name] : options[name]);
  const signal: AbortSignal | null | undefined = read('signal');
  const headers = new Headers(read('headers'));
  const method = read('method') ?? 'GET';
  const mode = read('redirect') ?? 'follow';
  const isOneShot = !!(Object(body).getReader ?? Object(body)[Symbol.asyncIterator]);
  const rules = { mode: mode === 'follow' && read('integrity') ? 'error' : mode, isOneShot, isAllowed };
  /** A `Request` with a body is used up by sending it: this one is next, and a clone of it stays. Firefox has no `request.body`. */
  let spare = body == null && request?.body !== null && !/^(GET|HEAD)$/.test(method) ? request : undefined;
  const first: Hop = { url, method, headers, hasBody: body != null || !!spare, redirect: 'manual' };
  let hop = first;
  return {
    headers,
    signal,
    isOneShot,
    send,
    isAnswered: ({ url: answeredBy }) =>
      hop.headers.has('authorization') && (hop.redirect === 'manual' || isAllowed(new URL(answeredBy).origin)),
    end: () => discard(spare?.body),
  };

  async function send(): Promise<Response> {
    const limit = timeoutMs ? startLimit('The call', timeoutMs, signal) : undefined;
    try {
      const response = await follow(limit?.signal);
      // The limit lasts until the body is read, of which nobody tells.
      if (response.body) limit?.release();
      else limit?.stop();
      return response;
    } catch (error) {
      limit?.stop();
      // Platforms put errors of their own in the place of the reason.
      const aborted = [signal, limit?.signal].find((each) => each?.aborted);
      throw aborted ? aborted.reason : error;
    }
  }

  async function follow(limit: AbortSignal | undefined): Promise<Response> {
    let next: Hop | undefined = first;
    for (let count = 0; ; count++) {
      hop = next;
      const response = await sendHop(limit);
      next = nextHop(hop, response, count, rules);
      if (!next) return hop === first || hop.redirect === 'follow' ? response : markRedirected(response);
    }
  }

  async function sendHop(limit: AbortSignal | undefined): Promise<Response> {
    const sent = Object.assign({}, options, { headers: hop.headers, redirect: hop.redirect }, limit && { signal: limit });
    if (hop.url === url) return fetch(spare ? takeSpare() : (request ?? url.href), sent);
    const content = hop.hasBody ? (body ?? (await takeSpare().arrayBuffer())) : null;
    return fetch(hop.url.href, Object.assign(sent, { method: hop.method, body: content, signal: limit ?? signal }));
  }

  function takeSpare(): Request {
    const taken = spare!;
    spare = taken.clone();
    return taken;
  }

  /** `*` is everything, `https://*.example.com` each subdomain. An origin has no path, so its end is its host's. */
  function isAllowed(origin: string): boolean {
    return apiOrigins.some((entry) => {
      const [start = '', end] = entry.split('*');
      return end === undefined ? entry === origin : origin.startsWith(start) && origin.endsWith(end);
    });
  }
}

async function sendWithTokens(source: TokenSource, call: Call): Promise<Response> {
  const { settings } = source;
  const { headers, signal, isOneShot } = call;
  const configured = headers.has(SESSION_HEADER) ? undefined : settings.sessionToken;
  if (!headers.get(SESSION_HEADER)) headers.delete(SESSION_HEADER);
  const session = typeof configured === 'object' ? configured : undefined;
  let sessionToken = session ? await session.getSessionToken(source, signal) : (configured as string | undefined);
  let token = validToken(source) ?? (await getToken(source, signal));
  const replayed = { token: false, session: false };
  for (;;) {
    headers.set('authorization', `Bearer ${token.accessToken}`);
    if (sessionToken) headers.set(SESSION_HEADER, sessionToken);
    const response = await call.send();
    if (response.ok || !call.isAnswered(response)) return response;
    const isLapsed = session && (await session.noteLapse(response, sessionToken!));
    if (!isLapsed && response.status !== 401) return response;
    const reason = isLapsed ? 'session' : 'token';
    if (isOneShot || replayed[reason]) {
      if (!isLapsed) markRejected(source, token.accessToken, isOneShot);
      return response;
    }
    try {
      if (isLapsed) sessionToken = await session.getSessionToken(source, signal);
      const renewed = isLapsed ? token : await renewToken(source, token, signal);
      if (!renewed) return response;
      token = renewed;
    } catch (error) {
      discard(response.body);
      throw error;
    }
    discard(response.body);
    replayed[reason] = true;
    report(settings, { type: 'request_replayed', reason });
  }
}
