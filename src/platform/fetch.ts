/**
 * The platform's `fetch`, the one function that posts secrets, and the reading of answers up to a limit.
 * @module
 */
import { ApiError } from '../core/errors.ts';
import { withoutDialog } from './runtimes.ts';
import { runWithin, waitFor } from './waiting.ts';

/** The platform's `fetch`, or one that answers and rejects like it. */
export type Fetch = (...parameters: Parameters<typeof fetch>) => ReturnType<typeof fetch>;

/** A `fetch` and the limit of its requests. */
export interface Transport {
  /** To be called without a `this`: workerd and browsers refuse a `fetch` whose `this` is some object. */
  readonly fetch: Fetch;
  /** `0` means no limit for API calls, and 30 s for what is posted here. */
  readonly timeoutMs: number;
}

/** An answer, as far as it has arrived. Without `text` its body is not there, or has more than 64 KiB. */
export interface Answer {
  response?: Response;
  text?: string | undefined;
}

/**
 * Runs `work`, which asks `url`, within the time of one request: `timeout`, or 30 s if the client sets no
 * limit of its own.
 */
export function withinLimit<T>(
  { timeoutMs }: Transport,
  url: string,
  signal: AbortSignal | null | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return runWithin(timeoutAdvice(url), timeoutMs || 30_000, signal, work);
}

/** The subject and the advice of a time-out's message. */
export function timeoutAdvice(url: string): string {
  return `${nameOf(url)}: check the network, or raise timeout`;
}

/**
 * Posts a secret once, and follows no redirect. It fills `answer` and returns it; the part that has
 * arrived is there even if this rejects. Rejects with an `ApiError` (`network`), or with a `TypeError` if
 * `fetch` is missing or answers unlike the platform's.
 */
export async function sendOnce(
  { fetch }: Pick<Transport, 'fetch'>,
  url: string,
  headers: Headers | Record<string, string>,
  body: string,
  answer: Answer,
  signal: AbortSignal,
): Promise<Required<Answer>> {
  try {
    // `manual`, since a redirect would make platforms resend the body and custom headers to any host.
    const init = { method: 'POST', redirect: 'manual', headers, body, signal, credentials: withoutDialog() };
    const response = assertResponse(await fetch(url, init as RequestInit));
    // Only a stream can be read up to a limit. The answers of node-fetch and of some mocks have none.
    if (response.body !== null && !response.body?.getReader) throw new TypeError(FETCH_RULE);
    answer.response = response;
    answer.text = await readText(response);
    return answer as Required<Answer>;
  } catch (cause) {
    throw networkError(url, cause);
  }
}

const FETCH_RULE = 'fetch must answer with a Response: status, headers, and a stream or null as body';

/**
 * Returns the answer if it has those members of a `Response` that every call uses.
 *
 * @throws `TypeError` that says what `fetch` must answer
 */
export function assertResponse(response: Response): Response {
  if (!response?.headers?.get || !(response.status >= 0)) throw new TypeError(FETCH_RULE);
  return response;
}

/**
 * The global `fetch`, looked up at call time and called without a `this`.
 *
 * @throws `TypeError` where the platform has none
 */
export function globalFetch(...parameters: Parameters<Fetch>): ReturnType<Fetch> {
  if (typeof fetch !== 'function') throw new TypeError(FETCH_RULE);
  return fetch(...parameters);
}

/**
 * Reads a body as text, but no more than 64 KiB: `undefined` when there is more. Rejects when it breaks off.
 */
export async function readText({ body }: Response): Promise<string | undefined> {
  return body ? (await readBody(body, 65_536))?.text() : '';
}

/**
 * Reads a body to its end: `undefined` when there is more than `maxBytes`. Rejects when it breaks off, or
 * with the signal's reason.
 */
export async function readBody(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
  signal?: AbortSignal | null,
): Promise<Blob | undefined> {
  const reader = body.getReader();
  const parts: BlobPart[] = [];
  try {
    for (let bytes = 0; bytes <= maxBytes; ) {
      const { done, value } = await waitFor(reader.read(), signal);
      if (done) return new Blob(parts);
      parts.push(value as BlobPart);
      bytes += value.byteLength;
    }
    return undefined;
  } finally {
    discard(reader);
  }
}

/**
 * Lets go of a body that nobody will read, so that its connection is free. Whether that succeeds does not
 * matter.
 */
export function discard(
  body: { cancel?(reason?: unknown): Promise<void> } | null | undefined,
  reason?: unknown,
): void {
  body?.cancel?.(reason).catch(() => {});
}

/** A URL as errors show it: without the query, which may hold a secret. */
export function nameOf(url: string): string {
  return url.replace(/[?#].*/s, '');
}

/** The platform's own word for why there is no answer: `ECONNREFUSED`, or the error's name. */
function reasonWord(error: unknown): unknown {
  const { name, cause } = Object(error) as { name?: unknown; cause?: { code?: unknown } };
  return cause?.code ?? name;
}

/**
 * The error for a request of ours that got no answer. If what is used as `fetch` is not one, its own error
 * says so, and is returned as it is.
 */
export function networkError(url: string, cause: unknown): unknown {
  if (Object(cause).message === FETCH_RULE) return cause;
  const advice = 'check the URL, network, proxy and permissions';
  const message = `No answer from ${nameOf(url)} (${reasonWord(cause)}): ${advice}`;
  return new ApiError(message, { code: 'network', cause });
}
