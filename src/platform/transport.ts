/**
 * The platform's `fetch`, the one way in which secrets are posted, and the reading of answers: to a limit, or not at all.
 * @module
 */
import { ApiError } from './errors.ts';
import { runWithin } from './waiting.ts';

/** The platform's `fetch`, or one that answers and rejects like it. */
export type Fetch = (...parameters: Parameters<typeof fetch>) => ReturnType<typeof fetch>;

/** Absent from browsers. Taken at once: with a fake clock put in its place, as tests do later, no exchange would end. */
const setImmediate = /* @__PURE__ */ (() => (globalThis as { setImmediate?: (resolve: (value: unknown) => void) => void }).setImmediate)();

/** An answer as far as it has come; without `text` its body has not, or is larger than 64 KiB. */
export interface Answer {
  response?: Response;
  text?: string | undefined;
}

/**
 * Posts a secret, once, and fills and returns `answer`: what has come of it stands there also where this rejects, with an
 * `ApiError` (`network`, `timeout`) or the reason of the signal. It has 30 s where the client sets no limit of its own.
 */
export function post(
  { fetch, timeoutMs }: { readonly fetch: Fetch; readonly timeoutMs: number },
  url: string,
  headers: Headers | Record<string, string>,
  body: string,
  answer: Answer,
  signal?: AbortSignal | null,
): Promise<Answer> {
  // A query may hold a secret.
  const [endpoint] = url.split('?');
  return runWithin(endpoint!, timeoutMs || 30_000, signal, async (within) => {
    try {
      // `manual`, since platforms resend the body and custom headers to any host; `omit`, since Chromium and WebKit
      // otherwise leave the call pending behind a login dialog when a 401 asks for Basic. workerd of 2023 refuses it.
      answer.response = await fetch(url, {
        method: 'POST',
        redirect: 'manual',
        headers,
        body,
        signal: within,
        credentials: 'credentials' in Request.prototype ? 'omit' : undefined,
      } as RequestInit);
      answer.text = await readText(answer.response);
      // A turn of Node's event loop after the body its `fetch` gives the connection back: the call that has waited for this
      // answer need then not open one of its own, with a TLS handshake.
      if (setImmediate) await new Promise(setImmediate);
      return answer;
    } catch (cause) {
      throw new ApiError(`No answer from ${endpoint}`, { code: 'network', cause });
    }
  });
}

/** Reads a body as text, but no more than 64 KiB: `undefined` when there is more. */
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
export function discard(body: { cancel(): Promise<void> } | null | undefined): void {
  body?.cancel().catch(() => {});
}
