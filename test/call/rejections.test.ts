/**
 * The cost of a rejected token: an API that always refuses, streams that cannot be sent again, tokens revoked
 * in a row.
 */
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { describe, type TestContext, test } from 'node:test';
import { type Client, type ClientCredentials, createClient, type OAuthToken } from 'thingspace-auth';
import { STREAMS, streamOf } from '../support/bodies.ts';
import {
  bearerOf,
  type Clock,
  fakeClock,
  hold,
  recordEvents,
  rejection,
  startServer,
  type TestServer,
  tokenAnswer,
  turns,
} from '../support/server.ts';

const HELD: OAuthToken = { accessToken: 'held-token', tokenType: 'Bearer' };
const MINUTE_MS = 60_000;

describe('an API that always answers 401, at a server with a new token each time', () => {
  for (const kind of Object.keys(STREAMS)) {
    test(`costs 50 calls with streamed bodies two exchanges, and one more for each further minute (${kind})`, async (t) => {
      const { clock, server, client } = await start(t);
      server.api = () => rejection;
      const streamed = async () => {
        for (let calls = 0; calls < 50; calls++)
          assert.equal((await post(client, server, STREAMS[kind]!())).status, 401);
        return server.tokenRequests.splice(0).length;
      };

      assert.equal(await streamed(), 2);
      for (let minutes = 0; minutes < 3; minutes++) {
        clock.advance(MINUTE_MS);
        assert.equal(await streamed(), 1);
      }
      assert.equal(server.apiRequests.length, 200, 'a stream was sent again');
    });
  }

  test('costs calls of all kinds, one a second, two exchanges in any minute', async (t) => {
    const { clock, server, client } = await start(t);
    server.api = () => rejection;
    const askedAtMs: number[] = [];
    const { token } = server;
    server.token = (...parameters) => (askedAtMs.push(Date.now()), token(...parameters));

    for (let calls = 0; calls < 300; calls++) {
      const sendable = calls % 2 ? 'text' : undefined;
      const body = calls % 3 ? streamOf('a') : sendable;
      assert.equal((await post(client, server, body)).status, 401);
      clock.advance(1_000);
    }

    for (const ms of askedAtMs) {
      const within = askedAtMs.filter((each) => each >= ms && each < ms + MINUTE_MS);
      assert.ok(within.length <= 2, `${within.length} exchanges in a minute`);
    }
    assert.ok(askedAtMs.length >= 4, 'nothing was renewed');
  });

  test('costs 50 streamed calls at once one exchange, and none while that token is new', async (t) => {
    const { server, client } = await start(t, { oauthToken: HELD });
    server.api = () => rejection;
    const together = () => Promise.all(Array.from({ length: 50 }, () => post(client, server, streamOf('a'))));

    for (let rounds = 0; rounds < 3; rounds++) await together();

    assert.equal(server.tokenRequests.length, 1);
    assert.equal(server.apiRequests.length, 150);
  });

  test('costs as little with a provider', async (t) => {
    let asked = 0;
    const oauthTokenProvider = () => ({ accessToken: `given-${++asked}`, tokenType: 'Bearer' }) as const;
    const { clock, server, client } = await start(t, { oauthTokenProvider });
    server.api = () => rejection;

    for (let calls = 0; calls < 50; calls++) await post(client, server, streamOf('a'));
    assert.equal(asked, 2);
    clock.advance(MINUTE_MS);
    for (let calls = 0; calls < 50; calls++) await post(client, server, streamOf('a'));
    assert.equal(asked, 3);
  });
});

