/** The 401 rule, and what `authorizedFetch` does with what it is given. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import {
  ApiError,
  createClient,
  type Fetch,
  noClientAuthentication,
  OAuthProviderError,
  type OAuthToken,
} from 'thingspace-auth';
import { createDpop } from 'thingspace-auth/dpop';
import { createSession } from 'thingspace-auth/session';
import { Agent, type Dispatcher, H2CClient, interceptors, fetch as undiciFetch } from 'undici';
import { BODIES, requestOf, STREAMS, withoutBoundary } from '../support/bodies.ts';
import {
  type Answer,
  bearerOf,
  fakeClock,
  hold,
  inTime,
  type Received,
  recordEvents,
  rejection,
  rejectionOf,
  startServer,
  type TestServer,
  tokenAnswer,
  turn,
  turns,
} from '../support/server.ts';

const HELD: OAuthToken = { accessToken: 'held-token', tokenType: 'Bearer' };

for (const form of ['init', 'Request'] as const) {
  test(`sends each kind of body again after a 401, once and byte for byte (${form})`, async (t) => {
    const server = await startServer(t, { token: () => tokenAnswer('new-token') });
    server.revoked.add('held-token');

    for (const [name, body] of Object.entries(BODIES)) {
      const { events, onEvent } = recordEvents();
      const { authorizedFetch } = createClient(server.config({ onEvent }, { oauthToken: HELD }));
      const init = { method: 'POST', body: body(), headers: { 'x-own': name } };
      const url = `${server.origin}/path`;
      const response = await (form === 'init'
        ? authorizedFetch(url, init)
        : authorizedFetch(new Request(url, init)));

      assert.deepEqual([response.status, await response.json()], [200, { path: '/path' }], name);
      assert.equal(server.tokenRequests.splice(0).length, 1, name);
      const requests = server.apiRequests.splice(0);
      assert.deepEqual(
        requests.map(({ headers }) => bearerOf(headers)),
        ['held-token', 'new-token'],
        name,
      );
      assert.deepEqual(essenceOf(requests[1]!), essenceOf(requests[0]!), name);
      assert.deepEqual(typesOf(events), ['token_obtained', 'request_replayed'], name);
    }
  });
}

for (const [name, body] of Object.entries(STREAMS)) {
  test(`returns the 401 to a call with a stream, and renews at the next call (${name})`, async (t) => {
    const server = await startServer(t);
    server.revoked.add('held-token');
    const { authorizedFetch } = createClient(server.config({}, { oauthToken: HELD }));

    const init = { method: 'POST', body: body(), duplex: 'half' } as RequestInit;
    const refused = await authorizedFetch(server.origin, init);
    assert.deepEqual([refused.status, await refused.json()], [401, rejection.body]);
    assert.deepEqual([server.apiRequests.length, server.tokenRequests.length], [1, 0]);
    const served = await authorizedFetch(server.origin, {
      method: 'POST',
      body: body(),
      duplex: 'half',
    } as RequestInit);

    assert.equal(served.status, 200);
    assert.deepEqual(
      server.apiRequests.map((request) => bearerOf(request.headers)),
      ['held-token', 'token-1'],
    );
    assert.equal(server.tokenRequests.length, 1);
  });
}

test('sends a Request with a stream again: it is cloned', async (t) => {
  const server = await startServer(t);
  server.revoked.add('held-token');
  const { authorizedFetch } = createClient(server.config({}, { oauthToken: HELD }));

  const response = await authorizedFetch(
    requestOf(server.origin, { method: 'POST', body: STREAMS.ReadableStream!() }),
  );

  assert.equal(response.status, 200);
  assert.deepEqual(
    server.apiRequests.map(({ body }) => body),
    ['first second', 'first second'],
  );
});

test('lets go of the clone too, so that the source of a body that is not read to its end hears of it', async (t) => {
  const server = await startServer(t);
  const told = hold();
  const body = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(1)),
    cancel: told.open,
  });
  const answersAtOnce: Fetch = async (input) => {
    void (input as Request).body?.cancel();
    return new Response();
  };
  const { authorizedFetch } = createClient(server.config({ fetch: answersAtOnce }, { oauthToken: HELD }));

  await authorizedFetch(requestOf(server.origin, { method: 'POST', body }));

  await told.promise;
});

test('leaves a stream alone where there was no token: the caller may send it again', async (t) => {
  const server = await startServer(t, { token: () => ({ status: 400, body: { error: 'invalid_client' } }) });
  let cancelled = 0;
  const body = new ReadableStream({ cancel: () => void cancelled++ });

  const { name } = await rejectionOf(
    createClient(server.config()).authorizedFetch(server.origin, {
      method: 'POST',
      body,
      duplex: 'half',
    } as RequestInit),
  );

  assert.deepEqual([name, cancelled], ['OAuthProviderError', 0]);
});

test('neither clones nor reads nor wraps a body given in options: fetch gets the very object, each time', async (t) => {
  const given: unknown[] = [];
  // The client reads the answers of token requests as Blobs of its own.
  const { calls } = spyOnCopying(t, (body) => !(body instanceof Blob) || given.includes(body));
  const statuses = [401, 307, 200];
  const answers: Fetch = async (_input, init) => {
    given.push(init?.body);
    return new Response(null, {
      status: statuses[(given.length - 1) % 3]!,
      headers: { location: '/elsewhere' },
    });
  };
  const server = await startServer(t);
  for (const [name, makeBody] of Object.entries(BODIES)) {
    given.length = 0;
    const { authorizedFetch } = createClient(
      server.config({ fetch: tokensFrom(server, answers) }, { oauthToken: HELD }),
    );
    const body = makeBody();

    assert.equal((await authorizedFetch(server.origin, { method: 'PUT', body })).status, 200, name);

    assert.equal(given.length, 3, name);
    assert.ok(
      given.every((each) => each === body),
      name,
    );
  }
  for (const [name, makeBody] of Object.entries(STREAMS)) {
    given.length = 0;
    const { authorizedFetch } = createClient(server.config({ fetch: answers }, { oauthToken: HELD }));
    const body = makeBody() as BodyInit;

    assert.equal((await authorizedFetch(server.origin, { method: 'PUT', body })).status, 401, name);

    assert.ok(given.length === 1 && given[0] === body, name);
  }
  assert.deepEqual(calls, []);
});

test('judges a call on a cold client without touching its body: some platforms would copy it or use it up', async (t) => {
  const server = await startServer(t);
  const judged: unknown[] = [];
  const { Request } = globalThis;
  t.after(() => void (globalThis.Request = Request));
  globalThis.Request = class extends Request {
    constructor(input: RequestInfo | URL, init: RequestInit = {}) {
      judged.push(init.body);
      super(input, init);
    }
  };
  for (const [name, makeBody] of Object.entries({ ...BODIES, ...STREAMS })) {
    const { authorizedFetch } = createClient(server.config());
    const body = makeBody() as BodyInit;

    assert.equal(
      (await authorizedFetch(server.origin, { method: 'PUT', body, duplex: 'half' } as RequestInit)).status,
      200,
      name,
    );

    assert.ok(judged.length && !judged.some((each) => each === body && each !== ''), name);
  }
});

test('sends a call again as it was meant, whatever a wrapped fetch has made of its options', async (t) => {
  const server = await startServer(t);
  server.revoked.add('held-token');
  const wrapped: Fetch = (input, init = {}) => {
    // As tracing libraries do, which add headers of theirs.
    if (String(input).endsWith('/wrapped'))
      Object.assign(init, { method: 'PUT', headers: new Headers(init.headers), body: `<${init.body}>` });
    return fetch(input, init);
  };
  const { authorizedFetch } = createClient(server.config({ fetch: wrapped }, { oauthToken: HELD }));

  assert.equal(
    (await authorizedFetch(`${server.origin}/wrapped`, { method: 'POST', body: 'text' })).status,
    200,
  );

  assert.deepEqual(
    server.apiRequests.map(({ body }) => body),
    ['<text>', '<text>'],
  );
  assert.equal(server.apiRequests.length, 2);
  assert.notEqual(server.apiRequests[1]!.headers.authorization, 'Bearer held-token');
});

test('clones a Request that has a body once, and one that has none never', async (t) => {
  const { calls } = spyOnCopying(t);
  const server = await startServer(t);
  const { authorizedFetch } = createClient(server.config({}, { oauthToken: HELD }));

  await authorizedFetch(new Request(server.origin));
  await authorizedFetch(new Request(server.origin, { method: 'POST' }));
  await authorizedFetch(new Request(server.origin, { method: 'POST', body: 'own' }), { body: 'other' });
  assert.deepEqual(calls, []);
  await authorizedFetch(new Request(server.origin, { method: 'POST', body: 'own' }));

  assert.deepEqual(calls, ['Request.clone']);
});

test('returns the 401 unread and unreplayed when the renewed token is the same one', async (t) => {
  const server = await startServer(t, { token: () => tokenAnswer('held-token') });
  server.revoked.add('held-token');
  const { authorizedFetch } = createClient(server.config({}, { oauthToken: HELD }));

  const response = await authorizedFetch(server.origin, { method: 'POST', body: 'text' });

  assert.deepEqual([response.status, response.bodyUsed, await response.json()], [401, false, rejection.body]);
  assert.deepEqual([server.apiRequests.length, server.tokenRequests.length], [1, 1]);
});

test('makes no exchange for a token rejected again within a minute, and one after it', async (t) => {
  const clock = fakeClock(t);
  const server = await startServer(t, { token: () => tokenAnswer('held-token') });
  server.revoked.add('held-token');
  const { authorizedFetch } = createClient(server.config({}, { oauthToken: HELD }));
  const exchangesOf = async (calls: number): Promise<number> => {
    for (let count = 0; count < calls; count++)
      assert.equal((await authorizedFetch(server.origin)).status, 401);
    return server.tokenRequests.splice(0).length;
  };

  assert.equal(await exchangesOf(20), 1);
  clock.advance(59_000);
  assert.equal(await exchangesOf(20), 0);
  clock.advance(2000);
  assert.equal(await exchangesOf(20), 1);
});

test('replays once only, and counts a token rejected by the replay as rejected', async (t) => {
  const server: TestServer = await startServer(t, {
    api: (): Answer => (server.apiRequests.length < 9 ? rejection : {}),
  });
  const { authorizedFetch } = createClient(server.config());

  const first = await authorizedFetch(server.origin);
  assert.deepEqual([first.status, await first.json()], [401, rejection.body]);
  assert.deepEqual(
    server.apiRequests.map((request) => bearerOf(request.headers)),
    ['token-1', 'token-2'],
  );
  assert.equal((await authorizedFetch(server.origin)).status, 401);

  assert.equal(server.apiRequests.length, 3);
  assert.equal(server.tokenRequests.length, 2);
});

test('counts a token rejected by a call with a stream as rejected: no storm on a server that repeats its token', async (t) => {
  const server = await startServer(t, { token: () => tokenAnswer('held-token') });
  server.revoked.add('held-token');
  const { authorizedFetch } = createClient(server.config({}, { oauthToken: HELD }));

  for (let count = 0; count < 10; count++) {
    const init = { method: 'POST', body: STREAMS.ReadableStream!(), duplex: 'half' } as RequestInit;
    assert.equal((await authorizedFetch(server.origin, init)).status, 401);
  }

  assert.deepEqual([server.apiRequests.length, server.tokenRequests.length], [10, 1]);
});

test('uses the token of another caller who has renewed meanwhile', async (t) => {
  const held: ServerResponse[] = [];
  const server = await startServer(t, {
    api: ({ url, headers }, response) => {
      if (bearerOf(headers) !== 'held-token') return { body: url };
      if (url === '/fast') return rejection;
      held.push(response);
    },
  });
  const { authorizedFetch } = createClient(server.config({}, { oauthToken: HELD }));

  const slow = authorizedFetch(`${server.origin}/slow`);
  const fast = await authorizedFetch(`${server.origin}/fast`);
  assert.equal(fast.status, 200);
  held[0]!.writeHead(401).end();

  assert.equal((await slow).status, 200);
  assert.equal(server.tokenRequests.length, 1);
});

test('uses such a token close to its end, too, where the renewal fails', async (t) => {
  const clock = fakeClock(t);
  const held: ServerResponse[] = [];
  const server = await startServer(t, {
    token: () => tokenAnswer('other-token', 60),
    api: ({ headers }, response) => (bearerOf(headers) === 'held-token' ? void held.push(response) : {}),
  });
  const { authorizedFetch, fetchToken } = createClient(
    server.config({}, { oauthToken: HELD, oauthClockSkew: 60 }),
  );

  const slow = authorizedFetch(server.origin);
  await clock.until(() => held.length);
  await fetchToken();
  clock.advance(1_000);
  server.token = () => ({ status: 400, body: { error: 'invalid_client' } });
  held[0]!.writeHead(401).end();

  assert.equal((await slow).status, 200);
  assert.equal(server.tokenRequests.length, 2);
});

test('says of a failed renewal that the API had answered 401, and keeps the token', async (t) => {
  // The second for which a failure holds must not pass while the calls are made.
  fakeClock(t);
  const refusal = { status: 400, body: { error: 'invalid_client', error_description: 'unknown' } };
  const server = await startServer(t, {
    token: () => refusal,
    api: ({ url }) => (url === '/strict' ? rejection : {}),
  });
  const { authorizedFetch, getToken } = createClient(server.config({}, { oauthToken: HELD }));

  for (let count = 0; count < 3; count++) {
    await assert.rejects(authorizedFetch(`${server.origin}/strict`), (error) => {
      assert.ok(error instanceof OAuthProviderError);
      assert.match(error.message, /API.* answered 401.*invalid_client/);
      assert.deepEqual(
        [error.name, error.code, error.error, error.statusCode],
        ['OAuthProviderError', 'oauth_error', 'invalid_client', 400],
      );
      return true;
    });
  }

  assert.equal(server.tokenRequests.length, 1);
  assert.equal((await authorizedFetch(`${server.origin}/lenient`)).status, 200);
  assert.equal((await getToken()).accessToken, 'held-token');
});

test('says so too when the token endpoint cannot be reached', async (t) => {
  const server = await startServer(t, {
    api: () => rejection,
    token: (_, response) => void response.destroy(),
  });
  const { authorizedFetch } = createClient(server.config({ retry: { attempts: 1 } }, { oauthToken: HELD }));

  await assert.rejects(authorizedFetch(server.origin), (error) => {
    assert.ok(error instanceof ApiError && error.cause instanceof TypeError);
    assert.ok(!(error instanceof OAuthProviderError));
    assert.match(error.message, /API.* answered 401/);
    return error.code === 'network';
  });
});

test('refuses what can never be sent before it asks for a token', async (t) => {
  const server = await startServer(t);
  const { authorizedFetch } = createClient(server.config());
  const stream = () => new ReadableStream();
  const locked = stream();
  locked.getReader();
  const unsendable: [init: object, message?: RegExp][] = [
    [{ signal: {} }, /signal must be an AbortSignal/],
    [{ signal: { aborted: false } }, /signal must be an AbortSignal/],
    [{ signal: new EventTarget() }, /signal must be an AbortSignal/],
    [{ redirect: 'followed' }, /redirect must be/],
    [{ redirect: 'unfollow' }, /redirect must be/],
    [{ method: 'POST', body: locked, duplex: 'half' }],
    [{ method: 'POST', body: stream() }],
    [{ method: 'GET', body: 'text' }],
    [{ method: 'CONNECT' }],
  ];

  for (const [init, message = /./] of unsendable) {
    await assert.rejects(
      authorizedFetch(server.origin, init as RequestInit),
      (error) => error instanceof TypeError && message.test(error.message),
    );
  }
  await assert.rejects(authorizedFetch(server.origin.replace('//', '//invented-user@')), TypeError);

  assert.deepEqual([server.tokenRequests.length, server.apiRequests.length], [0, 0]);
});

test('refuses a Request whose body is used up before it asks for a token, but not beside a body of its own', async (t) => {
  const server = await startServer(t);
  const { authorizedFetch } = createClient(server.config());
  const used = new Request(server.origin, { method: 'POST', body: 'text' });
  await used.text();

  await assert.rejects(authorizedFetch(used), TypeError);
  assert.deepEqual([server.tokenRequests.length, server.apiRequests.length], [0, 0]);
  assert.equal((await authorizedFetch(used, { body: 'other' })).status, 200);

  assert.deepEqual(
    server.apiRequests.map(({ body }) => body),
    ['other'],
  );
});

test('refuses bad arguments beside a signal that has aborted, also with a token at hand', async () => {
  const { authorizedFetch } = createClient({
    clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthToken: HELD },
    environment: { tokenUrl: 'https://login.example.com/token', apiOrigins: ['https://api.example.com'] },
  });

  await assert.rejects(
    authorizedFetch('https://api.example.com/', {
      method: 'GET',
      body: 'text',
      signal: AbortSignal.abort('too late'),
    }),
    TypeError,
  );
});

test('says so too when the token endpoint does not answer in time', async (t) => {
  const clock = fakeClock(t);
  const server = await startServer(t, { api: () => rejection, token: () => {} });
  const { authorizedFetch } = createClient(server.config({ retry: { attempts: 1 } }, { oauthToken: HELD }));

  const failing = rejectionOf(authorizedFetch(server.origin));
  await clock.until(() => server.tokenRequests.length === 1);
  clock.advance(30_000);

  const error = await failing;
  assert.ok(error instanceof ApiError && !(error instanceof OAuthProviderError));
  assert.match(error.message, /API.* answered 401/);
  assert.deepEqual([error.name, error.code], ['ApiError', 'timeout']);
});

test('leaves the error of a provider as it is', async (t) => {
  const server = await startServer(t, { api: () => rejection });
  const error = new RangeError('from the provider');
  const oauthTokenProvider = () => Promise.reject(error);
  const { authorizedFetch } = createClient(server.config({}, { oauthToken: HELD, oauthTokenProvider }));

  await assert.rejects(authorizedFetch(server.origin), (thrown) => thrown === error);
});

test('renews without a secret where the client authentication needs none', async (t) => {
  const server = await startServer(t);
  server.revoked.add('held-token');
  const credentials = {
    oauthToken: HELD,
    oauthClientSecret: undefined,
    clientAuthentication: noClientAuthentication,
  };
  const { authorizedFetch } = createClient(server.config({}, credentials));

  assert.equal((await authorizedFetch(server.origin)).status, 200);

  assert.equal(server.tokenRequests.length, 1);
});

test('returns the 401 where there is nothing to renew with', async (t) => {
  const server = await startServer(t, { api: () => rejection });
  const { authorizedFetch } = createClient(
    server.config({}, { oauthToken: HELD, oauthClientSecret: undefined }),
  );

  for (const init of [
    {},
    { method: 'POST', body: 'text' },
    { method: 'POST', body: STREAMS.ReadableStream!(), duplex: 'half' },
  ]) {
    const response = await authorizedFetch(server.origin, init as RequestInit);
    assert.deepEqual([response.status, await response.json()], [401, rejection.body]);
  }

  assert.deepEqual([server.apiRequests.length, server.tokenRequests.length], [3, 0]);
});

test('renews through the provider, which is told of the rejected token', async (t) => {
  const server = await startServer(t);
  server.revoked.add('held-token');
  const told: unknown[] = [];
  const oauthTokenProvider = (lastToken?: OAuthToken): OAuthToken => {
    told.push(lastToken?.accessToken);
    return { accessToken: 'given-token', tokenType: 'Bearer' };
  };
  const { authorizedFetch } = createClient(
    server.config({}, { oauthToken: HELD, oauthClientSecret: undefined, oauthTokenProvider }),
  );

  assert.equal((await authorizedFetch(server.origin)).status, 200);

  assert.deepEqual(told, ['held-token']);
  assert.deepEqual(
    server.apiRequests.map((request) => bearerOf(request.headers)),
    ['held-token', 'given-token'],
  );
});

test('lets go of the body of a 401 that it does not return', async (t) => {
  let abandoned: Promise<unknown> | undefined;
  const server = await startServer(t, {
    api: ({ headers }, response) => {
      if (bearerOf(headers) !== 'held-token') return {};
      abandoned = once(response, 'close', { signal: AbortSignal.timeout(20_000) });
      response.writeHead(401).write('a body without an end');
    },
  });
  const { authorizedFetch } = createClient(server.config({}, { oauthToken: HELD }));

  assert.equal((await authorizedFetch(server.origin)).status, 200);

  await abandoned;
  server.token = () => ({ status: 400, body: { error: 'invalid_client' } });
  await assert.rejects(
    createClient(server.config({}, { oauthToken: HELD })).authorizedFetch(server.origin),
    OAuthProviderError,
  );
  await abandoned;
});

for (const moment of ['a first token', 'a renewal after a 401'] as const) {
  test(`ends with the caller's reason while it waits for ${moment}, and the exchange serves the next call`, async (t) => {
    for (const reason of [new RangeError('enough'), 'enough', 0, undefined]) {
      let answerToken: (() => void) | undefined;
      const asked = new Promise<void>((resolve) => {
        answerToken = resolve;
      });
      let release!: (answer: ReturnType<typeof tokenAnswer>) => void;
      const server = await startServer(t, {
        token: () => {
          answerToken!();
          return new Promise((resolve) => {
            release = resolve;
          });
        },
      });
      server.revoked.add('held-token');
      const { authorizedFetch } = createClient(
        server.config({}, moment === 'a first token' ? {} : { oauthToken: HELD }),
      );
      const controller = new AbortController();
      const pending = authorizedFetch(server.origin, { signal: controller.signal });
      await asked;
      controller.abort(reason);

      await assert.rejects(Promise.resolve(pending), (error) => error === controller.signal.reason);
      const next = authorizedFetch(server.origin);
      release(tokenAnswer('late-token'));

      assert.equal((await next).status, 200);
      assert.equal(bearerOf(server.apiRequests.at(-1)!.headers), 'late-token');
      assert.equal(server.tokenRequests.length, 1);
    }
  });
}

test("ends with the caller's reason or our time limit also where the platform has an error of its own for both", async (t) => {
  const server = await startServer(t);
  const fetch: Fetch = (_, init) =>
    new Promise((_, reject) =>
      init!.signal!.addEventListener('abort', () => reject(new DOMException('own', 'AbortError'))),
    );
  const call = (timeout: number, signal?: AbortSignal) =>
    rejectionOf(
      createClient(server.config({ fetch, timeout }, { oauthToken: HELD })).authorizedFetch(
        server.origin,
        signal && { signal },
      ),
    );
  const controller = new AbortController();

  const calls = [call(0, controller.signal), call(600_000, controller.signal)];
  await turn();
  controller.abort('mine');

  assert.deepEqual(await Promise.all(calls), ['mine', 'mine']);
  assert.equal((await call(1)).code, 'timeout');
});

test('asks for no token when the signal has aborted already', async (t) => {
  const server = await startServer(t);
  const { authorizedFetch } = createClient(server.config());
  const signal = AbortSignal.abort('too late');

  await assert.rejects(
    Promise.resolve(authorizedFetch(server.origin, { signal })),
    (error) => error === 'too late',
  );
  await assert.rejects(
    Promise.resolve(authorizedFetch(new Request(server.origin, { signal }))),
    (error) => error === 'too late',
  );

  assert.deepEqual([server.apiRequests.length, server.tokenRequests.length], [0, 0]);
});

test('sends a Request without its signal where that is taken back by null', async (t) => {
  const server = await startServer(t);
  const { authorizedFetch } = createClient(server.config());
  const signal = AbortSignal.abort('too late');

  const response = await authorizedFetch(
    new Request(server.origin, { method: 'POST', body: 'text', signal }),
    { signal: null },
  );

  assert.equal(response.status, 200);
  assert.equal(server.apiRequests[0]!.body, 'text');
});

test('serves clients that pass Requests to their fetch option, as ky and openapi-fetch do', async (t) => {
  const server = await startServer(t);
  const { authorizedFetch, withToken } = createClient(server.config());
  const ky = async (fetch: Fetch, url: string, json: unknown) => {
    const init = {
      method: 'POST',
      body: JSON.stringify(json),
      headers: { 'content-type': 'application/json' },
    };
    const request = new Request(url, { ...init, signal: new AbortController().signal });
    // ky clones for its own retries, and passes on the options that a Request does not hold.
    return fetch(request.clone(), { onProgress: undefined } as RequestInit);
  };
  const openapiFetch = (fetch: (request: Request) => Promise<Response>, url: string, body: unknown) =>
    fetch(new Request(url, { method: 'PUT', body: JSON.stringify(body), redirect: 'follow' }));
  server.revoked.add('held-token');

  assert.equal((await ky(authorizedFetch, `${server.origin}/ky`, { a: 1 })).status, 200);
  assert.equal((await ky(withToken(HELD).authorizedFetch, `${server.origin}/ky`, { a: 1 })).status, 200);
  assert.equal(
    (await openapiFetch(withToken(HELD).authorizedFetch, `${server.origin}/openapi`, { b: 2 })).status,
    200,
  );

  assert.deepEqual(
    server.apiRequests.map(({ method, url, body, headers }) =>
      [method, url, body, bearerOf(headers)].join(' '),
    ),
    [
      'POST /ky {"a":1} token-1',
      'POST /ky {"a":1} held-token',
      'POST /ky {"a":1} token-2',
      'PUT /openapi {"b":2} held-token',
      'PUT /openapi {"b":2} token-3',
    ],
  );
});

test('replaces an Authorization header of the caller, whatever its case and form', async (t) => {
  const server = await startServer(t);
  const { authorizedFetch } = createClient(server.config({}, { oauthToken: HELD }));

  await authorizedFetch(server.origin, { headers: { AUTHORIZATION: 'Basic own' } });
  await authorizedFetch(
    new Request(server.origin, {
      headers: [
        ['authorization', 'a'],
        ['Authorization', 'b'],
      ],
    }),
  );

  assert.deepEqual(
    server.apiRequests.map(({ headers }) => headers.authorization),
    ['Bearer held-token', 'Bearer held-token'],
  );
});

test('changes nothing that the caller passes', async (t) => {
  const server = await startServer(t);
  server.revoked.add('held-token');
  const { authorizedFetch } = createClient(
    server.config({ vZM2mToken: 'held-session' }, { oauthToken: HELD }),
  );
  const headers = new Headers({ 'x-own': '1' });
  const request = new Request(server.origin, { headers });

  await authorizedFetch(server.origin, Object.freeze({ method: 'POST', body: 'text', headers }));
  await authorizedFetch(server.origin, Object.freeze({ headers: Object.freeze({ 'x-own': '1' }) }));
  await authorizedFetch(request);

  assert.deepEqual([[...headers], [...request.headers]], [[['x-own', '1']], [['x-own', '1']]]);
});

test('calls the injected fetch unbound, and rejects with what it rejects with', async (t) => {
  const server = await startServer(t);
  const error = { thrown: 'by the caller’s fetch' };
  const receivers: unknown[] = [];
  const fetch = function (this: unknown): never {
    receivers.push(this);
    throw error;
  };
  const { authorizedFetch } = createClient(server.config({ fetch }, { oauthToken: HELD }));

  await assert.rejects(authorizedFetch(server.origin), (thrown) => thrown === error);

  assert.deepEqual(receivers, [undefined]);
});

test('works over one connection of an undici Agent: an answer that is not returned does not block it', async (t) => {
  const server = await startServer(t);
  server.revoked.add('held-token');
  const agent = new Agent({ connections: 1, pipelining: 1 });
  t.after(() => agent.destroy());
  const { authorizedFetch } = createClient(server.config({ fetch: through(agent) }, { oauthToken: HELD }));

  const responses = await Promise.all(
    Array.from({ length: 20 }, (_, index) => authorizedFetch(`${server.origin}/${index}`)),
  );

  assert.deepEqual(
    await Promise.all(responses.map((response) => response.json())),
    responses.map((_, index) => ({ path: `/${index}` })),
  );
  assert.equal(server.tokenRequests.length, 1);
});

test('needs no turn of a clock that has been faked since the import', async (t) => {
  const { setImmediate } = globalThis;
  t.mock.timers.enable();
  const fetch: Fetch = async (input) =>
    Response.json(String(input).endsWith('/token') ? { access_token: 'token-1' } : { path: '/' });
  const { authorizedFetch } = createClient({
    clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthClientSecret: 'invented-secret' },
    fetch,
  });

  let response: Response | undefined;
  void authorizedFetch('https://thingspace.verizon.com/api').then((answer) => (response = answer));
  for (let turns = 0; turns < 50 && !response; turns++) await new Promise((resolve) => setImmediate(resolve));

  assert.equal(response?.status, 200);
});

test('leaves retries of API calls to an interceptor of undici, and sees its last answer only', async (t) => {
  const statuses = [503, 401, 503, 200];
  const server = await startServer(t, { api: () => ({ status: statuses.shift()! }) });
  const agent = new Agent().compose(interceptors.retry({ minTimeout: 1, maxTimeout: 1, statusCodes: [503] }));
  t.after(() => agent.close());
  const { authorizedFetch } = createClient(server.config({ fetch: through(agent) }, { oauthToken: HELD }));

  assert.equal((await authorizedFetch(server.origin)).status, 200);

  const bearers = server.apiRequests.map((request) => bearerOf(request.headers));
  assert.deepEqual(bearers, ['held-token', 'held-token', 'token-1', 'token-1']);
});

test('works over HTTP/2', async (t) => {
  const http2 = createServer();
  const bearers: unknown[] = [];
  http2.on('stream', (stream, headers) => {
    bearers.push([headers[':path'], headers.authorization, headers['vz-m2m-token']].join(' '));
    const isHeld = headers.authorization === 'Bearer held-token';
    const accepted = headers[':path'] === '/moved' ? 307 : 200;
    const status = isHeld ? 401 : accepted;
    stream.respond({ ':status': status, location: '/end' });
    stream.pipe(stream);
  });
  await new Promise<void>((resolve) => http2.listen(0, '127.0.0.1', resolve));
  t.after(() => http2.close());
  const origin = `http://127.0.0.1:${(http2.address() as AddressInfo).port}`;
  const client = new H2CClient(origin);
  t.after(() => client.destroy());
  const server = await startServer(t);
  const fetch: Fetch = (input, init) =>
    (String(input).startsWith(origin) ? through(client) : globalThis.fetch)(input, init);
  const { authorizedFetch } = createClient(
    server.config({ fetch, vZM2mToken: 'held-session' }, { oauthToken: HELD }, { apiOrigins: [origin] }),
  );

  const response = await authorizedFetch(`${origin}/moved`, { method: 'POST', body: 'text' });

  assert.deepEqual(
    [response.status, response.redirected, response.url, await response.text()],
    [200, true, `${origin}/end`, 'text'],
  );
  assert.deepEqual(bearers, [
    '/moved Bearer held-token held-session',
    '/moved Bearer token-1 held-session',
    '/end Bearer token-1 held-session',
  ]);
});

/** What two sendings of one call must have in common. */
function essenceOf({ method, url, body, headers: { authorization, ...headers } }: Received): object {
  return {
    method,
    url,
    ...withoutBoundary(headers['content-type'], body),
    headers: { ...headers, 'content-type': undefined },
  };
}

