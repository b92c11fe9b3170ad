// A fleet on a fake clock. Each of its processes has a client, a session and a call a minute. All share a
// store that takes 5 ms for an operation. Tokens live an hour, and token endpoint, login and API take 200 ms.
import { createClient } from 'thingspace-auth';
import { createSession } from 'thingspace-auth/session';
import { storedToken } from 'thingspace-auth/stores';
import { childArguments, print, round, seeded } from './children.mjs';

const STORE_MS = 5;
const SERVER_MS = 200;
const ORIGIN = 'https://thingspace.example';
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const [size] = childArguments();

Math.random = seeded(1);
const clock = fakeClock(Date.UTC(2030, 0, 1));
deriveAtOnce();
const counts = { tokenRequests: 0, logins: 0, failed: 0, token: 0, session: 0 };
const values = new Map();
let issued = 0;
const processes = Array.from({ length: size }, startProcess);

const cold = await during(() => processes.map((call) => clock.at(clock.now(), call)), MINUTE_MS - 1);
const hour = await during(() => processes.flatMap(callEachMinute), HOUR_MS);
print({ cold, hour });
process.exit();

/** What is asked for meanwhile; operations of the store are those of one process on average. */
async function during(begin, lengthMs) {
  for (const name of Object.keys(counts)) counts[name] = 0;
  begin();
  await clock.advance(lengthMs);
  const { tokenRequests, logins, failed, token, session } = counts;
  const [tokenOperations, sessionOperations] = [token, session].map((count) => round(count / size, 1));
  return { tokenRequests, logins, failed, tokenOperations, sessionOperations };
}

function startProcess() {
  const store = openStore();
  const { authorizedFetch } = createClient({
    clientCredentialsAuthCredentials: {
      oauthClientId: 'invented-id',
      oauthClientSecret: 'invented-secret',
      oauthTokenProvider: storedToken(store),
    },
    environment: { tokenUrl: `${ORIGIN}/token`, apiOrigins: [ORIGIN] },
    vZM2mToken: createSession({ username: 'invented-name', password: 'invented-password', store }),
    fetch: answer,
  });
  return async () => {
    const isGood = await authorizedFetch(`${ORIGIN}/api`).then(
      ({ status }) => status === 200,
      () => false,
    );
    if (!isGood) counts.failed++;
  };
}

/** The processes make their calls one after the other, spread over the minute. */
function callEachMinute(call, index) {
  const offsetMs = Math.floor((index * MINUTE_MS) / size);
  return Array.from({ length: 60 }, (_, minute) =>
    clock.at(clock.now() + minute * MINUTE_MS + offsetMs, call),
  );
}

async function answer(url) {
  await clock.wait(SERVER_MS);
  const { pathname } = new URL(url);
  if (pathname === '/token') {
    counts.tokenRequests++;
    return json({ access_token: `token-${issued++}`, token_type: 'Bearer', expires_in: 3600 });
  }
  if (!pathname.endsWith('/login')) return json({});
  counts.logins++;
  return json({ sessionToken: `session-${issued++}` });
}

function json(body) {
  return new Response(JSON.stringify(body), { headers: { 'content-type': 'application/json' } });
}

function openStore() {
  const write = (key, value) => (value === undefined ? values.delete(key) : values.set(key, value));
  const operation =
    (act) =>
    async (key, ...rest) => {
      counts[key.includes('session') ? 'session' : 'token']++;
      // To the store, and back again.
      await clock.wait(STORE_MS / 2);
      const result = act(key, ...rest);
      await clock.wait(STORE_MS / 2);
      return result;
    };
  return {
    get: operation((key) => values.get(key)),
    set: operation(write),
    delete: operation((key) => write(key, undefined)),
    compareAndSet: operation((key, expected, value) => {
      if (values.get(key) !== expected) return false;
      write(key, value);
      return true;
    }),
  };
}

/** All have one account, whose key takes 100,000 iterations. It is worked out elsewhere, in real time. */
function deriveAtOnce() {
  crypto.subtle.importKey = async () => ({});
  crypto.subtle.deriveBits = async () => new ArrayBuffer(32);
}

/** Timers by the millisecond at which they fire, which are taken in their order. */
function fakeClock(startMs) {
  const due = new Map();
  const turn = globalThis.setImmediate;
  let nowMs = startMs;
  Date.now = () => nowMs;
  const at = (atMs, act) => {
    const timer = { atMs: Math.max(Math.ceil(atMs), nowMs), act, ref: () => timer, unref: () => timer };
    const others = due.get(timer.atMs);
    if (others) others.add(timer);
    else due.set(timer.atMs, new Set([timer]));
    return timer;
  };
  globalThis.setTimeout = (act, delayMs = 0, ...args) => at(nowMs + Math.max(delayMs, 1), () => act(...args));
  globalThis.clearTimeout = (timer) => void due.get(timer?.atMs)?.delete(timer);
  return {
    now: () => nowMs,
    at,
    wait: (ms) => new Promise((resolve) => at(nowMs + ms, resolve)),
    async advance(ms) {
      const endMs = nowMs + ms;
      for (; nowMs <= endMs; nowMs++) {
        // Promises are settled before the next millisecond, and may ask for something in this one.
        for (let timers = due.get(nowMs); timers; timers = due.get(nowMs)) {
          due.delete(nowMs);
          for (const { act } of timers) act();
          await new Promise((resolve) => turn(resolve));
        }
      }
    },
  };
}
