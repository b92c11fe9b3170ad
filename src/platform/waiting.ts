/**
 * Waiting, for no longer than a signal and a limit allow. Timers are `setTimeout` and never
 * `AbortSignal.timeout`: Node does not wait for that, and fake clocks do not move it.
 * @module
 */
import { ApiError } from '../core/errors.ts';
import { isRequestBound } from './runtimes.ts';

/** A time limit on work that takes a signal. */
export interface Limit {
  /** Aborts with the limit's error, or with the reason of the caller's signal. */
  readonly signal: AbortSignal;
  /** Lets it stand still. Returns a function that lets the rest of it run. */
  readonly pause: () => () => void;
  /** Ends the limit, so that nothing of it is left. */
  readonly end: () => void;
  /** Lets the limit run on for as long as anybody holds `body`, but without keeping the process alive. */
  readonly endWith: (body: object) => void;
}

/**
 * Starts a time limit. `what` is the part of its error that names the work and says what to do. Its signal
 * also aborts when the caller's does. It holds no reference to the work, so that a limit that runs on keeps
 * neither request nor answer in memory.
 */
export function startLimit(what: string, limitMs: number, signal: AbortSignal | null | undefined): Limit {
  const controller = new AbortController();
  const unfollow = onAbort(signal, (reason) => controller.abort(reason));
  const expire = () => {
    unfollow();
    controller.abort(new ApiError(`${limitMs} ms were not enough for ${what}`, { code: 'timeout' }));
  };
  const endMs = Date.now() + limitMs;
  let timer = startTimer(expire, limitMs);
  const end = () => {
    clearTimeout(timer);
    unfollow();
  };
  return {
    signal: controller.signal,
    pause: () => {
      clearTimeout(timer);
      const restMs = endMs - Date.now();
      return () => {
        timer = startTimer(expire, restMs);
      };
    },
    end,
    endWith: (body) => {
      timer.unref?.();
      // Outside of a request workerd allows no `clearTimeout`. Its timers end with their request.
      whenDropped(body, isRequestBound() ? unfollow : end);
    },
  };
}

/**
 * The bodies that limits last for. One registry serves all clients: a client's own would disappear together
 * with the client, and would end none of its limits. It is made on first use.
 */
let openBodies: FinalizationRegistry<() => void> | undefined;

/** Calls `end` when nobody holds the body any more, since no platform says when a body has been read. */
function whenDropped(body: object, end: () => void): void {
  // workerd of 2023 has none.
  if (typeof FinalizationRegistry !== 'function') return;
  openBodies ??= new FinalizationRegistry((endLimit) => endLimit());
  openBodies.register(body, end);
}

/**
 * Runs work that takes a signal. When the limit is over, it rejects with the limit's error; on an abort, with
 * the caller's reason. It does so whatever the work does.
 */
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
/**
 * Waits for a promise, or for nothing at all. Fulfils with `undefined` when the limit in milliseconds is
 * over. Absent: there is no limit.
 */
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
export function sleep(delayMs: number, signal?: AbortSignal | null): Promise<void> {
  return waitFor(undefined, signal, delayMs);
}

/** Starts a timer of at most 2^31-1 ms. With more, most platforms fire at once. */
function startTimer(
  callback: () => void,
  delayMs: number,
): { unref?: () => unknown } & ReturnType<typeof setTimeout> {
  return setTimeout(callback, Math.min(delayMs, 2 ** 31 - 1));
}

/**
 * The reason of a signal that has aborted. Older kinds of signals (npm's `abort-controller`) have none; the
 * reason is then what `fetch` rejects with for them.
 */
export function abortReasonOf({ reason }: AbortSignal): unknown {
  return reason === undefined ? AbortSignal.abort().reason : reason;
}

/**
 * Refuses what is not a signal. Older kinds of signals (npm's `abort-controller`) are taken, too.
 *
 * @throws `TypeError`
 */
export function assertSignal(signal: AbortSignal | null | undefined): void {
  if (signal != null && !(typeof signal.aborted === 'boolean' && 'addEventListener' in signal))
    throw new TypeError('signal must be an AbortSignal');
}

/** Throws the signal's reason if it has aborted. */
export function throwIfAborted(signal: AbortSignal | null | undefined): void {
  if (signal?.aborted) throw abortReasonOf(signal);
}

type Follower = (reason: unknown) => void;

/** The followers of a signal, and the one listener that calls them. */
interface Followed {
  readonly followers: Set<Follower>;
  readonly listener: () => void;
}

/**
 * Each signal gets one listener, however many calls share it: platforms warn at eleven listeners, and slow
 * down with each.
 */
const followed: WeakMap<AbortSignal, Followed> = new WeakMap();

/**
 * Calls `follower` with the reason when the signal aborts, or at once if it already has. Returns a
 * function that stops this.
 */
function onAbort(signal: AbortSignal | null | undefined, follower: Follower): () => void {
  if (!signal) return () => {};
  if (signal.aborted) follower(abortReasonOf(signal));
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
  // The signal is not read from the event's target, since on workerd of 2023 there is none.
  const entry = {
    followers,
    listener: () => followers.forEach((follower) => follower(abortReasonOf(signal))),
  };
  followed.set(signal, entry);
  return entry;
}
