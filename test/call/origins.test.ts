/** The origin guard, across redirects too: credentials go to allowed origins and nowhere else. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createClient, type Fetch, type OAuthToken } from 'thingspace-auth';
import { createSession } from 'thingspace-auth/session';
import { Agent, Request as UndiciRequest, fetch as undiciFetch } from 'undici';
import { type Received, startServer, type TestServer } from '../support/server.ts';

const HELD: OAuthToken = { accessToken: 'held-token', tokenType: 'Bearer' };
const STATUSES = [301, 302, 303, 307, 308];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT'];
const BOTH = 'Bearer held-token, held-session';
const NONE = 'undefined, undefined';

test('refuses an origin outside before any token is asked for', async (t) => {
  const server = await startServer(t);
  const { port } = new URL(server.origin);
  let asked = 0;
  const oauthTokenProvider = () => Promise.reject(new Error(`asked ${++asked} times`));
  const vZM2mToken = createSession({ username: 'invented-user', password: 'invented-password' });
  const fetch = () => Promise.reject(new Error(`sent ${++asked} times`));
  const { authorizedFetch } = createClient(server.config({ fetch, vZM2mToken }, { oauthTokenProvider }));

  const outside = [
    `http://127.0.0.1:${Number(port) + 1}/`,
    'http://127.0.0.1/',
    `https://127.0.0.1:${port}/`,
    `http://localhost:${port}/`,
    `http://[::1]:${port}/`,
    `http://127.0.0.1.invalid:${port}/`,
    `http://127.0.0.1:${port}@elsewhere.invalid/`,
    `http://elsewhere.invalid/?${server.origin}`,
    `http://elsewhere.invalid\\@127.0.0.1:${port}/`,
    `//elsewhere.invalid/`,
    // Ends with an allowed origin, and has a slash where that origin would end.
    `${'http://x.invalid'.padEnd(server.origin.length, 'd')}/?${server.origin}`,
    'data:text/plain,hello',
    'about:blank',
    'file:///',
    'blob:null/invented',
    'javascript:1',
    'null',
    '',
  ];
  for (const url of outside) {
    await assert.rejects(authorizedFetch(url), TypeError, url);
    if (URL.canParse(url)) await assert.rejects(authorizedFetch(new URL(url)), TypeError, url);
    await assert.rejects(authorizedFetch({ toString: () => url } as string), TypeError, url);
  }
  await assert.rejects(
    authorizedFetch(new Request('http://elsewhere.invalid/', { method: 'POST', body: 'text' })),
    TypeError,
  );
  await assert.rejects(
    authorizedFetch('http://elsewhere.invalid/', new Request(server.origin) as RequestInit),
    TypeError,
  );

  assert.equal(asked, 0);
});

test('judges a Request by its own url where the platform does not tell it from outside, as workerd of 2023', async (t) => {
  const [inside, outside] = [await startServer(t), await startServer(t)];
  const { authorizedFetch } = createClient(inside.config({}, { oauthToken: HELD }));
  const { get } = Reflect;
  t.mock.method(Reflect, 'get', (target: object, name: string, receiver: object) => {
    if (target === Request.prototype) throw new TypeError('Illegal invocation');
    return get(target, name, receiver);
  });

  assert.equal((await authorizedFetch(new Request(`${inside.origin}/x`))).status, 200);
  await assert.rejects(authorizedFetch(new Request(outside.origin)), /^TypeError: No credentials for/);
  assert.deepEqual(outside.apiRequests, []);
});

test('names the origin that it refuses, and nothing else of the URL', async (t) => {
  const { authorizedFetch } = createClient((await startServer(t)).config());

  await assert.rejects(
    authorizedFetch('https://elsewhere.invalid/secret?key=secret#secret'),
    (error: Error) => {
      assert.match(error.message, /https:\/\/elsewhere\.invalid.*apiOrigins allows http:\/\/127/);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    },
  );
});

test('takes an entry without a wildcard for that origin alone', async (t) => {
  const { authorizedFetch } = createClient(
    (await startServer(t)).config({}, { oauthToken: HELD }, { apiOrigins: ['https://api.example.com'] }),
  );

  for (const suffix of ['.undefined', '.invalid', ':1', 'x']) {
    await assert.rejects(
      authorizedFetch(`https://api.example.com${suffix}/`),
      /^TypeError: No credentials for https:\/\/api\.example\.com/,
    );
  }
});

test('says so where it allows no origin', async (t) => {
  const { authorizedFetch } = createClient((await startServer(t)).config({}, {}, { apiOrigins: [] }));

  await assert.rejects(
    authorizedFetch('https://elsewhere.invalid/'),
    /^TypeError: No credentials for https:\/\/elsewhere\.invalid.*allows no origin$/,
  );
});

test('sends to the URL that it has checked, whatever becomes of the input while a token is fetched', async (t) => {
  const [inside, outside] = [await startServer(t), await startServer(t)];
  const { authorizedFetch } = createClient(inside.config());
  const url = new URL(`${inside.origin}/checked`);
  const texts = [`${inside.origin}/once`, `${outside.origin}/twice`];

  const pending = authorizedFetch(url);
  url.href = `${outside.origin}/changed`;
  await pending;
  await authorizedFetch({ toString: () => texts.shift()! } as string);

  assert.deepEqual(
    inside.apiRequests.map((request) => request.url),
    ['/checked', '/once'],
  );
  assert.deepEqual(outside.apiRequests, []);
});

describe('the URL that was judged is the URL that is sent', () => {
  /**
   * What an input shows of itself, and what the platform's fetch makes of it: neither may take the bearer
   * outside.
   */
  const INPUTS: Record<string, (inside: string, outside: string) => unknown> = {
    'an object with a url inside and a text outside': (inside, outside) => ({
      url: inside,
      headers: {},
      toString: () => outside,
    }),
    'an object with a url outside and a text inside': (inside, outside) => ({
      url: outside,
      headers: {},
      toString: () => inside,
    }),
    'an object with a method and a body, too': (inside, outside) => ({
      url: inside,
      headers: new Headers(),
      method: 'POST',
      body: 'text',
      toString: () => outside,
    }),
    'plain JSON': (inside) => ({ url: inside, headers: {} }),
    'plain JSON with a href': (inside, outside) => ({ url: inside, href: outside, headers: {} }),
    'an array': (inside, outside) => Object.assign([outside], { url: inside, headers: {} }),
    'a URL with a url inside': (inside, outside) =>
      Object.assign(new URL(outside), { url: inside, headers: {} }),
    'a URL whose href lies': (inside, outside) =>
      Object.defineProperty(new URL(outside), 'href', { value: inside }),
    'a URL whose text lies': (inside, outside) => Object.assign(new URL(inside), { toString: () => outside }),
    'a primitive that changes': (inside, outside) => {
      const texts = [inside, outside, outside, outside];
      return { [Symbol.toPrimitive]: () => texts.shift() };
    },
    'a url that changes': (inside, outside) => {
      const texts = [inside, outside, outside, outside];
      return {
        get url() {
          return texts.shift();
        },
        headers: {},
        toString: () => texts.shift(),
      };
    },
    'a Request with a url of its own inside': (inside, outside) =>
      Object.defineProperty(new Request(outside), 'url', { value: inside }),
    'a Request with a url of its own outside': (inside, outside) =>
      Object.defineProperty(new Request(inside), 'url', { value: outside }),
    'a subclass whose url lies': (inside, outside) =>
      new (class extends Request {
        override get url() {
          return inside;
        }
      })(outside),
    'a subclass whose url changes': (inside, outside) => {
      const texts = [inside, inside, outside, outside];
      return new (class extends Request {
        override get url() {
          return texts.shift()!;
        }
      })(outside);
    },
    'a subclass whose clone leads outside': (inside, outside) =>
      new (class extends Request {
        override clone() {
          return new Request(outside, { method: 'POST', body: 'text' });
        }
      })(inside, { method: 'POST', body: 'text' }),
    'a Request with the prototype of another': (inside, outside) =>
      Object.setPrototypeOf(
        new Request(outside),
        Object.create(Request.prototype, { url: { value: inside } }),
      ),
    'a proxy of a Request whose url lies': (inside, outside) =>
      new Proxy(new Request(outside), {
        get: (target, name) => (name === 'url' ? inside : Reflect.get(target, name, target)),
      }),
    'something with the prototype of Request': (inside, outside) =>
      Object.create(Request.prototype, {
        url: { value: inside },
        headers: { value: new Headers() },
        toString: { value: () => outside },
      }),
    'a Request of another library': (inside, outside) =>
      Object.defineProperty(new UndiciRequest(outside), 'url', { value: inside }),
    'a Response': (inside) => Object.defineProperty(new Response(), 'url', { value: inside }),
  };
  for (const [name, make] of Object.entries(INPUTS)) {
    test(`${name}`, async (t) => {
      const [inside, outside] = [await startServer(t), await startServer(t)];
      inside.revoked.add('held-token');
      route(outside, {});
      for (const options of [{}, { timeout: 60_000 }]) {
        const { authorizedFetch } = createClient(
          inside.config({ vZM2mToken: 'held-session', ...options }, { oauthToken: HELD }),
        );
        const ended = await authorizedFetch(
          make(`${inside.origin}/judged`, `${outside.origin}/sent`) as Request,
        ).then(
          ({ status }) => status,
          (error: unknown) => error,
        );

        assert.deepEqual(outside.apiRequests, [], 'it was sent outside');
        assert.ok(ended === 200 || ended instanceof TypeError, String(ended));
        // What was sent inside went there as a whole: the call, and its replay with a new token.
        assert.deepEqual(
          inside.apiRequests.splice(0).map(({ url }) => url),
          ended === 200 ? ['/judged', '/judged'] : [],
        );
      }
    });
  }

  test('also for what fetch itself takes for a Request or a text: those work', async (t) => {
    const [inside, outside] = [await startServer(t), await startServer(t)];
    const { authorizedFetch } = createClient(inside.config({}, { oauthToken: HELD }));
    const url = `${inside.origin}/judged`;
    const honest: unknown[] = [
      { url: outside.origin, headers: {}, toString: () => url },
      Object.defineProperty(new Request(url), 'url', { value: outside.origin }),
      new (class extends Request {
        override get url() {
          return outside.origin;
        }
      })(url),
      Object.assign(new URL(url), { url: outside.origin, headers: {} }),
    ];
    for (const input of honest) assert.equal((await authorizedFetch(input as Request)).status, 200);

    assert.deepEqual([inside.apiRequests.length, outside.apiRequests.length], [honest.length, 0]);
  });
});

