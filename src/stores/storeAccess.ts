/**
 * Asks a store for `storedToken`: each operation has 2 s, and a failure is an event and never an error. A
 * store that fails is left alone for a while, and one that hangs until it answers.
 * @module
 */
import type { Report, StoreOperation } from '../core/events.ts';
import { isLately } from '../core/lately.ts';
import { isRequestBound } from '../platform/runtimes.ts';
import { waitFor } from '../platform/waiting.ts';
import { storeFailureReason } from './storeFailure.ts';
import type { TokenStore } from './tokenStore.ts';

/** A store's last failure, and for how long the store is then left alone, for all clients that share it. */
export interface StoreHealth {
  failedAtMs?: number;
  delayMs: number;
}

/** The answer of a store; nothing is always `null`. */
type OperationResult<Operation extends StoreOperation> = Exclude<
  Awaited<ReturnType<Required<TokenStore>[Operation]>>,
  undefined
> | null;

/** One call's way to the store. */
export interface StoreAccess {
  /** Asks the store. `undefined`: it failed, which has been told as an event, or it is left alone. */
  readonly ask: <Operation extends StoreOperation>(
    operation: Operation,
    ...args: Parameters<Required<TokenStore>[Operation]>
  ) => Promise<OperationResult<Operation> | undefined>;
  /** Counts and tells a failure that only the reader of a value can see. */
  readonly fail: (operation: StoreOperation, reason: string) => void;
}

const OPERATION_LIMIT_MS = 2_000;

export function openStore(store: TokenStore, health: StoreHealth, report: Report): StoreAccess {
  // A store that hangs is not asked again in this call.
  let isOff = isResting(health);
  const fail = (operation: StoreOperation, reason: string) => {
    if (!isResting(health)) {
      health.failedAtMs = Date.now();
      health.delayMs = Math.min(health.delayMs * 2 || 1_000, 30_000);
    }
    report({ type: 'store_failed', operation, reason });
  };
  const ask = async (operation: StoreOperation, ...args: unknown[]) => {
    isOff ||= isHanging(store);
    if (isOff) return undefined;
    // A store may also throw at once.
    const act = async () => (await (store[operation] as AnyOperation)(...args)) ?? null;
    try {
      const pending = act();
      const answer = await waitFor(pending, undefined, OPERATION_LIMIT_MS);
      if (answer === undefined) {
        isOff = true;
        noteHanging(store, pending);
        fail(operation, 'timeout');
      } else health.delayMs = 0;
      return answer;
    } catch (error) {
      fail(operation, storeFailureReason(error));
      return undefined;
    }
  };
  // The compiler cannot follow that each operation gives its own answer.
  return { ask: ask as StoreAccess['ask'], fail };
}

type AnyOperation = (...args: readonly unknown[]) => unknown;

/** Whether the store is left alone now. A failure in the future does not count: the clock was set back. */
function isResting({ failedAtMs, delayMs }: StoreHealth): boolean {
  return isLately(failedAtMs, delayMs);
}

/** How many operations on a store have outlived their time, for whichever client, and have not come back. */
const hanging: WeakMap<object, number> = new WeakMap();

/**
 * Whether an operation on the store has outlived its time and has not come back. Another one would only wait
 * behind it; of a file share that stalls, each keeps one of Node's four threads. A session asks on: an answer
 * that is lost for good would stop its logins for ever.
 */
function isHanging(store: object): boolean {
  return Boolean(hanging.get(store));
}

/** Counts an operation that has outlived its time, until it comes back. */
function noteHanging(store: object, pending: Promise<unknown>): void {
  // What one request has begun may never come back to another.
  if (isRequestBound()) return;
  const count = (change: 1 | -1) => hanging.set(store, (hanging.get(store) ?? 0) + change);
  count(1);
  const comeBack = () => count(-1);
  pending.then(comeBack, comeBack);
}
