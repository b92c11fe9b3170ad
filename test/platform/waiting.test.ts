/**
 * No wait leaves anything behind: listeners on a caller's signal, timers, requests that a timer's overflow
 * would send. That a body ends the limit of its call, once nobody holds it any more, is shown where garbage
 * can be collected: test/packages/fidelity.
 */
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, test } from 'node:test';
import { type ClientOptions, createClient, type Fetch, type OAuthToken } from 'thingspace-auth';
import { olderController } from '../support/bodies.ts';
import {
  fakeClock,
  hold,
  inTime,
  recordEvents,
  rejection,
  rejectionOf,
  startServer,
  tokenAnswer,
  turns,
} from '../support/server.ts';

const HELD: OAuthToken = { accessToken: 'held-token', tokenType: 'Bearer' };
const API = 'https://api.example.com/x';

/**
 * A client whose requests are held back. Its fetch leaves no listener, as the platform's does until garbage
 * is collected.
 */
function start(options: Partial<ClientOptions> = {}, hasToken = true) {
  const gate = hold();
  const sent: string[] = [];
  const fetch: Fetch = async (input, init) => {
    sent.push(String(input));
    await untilOpen(gate.promise, init?.signal);
    return String(input).endsWith('/token')
      ? Response.json({ access_token: 'new-token', expires_in: 3600 })
      : new Response(null, { status: 204 });
  };
  const client = createClient({
    clientCredentialsAuthCredentials: {
      oauthClientId: 'invented-id',
      oauthClientSecret: 'invented-secret',
      ...(hasToken && { oauthToken: HELD }),
    },
    environment: { tokenUrl: 'https://auth.example.com/token', apiOrigins: ['https://api.example.com'] },
    fetch,
    ...options,
  });
  return { client, sent, gate };
}

/** Waits for a gate, or rejects with a signal's reason; either way it leaves no listener. */
async function untilOpen(gate: Promise<void>, signal: AbortSignal | null | undefined): Promise<void> {
  let end: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) =>
    signal?.addEventListener('abort', (end = () => reject(signal.reason))),
  );
  await Promise.race([gate, aborted]).finally(() => end && signal?.removeEventListener('abort', end));
}

function listenersOf(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length;
}