function typesOf(events: readonly { type: string }[]): string[] {
  return events.map(({ type }) => type);
}

/** Counts what copies or reads a body as a whole; the platform itself uses none of these. */
function spyOnCopying(t: TestContext, counts = (_body: unknown): boolean => true): { calls: string[] } {
  const calls: string[] = [];
  for (const owner of [Request, Response, Blob]) {
    for (const method of ['clone', 'arrayBuffer', 'blob', 'bytes', 'formData', 'text']) {
      const original = Object.getOwnPropertyDescriptor(owner.prototype, method)?.value;
      if (!original) continue;
      t.mock.method(owner.prototype as any, method, function (this: unknown, ...parameters: unknown[]) {
        if (counts(this)) calls.push(`${owner.name}.${method}`);
        return original.apply(this, parameters);
      });
    }
  }
  return { calls };
}

/** Tokens come from the server; everything else is answered by `answers`. */
function tokensFrom({ tokenUrl }: TestServer, answers: Fetch): Fetch {
  return (input, init) => (input === tokenUrl ? fetch : answers)(input, init);
}

/** undici's own fetch, since a dispatcher serves the undici that it comes from. */
function through(dispatcher: Dispatcher): Fetch {
  return (input, init) =>
    undiciFetch(input as string, { ...init, dispatcher } as object) as unknown as Promise<Response>;
}