for (const status of STATUSES) {
  test(`takes no credential to another origin by a ${status}, nor back again`, async (t) => {
    const [a, b] = [await startServer(t), await startServer(t)];
    route(a, { '/out': [status, `${b.origin}/end`], '/outAndBack': [status, `${b.origin}/back`] });
    route(b, { '/back': [status, `${a.origin}/end`] });
    const { authorizedFetch } = createClient(a.config({ vZM2mToken: 'held-session' }, { oauthToken: HELD }));
    const credentialHeaders = { Authorization: 'Bearer own', 'VZ-M2M-Token': 'own-session' };

    for (const method of METHODS) {
      const body = method.startsWith('P') ? 'text' : null;
      await authorizedFetch(`${a.origin}/out`, { method, body });
      assert.deepEqual([takeCredentials(a), takeCredentials(b)], [[BOTH], [NONE]], method);
      await authorizedFetch(new Request(`${a.origin}/out`, { method, body, headers: credentialHeaders }));
      assert.deepEqual(
        [takeCredentials(a), takeCredentials(b)],
        [['Bearer held-token, own-session'], [NONE]],
        method,
      );
      await authorizedFetch(`${a.origin}/outAndBack`, { method, body, headers: { vary: '1' } });
      assert.deepEqual([takeCredentials(a), takeCredentials(b)], [[BOTH, NONE], [NONE]], method);
    }
  });

  test(`takes both credentials along by a ${status} inside apiOrigins, and drops both on the way out`, async (t) => {
    const [a, b, c] = [await startServer(t), await startServer(t), await startServer(t)];
    route(a, { '/in': [status, `${b.origin}/end`], '/through': [status, `${b.origin}/out`] });
    route(b, { '/out': [status, `${c.origin}/end`] });
    const environment = { apiOrigins: [a.origin, b.origin] };
    const { authorizedFetch } = createClient(
      a.config({ vZM2mToken: 'held-session' }, { oauthToken: HELD }, environment),
    );

    for (const method of METHODS) {
      await authorizedFetch(`${a.origin}/in`, { method });
      assert.deepEqual([a, b, c].map(takeCredentials), [[BOTH], [BOTH], []], method);
      await authorizedFetch(`${a.origin}/through`, { method });
      assert.deepEqual([a, b, c].map(takeCredentials), [[BOTH], [BOTH], [NONE]], method);
    }
  });
}