describe("a caller's signal", () => {
  const CALLS: Record<string, (started: ReturnType<typeof start>, signal: AbortSignal) => Promise<unknown>> =
    {
      getToken: ({ client }, signal) => client.getToken({ signal }),
      fetchToken: ({ client }, signal) => client.fetchToken({ signal }),
      'a call that waits for a token': ({ client }, signal) => client.authorizedFetch(API, { signal }),
      'a call with a time limit': ({ client }, signal) =>
        client
          .withToken(HELD)
          .authorizedFetch(API, { signal })
          .then((answer) => answer.text()),
    };
  for (const [name, call] of Object.entries(CALLS)) {
    test(`has one listener while ${name} is under way, however many share it, and none when the last has gone`, async () => {
      const started = start({ timeout: 60_000 }, false);
      const { signal } = new AbortController();
      const pending = Array.from({ length: 30 }, () => call(started, signal));
      await turns();
      assert.ok(started.sent.length > 0);
      assert.equal(listenersOf(signal), 1);

      started.gate.open();
      await inTime(Promise.all(pending));
      await turns();

      assert.equal(listenersOf(signal), 0);
    });

    test(`has none when ${name} has failed, and it follows anew for the next`, async () => {
      const error = new Error('invented');
      const fetch: Fetch = () => Promise.reject(error);
      const { signal } = new AbortController();
      for (let calls = 0; calls < 3; calls++) {
        await rejectionOf(call(start({ timeout: 60_000, fetch, retry: { attempts: 1 } }, false), signal));
        await turns();
        assert.equal(listenersOf(signal), 0);
      }
    });

    test(`has none when it has ended ${name}`, async () => {
      const controller = new AbortController();
      const clients = [1, 2].map(() => start({ timeout: 60_000 }, false));
      const pending = clients.map((started) => rejectionOf(call(started, controller.signal)));
      await turns();
      controller.abort('mine');

      assert.deepEqual(await inTime(Promise.all(pending)), ['mine', 'mine']);
      // Exchanges that nobody waits for go on, and would keep the process.
      for (const { gate } of clients) gate.open();
      await turns();

      assert.equal(listenersOf(controller.signal), 0);
    });
  }

  test('still ends a call when another that shared it has ended', async () => {
    const reason = new Error('invented');
    const slow = hold();
    const fetch: Fetch = async (input, init) => {
      if (input !== API) await untilOpen(slow.promise, init?.signal);
      return new Response(null, { status: 204 });
    };
    const { client } = start({ timeout: 60_000, fetch });
    const controller = new AbortController();
    const { signal } = controller;
    const pending = rejectionOf(client.authorizedFetch(`${API}/slow`, { signal }));
    await client.authorizedFetch(API, { signal });

    controller.abort(reason);

    assert.equal(await inTime(pending), reason);
  });

  test('made anew for each call, of one that lives long, keeps none: platforms keep a followed one for good', async () => {
    const started = start({ timeout: 60_000 });
    started.gate.open();
    const { signal: longLived } = new AbortController();
    for (let calls = 0; calls < 20; calls++) {
      const signal = AbortSignal.any([longLived]);
      await (await started.client.authorizedFetch(API, { signal })).text();
      await turns();
      assert.equal(listenersOf(signal), 0);
    }
  });

  test('of older make ends a wait with an AbortError', async () => {
    for (const moment of ['before', 'later']) {
      const { client } = start({}, false);
      const controller = olderController();
      if (moment === 'before') controller.abort();
      const pending = [
        client.getToken({ signal: controller.signal }),
        client.authorizedFetch(API, { signal: controller.signal }),
      ].map((wait) => rejectionOf(wait));
      await turns();
      controller.abort();

      for (const error of await inTime(Promise.all(pending)))
        assert.deepEqual([error instanceof Error, error.name], [true, 'AbortError'], moment);
    }
  });

  test('of older make, without removal by the platform, is let go of too', async () => {
    for (const options of [{ timeout: 60_000 }, {}]) {
      const started = start(options, false);
      const { signal, countListeners } = olderController();
      const pending = [
        started.client.getToken({ signal }),
        started.client.authorizedFetch(API, { signal }).then((answer) => answer.text()),
      ];
      await turns();
      assert.ok(countListeners() > 0);
      started.gate.open();
      await inTime(Promise.all(pending));
      await turns();

      assert.equal(countListeners(), 0);
    }
  });
});

