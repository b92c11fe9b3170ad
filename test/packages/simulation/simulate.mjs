// Plays one schedule against the package's public entry and returns what occurred; throws on the first
// violation.

import { ApiError, createClient } from 'thingspace-auth';
import { createClock, drain, install } from './clock.mjs';
import { createOracle } from './oracle.mjs';
import { createProofs } from './proofs.mjs';
import { CLOCK_ERROR_MS } from './schedules.mjs';
import { API_URL, createServer, TOKEN_URL } from './server.mjs';

/** A fixed start: nothing depends on the day the simulation is run. */
const START_MS = 1_800_000_000_000;
const LONGEST_GUARD_MS = 301_000;

// Thousands of errors are made and looked at by their class only.
Error.stackTraceLimit = 0;

let running;
process.on('unhandledRejection', (error) => {
  if (!running) throw error;
  running.violate('noUnhandledRejection', String(error?.stack));
});
process.on('warning', (warning) => running?.violate('noListenerWarning', warning.message));

/** Resolves with the labels of what occurred, rejects with the invariants that did not hold. */
export async function simulate({ config, events }) {
  const occurred = new Set();
  let isFinishing = false;
  const note = (label) => isFinishing || occurred.add(label);
  const clock = createClock(START_MS, () => oracle.afterStep());
  const oracle = createOracle(config, clock, (error) => error instanceof ApiError);
  install(clock, config.seed);
  if (config.isEdge) globalThis.EdgeRuntime = 'edge-runtime';
  running = oracle;
  try {
    const server = createServer(config, clock, oracle, note);
    const client = createClient(configFor(config, clock, server, oracle));
    const world = { config, clock, oracle, server, client, note, shared: new AbortController() };
    for (const event of events) await EVENTS[event.do](world, event);
    isFinishing = true;
    await finish(world);
    return occurred;
  } finally {
    running = undefined;
    delete globalThis.EdgeRuntime;
  }
}

function configFor(config, clock, server, oracle) {
  const { hooks, stored, waitUntil, timeout, attempts, oauthClockSkew } = config;
  const fail = HOOKS[hooks];
  const oauthToken = stored === 'none' ? undefined : server.stored(stored);
  if (oauthToken) oracle.holdStored(oauthToken);
  return {
    clientCredentialsAuthCredentials: {
      oauthClientId: 'invented-id',
      oauthClientSecret: 'invented-secret',
      oauthClockSkew,
      ...(oauthToken && { oauthToken }),
      ...(config.hasProvider && { oauthTokenProvider: server.provider }),
      oauthOnTokenUpdate: (token) => {
        oracle.tokenUpdated(token);
        return fail();
      },
    },
    environment: { tokenUrl: TOKEN_URL, apiOrigins: [new URL(API_URL).origin] },
    timeout,
    retry: { attempts },
    fetch: server.fetch,
    ...(config.isBound && { dpop: createProofs(clock) }),
    ...(waitUntil !== 'none' && { waitUntil: () => WAIT_UNTIL[waitUntil]() }),
    onEvent: (event) => {
      oracle.event(event);
      return fail();
    },
  };
}

const HOOKS = {
  quiet: () => {},
  throw: () => {
    throw new Error('the hook throws');
  },
  reject: () => Promise.reject(new Error('the hook rejects')),
};
const WAIT_UNTIL = { keeps: HOOKS.quiet, throws: HOOKS.throw, rejects: HOOKS.reject };

const EVENTS = {
  pass: ({ clock }, { ms }) => clock.pass(ms),
  call,
  abort,
  jump: async ({ clock, oracle, note }, { ms }) => {
    note(`clock ${ms > 0 ? 'forwards' : 'backwards'}`);
    oracle.afterStep();
    clock.jump(ms);
    oracle.afterStep();
  },
  clockOff: async ({ clock, oracle, note }, { ms }) => {
    const beforeMs = clock.wallMs();
    oracle.afterStep();
    clock.setOff(ms);
    oracle.afterStep();
    if (clock.wallMs() !== beforeMs) note(`clock ${clock.wallMs() > beforeMs ? 'forwards' : 'backwards'}`);
  },
  nonce: async ({ server }, { at, mood }) => server.judges[at].demand(mood),
  proofs: async ({ server }, { at, isRefusing }) => void (server.judges[at].isRefusing = isRefusing),
  mood: async ({ server }, { mood }) => void (server.mood = mood),
  lifetime: async ({ server }, { seconds }) => void (server.lifetime = seconds),
  api: async ({ server }, { mood }) => void (server.apiMood = mood),
  provider: async ({ server }, { answer }) => void (server.providerAnswer = answer),
  revoke: async ({ server, note }) => {
    note('revoked');
    server.revoke();
  },
};

