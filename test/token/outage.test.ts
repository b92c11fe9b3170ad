import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import {
  ApiError,
  type ClientEvent,
  type ClientOptions,
  createClient,
  type OAuthToken,
} from 'thingspace-auth';
import {
  type Answer,
  type Clock,
  fakeClock,
  type Handler,
  hold,
  recordEvents,
  rejectionOf,
  START_MS,
  startServer,
  type TestServer,
  tokenAnswer,
  turn,
  turns,
} from '../support/server.ts';

type Failing = 'cut' | Answer;

describe('a failing token request', () => {
  const PASSING: Failing[] = [
    'cut',
    ...[408, 429, 500, 502, 503, 504].map((status) => ({ status })),
    { status: 502, headers: { 'content-type': 'text/html' }, body: '<html>' },
    { status: 429, body: { fault: { code: '900800' } } },
    { status: 429, body: { error: 'rate_limited' } },
    // Cut off on the way, or of a proxy that had nothing better.
    ...['{"access_token":"a","expi', '', 'hello', '{', 'null,'].map((body) => ({ body })),
    { headers: { 'content-type': 'text/html' }, body: '<html>' },
    { status: 204 },
    { status: 201, body: 'created' },
  ];
  for (const answer of PASSING) {
    test(`is repeated twice on ${JSON.stringify(answer)}`, async (t) => {
      const { server, client, events } = await startFailing(t, answer);
      await assert.rejects(client.fetchToken(), ApiError);
      assert.equal(server.tokenRequests.length, 3);
      assert.deepEqual(
        events.map(({ type }) => type),
        ['retry_waiting', 'retry_waiting', 'token_failed'],
      );
      assert.deepEqual(
        events.map((event) => 'attempt' in event && event.attempt),
        [1, 2, false],
      );
      assert.ok(new Set(server.tokenRequests.map(({ body }) => body)).size === 1);
    });
  }

  const FINAL: Answer[] = [
    { status: 400, body: { error: 'invalid_scope' } },
    { status: 401, body: { error: 'invalid_client' } },
    { status: 403, body: { error: 'access_denied' } },
    { status: 401, body: { fault: { code: '900902' } } },
    { body: { error: 'invalid_client' } },
    { body: {} },
    ...['null', '5', '[]', '"text"', '{"token":"a"}', 'access_tokens=a'].map((body) => ({ body })),
    ...[301, 400, 401, 403, 404, 405, 409, 413, 418, 501].map((status) => ({ status })),
    { status: 404, headers: { 'content-type': 'text/html' }, body: '<html>' },
    { body: ' '.repeat(70_000) },
  ];
  for (const answer of FINAL) {
    test(`is not repeated on ${JSON.stringify(answer).slice(0, 80)}`, async (t) => {
      const { server, client, events } = await startFailing(t, answer);
      await assert.rejects(client.fetchToken(), ApiError);
      assert.equal(server.tokenRequests.length, 1);
      assert.deepEqual(
        events.map(({ type }) => type),
        ['token_failed'],
      );
    });
  }

  test('is repeated when a 2xx answer breaks off, and the next call is served at once', async (t) => {
    const { server, client } = await startFailing(t, (_, response) => {
      if (server.tokenRequests.length > 1) return tokenAnswer('a');
      response.writeHead(200, { 'content-length': 100 });
      response.write('{"access_token":', () => response.socket?.destroy());
    });
    assert.equal((await client.getToken()).accessToken, 'a');
    assert.equal(server.tokenRequests.length, 2);
  });

  test('is not repeated on a time-out', async (t) => {
    const { clock, server, client } = await startFailing(t, () => {}, { timeout: 5_000 });
    const failure = rejectionOf(client.fetchToken());
    await clock.until(() => server.tokenRequests.length === 1);
    clock.advance(5_000);
    assert.equal((await failure).code, 'timeout');
    await turn();
    assert.equal(server.tokenRequests.length, 1);
  });

  test('is repeated until one succeeds', async (t) => {
    const { server, client, events } = await startFailing(t, () =>
      server.tokenRequests.length < 3 ? { status: 503 } : tokenAnswer('a'),
    );
    assert.equal((await client.getToken()).accessToken, 'a');
    assert.equal(server.tokenRequests.length, 3);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['retry_waiting', 'retry_waiting', 'token_obtained'],
    );
  });

  test('is followed by no other where attempts is 1', async (t) => {
    const { server, client } = await startFailing(t, { status: 503 }, { retry: { attempts: 1 } });
    await assert.rejects(client.fetchToken());
    assert.equal(server.tokenRequests.length, 1);
  });
});

