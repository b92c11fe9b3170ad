/**
 * The platform's `fetch`, the one way in which secrets are posted, and the reading of answers: to a limit, or not at all.
 * @module
 */
import { ApiError } from './errors.ts';
import { runWithin } from './waiting.ts';

/** The platform's `fetch`, or one that answers and rejects like it. */
export type Fetch = (...parameters: Parameters<typeof fetch>) => ReturnType<typeof fetch>;

/** What is needed to send. */
export interface Transport {
  /** To be called unbound: workerd and browsers refuse a `fetch` whose `this` is some object. */
  readonly fetch: Fetch;
  /** `0` is no limit for API calls, and 30 s for what is posted here. */
  readonly timeoutMs: number;
}

/** What is posted: once, along no redirect. */
export interface Posting {
  readonly url: string;
  readonly headers: Headers | Record<string, string>;
  readonly body: string;
}

/** An answer as far as it has come; without `text` its body has not, or is larger than 64 KiB. */
export interface Answer {
  response?: Response;
  text?: string | undefined;
}

/** How much of an answer is read. */
const MOST_BYTES = 65_536;

const FETCH_RULE = "fetch must be a function that answers like the platform's: a Response with status, headers, and a stream or null as body";

/** Runs what asks `url` within the time of one request: `timeout`, or 30 s where the client sets no limit of its own. */
export function withinLimit<T>(
  { timeoutMs }: Transport,
  url: string,
  signal: AbortSignal | null | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return runWithin(limited(url), timeoutMs || 30_000, signal, work);
}

/** What a time limit on a request to `url` says. */
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
  return withinLimit(transport, url, signal, (within) => sendOnce(transport, { url, headers, body }, answer, within));
}

/**
 * Posts a secret, once, and fills and returns `answer`: what has come of it stands there also where this rejects, with an
 * `ApiError` (`network`), with a `TypeError` for a `fetch` that is missing or answers unlike the platform's, or with
 * whatever the abort of `signal` makes of it.
 */
export async function sendOnce(
  { fetch }: Transport,
  { url, headers, body }: Posting,
  answer: Answer,
  signal: AbortSignal,
): Promise<Answer> {
  if (fetch === globalFetch) assertFetch();
  // `manual`, since platforms resend the body and custom headers to any host; `omit`, since Chromium and WebKit
  // otherwise leave the call pending behind a login dialog when a 401 asks for Basic. workerd of 2023 refuses it.
  const credentials = 'credentials' in Request.prototype ? { credentials: 'omit' as const } : {};
  const init: RequestInit = { method: 'POST', redirect: 'manual', headers, body, signal, ...credentials };
  const response = assertResponse(await asNetworkError(url, () => fetch(url, init)));
  answer.response = response;
  const read = bodyReader(response);
  answer.text = await asNetworkError(url, read);
  await nextTurn();
  return answer;
}

/**
 * Returns what has the members of a `Response` that are used here.
 *
 * @throws `TypeError` that says what `fetch` must answer
 */
export function assertResponse(response: Response): Response {
  const { status, headers } = Object(response) as Partial<Response>;
  if (typeof status === 'number' && typeof headers?.get === 'function') return response;
  throw new TypeError(FETCH_RULE);
}

/** The global `fetch`, looked up at call time and called unbound from any object. */
export function globalFetch(...parameters: Parameters<Fetch>): ReturnType<Fetch> {
  assertFetch();
  return fetch(...parameters);
}

function assertFetch(): void {
  if (typeof fetch !== 'function') throw new TypeError(FETCH_RULE);
}

/** Reads a body as text, but no more than 64 KiB: `undefined` when there is more. Rejects when it breaks off. */
export async function readText(response: Response): Promise<string | undefined> {
  return bodyReader(response)();
}

/** How the body of an answer is read, to the limit. node-fetch and React Native have no stream, but may say the length. */
function bodyReader(response: Response): () => Promise<string | undefined> {
  const { body, headers } = response;
  if (body === null) return async () => '';
  if (typeof body?.getReader === 'function') return () => readStream(body);
  const length = headers.get('content-encoding') ? null : headers.get('content-length');
  if (!length || typeof response.text !== 'function') throw new TypeError(FETCH_RULE);
  return async () => (Number(length) <= MOST_BYTES ? response.text() : undefined);
}

async function readStream(body: ReadableStream<Uint8Array>): Promise<string | undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (let bytes = 0; bytes <= MOST_BYTES; ) {
    const { done, value } = await reader.read();
    text += decoder.decode(value, { stream: !done });
    if (done) return text;
    bytes += value.byteLength;
  }
  discard(reader);
  return undefined;
}

/** Lets go of a body that nobody will read, so that its connection is free; how that ends is of no interest. */
export function discard(body: { cancel?(): Promise<void> } | null | undefined): void {
  body?.cancel?.().catch(() => {});
}

/** A URL as errors show it: a query may hold a secret. */
export function nameOf(url: string): string {
  return url.replace(/[?#].*/s, '');
}

/** The permission that the runtime denies, in its own word (Deno's `NotCapable`, Node's `ERR_ACCESS_DENIED`). */
export function deniedBy(error: unknown): string | undefined {
  const { name, code, cause } = Object(error) as { name?: unknown; code?: unknown; cause?: { code?: unknown } };
  return [name, code, cause?.code].find((word) => word === 'NotCapable' || word === 'ERR_ACCESS_DENIED') as string | undefined;
}

/** What `work` brings; whatever it throws or rejects with is a failure of the network. */
async function asNetworkError<T>(url: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw networkError(url, cause);
  }
}

function networkError(url: string, cause: unknown): ApiError {
  const denied = deniedBy(cause);
  const { code } = Object((cause as Error | undefined)?.cause) as { code?: unknown };
  const word = denied ?? (typeof code === 'string' ? code : undefined);
  const advice = denied ? 'the runtime denies network access; start it with --allow-net' : 'check URL, network and proxy';
  return new ApiError(`No answer from ${nameOf(url)}${word ? ` (${word})` : ''}: ${advice}`, { code: 'network', cause });
}

/**
 * One turn of the event loop. A turn after the body Node's `fetch` gives the connection back: the call that has waited for
 * this answer need then not open one of its own, with a TLS handshake. By a message, since tests fake timers and
 * `setImmediate`; and no token waits for it where the platform has none, or one that throws (Next's edge routes).
 */
async function nextTurn(): Promise<void> {
  try {
    const { port1, port2 } = new MessageChannel();
    await new Promise((resolve) => {
      port1.onmessage = resolve;
      port2.postMessage(undefined);
    });
    port1.close();
  } catch {
    // It would only have saved a connection.
  }
}
