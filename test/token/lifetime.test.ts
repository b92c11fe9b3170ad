import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import {
  type ClientCredentials,
  type ClientEvent,
  type ClientOptions,
  createClient,
  type OAuthToken,
} from 'thingspace-auth';
import { createMockServer } from 'thingspace-auth/testing';
import {
  bearerOf,
  type Clock,
  fakeClock,
  hold,
  recordEvents,
  rejection,
  rejectionOf,
  START_MS,
  startServer,
  type TestServer,
  tokenAnswer,
  turns,
} from '../support/server.ts';

const START = START_MS / 1000;
const HOUR_MS = 3_600_000;

describe('refresh ahead', () => {
  // Tokens stop being valid 10 s before their end.
  const WINDOWS: [expiresIn: number, random: number, beginsAtMs: number][] = [
    [3600, 0, 3_590_000 - 300_000],
    [3600, 0.5, 3_590_000 - 375_000],
    [3600, 0.999_999, 3_590_000 - 449_999],
    [1000, 0, 990_000 - 200_000],
    [1000, 0.5, 990_000 - 250_000],
    [86_400, 0, 86_390_000 - 300_000],
    [50, 0, 40_000 - 10_000],
  ];
  for (const [expiresIn, random, beginsAtMs] of WINDOWS) {
    test(`of a token of ${expiresIn} s begins ${beginsAtMs / 1000} s after its issue when the jitter is ${random}`, async (t) => {
      const { clock, server, client } = await start(t, { random });
      server.token = () => tokenAnswer(`token-${server.tokenRequests.length}`, expiresIn);
      await client.getToken();
      clock.advance(beginsAtMs - 1);
      await client.getToken();
      await turns();
      assert.equal(server.tokenRequests.length, 1);
      clock.advance(1);
      assert.equal((await client.getToken()).accessToken, 'token-1', 'the call waited for the new token');
      await clock.until(() => server.tokenRequests.length === 2);
    });
  }

  test('happens beside the calls, once at a time, and none of them waits', async (t) => {
    const { clock, server, client, events } = await start(t);
    await client.getToken();
    const gate = hold();
    server.token = async () => (await gate.promise, tokenAnswer('new'));
    clock.advance(3_300_000);
    for (let second = 0; second < 20; second++) {
      const responses = await Promise.all(
        Array.from({ length: 20 }, () => client.authorizedFetch(`${server.origin}/x`)),
      );
      assert.ok(responses.every(({ ok }) => ok));
      assert.equal((await client.getToken()).accessToken, 'token-1');
      clock.advance(1_000);
    }
    gate.open();
    assert.equal(server.tokenRequests.length, 2);
    await clock.until(() => events.length === 2);
    assert.equal((await client.getToken()).accessToken, 'new');
    assert.ok(server.apiRequests.every(({ headers }) => bearerOf(headers) === 'token-1'));
    assert.deepEqual(
      events.map(({ type }) => type),
      ['token_obtained', 'token_obtained'],
    );
  });

  test('is joined by a fetchToken, and its failure is then a failure', async (t) => {
    const { clock, server, client, events } = await start(t);
    await client.getToken();
    const gate = hold();
    server.token = async () => (await gate.promise, { status: 400 });
    clock.advance(3_300_000);
    await client.getToken();
    const fetching = rejectionOf(client.fetchToken());
    gate.open();
    assert.equal((await fetching).statusCode, 400);
    assert.equal(server.tokenRequests.length, 2);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['token_obtained', 'token_failed'],
    );
  });

  test('serves calls with the old token until its end only, though it takes longer', async (t) => {
    const { clock, server, client } = await start(t);
    server.token = () => tokenAnswer('old', 100);
    await client.getToken();
    const gate = hold();
    server.token = async () => (await gate.promise, tokenAnswer('new'));
    clock.advance(75_000);
    for (let calls = 0; calls < 3; calls++) assert.equal((await client.getToken()).accessToken, 'old');
    clock.advance(20_000);
    const late = client.getToken();
    gate.open();
    assert.equal((await late).accessToken, 'new');
  });

  test('does not end with the signal of the call that began it', async (t) => {
    const { clock, client, events } = await start(t);
    await client.getToken();
    clock.advance(3_300_000);
    const controller = new AbortController();
    await client.getToken({ signal: controller.signal });
    controller.abort();
    await clock.until(() => events.length === 2);
    assert.equal((await client.getToken()).accessToken, 'token-2');
  });

  test('that fails is an event, is spaced out by doubling delays, and leaves the token in use until its end', async (t) => {
    const { clock, server, client, events } = await start(t, { retry: { attempts: 1 } });
    await client.getToken();
    server.token = () => ({ status: 503 });
    const askedAt: number[] = [];
    const failAt = async (ms: number) => {
      clock.advance(START_MS + ms - Date.now());
      const before = server.tokenRequests.length;
      assert.equal((await client.getToken()).accessToken, 'token-1');
      await turns();
      await clock.until(() => events.length === server.tokenRequests.length);
      if (server.tokenRequests.length > before) askedAt.push(ms - 3_300_000);
    };
    for (let ms = 3_300_000; ms < 3_590_000; ms += 1_000) await failAt(ms);

    assert.deepEqual(
      askedAt.map((ms) => ms / 1000),
      [0, 1, 3, 7, 15, 31, 61, 91, 121, 151, 181, 211, 241, 271],
    );
    assert.deepEqual(new Set(events.slice(1).map(({ type }) => type)), new Set(['refresh_ahead_failed']));

    // At the end of validity an exchange is needed, whatever has failed beside the calls; until the very end
    // the token serves.
    const before = server.tokenRequests.length;
    await failAt(3_590_000);
    assert.equal(server.tokenRequests.length, before + 1);
    assert.equal(events.at(-1)?.type, 'token_failed');
    await failAt(3_599_999);
    clock.advance(1);
    assert.equal((await rejectionOf(client.getToken())).statusCode, 503);
    server.token = () => tokenAnswer('new');
    clock.advance(30_000);
    assert.equal((await client.getToken()).accessToken, 'new');
  });

  test('never happens in a token’s first second', async (t) => {
    for (const expiresIn of [0, 1, 2, 5]) {
      await t.test(`of ${expiresIn} s`, async (t) => {
        const { clock, server, client } = await start(t, { random: 0.999_999 }, { oauthClockSkew: 0 });
        server.token = () => tokenAnswer('a', expiresIn);
        await client.getToken();
        clock.advance(999);
        await client.getToken();
        await turns();
        assert.equal(server.tokenRequests.length, 1);
      });
    }
  });

  test('happens for a stored token, counted from its end', async (t) => {
    const { clock, server, client } = await start(
      t,
      {},
      { oauthToken: { accessToken: 'stored', tokenType: 'Bearer', expiresIn: 3600, expiry: START + 1800 } },
    );
    await client.getToken();
    clock.advance(1_789_999 - 300_000);
    await client.getToken();
    await turns();
    assert.equal(server.tokenRequests.length, 0);
    clock.advance(1);
    assert.equal((await client.getToken()).accessToken, 'stored');
    await clock.until(() => server.tokenRequests.length === 1);
  });

  test('happens for a stored token that says no lifetime, counted from what is left of it', async (t) => {
    const { clock, server, client } = await start(
      t,
      {},
      { oauthToken: { accessToken: 'stored', tokenType: 'Bearer', expiry: START + 1000 } },
    );
    await client.getToken();
    // A fifth of the 1,000 s, before the 10 s that the clocks may differ by.
    clock.advance(789_999);
    await client.getToken();
    await turns();
    assert.equal(server.tokenRequests.length, 0);
    clock.advance(1);
    assert.equal((await client.getToken()).accessToken, 'stored');
    await clock.until(() => server.tokenRequests.length === 1);
  });

  test('never happens where there is nothing to renew with', async (t) => {
    const { clock, client, events } = await start(
      t,
      {},
      {
        oauthClientSecret: undefined,
        oauthToken: { accessToken: 'stored', tokenType: 'Bearer', expiry: START + 3600 },
      },
    );
    for (const ms of [3_300_000, 289_999]) {
      clock.advance(ms);
      assert.equal((await client.getToken()).accessToken, 'stored');
      await turns();
    }
    clock.advance(1);
    // There is no exchange that could bring another: the token serves until its very end.
    assert.equal((await client.getToken()).accessToken, 'stored');
    clock.advance(10_000);
    assert.equal((await rejectionOf(client.getToken())).code, 'no_credentials');
    assert.ok(events.every(({ type }) => type !== 'refresh_ahead_failed'));
  });

  test('has a minute of its own, after which another may begin', async (t) => {
    const { clock, server, client, events } = await start(t);
    await client.getToken();
    server.token = () => {};
    clock.advance(3_300_000);
    await client.getToken();
    await clock.until(() => server.tokenRequests.length === 2);
    clock.advance(30_000);
    await clock.until(() => events.length === 2);
    assert.equal(events[1]?.type, 'refresh_ahead_failed');
    server.token = () => tokenAnswer('new');
    clock.advance(1_000);
    assert.equal((await client.getToken()).accessToken, 'token-1');
    await clock.until(() => events.length === 3);
    assert.equal((await client.getToken()).accessToken, 'new');
  });
});

