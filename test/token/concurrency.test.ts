import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createClient, type OAuthToken, type ProviderContext } from 'thingspace-auth';
import {
  bearerOf,
  fakeClock,
  type Handler,
  hold,
  inTime,
  rejection,
  rejectionOf,
  startServer,
  tokenAnswer,
  turn,
  turns,
} from '../support/server.ts';

describe('one exchange at a time', () => {
  test('serves 1,000 calls on a cold client', async (t) => {
    const server = await startServer(t, { token: slowly(() => tokenAnswer('a')) });
    const { authorizedFetch, getToken } = createClient(server.config());
    const responses = await Promise.all(
      Array.from({ length: 1000 }, async (_, index) =>
        index % 10 ? (await authorizedFetch(`${server.origin}/x`)).status : (await getToken()).accessToken,
      ),
    );
    assert.deepEqual(new Set(responses), new Set([200, 'a']));
    assert.equal(server.tokenRequests.length, 1);
    assert.equal(server.apiRequests.length, 900);
  });

  test('serves 1,000 calls on a client whose token has ended', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    const client = createClient(server.config());
    await client.getToken();
    clock.advance(3_600_000);
    const tokens = await Promise.all(Array.from({ length: 1000 }, () => client.getToken()));
    assert.ok(tokens.every(({ accessToken }) => accessToken === 'token-2'));
    assert.equal(server.tokenRequests.length, 2);
  });

  test('is one wait for all who come while it is made: each of its own would take half a kilobyte', async (t) => {
    const server = await startServer(t, { token: slowly(() => tokenAnswer('a')) });
    const { getToken } = createClient(server.config());
    const first = getToken();
    const [second, third] = [getToken(), getToken()];
    assert.equal(second, third);
    assert.equal((await second).accessToken, (await first).accessToken);
  });

  test('lets a failure reach all who waited, and forgets it', async (t) => {
    const server = await startServer(t, {
      token: slowly(() => ({ status: 401, body: { error: 'invalid_client' } })),
    });
    const client = createClient(server.config());
    const errors = await Promise.all(
      Array.from({ length: 1000 }, (_, index) =>
        rejectionOf(index % 2 ? client.fetchToken() : client.getToken()),
      ),
    );
    assert.equal(new Set(errors).size, 1);
    assert.equal((errors[0] as { code: string }).code, 'oauth_error');
    assert.equal(server.tokenRequests.length, 1);

    server.token = () => tokenAnswer('b');
    assert.equal((await client.fetchToken()).accessToken, 'b');
    assert.equal((await client.getToken()).accessToken, 'b');
    assert.equal(server.tokenRequests.length, 2);
  });

  test('makes a new one for a fetchToken after the last has ended, valid token or not', async (t) => {
    const server = await startServer(t);
    const { fetchToken, getToken } = createClient(server.config());
    assert.equal((await fetchToken()).accessToken, 'token-1');
    assert.equal((await fetchToken()).accessToken, 'token-2');
    assert.equal((await getToken()).accessToken, 'token-2');
    const together = await Promise.all([fetchToken(), fetchToken(), fetchToken()]);
    assert.deepEqual(new Set(together.map(({ accessToken }) => accessToken)), new Set(['token-3']));
    assert.equal(server.tokenRequests.length, 3);
  });

  test('serves a fetchToken with what getToken has begun, where there is no provider', async (t) => {
    const server = await startServer(t, { token: slowly(() => tokenAnswer('a')) });
    const { fetchToken, getToken } = createClient(server.config());
    await Promise.all([getToken(), fetchToken(), getToken()]);
    assert.equal(server.tokenRequests.length, 1);
  });

  test('serves a getToken with a valid token at once although a fetchToken is under way', async (t) => {
    const server = await startServer(t);
    const { fetchToken, getToken } = createClient(server.config());
    await fetchToken();
    const gate = hold();
    server.token = async () => (await gate.promise, tokenAnswer('late'));
    const fetching = fetchToken();
    assert.equal((await getToken()).accessToken, 'token-1');
    gate.open();
    assert.equal((await fetching).accessToken, 'late');
    assert.equal((await getToken()).accessToken, 'late');
  });
});