test("takes a caller's own proof no further than Authorization, by a redirect", async (t) => {
  const [inside, outside] = [await startServer(t), await startServer(t)];
  route(inside, { '/in': [307, '/end'], '/out': [307, `${outside.origin}/end`] });
  const { authorizedFetch } = createClient(inside.config({}, { oauthToken: HELD }));
  const headers = { DPoP: 'own-proof' };

  await authorizedFetch(`${inside.origin}/in`, { headers });
  await authorizedFetch(`${inside.origin}/out`, { headers });

  const proofsOf = ({ apiRequests }: TestServer) => apiRequests.map((request) => request.headers['dpop']);
  assert.deepEqual(proofsOf(inside), ['own-proof', 'own-proof', 'own-proof']);
  assert.deepEqual(proofsOf(outside), [undefined]);
});

test('does not renew for a 401 from outside, nor from inside once the way has led outside', async (t) => {
  const [a, b] = [await startServer(t), await startServer(t)];
  route(a, {
    '/out': [302, `${b.origin}/strict`],
    '/outAndBack': [302, `${b.origin}/back`],
    '/strict': [401],
  });
  route(b, { '/strict': [401], '/back': [302, `${a.origin}/strict`] });
  const { authorizedFetch } = createClient(a.config({}, { oauthToken: HELD }));

  for (const path of ['/out', '/outAndBack'])
    assert.equal((await authorizedFetch(a.origin + path)).status, 401);

  assert.equal(a.tokenRequests.length, 0);
  assert.equal((await authorizedFetch(`${a.origin}/strict`)).status, 401);
  assert.equal(a.tokenRequests.length, 1);
});