describe('a call that can be sent again', () => {
  for (const body of [undefined, 'text']) {
    test(`is replayed when it meets its 401 with a token that a stream has just given up (${body ?? 'no body'})`, async (t) => {
      const { clock, server, client } = await start(t, { oauthToken: HELD });
      const late = holdBack(server);
      const slow = post(client, server, body, '/late');
      await clock.until(() => late.length);

      assert.equal((await post(client, server, streamOf('a'))).status, 401);
      late[0]!.writeHead(401).end();

      assert.equal((await slow).status, 200);
      assert.deepEqual(bearersOf(server, '/late'), ['held-token', 'token-1']);
      assert.equal(server.tokenRequests.length, 1);
    });
  }

  test('is replayed with the newer token, though another API has been found to reject that one too', async (t) => {
    const { clock, server, client } = await start(t, { oauthToken: HELD });
    const late = holdBack(server);
    const { api } = server;
    server.api = (received, response) => (received.url === '/strict' ? rejection : api(received, response));
    const slow = post(client, server, undefined, '/late');
    await clock.until(() => late.length);
    assert.equal((await post(client, server, undefined, '/strict')).status, 401);

    late[0]!.writeHead(401).end();

    assert.equal((await slow).status, 200);
    assert.deepEqual(bearersOf(server, '/late'), ['held-token', 'token-1']);
    assert.equal(server.tokenRequests.length, 1);
  });

  test('is replayed with the token that the next call has fetched meanwhile, without an exchange of its own', async (t) => {
    const { clock, server, client } = await start(t, { oauthToken: HELD });
    const late = holdBack(server);
    const slow = post(client, server, undefined, '/late');
    await clock.until(() => late.length);

    assert.equal((await post(client, server, streamOf('a'))).status, 401);
    assert.equal((await post(client, server, streamOf('a'))).status, 200);
    late[0]!.writeHead(401).end();

    assert.equal((await slow).status, 200);
    assert.equal(server.tokenRequests.length, 1);
  });

  test('fails where it joins a renewal that fails, and does not get back the token that was rejected', async (t) => {
    const { clock, server, client } = await start(t, { oauthToken: HELD });
    const late = holdBack(server);
    const gate = hold();
    server.token = async () => (await gate.promise, { status: 400, body: { error: 'invalid_client' } });
    const slow = post(client, server, undefined, '/late');
    await clock.until(() => late.length);
    await post(client, server, streamOf('a'));
    const others = Promise.allSettled([post(client, server), post(client, server)]);
    await clock.until(() => server.tokenRequests.length);
    late[0]!.writeHead(401).end();
    await turns();
    gate.open();

    await assert.rejects(slow, /^OAuthProviderError: The API answered 401, then: /);
    await others;
  });

  test('brings a token that no stream gives up within a minute', async (t) => {
    const { server, client } = await start(t, { oauthToken: HELD });
    server.revoked.add('held-token');
    assert.equal((await post(client, server, 'text')).status, 200);
    server.api = () => rejection;

    for (let calls = 0; calls < 3; calls++)
      assert.equal((await post(client, server, streamOf('a'))).status, 401);

    assert.equal(server.tokenRequests.length, 1);
  });

  test('renews a token that a stream has kept, since it was new', async (t) => {
    const { clock, server, client } = await start(t, { oauthToken: HELD });
    server.revoked.add('held-token');
    assert.equal((await post(client, server, streamOf('a'))).status, 401);
    assert.equal((await post(client, server, streamOf('a'))).status, 200);

    clock.advance(10_000);
    server.revoked.add('token-1');
    for (let calls = 0; calls < 5; calls++)
      assert.equal((await post(client, server, streamOf('a'))).status, 401);
    assert.equal(server.tokenRequests.length, 1);
    assert.equal((await post(client, server, 'text')).status, 200);
    assert.equal((await post(client, server, streamOf('a'))).status, 200);

    assert.equal(server.tokenRequests.length, 2);
  });

  test('loses nothing by a token that is revoked twice within a minute, nor three times', async (t) => {
    const { clock, server, client, events } = await start(t);
    const call = async () => assert.equal((await post(client, server, 'text')).status, 200);

    await call();
    for (const revoked of ['token-1', 'token-2', 'token-3']) {
      server.revoked.add(revoked);
      await call();
      clock.advance(10_000);
      await call();
    }

    assert.equal(server.tokenRequests.length, 4);
    assert.equal(events.filter(({ type }) => type === 'request_replayed').length, 3);
  });

  test('loses nothing by a token that is revoked within the second in which it came', async (t) => {
    const { server, client } = await start(t);
    const call = async () => assert.equal((await post(client, server)).status, 200);

    await call();
    for (const revoked of ['token-1', 'token-2']) {
      server.revoked.add(revoked);
      await call();
    }

    assert.equal(server.tokenRequests.length, 3);
  });

  test('costs no exchange for a minute after a replay was refused too, whichever call meets the token next', async (t) => {
    const { clock, server, client } = await start(t, { oauthToken: HELD });
    server.api = () => rejection;

    assert.equal((await post(client, server)).status, 401);
    assert.deepEqual(bearersOf(server), ['held-token', 'token-1']);
    for (let seconds = 0; seconds < 59; seconds++) {
      assert.equal((await post(client, server, seconds % 2 ? 'text' : streamOf('a'))).status, 401);
      clock.advance(1_000);
    }
    assert.equal(server.tokenRequests.length, 1);
    clock.advance(1_000);
    assert.equal((await post(client, server)).status, 401);

    assert.equal(server.tokenRequests.length, 2);
    assert.equal(server.apiRequests.length, 2 + 59 + 2);
  });

  test('costs one exchange where the clock has been set back since a replay was refused: that is not lately', async (t) => {
    const { clock, server, client } = await start(t, { oauthToken: HELD });
    server.api = () => rejection;
    assert.equal((await post(client, server)).status, 401);
    clock.jump(-60 * MINUTE_MS);
    server.api = ({ headers }) => (bearerOf(headers) === 'token-1' ? rejection : {});

    assert.equal((await post(client, server)).status, 200);
    assert.deepEqual(bearersOf(server), ['held-token', 'token-1', 'token-1', 'token-2']);
  });

  test('is served by an API that takes the token which another API refuses, without a word to the server', async (t) => {
    const { server, client } = await start(t);
    server.api = ({ url }) => (url === '/strict' ? rejection : {});
    await post(client, server, undefined, '/strict');
    const exchanges = server.tokenRequests.length;

    for (let calls = 0; calls < 20; calls++) {
      assert.equal((await post(client, server, undefined, '/lenient')).status, 200);
      assert.equal((await post(client, server, calls % 2 ? 'text' : streamOf('a'), '/strict')).status, 401);
    }

    assert.equal(server.tokenRequests.length, exchanges);
  });
});