describe('fetchToken with a provider', () => {
  test('does not share what others have begun, since that may be served from a store', async (t) => {
    const server = await startServer(t);
    const requests: ProviderContext[] = [];
    const gate = hold();
    const client = createClient(
      server.config(
        {},
        {
          oauthTokenProvider: async (_, request): Promise<OAuthToken> => {
            requests.push(request);
            await gate.promise;
            return request.isForced
              ? request.fetchToken()
              : { accessToken: 'from-the-store', tokenType: 'Bearer', expiresIn: 60 };
          },
        },
      ),
    );
    const implicit = client.getToken();
    const explicit = [client.fetchToken(), client.fetchToken()];
    await turn();
    assert.deepEqual(
      requests.map(({ isForced }) => isForced),
      [false],
      'a second renewal was begun beside the first',
    );
    gate.open();
    assert.equal((await implicit).accessToken, 'from-the-store');
    for (const each of explicit) assert.equal((await each).accessToken, 'token-1');
    assert.deepEqual(
      requests.map(({ isForced }) => isForced),
      [false, true],
    );
    assert.equal(server.tokenRequests.length, 1);
  });

  test('waits for one that hangs once, and not for another minute', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    let asked = 0;
    const oauthTokenProvider = () => (asked++, new Promise<never>(() => {}));
    const client = createClient(server.config({}, { oauthTokenProvider }));

    const calls = [client.getToken(), client.fetchToken()].map(rejectionOf);
    await turns(1);
    clock.advance(60_000);

    for (const call of calls) assert.equal((await inTime(call)).code, 'timeout');
    assert.equal(asked, 1);
  });

  test('serves a getToken with what fetchToken has begun', async (t) => {
    const server = await startServer(t);
    let asked = 0;
    const client = createClient(
      server.config({}, { oauthTokenProvider: (_, { fetchToken }) => (asked++, fetchToken()) }),
    );
    await Promise.all([client.fetchToken(), client.getToken(), client.fetchToken()]);
    assert.equal(asked, 1);
    assert.equal(server.tokenRequests.length, 1);
  });
});

