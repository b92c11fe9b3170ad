/**
 * Waiting, no longer than a signal and a limit allow. Timers are `setTimeout`, never `AbortSignal.timeout`, which Node
 * does not wait for and fake clocks do not move.
 * @module
 */
import { ApiError } from './errors.ts';

/** A time limit on work that takes a signal. */
export interface Limit {
  /** Aborts with the limit's error, or with the reason of the caller's signal. */
  readonly signal: AbortSignal;
  /** Ends it; or, where a body is still open, lets it run on without keeping the process alive. */
  readonly end: (openBody?: unknown) => void;
}

/**
 * Starts a time limit on `what`, which also aborts when a caller's signal does. It keeps no reference to the work: one
 * that runs on retains neither request nor answer.
 */
export function startLimit(what: string, limitMs: number, signal: AbortSignal | null | undefined): Limit {
  const controller = new AbortController();
  const unfollow = onAbort(signal, (reason: unknown) => controller.abort(reason));
  const timer = setTimeout(() => {
    unfollow?.();
    controller.abort(new ApiError(`${what} took over ${limitMs} ms`, { code: 'timeout' }));
  }, limitMs);
  return {
    signal: controller.signal,
    end: (openBody) => {
      if (!openBody) {
        clearTimeout(timer);
        unfollow?.();
        // In Deno 2.0 timers are numbers, as in browsers, which need no such thing.
      } else timer.unref?.() ?? (globalThis as { Deno?: { unrefTimer(timer: unknown): void } }).Deno?.unrefTimer(timer);
    },
  };
}

/** Runs work that takes a signal. Rejects at the limit with its error, and on abort with the caller's reason, whatever the work does. */
export function runWithin<T>(
  what: string,
  limitMs: number,
  signal: AbortSignal | null | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = startLimit(what, limitMs, signal);
  return waitFor(work(limit.signal), limit.signal).finally(limit.end) as Promise<T>;
}

/**
 * Waits for a promise (absent: one that never settles). Rejects with the signal's reason when it aborts; fulfils with
 * `undefined` when a limit in milliseconds (absent: none) is over.
 */
export function waitFor<T>(
  promise: Promise<T> | undefined,
  signal: AbortSignal | null | undefined,
  limitMs?: number,
): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | number | undefined;
  let unfollow: (() => void) | undefined;
  return new Promise<T | undefined>((resolve, reject) => {
    if (limitMs !== undefined) timer = setTimeout(resolve, limitMs);
    unfollow = onAbort(signal, reject);
    promise?.then(resolve, reject);
  }).finally(() => {
    clearTimeout(timer);
    unfollow?.();
  });
}

/** Waits for so many milliseconds. */
export function pause(delayMs: number): Promise<undefined> {
  return waitFor<undefined>(undefined, undefined, delayMs);
}

/**
 * Whether a promise begun in one request may never settle in another, as on workerd and edge runtimes. Asked at call
 * time: a client may be created where nothing can be known yet.
 */
export function isRequestBound(): unknown {
  const { navigator, EdgeRuntime } = globalThis as { navigator?: { userAgent?: string }; EdgeRuntime?: unknown };
  return navigator?.userAgent === 'Cloudflare-Workers' || EdgeRuntime;
}

type AbortListener = (reason: unknown) => void;

/** One listener for each signal, however many calls share it: platforms warn at eleven and slow down with each. */
const followers: WeakMap<AbortSignal, Set<AbortListener>> = new WeakMap();

/** Calls `listener` with the reason when the signal aborts, at once where it has; returns what stops that. */
function onAbort(signal: AbortSignal | null | undefined, listener: AbortListener): (() => void) | undefined {
  if (!signal) return undefined;
  if (signal.aborted) listener(signal.reason);
  let listeners = followers.get(signal)!;
  if (!listeners) {
    followers.set(signal, (listeners = new Set()));
    signal.addEventListener('abort', () => listeners.forEach((each) => each(signal.reason)));
  }
  listeners.add(listener);
  return () => listeners.delete(listener);
}
