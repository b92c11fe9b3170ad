/**
 * The arguments of one call, as `fetch` has them: each is read once, here, and judged before anything is sent. Nothing later
 * looks at the caller's objects again, so that what was judged is what is sent.
 * @module
 */
import type { Fetch } from '../platform/transport.ts';
import { guard } from './origins.ts';

export const SESSION_HEADER = 'vz-m2m-token';

/** One call. */
export interface Call {
  /** As it was judged, and as it is sent. */
  readonly url: string;
  /** The caller's own, which the platform sends with all that it holds; absent where the input was a URL. */
  readonly request: Request | undefined;
  /** A copy of `init`, with the call's headers; redirects are followed by hand. Tracing libraries change what they get of it. */
  readonly options: RequestInit;
  readonly headers: Headers;
  readonly body: RequestInit['body'];
  readonly method: string;
  readonly redirect: RequestRedirect;
  readonly signal: AbortSignal | null | undefined;
  /** Whether the body is a stream, gone once it is sent. */
  readonly isOneShot: boolean;
  /** The caller's own session token: empty for none, `null` where the call says nothing of it. */
  readonly sessionToken: string | null;
  /** The body of a `Request`, which is used up by sending it; absent where there is none. */
  readonly spare: Spare | undefined;
}

/** A clone that stays, and its body, read once. */
export interface Spare {
  readonly clone: Request;
  readonly read: () => Promise<ArrayBuffer>;
}

/**
 * Reads and judges the arguments of `fetch`.
 *
 * @throws `TypeError` for an origin outside `apiOrigins`, and for what `fetch` refuses of `init`
 */
export function readCall(apiOrigins: readonly string[], input: Parameters<Fetch>[0], init: RequestInit | null | undefined): Call {
  const request = isRequest(input) ? input : undefined;
  const url = guard(apiOrigins, request ? urlOf(request) : `${input as string}`);
  const options = copyInit(init);
  const { body, method = request?.method ?? 'GET', signal = request?.signal, integrity = request?.integrity } = options;
  const redirect = readRedirect(options.redirect === undefined ? request?.redirect : options.redirect);
  const given = options.headers === undefined ? request?.headers : options.headers;
  const headers = new Headers(given);
  const sessionToken = given ? headers.get(SESSION_HEADER) : null;
  if (given) headers.delete(SESSION_HEADER);
  return {
    url,
    request,
    options: Object.assign(options, { headers, redirect: 'manual' as const }),
    headers,
    body,
    method: normalizeMethod(`${method}`),
    // A redirect's body would not be the one that `integrity` was made for.
    redirect: redirect === 'follow' && integrity ? 'error' : redirect,
    signal,
    isOneShot: isStream(body),
    sessionToken,
    // Firefox has no `request.body`.
    spare: request && request.body !== null && body == null && !isSafe(request.method) ? createSpare(request.clone()) : undefined,
  };
}

/**
 * Has the platform judge what it would refuse, before a token is asked for, or where an aborted signal would be told first.
 *
 * @throws `TypeError`, as `fetch` does
 */
export function assertSendable({ url, options, body, isOneShot, signal }: Call): void {
  if (signal && !(typeof signal.aborted === 'boolean' && 'addEventListener' in signal)) throw new TypeError('signal must be an AbortSignal');
  if (isOneShot && (body as ReadableStream).locked) throw new TypeError('body must be a stream that nobody has read from');
  // Not the body itself, which would be used up.
  const probe = body == null ? body : isOneShot ? new ReadableStream() : '';
  new Request(url, { ...options, body: probe, signal: null } as RequestInit);
}

/** GET and HEAD: without a body, and harmless when sent twice. */
export function isSafe(method: string): boolean {
  return /^(get|head)$/i.test(method);
}

function createSpare(clone: Request): Spare {
  let bytes: Promise<ArrayBuffer> | undefined;
  return { clone, read: () => (bytes ??= clone.arrayBuffer()) };
}

function isRequest(input: unknown): input is Request {
  return typeof input === 'object' && input instanceof Request;
}

/** What the platform itself will send, whatever a subclass says. */
function urlOf(request: Request): string {
  const getter = Object.getOwnPropertyDescriptor(Request.prototype, 'url')?.get;
  return getter ? getter.call(request) : request.url;
}

/** Not only own properties: `fetch(url, request)` works, and a Request's are getters of its prototype. */
function copyInit(init: RequestInit | null | undefined): RequestInit {
  if (init != null && typeof init !== 'object' && typeof init !== 'function') throw new TypeError('init must be an object');
  const options: Record<string, unknown> = {};
  for (const name in init) options[name] = init[name as keyof RequestInit];
  return options;
}

function readRedirect(given: unknown = 'follow'): RequestRedirect {
  const redirect = `${given}`;
  if (redirect === 'follow' || redirect === 'manual' || redirect === 'error') return redirect;
  throw new TypeError('redirect must be follow, manual or error');
}

/** As `fetch` does it; others are sent as they are written. */
function normalizeMethod(method: string): string {
  return /^(delete|get|head|options|post|put)$/i.test(method) ? method.toUpperCase() : method;
}

function isStream(body: unknown): boolean {
  return typeof body === 'object' && body !== null && ('getReader' in body || Symbol.asyncIterator in body);
}