describe('an abort', () => {
  test('ends one caller’s wait with that very reason, and nobody else’s', async (t) => {
    const gate = hold();
    const server = await startServer(t, { token: async () => (await gate.promise, tokenAnswer('a')) });
    const client = createClient(server.config());
    const reasons = [new Error('one'), 'two', undefined, null, 0];
    const controllers = reasons.map(() => new AbortController());
    const settled = Promise.all(
      controllers.flatMap(({ signal }) =>
        [
          client.getToken({ signal }),
          client.fetchToken({ signal }),
          client.authorizedFetch(`${server.origin}/x`, { signal }),
        ].map(async (call) => ({ reason: await rejectionOf(call) })),
      ),
    );
    const others = [
      client.getToken(),
      client.fetchToken(),
      client.getToken({ signal: new AbortController().signal }),
      client.getToken({ signal: null }),
    ];
    while (!server.tokenRequests.length) await turn();
    for (const [index, controller] of controllers.entries()) controller.abort(reasons[index]);

    const expected = controllers.flatMap(({ signal }) => Array(3).fill({ reason: signal.reason }));
    for (const [index, { reason }] of (await settled).entries()) assert.equal(reason, expected[index].reason);
    gate.open();
    for (const other of others) assert.equal((await other).accessToken, 'a');
    assert.equal(server.tokenRequests.length, 1);
    assert.equal(server.apiRequests.length, 0);
  });

  test('of the one who began leaves the exchange to the others and to later calls', async (t) => {
    const gate = hold();
    const server = await startServer(t, { token: async () => (await gate.promise, tokenAnswer('a')) });
    const client = createClient(server.config());
    const controller = new AbortController();
    const beginner = client.getToken({ signal: controller.signal }).catch((reason: unknown) => reason);
    const joiner = client.getToken();
    const reason = new Error('gone');
    controller.abort(reason);
    assert.equal(await beginner, reason);
    gate.open();
    assert.equal((await joiner).accessToken, 'a');
    assert.equal((await client.getToken()).accessToken, 'a');
    assert.equal(server.tokenRequests.length, 1);
  });

  test('ends the wait although a token is held that has not ended yet', async (t) => {
    const gate = hold();
    const server = await startServer(t, { token: async () => (await gate.promise, tokenAnswer('a')) });
    const ending = {
      accessToken: 'ending',
      tokenType: 'Bearer',
      expiry: Math.floor(Date.now() / 1000) + 600,
    } as const;
    const client = createClient(server.config({}, { oauthToken: ending, oauthClockSkew: 3600 }));
    const controller = new AbortController();
    const reasons = [
      client.getToken({ signal: controller.signal }),
      client.authorizedFetch(server.origin, { signal: controller.signal }),
    ].map(rejectionOf);
    while (!server.tokenRequests.length) await turn();
    controller.abort('gone');
    assert.deepEqual(await Promise.all(reasons), ['gone', 'gone']);
    gate.open();
  });

  test('that cannot be listened for is the caller’s error, and no lost exchange', async () => {
    const broken = new Error('invented: no listeners here');
    let listens = 0;
    let requests = 0;
    const signal = {
      aborted: false,
      // It heals, so that the test ends without the mend, too.
      addEventListener: () => {
        if (listens++ < 10) throw broken;
      },
      removeEventListener: () => {},
    };
    const client = createClient({
      clientCredentialsAuthCredentials: {
        oauthClientId: 'invented-id',
        oauthClientSecret: 'invented-secret',
      },
      fetch: async () => {
        requests++;
        return Response.json({ access_token: 'token-1' });
      },
    });

    assert.equal(await rejectionOf(client.getToken({ signal: signal as unknown as AbortSignal })), broken);
    assert.equal(requests, 1);
  });

  test('before the call begins no exchange', async (t) => {
    const server = await startServer(t);
    const sent: unknown[] = [];
    const client = createClient(
      server.config({ fetch: (input, init) => (sent.push(input), fetch(input, init)) }),
    );
    const reason = new Error('too late');
    const signal = AbortSignal.abort(reason);
    const isReason = (error: unknown) => error === reason;
    await assert.rejects(client.getToken({ signal }), isReason);
    await assert.rejects(client.fetchToken({ signal }), isReason);
    await assert.rejects(client.authorizedFetch(`${server.origin}/x`, { signal }), isReason);
    await turn();
    assert.deepEqual(sent, []);
  });

  test('of a signal that 1,000 callers share ends them all, without a listener warning', async (t) => {
    const warnings: Error[] = [];
    const warn = (warning: Error) =>
      void (warning.name === 'MaxListenersExceededWarning' && warnings.push(warning));
    process.on('warning', warn);
    t.after(() => process.off('warning', warn));
    const gate = hold();
    const server = await startServer(t, { token: async () => (await gate.promise, tokenAnswer('a')) });
    const client = createClient(server.config({ timeout: 60_000 }));
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = Promise.all(
      Array.from({ length: 1000 }, (_, index) =>
        rejectionOf(index % 2 ? client.getToken({ signal }) : client.fetchToken({ signal })),
      ),
    );
    const reason = new Error('enough');
    controller.abort(reason);
    assert.deepEqual(new Set(await waiting), new Set([reason]));
    gate.open();

    const other = new AbortController();
    for (let count = 0; count < 3; count++) {
      const calls = Array.from({ length: 50 }, () =>
        client.authorizedFetch(`${server.origin}/x`, { signal: other.signal }),
      );
      for (const response of await Promise.all(calls)) await response.arrayBuffer();
    }
    await turn();
    // Node itself warns where its own fetch follows one signal often; with a time limit it only ever sees
    // ours.
    assert.deepEqual(warnings, []);
  });
});

