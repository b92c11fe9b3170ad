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
/** The name of the same on the hosts of ETX, ThingSpace's vehicle messages: they take no other. */
const ETX_SESSION_HEADER = 'sessiontoken';

/** Options with the members that each call has. */
export interface CallOptions extends RequestInit {
  readonly headers: Headers;
  readonly method: string;
}

export interface Call {
  /** The URL as it was judged, and as it is sent. */
  readonly url: string;
  /**
   * The caller's own `Request`, which the platform sends with all that it holds; absent if the input was a
   * URL.
   */
  readonly request: Request | undefined;
  /** Whether the caller gave options beside the URL or `Request`. */
  readonly hasInit: boolean;
  /**
   * A copy of `init` with the call's headers, and with `redirect: 'manual'`, since redirects are followed by
   * hand. Tracing libraries change the options that they get.
   */
  readonly options: CallOptions;
  readonly redirect: RequestRedirect;
  readonly signal: AbortSignal | null | undefined;
  /** Whether the body is a stream, which is gone once it is sent. */
  readonly isStream: boolean;
  /** The caller's own session token. Empty: none is to be sent. `null`: the call says nothing about it. */
  readonly sessionToken: string | null;
  /** A clone of a `Request` that is used up by sending it, made right before. */
  clone?: Request | undefined;
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
  // What is no plain object (a class with accessors, another `Request`) is read by the platform.
  if (init != null && Object.getPrototypeOf(init) !== Object.prototype)
    return readCall(settings, new Request(input, init), undefined);
  const request = input instanceof Request ? input : undefined;
  const url = guard(settings, request ? urlOf(request) : `${input as string}`);
  const options: Record<string, any> & RequestInit = {};
  for (const name in init) {
    const value = init[name as keyof RequestInit];
    if (value !== undefined) options[name] = value;
  }
  const hasInit = Object.keys(options).length > 0;
  const {
    body,
    headers: given = request?.headers,
    method = request?.method ?? 'GET',
    redirect = request?.redirect ?? 'follow',
    integrity = request?.integrity,
    signal = request?.signal,
  } = options;
  if (!/^(follow|manual|error)$/.test(redirect))
    throw new TypeError('redirect must be follow, manual or error');
  assertSignal(signal);
  const headers = new Headers(given);
  const sessionToken = sentSession(headers);
  if (sessionToken === '') dropSession(headers);
  return {
    url,
    request,
    hasInit,
    options: Object.assign(options, { headers, method, redirect: 'manual' as const }),
    // A redirect's body would not be the one that `integrity` was made for.
    redirect: redirect === 'follow' && integrity ? 'error' : redirect,
    signal,
    isStream: isStream(body),
    sessionToken,
  };
}

/** The session token among headers, under either name; `null` if there is none. */
export function sentSession(headers: Headers): string | null {
  return headers.get(SESSION_HEADER) ?? headers.get(ETX_SESSION_HEADER);
}

/** Puts the client's session token under the name that the vendor wants at this URL. */
export function nameSession(headers: Headers, url: string): void {
  const token = sentSession(headers);
  if (token === null) return;
  dropSession(headers);
  headers.set(/^https:\/\/imp[.-]/.test(url) ? ETX_SESSION_HEADER : SESSION_HEADER, token);
}

function dropSession(headers: Headers): void {
  headers.delete(SESSION_HEADER);
  headers.delete(ETX_SESSION_HEADER);
}

/**
 * Gets a call ready to wait. The platform refuses now what it would refuse, before a token is asked for. This
 * is also needed with an aborted signal: otherwise the abort would be told first. And what is sent later is
 * what the body says now.
 *
 * @throws `TypeError`, as `fetch` does
 */
export function prepareToWait(call: Call): void {
  const { body }: { body?: any } = call.options;
  // A stream of Node's, or a form of npm's `form-data`: node-fetch takes them, and without `duplex`.
  if (body?.pipe) return;
  assertSendable(call);
  const copy = copyOf(body);
  // For Bun and workerd, `null` is a body of its own and not that of the `Request`.
  if (copy != null) call.options.body = copy;
}

function assertSendable({ url, request, hasInit, options, isStream }: Call): void {
  const isUsed = request?.bodyUsed;
  // A `Request` has been judged by the platform, and of a URL alone it refuses no more than a user name in
  // it. To make another `Request` anyway would be most of what a waiting call costs.
  if (!hasInit && !isUsed && !url.includes('@')) return;
  const { body } = options;
  // A stand-in for a good body, since the body itself would be used up.
  const isLocked = isStream && (body as ReadableStream).locked;
  const standIn = isStream ? new ReadableStream() : body && '';
  const probe = { ...options, body: isLocked ? body : standIn, signal: null } as RequestInit;
  new Request(isUsed ? request : url, probe);
}

/**
 * A copy of a body that its caller could change while the call waits: bytes, a form, parameters. A stream and
 * a `Blob` do not change.
 */
function copyOf(body: any): RequestInit['body'] {
  if (body?.byteLength) return structuredClone(body);
  if (!body?.append) return body;
  const copy = new body.constructor();
  body.forEach((value: unknown, name: string) => copy.append(name, value));
  return copy;
}

/** Whether a method is GET or HEAD: without a body, and harmless when sent twice. */
export function isSafe(method: string): boolean {
  return /^(get|head)$/i.test(method);
}

/** Whether a body can be read once only. */
function isStream(body: any): boolean {
  return Boolean(body?.getReader ?? body?.pipe ?? body?.[Symbol.asyncIterator]);
}
