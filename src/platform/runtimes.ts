/**
 * Workarounds for one runtime, or for an old version of one. Each function says which, and when it may go.
 * @module
 */

/**
 * Whether a promise that was begun in one request may never settle in another: workerd and edge runtimes. It
 * is asked at call time, since a client may be created where this cannot be known yet. workerd always has
 * `WebSocketPair`, and no other runtime has that; whether it has a `navigator` depends on the compatibility
 * date. This stays for as long as workerd binds promises to requests.
 */
export function isRequestBound(): boolean {
  const { EdgeRuntime, WebSocketPair } = globalThis as {
    EdgeRuntime?: unknown;
    WebSocketPair?: unknown;
  };
  return Boolean(EdgeRuntime ?? WebSocketPair);
}

/**
 * The option that keeps a browser from asking for a password. When a 401 asks for Basic, Chromium and WebKit
 * show a login dialog and leave the call pending behind it. workerd refuses the option up to 2023: the check
 * may go when those versions do.
 */
export function withoutDialog(): RequestCredentials | undefined {
  return 'credentials' in Request.prototype ? 'omit' : undefined;
}

/**
 * The URL that the platform itself will send, whatever a subclass of `Request` says. workerd of 2023 does not
 * allow to ask: the `try` may go when those versions do.
 */
export function urlOf(request: Request): string {
  try {
    return Reflect.get(Request.prototype, 'url', request) ?? request.url;
  } catch {
    return request.url;
  }
}
