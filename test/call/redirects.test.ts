/**
 * Redirects by the rules of the Fetch standard, where the platform does not show them, and the browsers'
 * hidden ones.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { ApiError, createClient, type Fetch, type OAuthToken } from 'thingspace-auth';
import { createClient as createPageClient } from 'thingspace-auth/browser';
import { BODIES, requestOf, STREAMS, withoutBoundary } from '../support/bodies.ts';
import { browser } from '../support/browser.ts';
import { bearerOf, type Received, startServer } from '../support/server.ts';

const HELD: OAuthToken = { accessToken: 'held-token', tokenType: 'Bearer' };

for (const [status, method, kept] of [
  [301, 'PUT', true],
  [302, 'PUT', true],
  [303, 'PUT', false],
  [307, 'PUT', true],
  [308, 'PUT', true],
  [301, 'POST', false],
  [302, 'POST', false],
  [303, 'POST', false],
  [307, 'POST', true],
  [308, 'POST', true],
] as const) {
  test(`${kept ? 'sends every body of a' : 'makes a GET of a'} ${method} ${kept ? 'again after' : 'at'} a ${status}`, async (t) => {
    const server = await startServer(t, {
      api: ({ url }) => (url === '/from' ? { status, headers: { location: '/to' } } : {}),
    });
    const { authorizedFetch } = createClient(server.config({}, { oauthToken: HELD }));

    for (const [name, body] of Object.entries(BODIES)) {
      for (const isRequest of [false, true]) {
        const init = { method, body: body(), headers: { 'content-language': 'de', 'x-own': '1' } };
        await authorizedFetch(
          isRequest ? new Request(`${server.origin}/from`, init) : `${server.origin}/from`,
          isRequest ? undefined : init,
        );

        const [first, second] = server.apiRequests.splice(0).map(essenceOf);
        assert.equal(first!.method, method);
        if (kept) assert.deepEqual(second, { ...first, url: '/to' }, name);
        else
          assert.deepEqual(
            second,
            { method: 'GET', url: '/to', contentType: undefined, body: '', language: undefined, own: '1' },
            name,
          );
      }
    }
  });
}

test('refuses to send a stream again, as fetch does, and drops it at a 303', async (t) => {
  const server = await startServer(t, {
    api: ({ url }) => (url === '/end' ? {} : { status: Number(url.slice(1)), headers: { location: '/end' } }),
  });
  const { authorizedFetch } = createClient(server.config({}, { oauthToken: HELD }));

  for (const body of Object.values(STREAMS)) {
    for (const [method, status] of [
      ['POST', 301],
      ['POST', 302],
      ['POST', 307],
      ['POST', 308],
      ['PUT', 301],
      ['PUT', 302],
    ] as const) {
      const init = { method, body: body(), duplex: 'half' } as RequestInit;
      await assert.rejects(authorizedFetch(`${server.origin}/${status}`, init), TypeError);
      assert.equal(server.apiRequests.splice(0).length, 1);
    }
    for (const [method, status] of [
      ['POST', 303],
      ['PUT', 303],
    ] as const) {
      const response = await authorizedFetch(`${server.origin}/${status}`, {
        method,
        body: body(),
        duplex: 'half',
      } as RequestInit);
      assert.deepEqual([response.status, server.apiRequests.splice(0)[1]?.method], [200, 'GET']);
    }
  }
});

test('sends a Request with a stream again after a 307: it was cloned', async (t) => {
  const server = await startServer(t, {
    api: ({ url }) => (url === '/end' ? {} : { status: 307, headers: { location: '/end' } }),
  });
  const { authorizedFetch } = createClient(server.config({}, { oauthToken: HELD }));

  const body = STREAMS.ReadableStream!();
  assert.equal((await authorizedFetch(requestOf(server.origin, { method: 'POST', body }))).status, 200);

  assert.deepEqual(
    server.apiRequests.map((request) => request.body),
    ['first second', 'first second'],
  );
});

test('refuses a redirect for a call with integrity', async (t) => {
  const server = await startServer(t, {
    api: ({ url }) => (url === '/end' ? {} : { status: 302, headers: { location: '/end' } }),
  });
  const { authorizedFetch } = createClient(server.config({}, { oauthToken: HELD }));
  const integrity = 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=';

  await assert.rejects(authorizedFetch(server.origin, { integrity }), TypeError);
  await assert.rejects(authorizedFetch(new Request(server.origin, { integrity })), TypeError);
  assert.equal((await authorizedFetch(server.origin, { integrity, redirect: 'manual' })).status, 302);
  assert.equal((await authorizedFetch(`${server.origin}/end`, { integrity })).status, 200);

  assert.equal(server.apiRequests.filter(({ url }) => url === '/end').length, 1);
});

test('keeps headers whose names only resemble those that it drops', async (t) => {
  const [a, outside] = [await startServer(t), await startServer(t)];
  a.api = ({ url }) => ({
    status: 303,
    headers: { location: url === '/out' ? `${outside.origin}/end` : '/end' },
  });
  const { authorizedFetch } = createClient(a.config({}, { oauthToken: HELD }));
  const own = Object.fromEntries(
    ['cookie', 'host', 'proxy-own', 'authorization', 'dpop', 'vz-m2m-token', 'content-type'].flatMap(
      (name) => [[`x-${name}`, 'own'], ...(/^(proxy|content)-/.test(name) ? [] : [[`${name}-own`, 'own']])],
    ),
  );

  const response = await authorizedFetch(`${a.origin}/out`, { method: 'POST', body: 'own', headers: own });

  assert.equal(response.status, 200);
  const [{ headers, method }] = outside.apiRequests as [Received];
  assert.deepEqual([method, headers.authorization], ['GET', undefined]);
  assert.deepEqual(Object.fromEntries(Object.keys(own).map((name) => [name, headers[name]])), own);
});

for (const [method, status, expected] of [
  ['WIDGET', 303, 'GET'],
  ['GETTER', 303, 'GET'],
  ['HEADER', 303, 'GET'],
  ['AHEAD', 303, 'GET'],
  ['REPOST', 301, 'REPOST'],
  ['POSTER', 302, 'POSTER'],
] as const) {
  test(`takes ${method} at a ${status} for what it is, though its name holds another method's`, async (t) => {
    const server = await startServer(t, {
      api: ({ url }) => (url === '/from' ? { status, headers: { location: '/to' } } : {}),
    });
    const { authorizedFetch } = createClient(server.config({ fetch: viaAnyMethod }, { oauthToken: HELD }));

    await authorizedFetch(`${server.origin}/from`, { method });

    assert.deepEqual(
      server.apiRequests.map((request) => [request.headers['x-method'], request.url]),
      [
        [method, '/from'],
        [expected, '/to'],
      ],
    );
  });
}

test('keeps cookies and proxy credentials within an origin, and drops them on the way to another', async (t) => {
  const [a, b] = [await startServer(t), await startServer(t)];
  a.api = ({ url }) => {
    const location = { '/in': '/end', '/out': `${b.origin}/end` }[url];
    return location ? { status: 307, headers: { location } } : {};
  };
  const { authorizedFetch } = createClient(
    a.config({}, { oauthToken: HELD }, { apiOrigins: [a.origin, b.origin] }),
  );
  const headers = { cookie: 'own=1', 'proxy-authorization': 'Basic own', 'x-own': '1' };
  const seenBy = (request: Received | undefined) =>
    ['cookie', 'proxy-authorization', 'x-own'].map((name) => request?.headers[name]);

  await authorizedFetch(`${a.origin}/in`, { headers });
  await authorizedFetch(`${a.origin}/out`, { headers });

  assert.deepEqual(seenBy(a.apiRequests.at(-2)), ['own=1', 'Basic own', '1']);
  assert.deepEqual(seenBy(b.apiRequests[0]), [undefined, undefined, '1']);
});

test('lets go of the body of a redirect that it follows or refuses', async (t) => {
  const abandoned: Promise<unknown>[] = [];
  const server = await startServer(t, {
    api: ({ url }, response) => {
      if (url === '/end') return {};
      abandoned.push(once(response, 'close', { signal: AbortSignal.timeout(5000) }));
      response.writeHead(302, { location: '/end' }).write('a body without an end');
    },
  });
  const { authorizedFetch } = createClient(server.config({}, { oauthToken: HELD }));

  await authorizedFetch(server.origin);
  await assert.rejects(authorizedFetch(server.origin, { redirect: 'error' }), TypeError);

  assert.equal(abandoned.length, 2);
  await Promise.all(abandoned);
});

test('follows 20 redirects, as fetch does, and no more', async (t) => {
  const server = await startServer(t);
  server.api = ({ url }) =>
    url === '/0' ? {} : { status: 302, headers: { location: `/${Number(url!.slice(1)) - 1}` } };
  const { authorizedFetch } = createClient(server.config({}, { oauthToken: HELD }));

  assert.equal((await authorizedFetch(`${server.origin}/20`)).status, 200);
  await assert.rejects(authorizedFetch(`${server.origin}/21`), TypeError);

  assert.equal(server.apiRequests.length, 42);
});

test('refuses a redirect to a URL with a user name, and returns an answer that leads nowhere', async (t) => {
  const server = await startServer(t);
  server.api = ({ url }) => ({
    status: 302,
    headers: url === '/named' ? { location: server.origin.replace('//', '//invented-user@') } : {},
  });
  const { authorizedFetch } = createClient(server.config({}, { oauthToken: HELD }));

  await assert.rejects(authorizedFetch(`${server.origin}/named`), TypeError);
  assert.equal((await authorizedFetch(`${server.origin}/nowhere`)).status, 302);
  await assert.rejects(authorizedFetch(`${server.origin}/nowhere`, { redirect: 'error' }), TypeError);

  assert.deepEqual(
    server.apiRequests.map(({ url }) => url),
    ['/named', '/nowhere', '/nowhere'],
  );
});

test('never follows a redirect of the token endpoint', async (t) => {
  for (const status of [301, 302, 303, 307, 308]) {
    const [server, other] = [await startServer(t), await startServer(t)];
    server.token = () => ({ status, headers: { location: other.tokenUrl } });
    const { authorizedFetch } = createClient(server.config());

    await assert.rejects(
      authorizedFetch(server.origin),
      (error) => error instanceof ApiError && error.statusCode === status,
    );

    assert.deepEqual([server.tokenRequests.length, other.tokenRequests, server.apiRequests], [1, [], []]);
  }
});

test('refuses the hidden redirect of a browser where following it could repeat a request or take a session along', async () => {
  for (const [init, more] of [
    [{ method: 'POST', body: 'text' }, {}],
    [{ method: 'DELETE' }, {}],
    [{}, { vZM2mToken: 'held-session' }],
    [{ headers: { 'VZ-M2M-Token': 'own-session' } }, {}],
    [{ headers: { DPoP: 'own-proof' } }, {}],
    [{ redirect: 'error' }, {}],
  ] as const) {
    const { fetch, sent } = browser();
    const { authorizedFetch } = createPageClient({ ...CONFIG, ...more, fetch });

    await assert.rejects(authorizedFetch('https://api.example.com/', init as RequestInit), TypeError);

    assert.deepEqual(sent, [`${'method' in init ? init.method : 'GET'} manual Bearer held-token`]);
  }
});

test('has a browser follow the hidden redirect of a GET or HEAD', async () => {
  for (const method of ['GET', 'HEAD']) {
    for (const isRequest of [false, true]) {
      const { fetch, sent } = browser();
      const { authorizedFetch } = createPageClient({ ...CONFIG, fetch });
      const input = 'https://api.example.com/';

      const response = await (isRequest
        ? authorizedFetch(new Request(input, { method }))
        : authorizedFetch(input, { method }));

      assert.deepEqual([response.status, response.redirected], [200, true]);
      assert.deepEqual(sent, [`${method} manual Bearer held-token`, `${method} follow Bearer held-token`]);
    }
  }
});

test("keeps a Request's own settings where a browser is to follow", async () => {
  const settings: string[] = [];
  const { fetch } = browser();
  const spying: Fetch = (input, init) => {
    const { credentials, cache, mode, keepalive } = new Request(input, init);
    settings.push(`${credentials} ${cache} ${mode} ${keepalive}`);
    return fetch(input, init);
  };
  const { authorizedFetch } = createPageClient({ ...CONFIG, fetch: spying });

  await authorizedFetch(
    new Request('https://api.example.com/', {
      credentials: 'omit',
      cache: 'no-store',
      mode: 'same-origin',
      keepalive: true,
    }),
  );

  assert.deepEqual(settings, Array(2).fill('omit no-store same-origin true'));
});

for (const create of [createClient, createPageClient]) {
  test(`returns a browser's hidden redirect as it is in mode manual (${create.name})`, async () => {
    const { fetch, sent } = browser();
    const { authorizedFetch } = create({ ...CONFIG, fetch });

    const response = await authorizedFetch('https://api.example.com/', {
      redirect: 'manual',
      method: 'POST',
    });

    assert.deepEqual([response.status, response.type, sent.length], [0, 'opaqueredirect', 1]);
  });
}

test("refuses a browser's hidden redirect in the main entry, and names the entry that lets it follow", async () => {
  for (const method of ['GET', 'POST']) {
    const { fetch, sent } = browser();
    const { authorizedFetch } = createClient({ ...CONFIG, fetch });

    await assert.rejects(
      authorizedFetch('https://api.example.com/', { method }),
      /^TypeError: The redirect of https:\/\/api\.example\.com\/ is refused: .*thingspace-auth\/browser/,
    );

    assert.deepEqual(sent, [`${method} manual Bearer held-token`]);
  }
});

test('renews for a 401 behind a hidden redirect when an allowed origin gave it, and not for one from outside', async () => {
  for (const [url, expected] of [
    ['https://api.example.com/end', 2],
    ['https://elsewhere.example.com/', 0],
  ] as const) {
    let renewals = 0;
    const { fetch, sent } = browser(url, 401);
    const oauthTokenProvider = () => ({ accessToken: `token-${++renewals}`, tokenType: 'Bearer' }) as const;
    const { clientCredentialsAuthCredentials, ...config } = CONFIG;
    const credentials = { ...clientCredentialsAuthCredentials, oauthTokenProvider };
    const { authorizedFetch } = createPageClient({
      ...config,
      fetch,
      clientCredentialsAuthCredentials: credentials,
    });

    assert.equal((await authorizedFetch('https://api.example.com/')).status, 401);

    assert.equal(renewals, expected && 1);
    assert.equal(sent.length, 2 + expected);
  }
});

/** What a platform is told of how a request is to be sent: a Request that it would make of its arguments. */
const SETTINGS = [
  'cache',
  'credentials',
  'mode',
  'keepalive',
  'integrity',
  'referrer',
  'referrerPolicy',
  'redirect',
] as const;