/** Some callers at the same moment; on an edge runtime each belongs to a request of its own. */
async function call(world, { op, body = 'none', signal, count, lostAfterMs }) {
  const { clock, oracle } = world;
  const called = [];
  for (let made = 0; made < count; made++) {
    const context = {};
    await clock.step(() => called.push(callOnce(world, op, body, signal, context)), context);
  }
  oracle.callersCalled(called);
  if (lostAfterMs !== undefined) lose(world, called[0], lostAfterMs);
  oracle.afterStep();
}

function callOnce(world, op, body, signal, context) {
  const { client, oracle, note, shared } = world;
  const controller = { own: () => new AbortController(), shared: () => shared, none: () => undefined }[
    signal
  ]();
  const caller = oracle.callerBegun({
    op,
    body,
    context,
    controller,
    signal: controller?.signal,
    wasAborted: controller?.signal.aborted,
  });
  note(`call ${op}${op === 'authorizedFetch' ? ` ${body}` : ''}`);
  const options = { signal: caller.signal };
  const promise =
    op === 'authorizedFetch' ? client.authorizedFetch(...requestFor(caller, options)) : client[op](options);
  promise.then(
    (value) => oracle.callerFulfilled(caller, value),
    (error) => oracle.callerRejected(caller, error),
  );
  return caller;
}

/** Nobody reads it here; that it is a stream is what counts. */
const STREAM = new ReadableStream();

function requestFor({ id, body }, options) {
  const url = `${API_URL}${id}`;
  const post = { ...options, method: 'POST' };
  switch (body) {
    case 'string':
      return [url, { ...post, body: 'text' }];
    case 'stream':
      return [url, { ...post, body: STREAM, duplex: 'half' }];
    case 'request':
      return [new Request(url, { method: 'POST', body: 'text' }), options];
    default:
      return [url, options];
  }
}

/**
 * An edge runtime cuts a request off while the renewal that it began is under way; `waitUntil` would keep it.
 */
function lose({ config, clock, oracle, note }, { context }, afterMs) {
  const renewal = oracle.renewalOf(context);
  if (!config.isEdge || config.waitUntil !== 'none' || !renewal) return;
  const cutOff = () => {
    if (!oracle.isUnderWay(renewal)) return;
    note('beginner lost');
    clock.forget(context);
    oracle.requestLost(context);
  };
  if (afterMs === 0) cutOff();
  else clock.setTimeout(cutOff, afterMs).unref();
}

async function abort(world, { whose, reason }) {
  const { clock, oracle, note, shared } = world;
  const pending = oracle.callers.filter(({ isSettled, controller }) => !isSettled && controller);
  const chosen = { oldest: pending[0]?.controller, newest: pending.at(-1)?.controller, shared }[whose];
  if (!chosen) return;
  const aborted = pending.filter(({ controller }) => controller === chosen);
  if (aborted.length) note('abort');
  clock.isAborting = true;
  await clock.step(() => (reason === 'object' ? chosen.abort({ reason: 'of this caller' }) : chosen.abort()));
  clock.isAborting = false;
  oracle.callersAborted(aborted);
  oracle.afterStep();
  // Otherwise the next calls are given a signal that has aborted already.
  if (chosen === shared && reason === 'object') world.shared = new AbortController();
}

/** Everybody is answered in the end, and once all is well again the next call succeeds. */
async function finish(world) {
  const { config, clock, oracle, server } = world;
  await clock.pass(oracle.longestWaitMs());
  oracle.atEnd();
  oracle.afterStep();
  Object.assign(server, {
    mood: 'ok',
    apiMood: 'ok',
    providerAnswer: 'exchange',
    identity: 'fresh',
    lifetime: 3600,
  });
  if (config.isBound) await trustProofs(world);
  await clock.pass(LONGEST_GUARD_MS);
  await clock.step(() => {
    const caller = callOnce(world, 'authorizedFetch', 'string', 'none', {});
    world.last = caller;
  });
  await clock.pass(10_000);
  if (world.last.status !== 200)
    oracle.violate('recovers', `status ${world.last.status} after everything is well again`);
  oracle.afterStep();
  await drain();
}

/** The next proof is fine but for its nonce, which is a new one everywhere. */
async function trustProofs(world) {
  const { clock, server } = world;
  await EVENTS.clockOff(world, { ms: 0 });
  // One that was set back comes once more to the moments in which the guard held.
  await clock.pass(2 * CLOCK_ERROR_MS);
  for (const judge of Object.values(server.judges)) {
    judge.isRefusing = false;
    judge.demand('rotate');
  }
}