describe('a server that repeats its token', () => {
  const sameToken = (server: TestServer) => (server.token = () => tokenAnswer('same', 3600));

  test('is not asked again for a rejected one, though a fetchToken has brought that once more', async (t) => {
    const { server, client } = await start(t);
    sameToken(server);
    server.api = () => rejection;
    await post(client, server);
    await client.fetchToken();
    const exchanges = server.tokenRequests.length;

    assert.equal((await post(client, server)).status, 401);

    assert.equal(server.tokenRequests.length, exchanges);
  });

  test('is asked once for one that a stream has given up, whichever call meets it next', async (t) => {
    const { server, client } = await start(t);
    sameToken(server);
    await post(client, server);
    server.api = () => rejection;

    for (const body of [streamOf('a'), streamOf('b'), 'text', undefined]) await post(client, server, body);

    assert.equal(server.tokenRequests.length, 2);
  });
});

describe('what is known of a rejected token', () => {
  test('holds up nobody who only asks for a token, while a call that can be sent again gets another one', async (t) => {
    const { clock, server, client } = await start(t, { oauthToken: HELD });
    const gate = hold();
    server.token = async () => (await gate.promise, tokenAnswer('token-1'));
    server.revoked.add(HELD.accessToken);
    const call = post(client, server);
    await clock.until(() => server.tokenRequests.length);

    const meanwhile = await Promise.race([client.getToken(), turns()]);
    gate.open();

    assert.equal(meanwhile?.accessToken, HELD.accessToken);
    assert.equal((await call).status, 200);
  });

  test('is not held against the one that comes after its end', async (t) => {
    const { clock, server, client } = await start(t, { oauthToken: HELD });
    server.token = () => tokenAnswer(`token-${server.tokenRequests.length}`, 30);
    server.api = () => rejection;
    await post(client, server);
    server.api = () => ({});
    clock.advance(31_000);
    await post(client, server);
    server.api = ({ headers }) => (bearerOf(headers) === 'token-2' ? rejection : {});

    assert.equal((await post(client, server)).status, 200);

    assert.deepEqual(bearersOf(server), ['held-token', 'token-1', 'token-2', 'token-2', 'token-3']);
  });
});

describe('a token given up by a stream', () => {
  test('is renewed by the next call of any kind, with the credentials', async (t) => {
    for (const body of [undefined, 'text', streamOf('a')]) {
      const { server, client } = await start(t, { oauthToken: HELD });
      server.revoked.add('held-token');

      assert.equal((await post(client, server, streamOf('a'))).status, 401);
      assert.equal((await post(client, server, body)).status, 200);

      assert.deepEqual(bearersOf(server), ['held-token', 'token-1']);
    }
  });

  test('still serves when there is no other', async (t) => {
    const { server, client } = await start(t, { oauthToken: { ...HELD, expiry: 4_102_444_800 } });
    server.revoked.add('held-token');
    server.token = () => ({ status: 400, body: { error: 'invalid_client' } });
    assert.equal((await post(client, server, streamOf('a'))).status, 401);
    server.revoked.clear();

    assert.equal((await post(client, server, streamOf('a'))).status, 200);
    assert.equal(server.tokenRequests.length, 1);
  });
});

async function start(t: TestContext, credentials: Partial<ClientCredentials> = {}) {
  const clock: Clock = fakeClock(t);
  t.mock.method(Math, 'random', () => 0);
  const server = await startServer(t);
  const { events, onEvent } = recordEvents();
  return {
    clock,
    server,
    events,
    client: createClient(server.config({ onEvent, retry: { attempts: 1 } }, credentials)),
  };
}

/** A call whose answer has been read; `duplex` is missing in the types. */
async function post(
  { authorizedFetch }: Client,
  { origin }: TestServer,
  body?: unknown,
  path = '/',
): Promise<Response> {
  const init = body === undefined ? {} : { method: 'POST', body, duplex: 'half' };
  const response = await authorizedFetch(origin + path, init as RequestInit);
  await response.clone().text();
  return response;
}

/**
 * Answers to `/late` wait until they are written, but for a new token; everything else refuses the held one.
 */
function holdBack(server: TestServer): ServerResponse[] {
  const late: ServerResponse[] = [];
  server.api = ({ url, headers }, response) => {
    if (bearerOf(headers) !== 'held-token') return {};
    if (url !== '/late') return rejection;
    late.push(response);
  };
  return late;
}

function bearersOf({ apiRequests }: TestServer, path = '/'): string[] {
  return apiRequests.filter(({ url }) => url === path).map(({ headers }) => bearerOf(headers));
}
