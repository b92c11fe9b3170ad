import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import {
  ApiError,
  type Client,
  type ClientCredentials,
  clientSecretBasic,
  createClient,
  type OAuthToken,
  type OAuthTokenProvider,
  type ProviderContext,
} from 'thingspace-auth';
import {
  fakeClock,
  hold,
  inTime,
  recordEvents,
  rejectionOf,
  START_MS,
  startServer,
  tokenAnswer,
  turn,
  turns,
} from '../support/server.ts';

const START = START_MS / 1000;

function bearer(accessToken: string, more: Partial<OAuthToken> = {}): OAuthToken {
  return { accessToken, tokenType: 'Bearer', ...more };
}

/** An error that throws another one when it is asked what it is. */
function hiddenError(): object {
  const getPrototypeOf = () => {
    throw new Error('do not look');
  };
  return new Proxy({}, { getPrototypeOf });
}

describe('a token provider', () => {
  test('is asked in place of the exchange, with all that tells one token from another and nothing secret', async (t) => {
    const server = await startServer(t);
    const asked: [OAuthToken | undefined, ProviderContext][] = [];
    const { client } = start(server, {
      oauthScopes: ['b', 'a'],
      oauthParams: { audience: 'x', resource: ['y', 'z'] },
      oauthClockSkew: 3,
      oauthTokenProvider: (...parameters) => {
        asked.push(parameters);
        return bearer('brokered', { expiresIn: 60 });
      },
    });
    assert.equal((await client.authorizedFetch(`${server.origin}/x`)).status, 200);

    assert.equal(server.tokenRequests.length, 0);
    assert.equal(server.apiRequests[0]?.headers.authorization, 'Bearer brokered');
    const [[lastToken, request]] = asked as [[OAuthToken | undefined, ProviderContext]];
    assert.equal(lastToken, undefined);
    assert.ok(Object.isFrozen(request));
    assert.deepEqual(Object.keys(request).sort(), [
      'clientId',
      'clockSkew',
      'fetchToken',
      'isForced',
      'params',
      'report',
      'scope',
      'tokenUrl',
    ]);
    const { fetchToken, report, ...data } = request;
    assert.equal(typeof fetchToken, 'function');
    assert.equal(typeof report, 'function');
    assert.deepEqual(data, {
      tokenUrl: server.tokenUrl,
      clientId: 'invented-id',
      scope: 'b a',
      params: { audience: 'x', resource: ['y', 'z'] },
      clockSkew: 3,
      isForced: false,
    });
    assert.ok(!JSON.stringify(request).includes('invented-secret'));
    assert.throws(() => ((request.params as Record<string, string>).audience = 'changed'), TypeError);
    assert.throws(() => (request.params.resource as string[]).push('changed'), TypeError);
    await client.fetchToken();
    assert.deepEqual(asked[1]?.[1].params, { audience: 'x', resource: ['y', 'z'] });
  });

  test('cannot change the parameters of others where none are configured', async (t) => {
    const server = await startServer(t);
    const { client } = start(server, {
      oauthTokenProvider: (_lastToken, { params }) => {
        Object.assign(params, { audience: 'changed' });
        return bearer('brokered');
      },
    });

    assert.ok((await rejectionOf(client.getToken())) instanceof TypeError);
  });

  test('gets undefined for the scope where none is asked for', async (t) => {
    const server = await startServer(t);
    let scope: unknown = 'unset';
    const { client } = start(server, {
      oauthTokenProvider: (_, request) => ((scope = request.scope), bearer('a')),
    });
    await client.getToken();
    assert.equal(scope, undefined);
  });

  test('makes one exchange with its retries by fetchToken', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    server.token = () => (server.tokenRequests.length < 3 ? { status: 503 } : tokenAnswer('a'));
    const { events, onEvent } = recordEvents();
    const client = createClient(
      server.config(
        { onEvent: (event) => (onEvent(event), clock.skipWaits(event)) },
        { oauthTokenProvider: (_, { fetchToken }) => fetchToken() },
      ),
    );
    const token = await client.getToken();
    assert.deepEqual(token, { ...bearer('a'), expiresIn: 3600, expiry: token.expiry! });
    assert.equal(server.tokenRequests.length, 3);
    const last = events.at(-1)!;
    assert.deepEqual(
      [last.type, 'source' in last && last.source, 'attempts' in last && last.attempts],
      ['token_obtained', 'exchange', 3],
    );
  });

  test('works as in the generated SDK: (lastToken, authManager) => authManager.fetchToken()', async (t) => {
    const server = await startServer(t);
    const { client } = start(server, {
      oauthTokenProvider: async (_lastToken, authManager) => await authManager.fetchToken(),
    });
    assert.equal((await client.getToken()).accessToken, 'token-1');
  });

  test('gets the token that can no longer be used: ended, ending or rejected', async (t) => {
    const clock = fakeClock(t);
    t.mock.method(Math, 'random', () => 0);
    const server = await startServer(t);
    const last: (string | undefined)[] = [];
    const { client, events } = start(server, {
      oauthTokenProvider: (lastToken) => {
        last.push(lastToken?.accessToken);
        return bearer(`token-${last.length}`, { expiresIn: 3600 });
      },
    });
    await client.getToken();
    clock.advance(3_600_000);
    assert.equal((await client.getToken()).accessToken, 'token-2');
    clock.advance(3_300_000);
    assert.equal((await client.getToken()).accessToken, 'token-2');
    await clock.until(() => events.length === 3);
    server.revoked.add('token-3');
    assert.equal((await client.authorizedFetch(`${server.origin}/x`)).status, 200);
    assert.deepEqual(last, [undefined, 'token-1', 'token-2', 'token-3']);
  });

  test('is asked with isForced and the held token by the client’s own fetchToken', async (t) => {
    const server = await startServer(t);
    const asked: [string | undefined, boolean][] = [];
    const { client } = start(server, {
      oauthTokenProvider: (lastToken, { isForced }) => {
        asked.push([lastToken?.accessToken, isForced]);
        return bearer(`token-${asked.length}`);
      },
    });
    await client.getToken();
    assert.equal((await client.fetchToken()).accessToken, 'token-2');
    assert.deepEqual(asked, [
      [undefined, false],
      ['token-1', true],
    ]);
  });

  test('may be asked beside the calls when it serves a refresh ahead', async (t) => {
    const { clock, client, events, asked, gate } = await startAhead(t, () => {});
    for (let calls = 0; calls < 10; calls++) assert.equal((await client.getToken()).accessToken, 'token-1');
    assert.equal(asked(), 2);
    gate.open();
    await clock.until(() => events.length === 2);
    assert.equal((await client.getToken()).accessToken, 'token-2');
  });

  test('has failed ahead of the end also where a fetchToken has waited for that before it asked by itself', async (t) => {
    const { client, events, gate } = await startAhead(t, () => {
      throw new Error('own');
    });
    await client.getToken();
    const fetched = client.fetchToken();
    gate.open();

    assert.equal((await fetched).accessToken, 'token-3');
    assert.deepEqual(
      events.map(({ type }) => type),
      ['token_obtained', 'refresh_ahead_failed', 'token_obtained'],
    );
  });

  test('may keep another token than its exchange brought', async (t) => {
    const server = await startServer(t);
    const { client } = start(server, {
      oauthTokenProvider: async (_, { fetchToken }) => {
        await fetchToken();
        return bearer('from-the-store');
      },
    });
    assert.equal((await client.getToken()).accessToken, 'from-the-store');
  });

  test('may report events', async (t) => {
    const server = await startServer(t);
    const { client, events } = start(server, {
      oauthTokenProvider: (_, { report }) => {
        report({ type: 'store_failed', operation: 'get', reason: 'junk' });
        return bearer('a');
      },
    });
    await client.getToken();
    assert.deepEqual(events[0], { type: 'store_failed', operation: 'get', reason: 'junk' });
    assert.ok(Object.isFrozen(events[0]));
  });
});