test('renews for a 401 from an allowed origin behind a redirect, and sends the whole way again', async (t) => {
  const [a, b] = [await startServer(t), await startServer(t)];
  route(a, { '/in': [307, `${b.origin}/end`] });
  b.revoked.add('held-token');
  const { authorizedFetch } = createClient(
    a.config({}, { oauthToken: HELD }, { apiOrigins: [a.origin, b.origin] }),
  );

  const response = await authorizedFetch(`${a.origin}/in`, { method: 'POST', body: 'text' });

  assert.deepEqual([response.status, response.redirected], [200, true]);
  assert.deepEqual(
    b.apiRequests.map(({ body }) => body),
    ['text', 'text'],
  );
  assert.deepEqual(takeCredentials(a), ['Bearer held-token, undefined', 'Bearer token-1, undefined']);
});

test('lets subdomains in for a wildcard entry, and nothing that only looks like one', async (t) => {
  const server = await startServer(t);
  const { port } = new URL(server.origin);
  const agent = new Agent({
    connect: { lookup: (_host, _options, found) => found(null, [{ address: '127.0.0.1', family: 4 }]) },
  });
  t.after(() => agent.close());
  const fetch: Fetch = (input, init) =>
    undiciFetch(input as string, { ...init, dispatcher: agent } as object) as unknown as Promise<Response>;
  const apiOrigins = [`http://*.api.localhost:${port}`];
  const { authorizedFetch } = createClient(
    server.config({ fetch, vZM2mToken: 'held-session' }, { oauthToken: HELD }, { apiOrigins }),
  );
  route(server, { '/to': [302, '/end'] });

  for (const host of ['a.api.localhost', 'a.b.api.localhost', 'A.API.localhost']) {
    assert.equal((await authorizedFetch(`http://${host}:${port}/`)).status, 200, host);
    assert.deepEqual(takeCredentials(server), [BOTH], host);
  }
  for (const host of [
    'api.localhost',
    'localhost',
    'xapi.localhost',
    'a.api.localhost.invalid',
    'a.api.localhost@localhost',
  ]) {
    await assert.rejects(authorizedFetch(`http://${host}:${port}/`), TypeError, host);
  }
  await assert.rejects(authorizedFetch(`https://a.api.localhost:${port}/`), TypeError);
  const overTls = createClient(
    server.config({ fetch }, { oauthToken: HELD }, { apiOrigins: [`https://*.api.localhost:${port}`] }),
  );
  await assert.rejects(overTls.authorizedFetch(`http://ab.api.localhost:${port}/`), TypeError);
  await assert.rejects(authorizedFetch('http://a.api.localhost/'), TypeError);
  assert.deepEqual(server.apiRequests, []);

  for (const [host, expected] of [
    ['b.api.localhost', BOTH],
    ['api.localhost', NONE],
  ] as const) {
    server.api = ({ url }) =>
      url === '/to' ? { status: 307, headers: { location: `http://${host}:${port}/end` } } : {};
    await authorizedFetch(`http://a.api.localhost:${port}/to`);
    assert.deepEqual(takeCredentials(server), [BOTH, expected], host);
  }
});