interface Sending {
  readonly settings: Readonly<Record<string, unknown>>;
  readonly dispatcher: unknown;
}

/** Answers in turn, and keeps how each request would be sent. */
function spyOnSettings(...answers: readonly [status: number, headers?: Record<string, string>][]): {
  fetch: Fetch;
  sent: Sending[];
} {
  const sent: Sending[] = [];
  const fetch: Fetch = async (input, init) => {
    const request = new Request(input, init);
    const symbol = Object.getOwnPropertySymbols(request).find(
      ({ description }) => description === 'dispatcher',
    );
    const settings = Object.fromEntries(SETTINGS.map((name) => [name, request[name]]));
    sent.push({ settings, dispatcher: symbol && (request as unknown as Record<symbol, unknown>)[symbol] });
    const [status, headers] = answers[sent.length - 1]!;
    return new Response(null, { status, ...(headers && { headers }) });
  };
  return { fetch, sent };
}

const FAR = { location: 'https://api.example.com/end' };
const OWN = {
  cache: 'no-store',
  credentials: 'omit',
  mode: 'cors',
  keepalive: true,
  integrity: '',
  referrer: 'https://page.example.com/own',
  referrerPolicy: 'origin',
  redirect: 'manual',
} as const;

for (const timeout of [0, 60_000]) {
  for (const isRequest of [true, false]) {
    for (const method of ['GET', 'POST']) {
      test(`keeps the settings of ${isRequest ? 'a Request' : 'options'} for the first sending, for each hop and for a replay (${method}, timeout ${timeout})`, async () => {
        const { fetch, sent } = spyOnSettings([307, FAR], [308, FAR], [401], [307, FAR], [200]);
        const credentials = {
          ...CONFIG.clientCredentialsAuthCredentials,
          oauthTokenProvider: () => ({ accessToken: 'new-token', tokenType: 'Bearer' }) as const,
        };
        const { authorizedFetch } = createClient({
          ...CONFIG,
          clientCredentialsAuthCredentials: credentials,
          fetch,
          timeout,
        });
        const dispatcher = { dispatch: () => true };
        const { redirect, ...settings } = OWN;
        const init = {
          method,
          ...(method === 'POST' && { body: 'text' }),
          ...settings,
          dispatcher,
        } as RequestInit;
        const url = 'https://api.example.com/';

        const response = await (isRequest
          ? authorizedFetch(new Request(url, init))
          : authorizedFetch(url, init));

        assert.equal(response.status, 200);
        assert.equal(sent.length, 5);
        // One that is hidden in a Request goes along with the Request itself only.
        const isGivenAgain = (index: number) => !isRequest || index === 0 || index === 3;
        for (const [index, { settings: told, dispatcher: used }] of sent.entries()) {
          // A Request's own hold where it is sent, but for its referrer: our options stand beside it.
          const { referrer: _, referrerPolicy: __, ...held } = told;
          const { referrer, referrerPolicy, ...own } = OWN;
          if (isGivenAgain(index)) assert.deepEqual(held, own, `sending ${index + 1}`);
          if (!isRequest) assert.deepEqual(told, { ...own, referrer, referrerPolicy });
          // Newer versions of Node do not show it.
          if (hasVisibleDispatcher() && isGivenAgain(index))
            assert.equal(used, dispatcher, `sending ${index + 1}`);
        }
      });
    }
  }
}