test('a provider that reports what JSON cannot write fails no call', async (t) => {
  const server = await startServer(t);
  const { client, events } = start(server, {
    oauthTokenProvider: (_, { report }) => {
      report({ type: 'store_failed', operation: 'get', reason: 1n as unknown as string });
      return bearer('a');
    },
  });

  assert.equal((await client.getToken()).accessToken, 'a');
  assert.deepEqual(
    events.map(({ type }) => type),
    ['token_obtained'],
  );
});

describe('a provider’s token', () => {
  test('has an end counted from its arrival where it gives only a lifetime', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    let count = 0;
    const { client } = start(server, {
      oauthTokenProvider: () => {
        clock.advance(5_000);
        return bearer(`token-${++count}`, { expiresIn: 100 });
      },
    });
    const token = await client.getToken();
    assert.equal(token.expiry, START + 105);
    assert.ok(Object.isFrozen(token));
    clock.advance(100_000);
    assert.equal((await client.getToken()).accessToken, 'token-2');
  });

  test('may be data from outside, numbers as strings or BigInt included', async (t) => {
    fakeClock(t);
    const server = await startServer(t);
    const given = {
      accessToken: 'a',
      tokenType: 'bearer',
      expiresIn: 3600n,
      expiry: String(START + 3600),
      more: 1,
    };
    const { client } = start(server, { oauthTokenProvider: () => given as never });
    assert.deepEqual(await client.getToken(), bearer('a', { expiresIn: 3600, expiry: START + 3600 }));
  });

  test('lives from its arrival on where it has a lifetime and no end', async (t) => {
    fakeClock(t);
    const server = await startServer(t);
    for (const end of [{}, { expiry: null }, { expiry: '' }]) {
      const given = { accessToken: 'a', expiresIn: 3600, ...end };
      const { client } = start(server, { oauthTokenProvider: () => given as never });
      assert.deepEqual(await client.getToken(), bearer('a', { expiresIn: 3600, expiry: START + 3600 }));
    }
  });

  test('serves for a second at least, however short its life', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t, { token: () => tokenAnswer('a', 0) });
    let count = 0;
    const { client } = start(server, { oauthTokenProvider: (_, { fetchToken }) => (count++, fetchToken()) });
    for (let calls = 0; calls < 100; calls++) await client.getToken();
    assert.equal(count, 1);
    clock.advance(1_000);
    await client.getToken();
    assert.equal(count, 2);
  });

  const JUNK: [label: string, unknown][] = [
    ['nothing', undefined],
    ['null', null],
    ['a string', 'invented-token'],
    ['a number', 5],
    ['an empty object', {}],
    ['wire names', { access_token: 'invented-token' }],
    ['a bad header', { accessToken: 'invented-token\r\n' }],
    ['another type', { accessToken: 'invented-token', tokenType: 'DPoP' }],
    ['a junk expiry', { accessToken: 'invented-token', expiry: 'soon' }],
    ['an ended token', { accessToken: 'invented-token', expiry: 5 }],
  ];
  for (const [label, junk] of JUNK) {
    test(`that is ${label} is an invalid_response that does not show it`, async (t) => {
      const server = await startServer(t);
      const { client, events } = start(server, { oauthTokenProvider: () => junk as OAuthToken });
      for (const call of [
        client.getToken(),
        client.fetchToken(),
        client.authorizedFetch(`${server.origin}/x`),
      ]) {
        const error = await rejectionOf(call);
        assert.ok(error instanceof ApiError);
        assert.equal(error.code, 'invalid_response');
        assert.match(error.message, /provider/i);
        assert.ok(!error.message.includes('invented-token'));
        assert.equal(error.cause, undefined);
      }
      assert.ok(events.every((event) => event.type === 'token_failed' && event.code === 'invalid_response'));
      assert.equal(server.apiRequests.length, 0);
    });
  }

  test('given back although it has ended is an invalid_response, not sent again', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    let asked = 0;
    const { client } = start(server, {
      oauthTokenProvider: (lastToken) => (asked++, lastToken ?? bearer('a', { expiresIn: 60 })),
    });
    await client.getToken();
    clock.advance(60_000);
    assert.equal((await rejectionOf(client.authorizedFetch(`${server.origin}/x`))).code, 'invalid_response');
    assert.equal(asked, 2);
    assert.equal(server.apiRequests.length, 0);
  });

  test('that has ended is one also in the place of an exchange that failed', async (t) => {
    const server = await startServer(t, { token: () => ({ status: 404 }) });
    const ended = bearer('a', { expiry: Math.floor(Date.now() / 1000) - 60 });
    const { client } = start(server, {
      oauthTokenProvider: (_, { fetchToken }) => fetchToken().catch(() => ended),
    });
    assert.match((await rejectionOf(client.getToken())).message, /ended/);
  });

  test('given back while it is still good means that there is no newer one', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    let asked = 0;
    const { client, events } = start(server, {
      oauthTokenProvider: (lastToken) => (asked++, lastToken ?? bearer('a', { expiresIn: 3600 })),
    });
    await client.getToken();
    clock.advance(3_400_000);
    await client.getToken();
    await clock.until(() => events.length === 2);
    clock.advance(199_999);
    for (let calls = 0; calls < 10; calls++) assert.equal((await client.getToken()).accessToken, 'a');
    assert.equal(asked, 2);

    server.revoked.add('a');
    clock.jump(-100_000);
    assert.equal((await client.authorizedFetch(`${server.origin}/x`)).status, 401);
    assert.equal(server.apiRequests.length, 1, 'the same token was sent again');
    assert.equal(asked, 3);
  });
});

