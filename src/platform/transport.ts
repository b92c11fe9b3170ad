/**
 * The platform's `fetch`, the one way in which secrets are posted, and the reading of answers: to a limit, or not at all.
 * @module
 */
import { ApiError } from './errors.ts';
import { isRequestBound, runWithin } from './waiting.ts';

/** The platform's `fetch`, or one that answers and rejects like it. */
export type Fetch = (...parameters: Parameters<typeof fetch>) => ReturnType<typeof fetch>;

/** What is needed to send. */
export interface Transport {
  /** To be called unbound: workerd and browsers refuse a `fetch` whose `this` is some object. */
  readonly fetch: Fetch;
  /** `0` is no limit for API calls, and 30 s for what is posted here. */
  readonly timeoutMs: number;
}

/** An answer as far as it has come; without `text` its body has not, or is larger than 64 KiB. */
export interface Answer {
  response?: Response;
  text?: string | undefined;
}

/** Runs what asks `url` within the time of one request: `timeout`, or 30 s where the client sets no limit of its own. */
export function withinLimit<T>(
  { timeoutMs }: Transport,
  url: string,
  signal: AbortSignal | null | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return runWithin(limited(url), timeoutMs || 30_000, signal, work);
}

/** What the time limit of a request says. */
export function limited(url: string): string {
  return `${nameOf(url)}: check the network, or raise timeout`;
}

/** {@link sendOnce}, within the time of one request. */
export function post(
  transport: Transport,
  url: string,
  headers: Headers | Record<string, string>,
  body: string,
  answer: Answer,
  signal?: AbortSignal | null,
): Promise<Answer> {
  return withinLimit(transport, url, signal, (within) => sendOnce(transport, url, headers, body, answer, within));
}

/**
 * Posts a secret, once, along no redirect, and fills and returns `answer`: what has come of it stands there also where this
 * rejects, with an `ApiError` (`network`), or with a `TypeError` for a `fetch` that is missing or answers unlike the platform's.
 */
export async function sendOnce(
  { fetch }: Transport,
  url: string,
  headers: Headers | Record<string, string>,
  body: string,
  answer: Answer,
  signal: AbortSignal,
): Promise<Required<Answer>> {
  try {
    // `manual`, since platforms resend the body and custom headers to any host; `omit`, since Chromium and WebKit
    // otherwise leave the call pending behind a login dialog when a 401 asks for Basic. workerd of 2023 refuses it.
    const credentials = 'credentials' in Request.prototype ? 'omit' : undefined;
    const response = assertResponse(await fetch(url, { method: 'POST', redirect: 'manual', headers, body, signal, credentials } as RequestInit));
    // A stream is what can be read to a limit: node-fetch and some mocks have none.
    if (response.body !== null && !response.body?.getReader) throw new TypeError(FETCH_RULE);
    answer.response = response;
    const text = await readText(response);
    answer.text = text;
    await nextTurn();
    return { response, text };
  } catch (cause) {
    throw networkError(url, cause);
  }
}

const FETCH_RULE = "fetch must answer like the platform's: a Response with status, headers, and a stream or null as body";

/**
 * Returns what has the members of a `Response` that are used for every call.
 *
 * @throws `TypeError` that says what `fetch` must answer
 */
export function assertResponse(response: Response): Response {
  if (!response?.headers?.get || !(response.status >= 0)) throw new TypeError(FETCH_RULE);
  return response;
}

/**
 * The global `fetch`, looked up at call time and called unbound from any object.
 *
 * @throws `TypeError` where the platform has none
 */
export function globalFetch(...parameters: Parameters<Fetch>): ReturnType<Fetch> {
  if (typeof fetch !== 'function') throw new TypeError(FETCH_RULE);
  return fetch(...parameters);
}

/** Reads a body as text, but no more than 64 KiB: `undefined` when there is more. Rejects when it breaks off. */
export async function readText({ body }: Response): Promise<string | undefined> {
  if (!body) return '';
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (let bytes = 0; bytes <= 65_536; ) {
    const { done, value } = await reader.read();
    text += decoder.decode(value, { stream: !done });
    if (done) return text;
    bytes += value.byteLength;
  }
  discard(reader);
  return undefined;
}

/** Lets go of a body that nobody will read, so that its connection is free; how that ends is of no interest. */
export function discard(body: { cancel?(reason?: unknown): Promise<void> } | null | undefined, reason?: unknown): void {
  body?.cancel?.(reason).catch(() => {});
}

/** A URL as errors show it: a query may hold a secret. */
export function nameOf(url: string): string {
  return url.replace(/[?#].*/s, '');
}

/** The platform's own word for why there is no answer: `ECONNREFUSED`, or the error's name. */
function reasonWord(error: unknown): unknown {
  const { name, cause } = Object(error) as { name?: unknown; cause?: { code?: unknown } };
  return cause?.code ?? name;
}

/** Whether the runtime denies the permission to use the network: Deno, and Node. */
export function isDenied(error: unknown): boolean {
  return /^(NotCapable|ERR_ACCESS_DENIED)$/.test(`${reasonWord(error)}`);
}

/** What is thrown where a request of ours has brought no answer: of what is used for `fetch`, that it is none. */
export function networkError(url: string, cause: unknown): unknown {
  if (cause instanceof TypeError && cause.message === FETCH_RULE) return cause;
  const advice = isDenied(cause) ? 'start the runtime with --allow-net' : 'check URL, network and proxy';
  return new ApiError(`No answer from ${nameOf(url)} (${reasonWord(cause)}): ${advice}`, { code: 'network', cause });
}

/**
 * One turn of the event loop. A turn after the body Node's `fetch` gives the connection back: the call that has waited for
 * this answer need then not open one of its own, with a TLS handshake. By a message, since tests fake timers and
 * `setImmediate`; and no token waits for it where the platform has none, or one that throws (Next's edge routes).
 */
async function nextTurn(): Promise<void> {
  // There another request's message may never come.
  if (isRequestBound()) return;
  try {
    const { port1, port2 } = new MessageChannel();
    await new Promise((resolve) => {
      port1.onmessage = resolve;
      port2.postMessage(0);
    });
    port1.close();
  } catch {
    // It would only have saved a connection.
  }
}
