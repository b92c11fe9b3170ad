/**
 * One HTTP call with limits: time, body size, a caller's signal. Timers are `setTimeout`, never `AbortSignal.timeout`,
 * which Node does not wait for and fake clocks do not move.
 * @module
 */
import { ApiError } from './errors.ts';
import { waitFor } from './waiting.ts';

/** The platform's `fetch`, or one that answers like it. */
export type Fetch = (...parameters: Parameters<typeof fetch>) => ReturnType<typeof fetch>;

/** A response body of more than this many bytes is an error; nothing is read beyond it. */
export const MAX_BODY_BYTES = 65_536;

/** The limits of one request whose body is read here. */
export interface RequestLimits {
  /** Milliseconds until the body must have been read. */
  readonly timeoutMs: number;
  /** Ends the request early; its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
}

/** An answer whose body has been read. */
export interface ReadResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/**
 * Sends a request that carries credentials and reads the answer. Redirects are not followed.
 *
 * @throws `ApiError`: `network`, `timeout`, `response_too_large`; or the reason of the signal
 */
export async function sendForText(
  fetch: Fetch,
  url: string,
  init: { readonly headers: Headers; readonly body: string },
  { timeoutMs, signal }: RequestLimits,
): Promise<ReadResponse> {
  const controller = new AbortController();
  try {
    const answer = await waitFor(receive(fetch, url, init, controller.signal), signal, timeoutMs);
    if (answer) return answer;
    throw timeoutError('The request', timeoutMs);
  } catch (error) {
    // A fetch that is still under way is of no use to anyone, and holds a connection.
    controller.abort(error);
    throw error;
  }
}

/** Reads a body as text, but no more than {@link MAX_BODY_BYTES}: `undefined` when there is more. */
export async function readText(response: Response): Promise<string | undefined> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (let bytes = 0; reader; ) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.byteLength;
    if (bytes > MAX_BODY_BYTES) {
      discard(reader);
      return undefined;
    }
    text += decoder.decode(value, { stream: true });
  }
  return text + decoder.decode();
}

/** Lets go of a body that nobody will read, so that its connection is free; how that ends is of no interest. */
export function discard(body: { cancel(): Promise<void> } | null | undefined): void {
  body?.cancel().catch(() => {});
}

export function timeoutError(what: string, timeoutMs: number): ApiError {
  return new ApiError(`${what} took longer than ${timeoutMs} ms`, { code: 'timeout' });
}

async function receive(
  fetch: Fetch,
  url: string,
  init: { readonly headers: Headers; readonly body: string },
  signal: AbortSignal,
): Promise<ReadResponse> {
  try {
    // `manual`, since platforms resend the form and custom headers to any host; `omit`, since Chromium and WebKit
    // otherwise leave the call pending behind a login dialog when a 401 asks for Basic.
    const response = await fetch(url, { ...init, method: 'POST', redirect: 'manual', credentials: 'omit', signal });
    const text = await readText(response);
    if (text !== undefined) return { status: response.status, headers: response.headers, text };
  } catch (cause) {
    throw new ApiError('The request failed before an answer could be read', { code: 'network', cause });
  }
  throw new ApiError(`The response is larger than ${MAX_BODY_BYTES} bytes`, { code: 'response_too_large' });
}