describe('a provider that asks its own client', () => {
  const QUESTIONS: Record<string, (client: Client, api: string) => Promise<unknown>> = {
    getToken: async ({ getToken }) => (await getToken()).accessToken,
    authorizedFetch: async ({ authorizedFetch }, api) => (await (await authorizedFetch(api)).json()).path,
  };
  for (const [name, ask] of Object.entries(QUESTIONS)) {
    test(`for a token by ${name}, without waiting for it, gets one when the renewal ends`, async (t) => {
      const server = await startServer(t);
      const answers: Promise<unknown>[] = [];
      const { client } = start(server, {
        oauthTokenProvider: (_, { fetchToken }) => {
          answers.push(ask(client, `${server.origin}/x`));
          return fetchToken();
        },
      });
      assert.equal((await client.getToken()).accessToken, 'token-1');
      assert.deepEqual(await inTime(Promise.all(answers)), [name === 'getToken' ? 'token-1' : '/x']);
      assert.equal(server.tokenRequests.length, 1);
    });

    test(`for a token by ${name}, and waits for it, gets the renewal's time-out`, async (t) => {
      const clock = fakeClock(t);
      const server = await startServer(t);
      let isAsked = false;
      let inner: unknown;
      const { client } = start(server, {
        oauthTokenProvider: async () => {
          isAsked = true;
          inner = await rejectionOf(ask(client, `${server.origin}/x`));
          throw inner;
        },
      });
      const outer = rejectionOf(client.getToken());
      await clock.until(() => isAsked);
      await turn();
      clock.advance(60_000);
      assert.equal((await outer).code, 'timeout');
      await clock.until(() => inner);
      assert.equal((inner as ApiError).code, 'timeout');
    });
  }

  test('for an exchange of its own, without waiting for it, gets that too', async (t) => {
    const server = await startServer(t);
    let inner: Promise<OAuthToken> | undefined;
    const { client } = start(server, {
      oauthTokenProvider: (_, { fetchToken }) => {
        inner ??= client.fetchToken();
        return fetchToken();
      },
    });
    await client.getToken();
    assert.match((await inTime(inner!)).accessToken, /^token-[12]$/);
    assert.ok(server.tokenRequests.length <= 2);
  });

  test('and so may every other function that a client was given', async (t) => {
    const server = await startServer(t);
    const clock = fakeClock(t);
    server.token = () => (server.tokenRequests.length === 1 ? { status: 503 } : tokenAnswer('token-1'));
    const asked: Record<string, Promise<string>> = {};
    const ask = (who: string) =>
      void (asked[who] ??= client.getToken().then(({ accessToken }) => accessToken));
    const client: Client = createClient(
      server.config(
        {
          fetch: (...parameters) => (ask('fetch'), fetch(...parameters)),
          waitUntil: () => ask('waitUntil'),
          onEvent: (event) => (ask(event.type), clock.skipWaits(event)),
        },
        {
          oauthOnTokenUpdate: () => ask('oauthOnTokenUpdate'),
          clientAuthentication: (request) => (ask('clientAuthentication'), clientSecretBasic(request)),
        },
      ),
    );
    await client.getToken();
    assert.deepEqual(Object.keys(asked).sort(), [
      'clientAuthentication',
      'fetch',
      'oauthOnTokenUpdate',
      'retry_waiting',
      'token_obtained',
      'waitUntil',
    ]);
    for (const token of Object.values(asked)) assert.equal(await inTime(token), 'token-1');
    assert.equal(server.tokenRequests.length, 2);
  });
});