describe('the wait between two tries', () => {
  const delaysOf = (events: readonly ClientEvent[]) =>
    events.flatMap((event) => (event.type === 'retry_waiting' ? [event.delayMs] : []));

  for (const [random, delays] of [
    [0, [0, 0, 0, 0]],
    [0.5, [50, 100, 150, 150]],
    [0.999_999, [100, 200, 300, 300]],
  ] as const) {
    test(`is the part ${random} of a delay that doubles up to maxDelay`, async (t) => {
      const { client, events } = await startFailing(
        t,
        { status: 503 },
        { retry: { attempts: 5, baseDelay: 100, maxDelay: 300 } },
      );
      t.mock.method(Math, 'random', () => random);
      await assert.rejects(client.fetchToken());
      assert.deepEqual(delaysOf(events), delays);
    });
  }

  test('begins at up to 500 ms by default', async (t) => {
    const { client, events } = await startFailing(t, { status: 503 });
    t.mock.method(Math, 'random', () => 0.5);
    await assert.rejects(client.fetchToken());
    assert.deepEqual(delaysOf(events), [250, 500]);
  });

  const date = (ms: number) => new Date(START_MS + ms).toUTCString();
  const ASKED: [headers: Record<string, string>, allowed: number[]][] = [
    [{ 'retry-after': '2' }, [2000]],
    [{ 'retry-after': '0' }, [0]],
    [{ 'retry-after': date(3000) }, [3000]],
    [{ 'x-retry-after': '4' }, [4000]],
    [{ 'retry-after': '5' }, [5000]],
    // What asks for nothing sensible leaves the jitter in force, or no wait.
    [{ 'retry-after': date(-60_000) }, [0, 250]],
    [{ 'retry-after': 'soon' }, [250]],
    [{ 'retry-after': '' }, [250]],
    [{ 'retry-after': '-5' }, [0, 250]],
    [{ 'retry-after': '1e3' }, [250]],
    [{}, [250]],
  ];
  for (const [headers, allowed] of ASKED) {
    test(`is ${allowed.join(' or ')} ms for ${JSON.stringify(headers)}`, async (t) => {
      const answer = { status: 503, headers };
      const { server, client, events } = await startFailing(t, () =>
        server.tokenRequests.length < 2 ? answer : tokenAnswer('a'),
      );
      t.mock.method(Math, 'random', () => 0.5);
      await client.fetchToken();
      const [delay = -1] = delaysOf(events);
      assert.ok(allowed.includes(delay), `it was ${delay}`);
    });
  }

  test('really lasts that long', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t, {
      token: () =>
        server.tokenRequests.length < 2 ? { status: 503, headers: { 'retry-after': '3' } } : tokenAnswer('a'),
    });
    const { events, onEvent } = recordEvents();
    const fetching = createClient(server.config({ onEvent })).fetchToken();
    await clock.until(() => events.length);
    await turn();
    clock.advance(2_999);
    await turns();
    assert.equal(server.tokenRequests.length, 1);
    clock.advance(1);
    await fetching;
    assert.equal(server.tokenRequests.length, 2);
  });

  const TOO_LONG: [retryAfter: string, guardMs: number, retry?: ClientOptions['retry']][] = [
    ['6', 6_000],
    ['60', 60_000],
    [date(120_000), 120_000],
    ['100000', 300_000],
    [date(86_400_000), 300_000],
    ['2', 2_000, { maxDelay: 1_000 }],
  ];
  for (const [retryAfter, guardMs, retry] of TOO_LONG) {
    test(`is none for a Retry-After of ${retryAfter}: the exchange fails at once, and the guard holds ${guardMs / 1000} s`, async (t) => {
      const { clock, server, client } = await startFailing(
        t,
        { status: 503, headers: { 'retry-after': retryAfter } },
        { retry },
      );
      const error = await rejectionOf(client.getToken());
      assert.equal(server.tokenRequests.length, 1);
      clock.advance(guardMs - 1);
      assert.equal(await rejectionOf(client.getToken()), error);
      assert.equal(server.tokenRequests.length, 1);
      clock.advance(1);
      assert.notEqual(await rejectionOf(client.getToken()), error);
      assert.ok(server.tokenRequests.length > 1);
    });
  }
});