test('does not look at the Referrer-Policy of a redirect: no platform sends a referrer of its own there', async () => {
  const { fetch, sent } = spyOnSettings([307, { ...FAR, 'referrer-policy': 'no-referrer' }], [200]);
  const { authorizedFetch } = createClient({ ...CONFIG, fetch });

  await authorizedFetch('https://api.example.com/', { referrerPolicy: 'strict-origin' });

  assert.deepEqual(
    sent.map(({ settings }) => settings.referrerPolicy),
    ['strict-origin', 'strict-origin'],
  );
});

const CONFIG = {
  clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthToken: HELD },
  environment: { tokenUrl: 'https://auth.example.com/token', apiOrigins: ['https://api.example.com'] },
};

function hasVisibleDispatcher(): boolean {
  return Object.getOwnPropertySymbols(new Request('https://api.example.com/')).some(
    ({ description }) => description === 'dispatcher',
  );
}

interface Essence {
  readonly method: string;
  readonly url: string;
  readonly contentType: string | undefined;
  readonly body: string;
  readonly language: string | undefined;
  readonly own: unknown;
}

function essenceOf({ method, url, headers, body }: Received): Essence {
  assert.equal(bearerOf(headers), 'held-token');
  return {
    method,
    url,
    ...withoutBoundary(headers['content-type'], body),
    language: headers['content-language'],
    own: headers['x-own'],
  };
}

/** Node's servers refuse methods that they do not know: they come as a header. */
const viaAnyMethod: Fetch = (input, init = {}) => {
  const headers = new Headers(init.headers);
  headers.set('x-method', `${init.method}`);
  return fetch(input, { ...init, method: 'POST', headers });
};