describe('a failing provider', () => {
  test('lets its own error reach every caller unchanged', async (t) => {
    for (const [index, problem] of [
      new RangeError('own'),
      'a string',
      undefined,
      { code: 'timeout' },
    ].entries()) {
      for (const [mood, oauthTokenProvider] of Object.entries({
        throws: () => {
          throw problem;
        },
        rejects: () => Promise.reject(problem),
      })) {
        await t.test(`${index} ${mood}`, async (t) => {
          const server = await startServer(t);
          const { client, events } = start(server, { oauthTokenProvider });
          const calls = [
            client.fetchToken(),
            client.getToken(),
            client.authorizedFetch(`${server.origin}/x`),
          ];
          for (const call of calls) assert.equal(await rejectionOf(call), problem);
          assert.ok(events.length > 0);
          for (const event of events)
            assert.ok(event.type === 'token_failed' && event.code === 'other' && event.attempts === 0);
        });
      }
    }
  });

  test('is asked once, and left alone then, also where its error has headers that cannot be looked at', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    const problem = Object.assign(new Error('own'), { headers: new Proxy(new Headers(), {}) });
    let asked = 0;
    const { client } = start(server, {
      oauthTokenProvider: () => {
        asked++;
        throw problem;
      },
    });
    assert.equal(await rejectionOf(client.getToken()), problem);
    assert.equal(await rejectionOf(client.getToken()), problem);
    assert.equal(asked, 1);
    clock.advance(1_000);
    assert.equal(await rejectionOf(client.getToken()), problem);
    assert.equal(asked, 2);
  });

  test('is spaced out also where the headers of its ApiError cannot be read', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    const problem = new ApiError('own', { code: 'network', headers: new Proxy(new Headers(), {}) });
    let asked = 0;
    const { client } = start(server, {
      oauthTokenProvider: () => {
        asked++;
        throw problem;
      },
    });
    for (const expected of [1, 1, 2]) {
      assert.equal(await rejectionOf(client.getToken()), problem);
      assert.equal(asked, expected);
      if (expected === 1) clock.advance(500);
    }
  });

  test('is told of each time that it fails anew, and not where it only passes the last error on', async (t) => {
    fakeClock(t);
    const server = await startServer(t, { token: () => ({ status: 404 }) });
    const own = new RangeError('own');
    let answer = (fetchToken: () => Promise<OAuthToken>) => fetchToken().catch(fetchToken);
    const { client, events } = start(server, {
      oauthTokenProvider: (_, { fetchToken }) => answer(fetchToken),
    });
    const tellsOf = async () => [
      (await rejectionOf(client.getToken())).name,
      events.splice(0).map(({ type }) => type),
    ];

    // The exchange has failed, and the second one was barred by that very failure.
    assert.deepEqual(await tellsOf(), ['ApiError', ['token_failed']]);
    assert.deepEqual(await tellsOf(), ['ApiError', []]);
    answer = (fetchToken) => fetchToken().catch(() => Promise.reject(own));
    assert.deepEqual(await tellsOf(), ['RangeError', ['token_failed']]);
    assert.equal(server.tokenRequests.length, 1);
  });

  test('does not shorten what its exchange has to wait by tokens of its own', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t, { token: () => ({ status: 404 }) });
    const { client } = start(server, {
      oauthTokenProvider: (_, { fetchToken }) =>
        fetchToken().catch(() => bearer(`own-${Date.now()}`, { expiresIn: 1 })),
    });
    const askedAt: number[] = [];
    for (let second = 0; second < 60; second++) {
      const before = server.tokenRequests.length;
      await client.getToken();
      if (server.tokenRequests.length > before) askedAt.push(second);
      clock.advance(1_000);
    }
    assert.deepEqual(askedAt, [0, 1, 3, 7, 15, 31]);
  });

  test('is not asked by each call where it has failed ahead of the end', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    let asked = 0;
    const { client } = start(server, {
      oauthTokenProvider: (last) => (
        asked++, last ? Promise.reject(new RangeError('own')) : bearer('a', { expiresIn: 3600 })
      ),
    });
    await client.getToken();
    clock.advance(3_400_000);
    for (let calls = 0; calls < 10; calls++) {
      assert.equal((await client.getToken()).accessToken, 'a');
      await turns();
    }
    assert.equal(asked, 2);
  });

  test('is asked again where it failed after a good exchange, but makes none', async (t) => {
    fakeClock(t);
    const server = await startServer(t);
    let asked = 0;
    const store = async (fetchToken: () => Promise<OAuthToken>): Promise<OAuthToken> => {
      asked++;
      await fetchToken();
      throw new RangeError('own');
    };
    const { client } = start(server, { oauthTokenProvider: (_, { fetchToken }) => store(fetchToken) });

    for (let calls = 0; calls < 3; calls++)
      assert.equal((await rejectionOf(client.getToken())).name, 'RangeError');

    assert.deepEqual([asked, server.tokenRequests.length], [3, 1]);
  });

  test('is asked again after a token of its own, though its exchange failed before any request', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    let asked = 0;
    const { client } = start(server, {
      oauthClientSecret: undefined,
      oauthTokenProvider: (_, { fetchToken }) =>
        fetchToken().catch(() => bearer(`own-${++asked}`, { expiresIn: 20 })),
    });
    for (let second = 0; second < 100; second++) {
      await client.getToken();
      clock.advance(1_000);
    }
    assert.ok(asked >= 5, `asked ${asked} times`);
  });

  test('may not ask again by itself while an exchange is barred, in a refresh ahead either', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    const ask = async (fetchToken: () => Promise<OAuthToken>): Promise<OAuthToken> => {
      for (let tries = 0; tries < 10; tries++) await fetchToken().catch(() => {});
      throw new RangeError('in vain');
    };
    const { client, events } = start(server, {
      oauthTokenProvider: (lastToken, { fetchToken }) => (lastToken ? ask(fetchToken) : fetchToken()),
    });
    await client.getToken();
    server.token = () => ({ status: 404 });
    clock.advance(3_400_000);
    await client.getToken();
    await clock.until(() => events.some(({ type }) => type === 'refresh_ahead_failed'));
    assert.equal(server.tokenRequests.length, 2);
  });

  test('may throw errors of its own kind of ApiError after a 401', async (t) => {
    class BrokerError extends ApiError {
      constructor({ status }: { readonly status: number }) {
        super('the broker is down', { code: 'network', statusCode: status });
      }
    }
    const server = await startServer(t);
    let asked = 0;
    const { client } = start(server, {
      oauthTokenProvider: () => {
        if (asked++) throw new BrokerError({ status: 503 });
        return bearer('a');
      },
    });
    await client.getToken();
    server.revoked.add('a');
    const error = await rejectionOf(client.authorizedFetch(`${server.origin}/x`));
    assert.deepEqual(
      [error.code, error.statusCode, error.message],
      ['network', 503, 'The API answered 401, then: the broker is down'],
    );
  });

  test('lets its own error through after a 401, too, and the old token stays', async (t) => {
    const server = await startServer(t);
    const problem = new RangeError('own');
    let asked = 0;
    const { client } = start(server, {
      oauthTokenProvider: () => {
        if (asked++) throw problem;
        return bearer('a');
      },
    });
    await client.getToken();
    server.api = ({ url }) => (url === '/other' ? {} : { status: 401 });
    assert.equal(await rejectionOf(client.authorizedFetch(`${server.origin}/x`)), problem);
    assert.equal((await client.authorizedFetch(`${server.origin}/other`)).status, 200);
  });

  test('that hangs has 60 s, and may neither exchange nor count after that', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    const gate = hold();
    let late: unknown;
    const updates: string[] = [];
    let signed = 0;
    const { client, events } = start(server, {
      clientAuthentication: (request) => (signed++, clientSecretBasic(request)),
      oauthTokenProvider: async (_, { fetchToken }) => {
        await gate.promise;
        late = await fetchToken().catch((error: unknown) => error);
        return bearer('late');
      },
      oauthOnTokenUpdate: ({ accessToken }) => updates.push(accessToken),
    });
    const waiting = [
      client.getToken(),
      client.fetchToken(),
      client.authorizedFetch(`${server.origin}/x`),
    ].map(rejectionOf);
    clock.advance(59_999);
    await turn();
    assert.equal(events.length, 0);
    clock.advance(1);
    const error = await waiting[0];
    assert.equal(error.code, 'timeout');
    assert.match(error.message, /60000/);
    assert.equal(await waiting[2], error);
    clock.advance(60_000);
    assert.equal((await waiting[1]).code, 'timeout');
    gate.open();
    await clock.until(() => late);
    assert.equal(signed, 0);
    await turn();
    assert.equal(server.tokenRequests.length, 0, 'an exchange was made for nobody');
    assert.deepEqual(updates, []);
  });

  test('lets a caller go who does not want to wait', async (t) => {
    fakeClock(t);
    const server = await startServer(t);
    const { client } = start(server, { oauthTokenProvider: () => new Promise(() => {}) });
    const controller = new AbortController();
    const waiting = rejectionOf(client.getToken({ signal: controller.signal }));
    controller.abort('enough');
    assert.equal(await waiting, 'enough');
  });

  test('whose error cannot be looked at fails the calls that wait for it, and is asked again', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    let isFailing = true;
    const { client } = start(server, {
      oauthTokenProvider: () => {
        if (isFailing) throw hiddenError();
        return bearer('brokered');
      },
    });
    assert.equal((await inTime(rejectionOf(client.getToken()))).message, 'do not look');
    isFailing = false;
    clock.advance(60_000);

    assert.equal((await client.getToken()).accessToken, 'brokered');
  });
});