describe('the outage guard', () => {
  test('doubles its own delay, and not what a server has asked for', async (t) => {
    const { clock, server, client } = await startFailing(
      t,
      () => ({ status: 503, headers: server.tokenRequests.length < 2 ? { 'retry-after': '15' } : {} }),
      { retry: { attempts: 1 } },
    );
    for (const [index, seconds] of [15, 2, 4].entries()) {
      await rejectionOf(client.getToken());
      assert.equal(server.tokenRequests.length, index + 1);
      clock.advance(seconds * 1000);
    }
    await rejectionOf(client.getToken());
    assert.equal(server.tokenRequests.length, 4);
  });

  test('doubles from 1 s to 30 s; in between callers get the last error at once', async (t) => {
    const { clock, server, client } = await startFailing(t, { status: 503 }, { retry: { attempts: 1 } });
    let error = await rejectionOf(client.getToken());
    let expected = 1;
    for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
      clock.advance(seconds * 1000 - 1);
      assert.equal(await rejectionOf(client.getToken()), error);
      assert.equal(await rejectionOf(client.authorizedFetch(`${server.origin}/x`)), error);
      assert.equal(server.tokenRequests.length, expected, `before ${seconds} s were over`);
      clock.advance(1);
      const next = await rejectionOf(client.getToken());
      assert.notEqual(next, error);
      assert.equal(server.tokenRequests.length, ++expected, `after ${seconds} s`);
      error = next;
    }
    assert.equal(server.apiRequests.length, 0);
  });

  for (const [label, answer] of Object.entries({
    'a refusal': { status: 401, body: { error: 'invalid_client' } },
    'an empty 403': { status: 403 },
    'a gateway fault': { status: 404, body: { fault: { code: '404' } } },
  })) {
    test(`holds after ${label}`, async (t) => {
      const { clock, server, client } = await startFailing(t, answer);
      const error = await rejectionOf(client.getToken());
      clock.advance(999);
      assert.equal(await rejectionOf(client.getToken()), error);
      assert.equal(server.tokenRequests.length, 1);
      clock.advance(1);
      await rejectionOf(client.getToken());
      assert.equal(server.tokenRequests.length, 2);
    });
  }

  test('never holds fetchToken back', async (t) => {
    const { server, client } = await startFailing(t, { status: 503 }, { retry: { attempts: 1 } });
    for (let count = 1; count <= 5; count++) {
      await rejectionOf(client.fetchToken());
      assert.equal(server.tokenRequests.length, count);
    }
    server.token = () => tokenAnswer('a');
    await client.fetchToken();
    assert.equal((await client.getToken()).accessToken, 'a');
  });

  test('does not hold those back who join a fetchToken', async (t) => {
    const { clock, server, client } = await startFailing(t, { status: 503 }, { retry: { attempts: 1 } });
    await rejectionOf(client.fetchToken());
    const gate = hold();
    server.token = async () => (await gate.promise, tokenAnswer('a'));
    const fetched = client.fetchToken();
    await clock.until(() => server.tokenRequests.length === 2);
    const joined = client.getToken();
    gate.open();

    assert.equal((await joined).accessToken, 'a');
    assert.equal((await fetched).accessToken, 'a');
    assert.equal(server.tokenRequests.length, 2);
  });

  test('begins anew after a success', async (t) => {
    const { clock, server, client } = await startFailing(t, { status: 503 }, { retry: { attempts: 1 } });
    for (let count = 0; count < 4; count++) await rejectionOf(client.fetchToken());
    server.token = () => tokenAnswer('a', 60);
    await client.fetchToken();
    server.token = () => ({ status: 503 });
    clock.advance(60_000);
    await rejectionOf(client.getToken());
    const requests = server.tokenRequests.length;
    clock.advance(1000);
    await rejectionOf(client.getToken());
    assert.equal(server.tokenRequests.length, requests + 1);
  });

  test('does not bar a provider, whose fetchToken rejects with the last error meanwhile', async (t) => {
    const { clock, server } = await startFailing(t, { status: 503 });
    let stored: OAuthToken | undefined;
    const inner: unknown[] = [];
    const { events, onEvent } = recordEvents();
    const client = createClient(
      server.config(
        { onEvent, retry: { attempts: 1 } },
        {
          oauthTokenProvider: async (_, { fetchToken }) => {
            if (stored) return stored;
            try {
              return await fetchToken();
            } catch (error) {
              inner.push(error);
              throw error;
            }
          },
        },
      ),
    );
    const error = await rejectionOf(client.getToken());
    for (let count = 0; count < 3; count++) {
      clock.advance(100);
      assert.equal(await rejectionOf(client.getToken()), error);
    }
    assert.equal(server.tokenRequests.length, 1);
    assert.deepEqual(inner, Array(4).fill(error));
    assert.equal(events.length, 1, 'the same failure was reported again');
    stored = { accessToken: 'from-another-process', tokenType: 'Bearer' };
    assert.equal((await client.getToken()).accessToken, 'from-another-process');
    assert.equal(server.tokenRequests.length, 1);
  });

  test('goes on holding when a provider has a token of its own after a failed exchange', async (t) => {
    const { clock, server } = await startFailing(t, { status: 404 });
    const own = { accessToken: 'own', tokenType: 'Bearer', expiresIn: 1 } as const;
    const client = createClient(
      server.config({}, { oauthTokenProvider: (_, { fetchToken }) => fetchToken().catch(() => own) }),
    );
    const requests: number[] = [];
    for (let seconds = 0; seconds < 8; seconds++) {
      assert.equal((await client.getToken()).accessToken, 'own');
      requests.push(server.tokenRequests.length);
      clock.advance(1_000);
    }
    // The failures bar exchanges for 1, 2 and 4 s; a token of the provider's own in between ends none of
    // that.
    assert.deepEqual(requests, [1, 2, 2, 3, 3, 3, 3, 4]);
  });

  test('spaces out a provider that fails without an exchange', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    const errors: Error[] = [];
    const client = createClient(
      server.config(
        {},
        {
          oauthTokenProvider: () => {
            errors.push(new RangeError(`failure ${errors.length}`));
            throw errors.at(-1);
          },
        },
      ),
    );
    assert.equal(await rejectionOf(client.getToken()), errors[0]);
    for (const [index, seconds] of [1, 2, 4, 8, 16, 30, 30].entries()) {
      clock.advance(seconds * 1000 - 1);
      assert.equal(await rejectionOf(client.getToken()), errors[index]);
      assert.equal(errors.length, index + 1);
      clock.advance(1);
      assert.equal(await rejectionOf(client.getToken()), errors[index + 1]);
    }
  });
});