test('waits for no message of a MessageChannel, which may be a stub', async (t) => {
  const { MessageChannel } = globalThis;
  t.after(() => void (globalThis.MessageChannel = MessageChannel));
  globalThis.MessageChannel = class {
    port1 = { close() {} };
    port2 = { postMessage() {} };
  } as never;
  const server = await startServer(t);

  const client = createClient(server.config({ timeout: 2_000 }));

  assert.equal((await client.getToken()).accessToken, 'token-1');
});

describe('a call that a redirect has made another one of', () => {
  for (const status of [301, 302, 303]) {
    test(`gets its 401 behind a ${status}, since its POST has been done; the next call renews`, async (t) => {
      const server: TestServer = await startServer(t, {
        api: ({ url, headers }): Answer => {
          if (url === '/orders') return { status, headers: { location: '/orders/1' } };
          return bearerOf(headers) === 'held-token' ? rejection : {};
        },
      });
      const { authorizedFetch } = createClient(server.config({}, { oauthToken: HELD }));

      const refused = await authorizedFetch(`${server.origin}/orders`, { method: 'POST', body: 'one order' });
      assert.deepEqual([refused.status, await refused.json()], [401, rejection.body]);
      const served = await authorizedFetch(`${server.origin}/orders/1`);

      assert.equal(served.status, 200);
      assert.deepEqual(
        server.apiRequests.map(({ method, url }) => `${method} ${url}`),
        ['POST /orders', 'GET /orders/1', 'GET /orders/1'],
      );
      assert.equal(server.tokenRequests.length, 1);
    });
  }

  test('is sent again behind a 307, which has done nothing', async (t) => {
    const server: TestServer = await startServer(t, {
      api: ({ url, headers }): Answer => {
        if (url === '/orders') return { status: 307, headers: { location: '/here' } };
        return bearerOf(headers) === 'held-token' ? rejection : {};
      },
    });
    const { authorizedFetch } = createClient(server.config({}, { oauthToken: HELD }));

    const { status } = await authorizedFetch(`${server.origin}/orders`, {
      method: 'POST',
      body: 'one order',
    });

    assert.deepEqual([status, server.apiRequests.length], [200, 4]);
  });
});