describe('a server that returns the same token until it ends', () => {
  for (const [label, expiresInOf] of Object.entries({
    'with a constant expires_in': () => 3600,
    'with an expires_in that counts down': (remaining: number) => remaining,
  })) {
    test(`${label} is asked twice for each token by a client that runs all the time: at its issue, and once ahead of its end`, async (t) => {
      const { clock, server, client } = await start(t);
      const issuer = repeatToken(server, expiresInOf);
      let calls = 0;
      for (let ms = 0, stepMs = 0; ms < 3 * HOUR_MS; ms += stepMs, calls++) {
        assert.equal((await client.authorizedFetch(`${server.origin}/x`)).status, 200);
        await turns();
        stepMs = stepNear(ms, [HOUR_MS, 2 * HOUR_MS, 3 * HOUR_MS]);
        clock.advance(stepMs);
      }
      assert.equal(issuer.issued(), 3);
      assert.equal(server.tokenRequests.length, 6);
      assert.ok(calls > 200);
      assert.equal(server.apiRequests.length, calls, 'calls were replayed');
    });

    test(`${label} is asked once more by a client that joined in mid-hour, at the token's end`, async (t) => {
      const { clock, server, client } = await start(t);
      const issuer = repeatToken(server, expiresInOf);
      await createClient(server.config()).getToken();
      clock.advance(HOUR_MS / 2);
      let replays = 0;
      for (let ms = HOUR_MS / 2; ms < 1.2 * HOUR_MS; ms += 10_000) {
        const before = server.apiRequests.length;
        assert.equal((await client.authorizedFetch(`${server.origin}/x`)).status, 200);
        await turns();
        replays += server.apiRequests.length - before - 1;
        clock.advance(10_000);
      }
      const isCounting = label.includes('counts');
      assert.equal(issuer.issued(), 2);
      // The first one, the other client's; then with a true end known, one ahead of it and one at it, else
      // one after the 401.
      assert.equal(server.tokenRequests.length, isCounting ? 4 : 3);
      assert.equal(replays, isCounting ? 0 : 1);
    });
  }

  test('with a constant expires_in is asked once more after two seconds where its end comes later than the known one', async (t) => {
    const { clock, server, client } = await start(t);
    // Ends are whole seconds, rounded down: the server's comes 900 ms after the known one.
    clock.advance(900);
    repeatToken(server, () => 3600);
    const endsAtMs = Date.now() + HOUR_MS;
    let endedOnes = 0;
    while (Date.now() < endsAtMs + 10_000) {
      const { accessToken } = await client.getToken();
      if (accessToken === 'hour-1' && Date.now() >= endsAtMs) endedOnes++;
      await turns();
      clock.advance(endsAtMs - Date.now() < 20_000 ? 100 : 10_000);
    }
    assert.equal((await client.getToken()).accessToken, 'hour-2');
    assert.ok(endedOnes <= 12, `an ended token was handed out ${endedOnes} times`);
    // The first one, one ahead of the end, one at the known end, and the next token.
    assert.equal(server.tokenRequests.length, 4);
  });

  test('is believed when it goes on three seconds past the known end', async (t) => {
    const { clock, server, client } = await start(t);
    server.token = () => tokenAnswer('same', 3600);
    await client.getToken();
    clock.advance(HOUR_MS);
    assert.equal((await client.getToken()).expiry, START + 3600);
    clock.advance(1_999);
    await client.getToken();
    assert.equal(server.tokenRequests.length, 2);
    clock.advance(1_001);
    assert.equal((await client.getToken()).expiry, START + 3603 + 3600);
    assert.equal(server.tokenRequests.length, 3);
  });

  test('never moves a known end that still lies ahead', async (t) => {
    const { clock, server, client } = await start(t);
    server.token = () => tokenAnswer('same', 3600);
    const { expiry } = await client.fetchToken();
    for (const ms of [1_000, 999_000]) {
      clock.advance(ms);
      assert.equal((await client.fetchToken()).expiry, expiry);
    }
    server.token = () => tokenAnswer('same', 60);
    assert.equal((await client.fetchToken()).expiry, START + 1_060);
    server.token = () => ({ body: { access_token: 'same' } });
    assert.equal((await client.fetchToken()).expiry, START + 1_060);
    assert.equal((await client.getToken()).expiry, START + 1_060);
  });

  test('is believed when it goes on handing the token out past that end', async (t) => {
    const { clock, server, client } = await start(t);
    server.token = () => tokenAnswer('same', 3600);
    for (let ms = 0; ms < 10 * HOUR_MS; ms += 90_000) {
      assert.equal((await client.authorizedFetch(`${server.origin}/x`)).status, 200);
      await turns();
      clock.advance(90_000);
    }
    assert.ok(server.tokenRequests.length <= 21, `${server.tokenRequests.length} exchanges in 10 hours`);
    assert.equal(server.apiRequests.length, 400);
  });

  test('is asked once a minute for a token that the API rejects, and no call is replayed with it', async (t) => {
    const { clock, server, client, events } = await start(t);
    server.token = () => tokenAnswer('same', 3600);
    server.api = () => rejection;
    for (let second = 0; second < 60; second++) {
      assert.equal((await client.authorizedFetch(`${server.origin}/x`)).status, 401);
      clock.advance(999);
    }
    assert.equal(server.tokenRequests.length, 2);
    assert.equal(server.apiRequests.length, 60);
    clock.advance(60_000);
    await client.authorizedFetch(`${server.origin}/x`);
    assert.equal(server.tokenRequests.length, 3);
    assert.ok(events.every(({ type }) => type !== 'request_replayed'));
  });

  test('is asked once by 300 calls that meet the rejected token together', async (t) => {
    const { server, client } = await start(t);
    server.token = () => tokenAnswer('same', 3600);
    await client.getToken();
    server.api = () => rejection;
    const responses = await Promise.all(
      Array.from({ length: 300 }, () => client.authorizedFetch(`${server.origin}/x`)),
    );
    assert.ok(responses.every(({ status }) => status === 401));
    assert.equal(server.tokenRequests.length, 2);
    assert.equal(server.apiRequests.length, 300);
  });
});

