/**
 * One request that carries credentials in itself, and the reading of answers, both with limits.
 * @module
 */
import { ApiError } from './errors.ts';
import { runWithin } from './waiting.ts';

/** The platform's `fetch`, or one that answers and rejects like it. */
export type Fetch = (...parameters: Parameters<typeof fetch>) => ReturnType<typeof fetch>;

/** A response body of more bytes is an error; nothing is read beyond it. */
export const MAX_BODY_BYTES = 65_536;

/** An answer whose body has been read. */
export interface ReadResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/**
 * Posts credentials and reads the answer, all within `limitMs`. Redirects are not followed.
 *
 * @throws `ApiError`: `network`, `timeout`, `response_too_large`; or the reason of the signal
 */
export function postForText(
  fetch: Fetch,
  url: string,
  init: { readonly headers: Headers; readonly body: string },
  limitMs: number,
  signal?: AbortSignal | null,
): Promise<ReadResponse> {
  return runWithin('The request', limitMs, signal, async (within) => {
    let text: string | undefined;
    try {
      // `manual`, since platforms resend the form and custom headers to any host; `omit`, since Chromium and WebKit
      // otherwise leave the call pending behind a login dialog when a 401 asks for Basic.
      const response = await fetch(url, { ...init, method: 'POST', redirect: 'manual', credentials: 'omit', signal: within });
      text = await readText(response);
      if (text !== undefined) return { status: response.status, headers: response.headers, text };
    } catch (cause) {
      throw new ApiError('The request failed', { code: 'network', cause });
    }
    throw new ApiError('The answer is larger than 64 KiB', { code: 'response_too_large' });
  });
}

/** Reads a body as text, but no more than {@link MAX_BODY_BYTES}: `undefined` when there is more. */
export async function readText({ body }: Response): Promise<string | undefined> {
  const reader = body?.getReader();
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