test("sends everywhere with apiOrigins ['*'], but takes nothing along when a redirect changes the origin, nor back again", async (t) => {
  const [a, b] = [await startServer(t), await startServer(t)];
  const { authorizedFetch } = createClient(
    a.config({ vZM2mToken: 'held-session' }, { oauthToken: HELD }, { apiOrigins: ['*'] }),
  );

  await authorizedFetch(`${b.origin}/`);
  assert.deepEqual(takeCredentials(b), [BOTH]);
  for (const status of STATUSES) {
    route(a, {
      '/out': [status, `${b.origin}/end`],
      '/in': [status, '/end'],
      '/outAndBack': [status, `${b.origin}/back`],
    });
    route(b, { '/back': [status, `${a.origin}/end`] });
    for (const headers of [{}, { 'vz-m2m-token': 'held-session' }]) {
      await authorizedFetch(`${a.origin}/out`, { headers });
      assert.deepEqual([takeCredentials(a), takeCredentials(b)], [[BOTH], [NONE]]);
      await authorizedFetch(`${a.origin}/in`, { headers });
      assert.deepEqual(takeCredentials(a), [BOTH, BOTH]);
      await authorizedFetch(`${a.origin}/outAndBack`, { headers });
      assert.deepEqual([takeCredentials(a), takeCredentials(b)], [[BOTH, NONE], [NONE]]);
    }
  }
});