describe('an outage of 60 s', () => {
  test('under 1,000 calls a second costs at most 20 token requests, and everyone is answered', async (t) => {
    const { clock, server, exchanges, calls } = await startLoad(t);
    const isDown = () => Date.now() < START_MS + 60_000;
    server.token = () => (isDown() ? { status: 503 } : tokenAnswer('a'));

    let answeredAtOnce = 0;
    while (isDown()) {
      const batch = calls(1000);
      await turn();
      if (!exchanges.isUnderWay()) {
        assert.equal(batch.settled(), 1000, `at ${Date.now() - START_MS} ms callers wait for nothing`);
        answeredAtOnce++;
      }
      await passSecond(clock, exchanges.isSettled);
    }
    await clock.until(() => calls.pending() === 0);

    assert.ok(answeredAtOnce > 30);
    assert.ok(server.tokenRequests.length <= 20, `${server.tokenRequests.length} token requests`);
    assert.ok(server.tokenRequests.length >= 10, 'the guard gave up');
    assert.equal(calls.failures.length, 60_000);
    for (const error of new Set(calls.failures)) {
      assert.ok(error instanceof ApiError);
      assert.equal(error.statusCode, 503);
      assert.match(error.message, /503/);
    }

    const before = server.tokenRequests.length;
    while (calls.tokens.length === 0) {
      assert.ok(Date.now() < START_MS + 91_000, 'nobody was served after the end');
      calls(1000);
      await passSecond(clock, exchanges.isSettled);
    }
    calls(1000);
    await clock.until(() => calls.pending() === 0);
    assert.equal(server.tokenRequests.length, before + 1);
    assert.deepEqual(new Set(calls.tokens.slice(-2000)), new Set(['a']));
  });

  test('goes unnoticed while the token is valid', async (t) => {
    const { clock, server, exchanges, calls } = await startLoad(t);
    server.token = () => tokenAnswer('a', 600);
    calls(1);
    await clock.until(() => calls.tokens.length);
    server.token = () => ({ status: 503 });
    clock.advance(480_000);
    for (let second = 0; second < 60; second++) {
      calls(100);
      await passSecond(clock, exchanges.isSettled);
    }
    assert.equal(calls.failures.length, 0);
    assert.ok(server.tokenRequests.length > 3, 'no refresh was tried');
    assert.ok(server.tokenRequests.length <= 21);
  });
});