describe('a revoked token', () => {
  test('costs 1,000 calls that meet it one exchange, and all succeed', async (t) => {
    const server = await startServer(t);
    const client = createClient(server.config());
    await client.getToken();
    server.revoked.add('token-1');
    const responses = await Promise.all(
      Array.from({ length: 1000 }, () => client.authorizedFetch(`${server.origin}/x`)),
    );
    assert.ok(responses.every(({ status }) => status === 200));
    assert.equal(server.tokenRequests.length, 2);
    assert.ok(server.apiRequests.length <= 2000);
  });

  for (const way of ['a call', 'a stream']) {
    test(`is not believed to have come back for ${way} by an exchange that was begun before it was revoked`, async (t) => {
      const clock = fakeClock(t);
      const server = await startServer(t);
      const gate = hold();
      const tokens = ['token-1', 'token-1', 'token-2'];
      // ThingSpace repeats a token until it is revoked.
      server.token = async () => {
        const answer = tokenAnswer(tokens[server.tokenRequests.length - 1] ?? 'none');
        if (server.tokenRequests.length === 2) await gate.promise;
        return answer;
      };
      const { fetchToken, authorizedFetch } = createClient(server.config());
      await fetchToken();
      clock.advance(1_000);

      const refresh = fetchToken();
      await clock.until(() => server.tokenRequests.length === 2);
      server.revoked.add('token-1');
      const body = way === 'a stream' ? new Blob(['x']).stream() : 'x';
      const init = { method: 'POST', body, duplex: 'half' } as RequestInit;
      const call = authorizedFetch(`${server.origin}/x`, init);
      await clock.until(() => server.apiRequests.length === 1);
      if (way === 'a stream') assert.equal((await call).status, 401);
      gate.open();
      await refresh;
      if (way === 'a call') assert.equal((await call).status, 200);

      assert.equal((await authorizedFetch(`${server.origin}/x`)).status, 200);
      assert.equal(server.tokenRequests.length, 3);
    });
  }

  test('costs a call that was answered late no exchange when another has renewed meanwhile', async (t) => {
    const gate = hold();
    const server = await startServer(t);
    server.api = async ({ url, headers }) => {
      const isRevoked = bearerOf(headers) === 'token-1';
      if (url === '/slow' && isRevoked) await gate.promise;
      return isRevoked ? rejection : {};
    };
    const client = createClient(server.config());
    const slow = client.authorizedFetch(`${server.origin}/slow`);
    assert.equal((await client.authorizedFetch(`${server.origin}/quick`)).status, 200);
    gate.open();
    assert.equal((await slow).status, 200);
    assert.equal(server.tokenRequests.length, 2);
    assert.equal(server.apiRequests.length, 4);
  });
});

describe('two clients', () => {
  test('share nothing, interleaved as they may be', async (t) => {
    const server = await startServer(t);
    const ids: string[] = [];
    server.token = slowly(({ headers }) => {
      const id = atob(headers.authorization!.slice(6)).split(':')[0]!;
      ids.push(id);
      return id === 'bad' ? { status: 401, body: { error: 'invalid_client' } } : tokenAnswer(`of-${id}`);
    });
    const clients = ['a', 'b', 'bad'].map((oauthClientId) =>
      createClient(server.config({}, { oauthClientId })),
    );
    const results = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        clients[index % 3]!.getToken().then(
          ({ accessToken }) => accessToken,
          ({ code }: { code: string }) => code,
        ),
      ),
    );
    for (const [index, result] of results.entries())
      assert.equal(result, ['of-a', 'of-b', 'oauth_error'][index % 3]);
    assert.deepEqual(ids.sort(), ['a', 'b', 'bad']);
  });

  test('share nothing, not even with one configuration object, and a refusal of one does not bar the other', async (t) => {
    // The second for which a refusal holds must not pass meanwhile.
    fakeClock(t);
    const server = await startServer(t, {
      token: () => ({ status: 400, body: { error: 'invalid_client' } }),
    });
    const config = server.config();
    const first = createClient(config);
    const second = createClient(config);
    await assert.rejects(first.getToken());
    server.token = () => tokenAnswer('a');
    assert.equal((await second.getToken()).accessToken, 'a');
    await assert.rejects(first.getToken());
    assert.equal(server.tokenRequests.length, 2);
  });
});

