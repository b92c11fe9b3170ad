// Virtual time: a queue of timers that moves only when told to, and a wall clock that can be set wrong.
// The wall clock is what `Date.now` says; timers run on the steady time below it, as they do on a real
// machine.

const realSetImmediate = setImmediate;

/** Lets every continuation run that is ready. */
export function drain() {
  return new Promise((resolve) => realSetImmediate(resolve));
}

/**
 * A clock whose wall time starts at `startMs`. `afterStep` is called after each timer and its continuations.
 */
export function createClock(startMs, afterStep) {
  const timers = [];
  const clock = {
    nowMs: 0,
    offsetMs: startMs,
    /** Whose work is being done: what is started now belongs to the same request. */
    context: undefined,
    wallMs: () => clock.nowMs + clock.offsetMs,
    /** What the servers' clock says, which is never wrong. */
    trueMs: () => clock.nowMs + startMs,
    jump: (byMs) => void (clock.offsetMs += byMs),
    setOff: (byMs) => void (clock.offsetMs = startMs + byMs),
    setTimeout: (callback, delayMs, context = clock.context) => {
      const timer = {
        callback,
        dueMs: clock.nowMs + Math.max(1, Math.ceil(delayMs || 0)),
        context,
        isRef: true,
        unref: () => ((timer.isRef = false), timer),
      };
      let at = timers.length;
      while (at > 0 && timers[at - 1].dueMs > timer.dueMs) at--;
      timers.splice(at, 0, timer);
      return timer;
    },
    clearTimeout: (timer) => {
      const at = timers.indexOf(timer);
      if (at >= 0) timers.splice(at, 1);
    },
    pass: async (ms) => {
      const endMs = clock.nowMs + ms;
      while (timers.length && timers[0].dueMs <= endMs) {
        const timer = timers.shift();
        clock.nowMs = timer.dueMs;
        await clock.step(timer.callback, timer.context);
      }
      clock.nowMs = endMs;
    },
    /** Does something on behalf of a request, and all that follows from it at once. */
    step: async (work, context) => {
      clock.context = context;
      work();
      await drain();
      clock.context = undefined;
      afterStep();
    },
    /** The runtime throws a request away: its timers never fire. */
    forget: (context) => {
      for (let at = timers.length; at-- > 0; ) if (timers[at].context === context) timers.splice(at, 1);
    },
    countTimers: () => timers.filter(({ isRef }) => isRef).length,
  };
  return clock;
}

let current;

/** Makes the process see this clock's time, and random numbers from this seed. */
export function install(clock, seed) {
  current = clock;
  let state = seed | 0;
  // mulberry32
  Math.random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  Date.now = () => current.wallMs();
  globalThis.setTimeout = (callback, delayMs) => current.setTimeout(callback, delayMs);
  globalThis.clearTimeout = (timer) => current.clearTimeout(timer);
}
