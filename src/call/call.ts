/**
 * The arguments of one call, which are those of `fetch`. Each is read once, here, and judged before anything
 * is sent. Nothing later looks at the caller's objects again, so that what was judged is what is sent.
 * @module
 */
import type { Settings } from '../config/settings.ts';
import type { Fetch } from '../platform/fetch.ts';
import { urlOf } from '../platform/runtimes.ts';
import { assertSignal } from '../platform/waiting.ts';
import { guard } from './origins.ts';

export const SESSION_HEADER = 'vz-m2m-token';

/** One call. */
export interface Call {
  /** The URL as it was judged, and as it is sent. */
  readonly url: string;
  /**
   * The caller's own `Request`, which the platform sends with all that it holds; absent if the input was a
   * URL.
   */
  readonly request: Request | undefined;
  /** Whether the caller gave no options beside the URL or `Request`. */
  readonly isAlone: boolean;
  /**
   * A copy of `init` with the call's headers, and with `redirect: 'manual'`, since redirects are followed by
   * hand. Tracing libraries change the options that they get.
   */
  readonly options: RequestInit;
  readonly headers: Headers;
  readonly method: string;
  readonly redirect: RequestRedirect;
  readonly signal: AbortSignal | null | undefined;
  /** The body of `init`, or the body of a `Request` once it has been read from its clone. */
  body: RequestInit['body'] | ArrayBuffer;
  /** Whether the body is a stream, which is gone once it is sent. */
  readonly isOneShot: boolean;
  /** The caller's own session token. Empty: none is to be sent. `null`: the call says nothing about it. */
  readonly sessionToken: string | null;
  /** Whether the body is that of a `Request`, which is used up by sending it. */
  readonly isUsedUp: boolean;
  /** A clone of such a `Request`, made right before it is sent. */
  spare?: Request | undefined;
}

/**
 * Reads and judges the arguments of `fetch`.
 *
 * @throws `TypeError` for an origin outside `apiOrigins`, and for what `fetch` refuses of `init`
 */
export function readCall(
  settings: Settings,
  input: Parameters<Fetch>[0],
  init: RequestInit | null | undefined,
): Call {
  const request = input instanceof Request ? input : undefined;
  const url = guard(settings, request ? urlOf(request) : `${input as string}`);
  if (init != null && Object(init) !== init) throw new TypeError('init must be an object');
  const options: Record<string, any> & RequestInit = {};
  // Inherited properties count, too: `fetch(url, request)` works, and a Request's properties are getters of
  // its prototype.
  for (const name in init) options[name] = init[name as keyof RequestInit];
  const isAlone = Object.values(options).every((value) => value === undefined);
  if (request && isAlone) Object.assign(options, referrerOf(request));
  const {
    body,
    headers: own = request?.headers,
    method = request?.method ?? 'GET',
    redirect = request?.redirect ?? 'follow',
    integrity = request?.integrity,
    signal = request?.signal,
  } = options;
  if (!/^(follow|manual|error)$/.test(redirect))
    throw new TypeError('redirect must be follow, manual or error');
  assertSignal(signal);
  const headers = new Headers(own);
  const sessionToken = own ? headers.get(SESSION_HEADER) : null;
  if (own) headers.delete(SESSION_HEADER);
  return {
    url,
    request,
    isAlone,
    options: Object.assign(options, { headers, redirect: 'manual' }),
    headers,
    method: `${method}`,
    // A redirect's body would not be the one that `integrity` was made for.
    redirect: redirect === 'follow' && integrity ? 'error' : redirect,
    signal,
    body,
    isOneShot: isStream(body),
    sessionToken,
    // Firefox has no `request.body`.
    isUsedUp: request !== undefined && request.body !== null && body == null && !isSafe(request.method),
  };
}

/**
 * Lets the platform refuse what it would refuse, before a token is asked for. This is also needed with an
 * aborted signal: otherwise the abort would be told first.
 *
 * @throws `TypeError`, as `fetch` does
 */
export function assertSendable({ url, request, isAlone, options, method, body, isOneShot }: Call): void {
  const isUsed = request?.bodyUsed;
  // A `Request` has been judged by the platform, and of a URL alone it refuses no more than a user name in
  // it. To make another `Request` anyway would be most of what a waiting call costs.
  if (isAlone && !isUsed && !url.includes('@')) return;
  // A stand-in for a good body, since the body itself would be used up.
  const isLocked = isOneShot && (body as ReadableStream).locked;
  const standIn = isOneShot ? new ReadableStream() : body && '';
  const probe = { ...options, method, body: isLocked ? body : standIn, signal: null } as RequestInit;
  new Request(isUsed ? request : url, probe);
}

/**
 * A copy of a body that its caller could change while the call waits: bytes, a form, parameters. A stream and
 * a `Blob` do not change.
 */
export function copyOf(body: any): Call['body'] {
  if (body?.byteLength >= 0) return structuredClone(body);
  if (!body?.append || isStream(body)) return body;
  const copy = new body.constructor();
  body.forEach((value: unknown, name: string) => copy.append(name, value));
  return copy;
}

/** Whether a method is GET or HEAD: without a body, and harmless when sent twice. */
export function isSafe(method: string): boolean {
  return /^(get|head)$/i.test(method);
}

/**
 * The referrer of a `Request`. `fetch` forgets it when there are other options, and there are always ours.
 */
function referrerOf({ referrer, referrerPolicy }: Request): object {
  return { referrer, referrerPolicy };
}

/** The settings of a `Request`, for a hop that is sent without it. */
export function settingsOf({ cache, credentials, keepalive, mode }: Request): object {
  return { cache, credentials, keepalive, mode };
}

function isStream(body: any): boolean {
  return Boolean(body?.getReader ?? body?.[Symbol.asyncIterator]);
}
