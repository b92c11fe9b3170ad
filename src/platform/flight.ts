/**
 * Work that many callers share: the first one begins it, the others join it. On workerd and edge runtimes,
 * work that another request has begun may never settle, or reject with an error of the runtime. It then
 * counts as lost, and somebody else begins it anew.
 *
 * To use it, keep the flight in a record of yours, as its `flight`. Then, for each caller, in a loop:
 * return what is wanted if it is there; else take the flight that is there, or begin one with {@link
 * startFlight}; then wait with {@link waitForFlight}. If the answer is `undefined`, go round again.
 * @module
 */
import { callHook } from '../core/events.ts';
import { isLately } from '../core/lately.ts';
import { isRequestBound } from './runtimes.ts';
import { waitFor } from './waiting.ts';

/** Work under way. */
export interface Flight<T> {
  /** Always fulfils, also with a failure. So a rejection can only come from the runtime. */
  readonly outcome: Promise<T>;
  /** When it gave its last sign of life: at its beginning, or later if it gives further ones. */
  aliveAtMs: number;
}

/** A record that holds the flight while it is under way. */
export interface FlightSlot<F> {
  flight?: F | undefined;
}

/** A flight without a sign of life for this long is lost, where its request may have ended. */
const LOST_AFTER_MS = 5_000;

/**
 * Puts a flight into its slot, where others find it from now on, until it ends. Call it before code of the
 * caller's runs, which may come back and ask for the same.
 */
export function startFlight<F extends Flight<unknown>>(
  slot: FlightSlot<F>,
  flight: F,
  { waitUntil }: { readonly waitUntil?: ((promise: Promise<unknown>) => unknown) | undefined },
): F {
  const leave = () => leaveSlot(slot, flight);
  slot.flight = flight;
  // The first to hear of the end, so that whoever has waited for it finds an empty slot.
  void flight.outcome.then(leave, leave);
  void callHook(waitUntil, flight.outcome);
  return flight;
}

/**
 * Waits for a flight. `undefined`: it is lost, or slow; look again. `isJoined`: another caller has begun it.
 * Rejects only with the signal's reason.
 */
export async function waitForFlight<T, F extends Flight<T>>(
  slot: FlightSlot<F>,
  flight: F & Flight<T>,
  { signal, isJoined }: { readonly signal: AbortSignal | null | undefined; readonly isJoined: boolean },
): Promise<T | undefined> {
  const outcome = flight.outcome.catch(() => leaveSlot(slot, flight));
  const leftMs = Math.min(flight.aliveAtMs - Date.now(), 0) + LOST_AFTER_MS;
  const settled = await waitFor(outcome, signal, isJoined && isRequestBound() ? leftMs : undefined);
  if (!settled && !isLately(flight.aliveAtMs, LOST_AFTER_MS)) leaveSlot(slot, flight);
  return settled;
}

function leaveSlot<F>(slot: FlightSlot<F>, flight: F): undefined {
  if (slot.flight === flight) slot.flight = undefined;
}