describe('withToken', () => {
  test('gives a new client that starts from the token, and leaves the first as it is', async (t) => {
    const server = await startServer(t);
    const first = createClient(server.config());
    const saved: OAuthToken = JSON.parse(JSON.stringify(await first.fetchToken()));
    const second = first.withToken({ ...saved, accessToken: 'other' });
    assert.equal((await second.getToken()).accessToken, 'other');
    assert.equal((await first.getToken()).accessToken, 'token-1');
    assert.ok(Object.isFrozen(second));

    server.revoked.add('other');
    assert.equal((await second.authorizedFetch(`${server.origin}/x`)).status, 200);
    assert.equal((await second.getToken()).accessToken, 'token-2');
    assert.equal((await first.getToken()).accessToken, 'token-1');
    assert.equal(server.tokenRequests.length, 2);
  });

  test('makes no exchange for a token that is valid, and one for a token that has ended', async (t) => {
    const server = await startServer(t);
    const client = createClient(server.config());
    const now = Math.floor(Date.now() / 1000);
    const valid = client.withToken({ accessToken: 'valid', tokenType: 'Bearer', expiry: now + 600 });
    assert.equal((await valid.authorizedFetch(`${server.origin}/x`)).status, 200);
    assert.equal(server.tokenRequests.length, 0);
    const ended = client.withToken({ accessToken: 'ended', tokenType: 'Bearer', expiry: now });
    assert.equal((await ended.authorizedFetch(`${server.origin}/x`)).status, 200);
    assert.deepEqual(
      server.apiRequests.map(({ headers }) => bearerOf(headers)),
      ['valid', 'token-1'],
    );
  });

  test('uses a token without expiry until it is rejected, whatever its expiresIn', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    const client = createClient(server.config()).withToken({
      accessToken: 'stored',
      tokenType: 'Bearer',
      expiresIn: 1,
    });
    clock.advance(86_400_000);
    assert.equal((await client.authorizedFetch(`${server.origin}/x`)).status, 200);
    assert.equal(server.tokenRequests.length, 0);
    server.revoked.add('stored');
    assert.equal((await client.authorizedFetch(`${server.origin}/x`)).status, 200);
    assert.equal(server.tokenRequests.length, 1);
  });
});

describe('a late result', () => {
  test('never replaces a newer one', async (t) => {
    const clock = fakeClock(t);
    const gate = hold();
    const server = await startServer(t);
    const seen: string[] = [];
    let isFirst = true;
    const client = createClient(
      server.config(
        {},
        {
          // The first renewal runs into its time limit; what it brings after that must not count.
          oauthTokenProvider: async (): Promise<OAuthToken> => {
            if (!isFirst) return { accessToken: 'newer', tokenType: 'Bearer' };
            isFirst = false;
            await gate.promise;
            return { accessToken: 'late', tokenType: 'Bearer' };
          },
          oauthOnTokenUpdate: ({ accessToken }) => seen.push(accessToken),
        },
      ),
    );
    const first = client.fetchToken().catch((error: unknown) => error);
    clock.advance(60_000);
    assert.equal(((await first) as { code: string }).code, 'timeout');
    assert.equal((await client.fetchToken()).accessToken, 'newer');
    gate.open();
    await turn();
    assert.equal((await client.getToken()).accessToken, 'newer');
    assert.deepEqual(seen, ['newer']);
  });
});

/** Answers after a few turns of the event loop, so that others can join. */
function slowly(handler: Handler): Handler {
  return async (...parameters) => {
    await turns(5);
    return handler(...parameters);
  };
}