describe('a fetch that leads calls elsewhere, as a development proxy does', () => {
  test('has its 401 renewed', async (t) => {
    const server = await startServer(t);
    server.revoked.add('held-token');
    const rerouted: Fetch = (input, init) =>
      fetch(String(input).replace('https://api.example.com', server.origin), init);
    const { authorizedFetch } = createClient(
      server.config({ fetch: rerouted }, { oauthToken: HELD }, { apiOrigins: ['https://api.example.com'] }),
    );

    assert.equal((await authorizedFetch('https://api.example.com/x')).status, 200);

    assert.deepEqual(
      server.apiRequests.map(({ headers }) => bearerOf(headers)),
      ['held-token', 'token-1'],
    );
  });
});

/** A body that goes on for ever, at its reader's pace. */
function endless(): { readonly body: ReadableStream; readonly cancelled: Promise<unknown> } {
  let tell!: (reason: unknown) => void;
  const cancelled = new Promise<unknown>((resolve) => {
    tell = resolve;
  });
  const body = new ReadableStream({
    pull: async (controller) => {
      await turn();
      controller.enqueue(new Uint8Array(1024));
    },
    cancel: (reason) => tell(reason),
  });
  return { body, cancelled };
}

describe('a Request whose body has no end', () => {
  for (const status of [401, 307, 308]) {
    test(`ends with the caller's reason after an early ${status}, and its source hears of it`, async (t) => {
      const server = await startServer(t);
      const controller = new AbortController();
      const { signal } = controller;
      let calls = 0;
      // Answers before it has read the body, as servers do that refuse by the headers.
      const early: Fetch = async (input) => {
        calls++;
        void (input as Request).body?.cancel();
        return new Response(null, { status, headers: { location: '/elsewhere' } });
      };
      const { authorizedFetch } = createClient(
        server.config({ fetch: tokensFrom(server, early) }, { oauthToken: HELD }),
      );
      const { body, cancelled } = endless();

      const pending = rejectionOf(
        authorizedFetch(requestOf(server.origin, { method: 'POST', body, signal })),
      );
      await turns(50);
      controller.abort('enough');

      assert.equal(await inTime(pending), 'enough');
      await inTime(cancelled);
      assert.equal(calls, 1);
    });

    test(`ends with the time limit after an early ${status}`, async (t) => {
      const server = await startServer(t);
      const early: Fetch = async (input) => {
        void (input as Request).body?.cancel();
        return new Response(null, { status, headers: { location: '/elsewhere' } });
      };
      const { authorizedFetch } = createClient(
        server.config({ fetch: tokensFrom(server, early), timeout: 100 }, { oauthToken: HELD }),
      );

      const error = await inTime(
        rejectionOf(authorizedFetch(requestOf(server.origin, { method: 'POST', body: endless().body }))),
      );

      assert.equal(error.code, 'timeout');
    });
  }

  test('is not read for a redirect that drops it', async (t) => {
    const server = await startServer(t);
    const statuses = [303, 200];
    const early: Fetch = async (input) => {
      if (input instanceof Request) void input.body?.cancel();
      return new Response(null, { status: statuses.shift()!, headers: { location: '/elsewhere' } });
    };
    const { authorizedFetch } = createClient(server.config({ fetch: early }, { oauthToken: HELD }));

    const call = authorizedFetch(requestOf(server.origin, { method: 'POST', body: endless().body }));

    assert.equal((await inTime(call)).status, 200);
  });
});

