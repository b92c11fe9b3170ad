/**
 * A `fetch` that remembers its last request and the answer.
 * @module
 */

/** The last request. It is set when the request is made, so that a failure can be told from an answer. */
export interface Trace {
  readonly fetch: typeof globalThis.fetch;
  url: string;
  response: Response | undefined;
  startedAtMs: number;
  durationMs: number;
}

export function createTrace(fetch: typeof globalThis.fetch): Trace {
  const trace: Trace = { fetch: send, url: '', response: undefined, startedAtMs: 0, durationMs: 0 };
  return trace;

  async function send(...[input, init]: Parameters<typeof globalThis.fetch>): Promise<Response> {
    Object.assign(trace, { url: new Request(input).url, response: undefined, startedAtMs: Date.now() });
    try {
      trace.response = await fetch(input, init);
      return trace.response;
    } finally {
      trace.durationMs = Date.now() - trace.startedAtMs;
    }
  }
}
