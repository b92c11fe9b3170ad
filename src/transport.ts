/**
 * The platform's `fetch`, and the reading of its answers: to a limit, or not at all.
 * @module
 */

/** The platform's `fetch`, or one that answers and rejects like it. */
export type Fetch = (...parameters: Parameters<typeof fetch>) => ReturnType<typeof fetch>;

/** A response body of more bytes is an error; nothing is read beyond it. */
export const MAX_BODY_BYTES = 65_536;

/** Reads a body as text, but no more than {@link MAX_BODY_BYTES}: `undefined` when there is more. */
export async function readText({ body }: Response): Promise<string | undefined> {
  const reader = body?.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (let bytes = 0; reader; ) {
    const { done, value } = await reader.read();
    text += decoder.decode(value, { stream: !done });
    if (done) break;
    bytes += value.byteLength;
    if (bytes > MAX_BODY_BYTES) {
      discard(reader);
      return undefined;
    }
  }
  return text;
}

/** Lets go of a body that nobody will read, so that its connection is free; how that ends is of no interest. */
export function discard(body: { cancel(): Promise<void> } | null | undefined): void {
  body?.cancel().catch(() => {});
}