test('refuses what is not a signal, at once and by each function, and sends nothing', async (t) => {
  const server = await startServer(t);
  const { authorizedFetch, getToken, fetchToken } = createClient(server.config());
  for (const none of [new AbortController(), 5, 0, '', 'x', {}, { aborted: false }]) {
    const signal = none as AbortSignal;
    for (const call of [
      getToken({ signal }),
      fetchToken({ signal }),
      authorizedFetch(server.origin, { signal }),
    ]) {
      await assert.rejects(call, { name: 'TypeError', message: 'signal must be an AbortSignal' });
    }
  }
  assert.deepEqual([server.tokenRequests.length, server.apiRequests.length], [0, 0]);
});

describe('a call that has to wait', () => {
  const BODIES_TO_CHANGE: Readonly<
    Record<string, () => { body: BodyInit; change: () => void; expected: RegExp }>
  > = {
    URLSearchParams: () => {
      const body = new URLSearchParams({ count: '1' });
      return { body, change: () => body.set('count', '2'), expected: /^count=1$/ };
    },
    FormData: () => {
      const body = new FormData();
      body.set('count', '1');
      body.set('file', new File(['text'], 'invented.txt'));
      return {
        body,
        change: () => (body.set('count', '2'), body.delete('file')),
        expected: /name="count"\r\n\r\n1\r\n[^]*filename="invented.txt"/,
      };
    },
    ArrayBuffer: () => {
      const bytes = new TextEncoder().encode('1');
      return { body: bytes.buffer, change: () => bytes.fill(50), expected: /^1$/ };
    },
    Uint8Array: () => {
      const body = new TextEncoder().encode('012').subarray(1, 2);
      return { body, change: () => body.fill(50), expected: /^1$/ };
    },
    DataView: () => {
      const body = new DataView(new TextEncoder().encode('1').buffer);
      return { body, change: () => body.setUint8(0, 50), expected: /^1$/ };
    },
  };
  for (const [name, make] of Object.entries(BODIES_TO_CHANGE)) {
    test(`for a token sends what its body said when it was made (${name})`, async (t) => {
      const server = await startServer(t);
      const { authorizedFetch } = createClient(server.config());
      const { body, change, expected } = make();

      const call = authorizedFetch(server.origin, { method: 'POST', body });
      change();
      await call;

      assert.match(server.apiRequests[0]!.body, expected);
    });
  }

  test('for a session, or for a proof, does so, too', async (t) => {
    const server = await startServer(t, { api: () => ({ body: { sessionToken: 'invented-session' } }) });
    const vZM2mToken = createSession({ username: 'invented-user', password: 'invented-password' });
    const waiting = { ...server.config({}, { oauthToken: HELD }) };
    for (const option of [{ vZM2mToken }, { dpop: createDpop() }]) {
      const { authorizedFetch, getToken } = createClient({ ...waiting, ...option });
      await getToken();
      const body = new URLSearchParams({ count: '1' });

      const call = authorizedFetch(server.origin, { method: 'POST', body });
      body.set('count', '2');
      await call;

      assert.equal(server.apiRequests.at(-1)!.body, 'count=1');
    }
  });
});