test('takes an entry with a wildcard for a pattern, never for the beginning of a URL', async (t) => {
  const sent: unknown[] = [];
  const server = await startServer(t);
  const fetch: Fetch = async (input) => {
    sent.push(input);
    return Response.json({ access_token: 'got-token', token_type: 'Bearer' });
  };
  const clientFor = (entry: string) =>
    createClient(server.config({ fetch, vZM2mToken: 'held-session' }, {}, { apiOrigins: [entry] }));
  const secure = 'https://*.example.com';
  const refused = [
    ['*', '*/x'],
    ['*', '*//elsewhere.invalid/x'],
    [secure, `${secure}/x`],
    [secure, `${secure}/../x`],
    ['http://*.localhost:1', 'http://*.localhost:1/x'],
  ] as const;
  const refuseAll = async (where: string) => {
    for (const [entry, url] of refused)
      for (const input of [url, { toString: () => url } as string])
        await assert.rejects(clientFor(entry).authorizedFetch(input), TypeError, `${url} ${where}`);
  };

  await refuseAll('without a base');
  // As in a page, and under Deno's --location: a relative URL has a base there, here one of plain http.
  const { Request } = globalThis;
  const base = 'http://page.invalid/folder/';
  class PageRequest extends Request {
    constructor(input: string | URL | Request, init?: RequestInit) {
      super(typeof input === 'string' ? new URL(input, base) : input, init);
    }
  }
  t.after(() => Object.assign(globalThis, { Request }));
  Object.assign(globalThis, { Request: PageRequest });
  await refuseAll(`with ${base}`);

  assert.deepEqual(sent, []);
  // What the pattern stands for is sent.
  await clientFor(secure).authorizedFetch('https://api.example.com/x');
  assert.deepEqual(sent, [server.tokenUrl, 'https://api.example.com/x']);
});

test("takes a 401 from behind such a redirect for no answer to the bearer, also with apiOrigins ['*']", async (t) => {
  const [a, b] = [await startServer(t), await startServer(t)];
  route(a, { '/out': [302, `${b.origin}/strict`] });
  route(b, { '/strict': [401] });
  const { authorizedFetch } = createClient(a.config({}, { oauthToken: HELD }, { apiOrigins: ['*'] }));

  assert.equal((await authorizedFetch(`${a.origin}/out`)).status, 401);

  assert.deepEqual([a.tokenRequests.length, a.apiRequests.length, b.apiRequests.length], [0, 1, 1]);
});

test('sends nowhere with an empty apiOrigins', async (t) => {
  const server = await startServer(t);
  const { authorizedFetch } = createClient(server.config({}, {}, { apiOrigins: [] }));

  await assert.rejects(authorizedFetch(server.origin), TypeError);

  assert.deepEqual([server.apiRequests, server.tokenRequests], [[], []]);
});

test("keeps a caller's own VZ-M2M-Token, sends none for an empty one, and the configured one otherwise", async (t) => {
  const server = await startServer(t);
  const { authorizedFetch } = createClient(
    server.config({ vZM2mToken: 'held-session' }, { oauthToken: HELD }),
  );
  const plain = createClient(server.config({}, { oauthToken: HELD }));

  await authorizedFetch(server.origin, { headers: { 'vz-M2M-token': 'own-session' } });
  await authorizedFetch(new Request(server.origin, { headers: { 'VZ-M2M-Token': 'own-session' } }));
  await authorizedFetch(server.origin, { headers: { 'VZ-M2M-Token': '' } });
  await authorizedFetch(server.origin, { headers: [['VZ-M2M-Token', ' ']] });
  await authorizedFetch(server.origin);
  await plain.authorizedFetch(server.origin);
  await plain.authorizedFetch(server.origin, { headers: { 'VZ-M2M-Token': 'own-session' } });

  const none = 'Bearer held-token, undefined';
  const own = 'Bearer held-token, own-session';
  assert.deepEqual(takeCredentials(server), [own, own, none, none, BOTH, none, own]);
  assert.equal(server.tokenRequests.length, 0);
});

/** Answers by path: a status, and where it leads; any other path with 200. */
function route(
  server: TestServer,
  routes: Readonly<Record<string, readonly [status: number, location?: string]>>,
): void {
  server.api = ({ url }) => {
    const [status = 200, location] = routes[url] ?? [];
    return { status, ...(location && { headers: { location } }) };
  };
}

/** What the server has been told since the last look. */
function takeCredentials({ apiRequests }: TestServer): string[] {
  return apiRequests
    .splice(0)
    .map(({ headers }: Received) => `${headers.authorization}, ${headers['vz-m2m-token']}`);
}