describe('a call with a time limit', () => {
  for (const [name, answer] of Object.entries({
    'a 204': { status: 204 },
    'an answer to HEAD': { body: 'text' },
  })) {
    test(`keeps neither timer nor listener after ${name}, which has no body`, async (t) => {
      const clock = fakeClock(t);
      const server = await startServer(t, { api: () => answer });
      const { signal } = new AbortController();
      const { authorizedFetch } = createClient(
        server.config({ timeout: 60_000, fetch: unfollowed }, { oauthToken: HELD }),
      );

      await authorizedFetch(`${server.origin}/x`, { signal, method: name.includes('HEAD') ? 'HEAD' : 'GET' });
      await turns();

      assert.deepEqual([clock.countTimers(), listenersOf(signal)], [0, 0]);
    });
  }

  test("lets go of the caller's signal when the limit is over, though nobody has read the body", async (t) => {
    const clock = fakeClock(t);
    const { signal } = new AbortController();
    const fetch: Fetch = async () => new Response('text');
    const { client } = start({ timeout: 60_000, fetch });

    await client.authorizedFetch(API, { signal });
    assert.equal(listenersOf(signal), 1);
    clock.advance(60_000);

    assert.equal(listenersOf(signal), 0);
  });

  test('takes timers that are numbers, as browsers have them', async (t) => {
    const { setTimeout } = globalThis;
    t.after(() => void (globalThis.setTimeout = setTimeout));
    globalThis.setTimeout = ((...given: Parameters<typeof setTimeout>) =>
      Number(setTimeout(...given))) as unknown as typeof setTimeout;
    const fetch: Fetch = async () => new Response('text');

    const response = await start({ timeout: 1, fetch }).client.authorizedFetch(API);

    assert.equal(await response.text(), 'text');
  });

  test('that was replayed, redirected or refused keeps neither of any of its requests', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t, {
      api: ({ url, headers }) => {
        if (url === '/loop') return { status: 302, headers: { location: '/loop' } };
        if (url !== '/end') return { status: 307, headers: { location: '/end' } };
        return headers.authorization === 'Bearer held-token' ? rejection : { status: 204 };
      },
    });
    const { signal } = new AbortController();
    const { authorizedFetch } = createClient(
      server.config({ timeout: 60_000, fetch: unfollowed }, { oauthToken: HELD }),
    );

    assert.equal(
      await (await authorizedFetch(`${server.origin}/x`, { signal, method: 'POST', body: 'text' })).text(),
      '',
    );
    await assert.rejects(authorizedFetch(`${server.origin}/loop`, { signal }), TypeError);
    await turns();

    assert.deepEqual([clock.countTimers(), listenersOf(signal)], [0, 0]);
  });
});

describe('a token request', () => {
  test('keeps no timer when it has been answered, refused or given up', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    await createClient(server.config()).getToken();
    server.token = () => ({ status: 400, body: { error: 'invalid_client' } });
    await rejectionOf(createClient(server.config()).getToken());
    server.token = () => tokenAnswer('a');
    const provided = createClient(server.config({}, { oauthTokenProvider: () => HELD }));
    await provided.getToken();
    await turns();

    assert.equal(clock.countTimers(), 0);
  });
});

describe('every wait is cut at 2^31-1 ms', () => {
  const LONGEST_MS = 2 ** 31 - 1;

  test('of retries: one request is sent until the clock moves', async (t) => {
    const clock = fakeClock(t);
    t.mock.method(Math, 'random', () => 0.999_999);
    const server = await startServer(t, { token: () => ({ status: 503 }) });
    const { events, onEvent } = recordEvents();
    const client = createClient(
      server.config({ onEvent, retry: { attempts: 2000, baseDelay: 1e15, maxDelay: 1e15 } }),
    );
    client.getToken().catch(() => {});
    await clock.until(() => events.length);
    await turns();
    clock.advance(10_000);
    await turns();

    assert.equal(server.tokenRequests.length, 1);
    assert.ok(Math.max(...clock.delaysMs) <= LONGEST_MS, `${clock.delaysMs} ms`);
  });

  for (const timeout of [2 ** 31, 1e15, Number.MAX_VALUE]) {
    test(`of a timeout of ${timeout} ms, for calls and token requests`, async (t) => {
      const clock = fakeClock(t);
      const gate = hold();
      const server = await startServer(t, { token: async () => (await gate.promise, tokenAnswer('a')) });
      const { authorizedFetch } = createClient(server.config({ timeout }));
      const pending = authorizedFetch(`${server.origin}/x`);
      await clock.until(() => server.tokenRequests.length);
      clock.advance(10_000);
      gate.open();
      await (await pending).text();

      assert.ok(Math.max(...clock.delaysMs) <= LONGEST_MS, `${clock.delaysMs} ms`);
    });
  }
});

/**
 * The platform's fetch, but it hears of an abort only while it runs, so that all listeners left are the
 * client's.
 */
const unfollowed: Fetch = (input, init) => fetch(input, { ...init, signal: null });