test('sends a POST once whose redirect meets a challenge for a nonce; the nonce serves the next call', async (t) => {
  const server: TestServer = await startServer(t, {
    token: () => ({ body: { access_token: 'bound-token', token_type: 'DPoP' } }),
    api: ({ url, headers }): Answer => {
      if (url === '/orders') return { status: 303, headers: { location: '/orders/1' } };
      const { nonce } = JSON.parse(atob(`${headers['dpop']}`.split('.')[1]!)) as { nonce?: string };
      if (nonce === 'invented-nonce') return {};
      const challenge = { 'www-authenticate': 'DPoP error="use_dpop_nonce"', 'dpop-nonce': 'invented-nonce' };
      return { status: 401, headers: challenge };
    },
  });
  const { authorizedFetch } = createClient(server.config({ dpop: createDpop() }));

  const refused = await authorizedFetch(`${server.origin}/orders`, { method: 'POST', body: 'one order' });
  const served = await authorizedFetch(`${server.origin}/orders/1`);

  assert.deepEqual([refused.status, served.status], [401, 200]);
  assert.deepEqual(
    server.apiRequests.map(({ method, url }) => `${method} ${url}`),
    ['POST /orders', 'GET /orders/1', 'GET /orders/1'],
  );
  assert.equal(server.tokenRequests.length, 1);
});
