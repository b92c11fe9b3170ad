// A finished call leaves nothing behind once nobody holds its answer any more. Needs --expose-gc.
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { createClient } from 'thingspace-auth';

const { gc } = globalThis;
const CALLS = 300;

const ENDS = {
  'has been read': (answer) => answer.text(),
  'has been cancelled': (answer) => answer.body.cancel(),
  'was dropped unread': () => {},
};
for (const [name, end] of Object.entries(ENDS)) {
  test(`a timed call whose body ${name} keeps neither timer nor listener until its limit`, async (t) => {
    const timers = watchTimers(t);
    const controller = new AbortController();
    const { authorizedFetch } = clientWith({ timeout: 3_600_000 });

    for (let calls = 0; calls < CALLS; calls++) {
      await end(await authorizedFetch('https://api.example.com/x', { signal: controller.signal }));
    }

    await collectedUntil(() => timers.size === 0);
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
  });
}

test('signals made anew for each call, of one that lives long, leave nothing', async () => {
  const { signal: longLived } = new AbortController();
  const { authorizedFetch } = clientWith({ timeout: 3_600_000 });
  const call = async () =>
    (await authorizedFetch('https://api.example.com/x', { signal: AbortSignal.any([longLived]) })).text();
  const heapOf = async (calls) => {
    for (let count = 0; count < calls; count++) await call();
    for (let rounds = 0; rounds < 5; rounds++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      gc();
    }
    return process.memoryUsage().heapUsed;
  };

  await heapOf(1_000);
  const before = await heapOf(1_000);
  const perCall = ((await heapOf(4_000)) - before) / 4_000;

  assert.ok(perCall <= 500, `${Math.round(perCall)} bytes a call`);
});

test('an answer that is held keeps its limit, which ends the reading of its body', async () => {
  const { authorizedFetch } = clientWith({
    timeout: 200,
    fetch: async (_, { signal }) => new Response(stalled(signal)),
  });

  const answer = await authorizedFetch('https://api.example.com/x');
  for (let rounds = 0; rounds < 5; rounds++) gc();

  // The limit alone keeps no process alive.
  const alive = setInterval(() => {}, 50);
  await assert.rejects(answer.text(), { code: 'timeout' });
  clearInterval(alive);
});

function clientWith(options) {
  return createClient({
    clientCredentialsAuthCredentials: {
      oauthClientId: 'invented-id',
      oauthToken: { accessToken: 'held-token', tokenType: 'Bearer' },
    },
    environment: { tokenUrl: 'https://auth.example.com/token', apiOrigins: ['https://api.example.com'] },
    fetch: async () => new Response('answer'),
    ...options,
  });
}

function stalled(signal) {
  return new ReadableStream({
    start: (controller) => signal.addEventListener('abort', () => controller.error(signal.reason)),
  });
}

/** The timers of an hour or more that are still to fire. */
function watchTimers(t) {
  const timers = new Set();
  const { setTimeout, clearTimeout } = globalThis;
  globalThis.setTimeout = (callback, delayMs, ...more) => {
    const timer = setTimeout(callback, delayMs, ...more);
    if (delayMs >= 3_600_000) timers.add(timer);
    return timer;
  };
  globalThis.clearTimeout = (timer) => {
    timers.delete(timer);
    clearTimeout(timer);
  };
  t.after(() => Object.assign(globalThis, { setTimeout, clearTimeout }));
  return timers;
}

/** Collects garbage until that holds; finalizers run some turns later. */
async function collectedUntil(isDone) {
  for (let rounds = 0; rounds < 100 && !isDone(); rounds++) {
    gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(isDone(), `in vain: ${isDone}`);
}
