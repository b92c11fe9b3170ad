/**
 * Waiting: for a promise, no longer than a signal and a limit allow.
 * @module
 */

/**
 * Waits for a promise no longer than a signal and a limit allow.
 * Rejects with the signal's reason; `undefined` when the limit, in milliseconds, is over (absent: none).
 */
export function waitFor<T>(
  promise: Promise<T> | undefined,
  signal: AbortSignal | null | undefined,
  limitMs?: number,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    let unfollow: (() => void) | undefined;
    const timer = limitMs === undefined ? undefined : startTimer(() => end(resolve), limitMs);
    const end = (settle: (value?: any) => void, value?: unknown): void => {
      clearTimeout(timer);
      unfollow?.();
      settle(value);
    };
    promise?.then(
      (value) => end(resolve, value),
      (error: unknown) => end(reject, error),
    );
    unfollow = onAbort(signal, (reason) => end(reject, reason));
  });
}

/** `setTimeout` that is not cut short: beyond 2^31-1 ms most platforms fire at once. */
function startTimer(callback: () => void, delayMs: number): ReturnType<typeof setTimeout> {
  return setTimeout(callback, Math.min(delayMs, 2 ** 31 - 1));
}

/** A time limit on a call whose answer is read by somebody else. */
export interface Limit {
  /** Aborts with the limit's error, or with the reason of the caller's signal. */
  readonly signal: AbortSignal;
  /** Ends it: nothing is left to limit. */
  readonly stop: () => void;
  /** Lets the process end although the limit is still running. */
  readonly release: () => void;
}

/** Starts a limit that also follows a caller's signal. It holds neither request nor answer, so that it may outlive them. */
export function startLimit(limitMs: number, signal: AbortSignal | null | undefined, createError: () => unknown): Limit {
  const controller = new AbortController();
  const unfollow = onAbort(signal, (reason) => controller.abort(reason));
  const timer = startTimer(() => {
    unfollow?.();
    controller.abort(createError());
  }, limitMs);
  return {
    signal: controller.signal,
    stop: () => {
      clearTimeout(timer);
      unfollow?.();
    },
    release: () => (timer as { unref?: () => void }).unref?.(),
  };
}

type AbortListener = (reason: unknown) => void;

/** One listener for each signal, however many calls share it: platforms warn at eleven and slow down with each. */
const followers = /* @__PURE__ */ new WeakMap<AbortSignal, Set<AbortListener>>();

/** Calls `listener` with the reason when the signal aborts, at once where it has; returns what stops that. */
export function onAbort(signal: AbortSignal | null | undefined, listener: AbortListener): (() => void) | undefined {
  if (!signal) return undefined;
  if (signal.aborted) {
    listener(signal.reason);
    return undefined;
  }
  const listeners = followers.get(signal) ?? followSignal(signal);
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function followSignal(signal: AbortSignal): Set<AbortListener> {
  const listeners = new Set<AbortListener>();
  followers.set(signal, listeners);
  signal.addEventListener('abort', () => listeners.forEach((listener) => listener(signal.reason)), { once: true });
  return listeners;
}

/**
 * Whether a promise begun in one request may never settle in another, as on workerd and edge runtimes. Asked at call
 * time: a client may be created where nothing can be known yet.
 */
export function isRequestBound(): boolean {
  const { navigator, EdgeRuntime } = globalThis as { navigator?: { userAgent?: string }; EdgeRuntime?: unknown };
  return navigator?.userAgent === 'Cloudflare-Workers' || EdgeRuntime !== undefined;
}