describe('oauthOnTokenUpdate', () => {
  test('is called once for every token that is new to the client, frozen, and not awaited', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    const updates: OAuthToken[] = [];
    const { client } = start(server, {
      oauthToken: bearer('stored', { expiry: START + 60 }),
      oauthOnTokenUpdate: (token) => {
        updates.push(token);
        return new Promise(() => {});
      },
    });
    await client.getToken();
    assert.deepEqual(updates, []);
    clock.advance(60_000);
    const first = await client.getToken();
    await client.getToken();
    const second = await client.fetchToken();
    assert.deepEqual(updates, [first, second]);
    assert.ok(updates.every(Object.isFrozen));
  });

  test('is not called for the same token again, but when it goes on past its end', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t, { token: () => tokenAnswer('same', 60) });
    const expiries: (number | undefined)[] = [];
    const { client } = start(server, { oauthOnTokenUpdate: ({ expiry }) => expiries.push(expiry) });
    await client.fetchToken();
    await client.fetchToken();
    clock.advance(63_000);
    await client.fetchToken();
    assert.deepEqual(expiries, [START + 60, START + 123]);
  });
});

describe('hooks under fire', () => {
  const FIRE: [label: string, hook: () => unknown][] = [
    [
      'throw',
      () => {
        throw new Error('hook');
      },
    ],
    [
      'throw undefined',
      () => {
        throw undefined;
      },
    ],
    ['reject', () => Promise.reject(new Error('hook'))],
    [
      'reject late',
      async () => {
        await turn();
        throw new Error('hook');
      },
    ],
    ['hang', () => new Promise(() => {})],
    [
      'return a thenable that throws',
      () => ({
        // biome-ignore lint/suspicious/noThenProperty: a thenable is what the hook returns here
        then: () => {
          throw new Error('hook');
        },
      }),
    ],
  ];
  test('that throw what cannot be looked at fail no call and leave no unhandled rejection', async (t) => {
    const unhandled = collectUnhandled(t);
    const server = await startServer(t);
    const oauthOnTokenUpdate = () => {
      throw hiddenError();
    };

    await createClient(server.config({}, { oauthOnTokenUpdate })).getToken();
    await turns();

    assert.deepEqual(unhandled, []);
  });

  for (const [label, hook] of FIRE) {
    test(`that ${label} fail no call and leave no unhandled rejection`, async (t) => {
      const unhandled = collectUnhandled(t);
      const clock = fakeClock(t);
      const server = await startServer(t);
      let isAnnounced = false;
      const client = createClient(
        server.config(
          {
            onEvent: (event) => ((isAnnounced ||= event.type === 'token_update_failed'), hook()),
            waitUntil: hook,
            retry: { baseDelay: 0 },
          },
          { oauthOnTokenUpdate: hook },
        ),
      );
      assert.equal((await client.authorizedFetch(`${server.origin}/x`)).status, 200);
      server.revoked.add('token-1');
      assert.equal((await client.authorizedFetch(`${server.origin}/x`)).status, 200);
      clock.advance(3_400_000);
      await client.getToken();
      while ((await client.getToken()).accessToken !== 'token-3') await turn();
      server.token = () => ({ status: 400 });
      assert.equal((await rejectionOf(client.fetchToken())).statusCode, 400);
      await turns();
      assert.equal(isAnnounced, label !== 'hang');
      assert.deepEqual(unhandled, []);
    });
  }

  test('nobody waits for leave no unhandled rejection either: failed refreshes and waits that were aborted', async (t) => {
    const unhandled = collectUnhandled(t);
    const clock = fakeClock(t);
    const server = await startServer(t);
    const { client, events } = start(server, {});
    await client.getToken();
    server.token = () => ({ status: 400 });
    clock.advance(3_400_000);
    await client.getToken();
    await clock.until(() => events.length === 2);
    const controller = new AbortController();
    const waiting = rejectionOf(client.fetchToken({ signal: controller.signal }));
    controller.abort();
    await waiting;
    await clock.until(() => events.length === 3);
    await turns(5);
    assert.deepEqual(unhandled, []);
  });
});