describe('an API that rejects every token', () => {
  test('costs one exchange and one replay, and no further exchange within a minute', async (t) => {
    const { clock, server, client } = await start(t);
    server.api = () => rejection;
    assert.equal((await client.authorizedFetch(`${server.origin}/x`)).status, 401);
    assert.deepEqual([server.tokenRequests.length, server.apiRequests.length], [2, 2]);
    for (let second = 0; second < 59; second++) {
      clock.advance(1_000);
      assert.equal((await client.authorizedFetch(`${server.origin}/x`)).status, 401);
    }
    assert.deepEqual([server.tokenRequests.length, server.apiRequests.length], [2, 61]);
    clock.advance(1_000);
    await client.authorizedFetch(`${server.origin}/x`);
    assert.deepEqual([server.tokenRequests.length, server.apiRequests.length], [3, 63]);
  });
});

describe('a token with little life left', () => {
  for (const expiresIn of [0, 1, 5, 9, 10, 11, -100, '0', undefined, 1e15]) {
    test(`(expires_in ${expiresIn}) serves 1,000 calls that waited for it, and each second brings one exchange at most`, async (t) => {
      const { clock, server, client } = await start(t);
      server.token = () => ({
        body: { access_token: `token-${server.tokenRequests.length}`, expires_in: expiresIn },
      });
      const tokens = Array.from({ length: 950 }, async () => (await client.getToken()).accessToken);
      const responses = Array.from({ length: 50 }, () => client.authorizedFetch(`${server.origin}/x`));
      assert.ok((await Promise.all(responses)).every(({ status }) => status === 200));
      assert.ok(server.apiRequests.every(({ headers }) => bearerOf(headers) === 'token-1'));
      assert.deepEqual(new Set(await Promise.all(tokens)), new Set(['token-1']));
      assert.equal(server.tokenRequests.length, 1);

      for (let count = 0; count < 1000; count++) {
        clock.advance(20);
        await client.getToken();
      }
      const lifeMs = Number(expiresIn ?? Infinity) * 1000;
      const mostExchanges = 1 + Math.ceil(20_000 / Math.max(1000, lifeMs - 10_000));
      assert.ok(
        server.tokenRequests.length <= mostExchanges,
        `${server.tokenRequests.length} exchanges in 20 s`,
      );
      if (lifeMs > 60_000) assert.equal(server.tokenRequests.length, 1);
    });
  }

  test('is not thrown away when there is no other', async (t) => {
    const { clock, server, client } = await start(t, { retry: { attempts: 1 } });
    server.token = () => (server.tokenRequests.length < 2 ? tokenAnswer('short', 5) : { status: 503 });
    await client.getToken();
    for (let ms = 0; ms < 4_900; ms += 100) {
      clock.advance(100);
      assert.equal((await client.getToken()).accessToken, 'short');
    }
    clock.advance(100);
    assert.equal((await rejectionOf(client.getToken())).statusCode, 503);
    assert.ok(server.tokenRequests.length <= 4);
  });

  test('serves when it is a stored one within the skew of its end and the exchange fails', async (t) => {
    const oauthToken: OAuthToken = { accessToken: 'stored', tokenType: 'Bearer', expiry: START + 5 };
    const { clock, server, client } = await start(t, { retry: { attempts: 1 } }, { oauthToken });
    server.token = () => ({ status: 503 });
    assert.equal((await client.authorizedFetch(`${server.origin}/x`)).status, 200);
    assert.equal(server.tokenRequests.length, 1);
    clock.advance(5_000);
    assert.equal((await rejectionOf(client.authorizedFetch(`${server.origin}/x`))).statusCode, 503);
  });

  test('counts as ended by the skew that is configured', async (t) => {
    for (const oauthClockSkew of [0, 60]) {
      await t.test(`of ${oauthClockSkew} s`, async (t) => {
        const { clock, server, client } = await start(t, {}, { oauthClockSkew });
        server.token = () => tokenAnswer(`token-${server.tokenRequests.length}`, 100);
        await client.getToken();
        clock.advance((100 - oauthClockSkew) * 1000 - 1);
        assert.equal((await client.getToken()).accessToken, 'token-1');
        await turns();
        clock.advance(1);
        assert.notEqual((await client.getToken()).accessToken, 'token-1');
      });
    }
  });
});