async function startFailing(
  t: TestContext,
  answer: Failing | Handler,
  options: Partial<ClientOptions> = {},
): Promise<{
  clock: Clock;
  server: TestServer;
  client: ReturnType<typeof createClient>;
  events: ClientEvent[];
}> {
  const clock = fakeClock(t);
  const server = await startServer(t);
  server.token = (received, response) => {
    if (answer === 'cut') return void response.socket?.destroy();
    return typeof answer === 'function' ? answer(received, response) : answer;
  };
  const { events, onEvent } = recordEvents();
  const config = server.config({
    ...options,
    onEvent: (event) => {
      onEvent(event);
      clock.skipWaits(event);
    },
  });
  return { clock, server, client: createClient(config), events };
}

interface Load {
  readonly clock: Clock;
  readonly server: TestServer;
  readonly exchanges: {
    /** Whether every token request that was sent has been dealt with by the client. */
    readonly isSettled: () => boolean;
    readonly isUnderWay: () => boolean;
  };
  readonly calls: ((count: number) => { settled: () => number }) & {
    readonly tokens: string[];
    readonly failures: unknown[];
    readonly pending: () => number;
  };
}

/** A client under load whose exchanges are followed by their events: each request ends in exactly one. */
async function startLoad(t: TestContext): Promise<Load> {
  const clock = fakeClock(t);
  const server = await startServer(t);
  const { events, onEvent } = recordEvents();
  let sent = 0;
  const client = createClient(
    server.config({ onEvent, fetch: (...parameters) => (sent++, fetch(...parameters)) }),
  );
  const tokens: string[] = [];
  const failures: unknown[] = [];
  let made = 0;
  const calls = (count: number) => {
    let settled = 0;
    made += count;
    for (let index = 0; index < count; index++) {
      client.getToken().then(
        ({ accessToken }) => (settled++, tokens.push(accessToken)),
        (error: unknown) => (settled++, failures.push(error)),
      );
    }
    return { settled: () => settled };
  };
  return {
    clock,
    server,
    exchanges: {
      isSettled: () => sent === events.length,
      isUnderWay: () => sent !== events.length || events.at(-1)?.type === 'retry_waiting',
    },
    calls: Object.assign(calls, { tokens, failures, pending: () => made - tokens.length - failures.length }),
  };
}

/** Lets a second pass in small steps, between which the network gets all the real time it needs. */
async function passSecond(clock: Clock, isSettled: () => boolean): Promise<void> {
  for (let step = 0; step < 20; step++) {
    await clock.until(isSettled);
    await turn();
    clock.advance(50);
  }
  await clock.until(isSettled);
}
