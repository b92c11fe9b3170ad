/**
 * Takes a request, from `fetch` or from the platform whose handler the mock server is.
 * @module
 */
import type { Received } from './options.ts';

export type FetchInput = Parameters<typeof fetch>[0];
export type FetchInit = Parameters<typeof fetch>[1];

/**
 * Deno and Bun pass an object of their own beside a `Request`, workerd two. Anything else beside it is an
 * `init`.
 */
export function toRequest(input: FetchInput, beside: readonly unknown[]): Request {
  const [second] = beside;
  const isOfPlatform =
    beside.length > 1 || // workerd: the environment and the context
    Object(second).remoteAddr !== undefined || // Deno
    Object(second).requestIP !== undefined; // Bun
  const init = isOfPlatform ? undefined : (second as FetchInit);
  const isRequest = typeof input === 'object' && 'url' in input;
  return isRequest && !init ? input : new Request(input, init);
}

export async function receive(request: Request): Promise<Received> {
  const { method, url } = request;
  const headers = Object.freeze(Object.fromEntries(request.headers));
  return { method, url, path: new URL(url).pathname, headers, body: await request.text() };
}

/**
 * Listens on the signal of the request itself. On a signal that many calls share, that many listeners would
 * cause the warning of a leak.
 */
export function wait(ms: number, request: Request): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    request.signal?.addEventListener('abort', stop);
    if (request.signal?.aborted) stop();

    function stop(): void {
      clearTimeout(timer);
      reject(request.signal.reason);
    }
  });
}

/** Whether a path is that of the token endpoint or of the revocation endpoint. */
export function isOAuthEndpoint(path: string): boolean {
  return /\/oauth2\/(token|revoke)$/.test(path);
}