describe('a clock that jumps by an hour', () => {
  const JUMPS: [label: string, jumps: Record<number, number>][] = [
    ['back', { 1_000_000: -HOUR_MS }],
    ['forward', { 1_000_000: HOUR_MS }],
    ['back and forward', { 1_000_000: -HOUR_MS, 5_000_000: HOUR_MS, 5_100_000: -HOUR_MS }],
    ['forward and back', { 1_000_000: HOUR_MS, 1_100_000: -HOUR_MS, 9_000_000: -HOUR_MS }],
  ];
  const JUMP_MOODS: [label: string, isRepeating: boolean][] = [
    ['new', false],
    ['the same', true],
  ];
  for (const [label, jumps] of JUMPS) {
    for (const [mood, isRepeating] of JUMP_MOODS) {
      test(`${label} (a server that gives ${mood} tokens) fails no call, sends no ended token twice, and causes no storm`, async (t) => {
        const { clock, server, client } = await start(t);
        let trueMs = 0;
        let jumped = 0;
        const endsAtMs = new Map<string, number>();
        let current = '';
        server.token = () => {
          if (!isRepeating || !(endsAtMs.get(current)! > trueMs)) {
            current = `token-${server.tokenRequests.length}`;
            endsAtMs.set(current, trueMs + HOUR_MS);
          }
          return tokenAnswer(current, (endsAtMs.get(current)! - trueMs) / 1000);
        };
        const sentEnded: string[] = [];
        server.api = ({ headers }) => {
          const token = bearerOf(headers);
          if (endsAtMs.get(token)! > trueMs) return {};
          sentEnded.push(token);
          return rejection;
        };
        for (let stepMs = 0; trueMs < 3 * HOUR_MS; trueMs += stepMs) {
          const jump = jumps[trueMs];
          if (jump) {
            clock.jump(jump);
            jumped++;
          }
          assert.equal((await client.authorizedFetch(`${server.origin}/x`)).status, 200);
          await turns();
          stepMs = stepNear(trueMs, [...endsAtMs.values(), ...Object.keys(jumps).map(Number)]);
          clock.advance(stepMs);
        }
        assert.equal(jumped, Object.keys(jumps).length);
        assert.equal(new Set(sentEnded).size, sentEnded.length, `ended tokens were sent twice: ${sentEnded}`);
        // Two for each hour, and one or two for each jump.
        assert.ok(
          server.tokenRequests.length <= 8 + 2 * Object.keys(jumps).length,
          `${server.tokenRequests.length} exchanges`,
        );
      });
    }
  }

  test('back does not prolong the outage guard', async (t) => {
    const { clock, server, client } = await start(t, { retry: { attempts: 1 } });
    server.token = () => ({ status: 503 });
    await rejectionOf(client.getToken());
    clock.jump(-HOUR_MS);
    server.token = () => tokenAnswer('a');
    assert.equal((await client.getToken()).accessToken, 'a');
  });

  test('back while the API rejects a token leads to no storm', async (t) => {
    const { clock, server, client } = await start(t);
    server.token = () => tokenAnswer('same');
    server.api = () => rejection;
    await client.authorizedFetch(`${server.origin}/x`);
    clock.jump(-HOUR_MS);
    for (let count = 0; count < 50; count++) {
      await client.authorizedFetch(`${server.origin}/x`);
      clock.advance(1_000);
    }
    assert.ok(server.tokenRequests.length <= 3, `${server.tokenRequests.length} exchanges`);
  });
});

