/** Bodies of every kind, each made anew since some serve once. */

const BYTES = Uint8Array.from({ length: 256 }, (_, index) => index);

/** The bodies that `fetch` can send again. */
export const BODIES: Readonly<Record<string, () => NonNullable<RequestInit['body']>>> = {
  string: () => 'grün',
  'empty string': () => '',
  URLSearchParams: () => new URLSearchParams({ a: 'b c', d: 'é' }),
  FormData: () => {
    const form = new FormData();
    form.append('field', 'value');
    form.append('file', new Blob([BYTES], { type: 'image/x' }), 'name.bin');
    return form;
  },
  Blob: () => new Blob(['blob'], { type: 'text/x-blob' }),
  'Blob without type': () => new Blob([BYTES]),
  ArrayBuffer: () => BYTES.slice().buffer,
  Uint8Array: () => BYTES.slice(),
  'typed array of a part': () => new Uint16Array(BYTES.slice().buffer, 2, 4),
  DataView: () => new DataView(BYTES.slice().buffer, 3, 5),
};

/** The bodies that are gone once they have been sent. */
export const STREAMS: Readonly<Record<string, () => unknown>> = {
  ReadableStream: () => streamOf('first ', 'second'),
  'async generator': () => generate('first ', 'second'),
};

/** A Request that may stream; `duplex` is missing in the types. */
export function requestOf(url: string, init: object = {}): Request {
  return new Request(url, { duplex: 'half', ...init } as RequestInit);
}

export function streamOf(...texts: string[]): ReadableStream<Uint8Array> {
  const parts = texts.map((text) => new TextEncoder().encode(text));
  return new ReadableStream({
    pull(controller) {
      const part = parts.shift();
      if (part) controller.enqueue(part);
      else controller.close();
    },
  });
}

/** Header and body without the boundary of a form, which is drawn at random. */
export function withoutBoundary(
  contentType: string | undefined,
  body: string,
): { contentType: string | undefined; body: string } {
  // Under a content type of the caller's own only the body tells it.
  const boundary = (/boundary=(.*)/.exec(contentType ?? '') ?? /^--(-+formdata-.*)\r\n/.exec(body))?.[1];
  if (!boundary) return { contentType, body };
  return {
    contentType: contentType?.replace(boundary, 'BOUNDARY'),
    body: body.replaceAll(boundary, 'BOUNDARY'),
  };
}

async function* generate(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield new TextEncoder().encode(text);
}

/**
 * A controller of older make, as npm's `abort-controller` has it: its signal knows neither `reason` nor
 * `throwIfAborted`.
 */
export function olderController(): {
  readonly signal: AbortSignal;
  readonly abort: () => void;
  readonly countListeners: () => number;
} {
  const listeners = new Set<EventListener>();
  const signal = {
    aborted: false,
    onabort: null as EventListener | null,
    addEventListener: (_type: string, listener: EventListener) => void listeners.add(listener),
    removeEventListener: (_type: string, listener: EventListener) => void listeners.delete(listener),
    dispatchEvent: (event: Event) => {
      for (const listener of [...listeners]) listener.call(signal, event);
      return true;
    },
  };
  const abort = () => {
    if (signal.aborted) return;
    signal.aborted = true;
    signal.dispatchEvent({ type: 'abort', target: signal } as unknown as Event);
  };
  return { signal: signal as unknown as AbortSignal, abort, countListeners: () => listeners.size };
}
