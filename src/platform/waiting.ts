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
  /** Ends the limit: nothing of it is left. */
  readonly end: () => void;
  /** Lets it run on without keeping the process alive. */
  readonly unref: () => void;
}

/**
 * Starts a time limit on `what`, a text that also says what to do; it also aborts when a caller's signal does. It keeps no reference to the work: one
 * that runs on retains neither request nor answer.
 */
export function startLimit(what: string, limitMs: number, signal: AbortSignal | null | undefined): Limit {
  const controller = new AbortController();
  const unfollow = onAbort(signal, (reason) => controller.abort(reason));
  const timer = startTimer(() => {
    unfollow();
    controller.abort(new ApiError(`${limitMs} ms were not enough for ${what}`, { code: 'timeout' }));
  }, limitMs);
  return {
    signal: controller.signal,
    end: () => {
      clearTimeout(timer);
      unfollow();
    },
    // In Deno 2.0 timers are numbers, as in browsers, which need no such thing.
    unref: () => timer.unref?.() ?? (globalThis as { Deno?: { unrefTimer(timer: unknown): void } }).Deno?.unrefTimer(timer),
  };
}

/** Runs work that takes a signal. Rejects at the limit with its error, and on abort with the caller's reason, whatever the work does. */
export async function runWithin<T>(
  what: string,
  limitMs: number,
  signal: AbortSignal | null | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = startLimit(what, limitMs, signal);
  try {
    return await waitFor(work(limit.signal), limit.signal);
  } finally {
    limit.end();
  }
}

/** Waits for a promise. Rejects with the signal's reason when it aborts. */
export function waitFor<T>(promise: Promise<T>, signal: AbortSignal | null | undefined): Promise<T>;
/** The same for a promise or for nothing; fulfils with `undefined` when a limit in milliseconds (absent: none) is over. */
export function waitFor<T>(
  promise: Promise<T> | undefined,
  signal: AbortSignal | null | undefined,
  limitMs: number | undefined,
): Promise<T | undefined>;
export async function waitFor<T>(
  promise: Promise<T> | undefined,
  signal: AbortSignal | null | undefined,
  limitMs?: number,
): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let unfollow: (() => void) | undefined;
  try {
    return await new Promise<T | undefined>((resolve, reject) => {
      if (limitMs !== undefined) timer = startTimer(() => resolve(undefined), limitMs);
      unfollow = onAbort(signal, reject);
      promise?.then(resolve, reject);
    });
  } finally {
    clearTimeout(timer);
    unfollow?.();
  }
}

/** Waits for so many milliseconds. Rejects with the signal's reason when it aborts. */
export async function sleep(delayMs: number, signal?: AbortSignal | null): Promise<void> {
  await waitFor(undefined, signal, delayMs);
}

/** Beyond 2^31-1 ms most platforms fire at once. */
function startTimer(callback: () => void, delayMs: number): { unref?: () => unknown } & ReturnType<typeof setTimeout> {
  return setTimeout(callback, Math.min(delayMs, 2 ** 31 - 1));
}

/**
 * Whether a promise begun in one request may never settle in another, as on workerd and edge runtimes. Asked at call
 * time: a client may be created where nothing can be known yet. workerd has a `navigator` by its compatibility date only;
 * `WebSocketPair` it always has, and nobody else.
 */
export function isRequestBound(): boolean {
  const { navigator, EdgeRuntime, WebSocketPair } = globalThis as {
    navigator?: { userAgent?: string };
    EdgeRuntime?: unknown;
    WebSocketPair?: unknown;
  };
  return navigator?.userAgent === 'Cloudflare-Workers' || Boolean(EdgeRuntime ?? WebSocketPair);
}

/**
 * What a signal that has aborted says. Signals of older make (npm's `abort-controller`) say nothing: then it is what
 * `fetch` rejects with for them.
 */
export function reasonOf({ reason }: AbortSignal): unknown {
  return AbortSignal.abort(reason).reason;
}

/** Throws the signal's reason if it has aborted. */
export function throwIfAborted(signal: AbortSignal | null | undefined): void {
  if (signal?.aborted) throw reasonOf(signal);
}

type Follower = (reason: unknown) => void;

/** Who follows a signal, and the one listener that tells them. */
interface Followed {
  readonly followers: Set<Follower>;
  readonly listener: () => void;
}

/** One listener serves each signal, however many calls share it: platforms warn at eleven and slow down with each. */
const followed: WeakMap<AbortSignal, Followed> = new WeakMap();

/** Calls `follower` with the reason when the signal aborts, at once where it has; returns what stops that. */
function onAbort(signal: AbortSignal | null | undefined, follower: Follower): () => void {
  if (!signal) return () => {};
  if (signal.aborted) follower(reasonOf(signal));
  const { followers, listener } = followed.get(signal) ?? createFollowed(signal);
  if (!followers.size) signal.addEventListener('abort', listener);
  followers.add(follower);
  return () => {
    followers.delete(follower);
    // A composite signal (`AbortSignal.any`) is kept alive for as long as somebody listens to it.
    if (!followers.size) signal.removeEventListener('abort', listener);
  };
}

function createFollowed(signal: AbortSignal): Followed {
  const followers = new Set<Follower>();
  // Not by the event's target: workerd of 2023 has none.
  const entry = { followers, listener: () => followers.forEach((follower) => follower(reasonOf(signal))) };
  followed.set(signal, entry);
  return entry;
}