describe("a clock that is an hour off the server's", () => {
  test('either way costs neither a call nor an exchange', async () => {
    for (const hours of [-1, 1]) {
      const mock = createMockServer({ startTime: Date.now() + hours * HOUR_MS });
      const { authorizedFetch } = createClient({
        clientCredentialsAuthCredentials: {
          oauthClientId: 'invented-id',
          oauthClientSecret: 'invented-secret',
        },
        fetch: mock.fetch,
      });
      for (let calls = 0; calls < 2; calls++) {
        assert.equal((await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions')).status, 200);
      }
      assert.equal(mock.requests.filter(({ path }) => path.endsWith('/token')).length, 1);
    }
  });
});

interface Started {
  readonly clock: Clock;
  readonly server: TestServer;
  readonly client: ReturnType<typeof createClient>;
  readonly events: ClientEvent[];
}

async function start(
  t: TestContext,
  { random = 0, ...options }: Partial<ClientOptions> & { random?: number } = {},
  credentials: Partial<ClientCredentials> = {},
): Promise<Started> {
  const clock = fakeClock(t);
  t.mock.method(Math, 'random', () => random);
  const server = await startServer(t);
  const { events, onEvent } = recordEvents();
  return { clock, server, client: createClient(server.config({ onEvent, ...options }, credentials)), events };
}

/** ThingSpace: each token lives for an hour and is given to all who ask; the API takes no other. */
function repeatToken(
  server: TestServer,
  expiresInOf: (remaining: number) => number,
): { issued: () => number } {
  let issued = 0;
  let endsAtMs = 0;
  const renew = () => {
    if (Date.now() < endsAtMs) return;
    issued++;
    endsAtMs = Date.now() + HOUR_MS;
  };
  server.token = () => {
    renew();
    return tokenAnswer(`hour-${issued}`, expiresInOf((endsAtMs - Date.now()) / 1000));
  };
  server.api = ({ headers }) =>
    bearerOf(headers) === `hour-${issued}` && Date.now() < endsAtMs ? {} : rejection;
  return { issued: () => issued };
}

/** Ten seconds around what happens at these moments, a minute elsewhere. */
function stepNear(ms: number, moments: readonly number[]): number {
  return moments.some((each) => Math.abs(each - ms) <= 150_000) ? 10_000 : 60_000;
}