describe('waitUntil', () => {
  test('gets each renewal, whoever begins it, as a promise that fulfils', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    const promises: Promise<unknown>[] = [];
    const client = createClient(
      server.config({ waitUntil: (promise) => promises.push(promise), retry: { attempts: 1 } }),
    );
    await client.getToken();
    assert.equal(promises.length, 1);
    clock.advance(3_400_000);
    await client.getToken();
    assert.equal(promises.length, 2);
    await promises[1];
    assert.equal((await client.getToken()).accessToken, 'token-2');
    server.token = () => ({ status: 503 });
    await rejectionOf(client.fetchToken());
    assert.equal(promises.length, 3);
    await Promise.all(promises);
  });
});

function start(
  server: Awaited<ReturnType<typeof startServer>>,
  credentials: Partial<ClientCredentials> & { oauthTokenProvider?: OAuthTokenProvider },
) {
  const { events, onEvent } = recordEvents();
  return { client: createClient(server.config({ onEvent }, credentials)), events };
}

/**
 * A client whose token is due for a refresh ahead; its provider then waits for `gate`, and for what `refresh`
 * makes of it.
 */
async function startAhead(t: TestContext, refresh: () => void) {
  const clock = fakeClock(t);
  const gate = hold();
  let count = 0;
  const { client, events } = start(await startServer(t), {
    oauthTokenProvider: async () => {
      if (++count === 2) await gate.promise.then(refresh);
      return bearer(`token-${count}`, { expiresIn: 3600 });
    },
  });
  await client.getToken();
  clock.advance(3_400_000);
  return { clock, client, events, gate, asked: () => count };
}

function collectUnhandled(t: TestContext): unknown[] {
  const unhandled: unknown[] = [];
  const collect = (reason: unknown) => void unhandled.push(reason);
  process.on('unhandledRejection', collect);
  t.after(() => process.off('unhandledRejection', collect));
  return unhandled;
}
