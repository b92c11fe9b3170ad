import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ApiError, createClient, revokeToken } from 'thingspace-auth';
import { type DiscoverOptions, discover } from 'thingspace-auth/discover';
import { createMockServer } from 'thingspace-auth/testing';
import { withMetadata } from '../support/authorizationServer.ts';
import { type Answer, fakeClock, listen, rejectionOf, send } from '../support/server.ts';

type Test = Parameters<typeof listen>[0];

const OAUTH = '/.well-known/oauth-authorization-server';
const OPENID = '/.well-known/openid-configuration';

interface Place {
  readonly origin: string;
  /** Paths asked for, with the method before. */
  readonly asked: string[];
  /** What each path answers; the others are 404. */
  readonly answers: Record<string, Answer>;
  readonly discover: (path?: string, options?: Partial<DiscoverOptions>) => ReturnType<typeof discover>;
}

async function startMetadataServer(t: Test): Promise<Place> {
  const asked: string[] = [];
  const answers: Record<string, Answer> = {};
  const origin = await listen(t, ({ method, url = '', headers }, response) => {
    asked.push(`${method} ${url} ${headers.accept}`);
    send(response, answers[url] ?? { status: 404, body: { error: 'not_found' } });
  });
  return {
    origin,
    asked,
    answers,
    discover: (path = '', options) => discover(`${origin}${path}`, { apiOrigins: [origin], ...options }),
  };
}

function metadata(issuer: string, more: object = {}): Answer {
  return { body: { issuer, token_endpoint: `${issuer}/token`, ...more } };
}

const asks = (...paths: string[]) => paths.map((path) => `GET ${path} application/json`);

describe('discover', () => {
  test('reads the metadata of RFC 8414 in one request', async (t) => {
    const { origin, asked, answers, discover } = await startMetadataServer(t);
    answers[OAUTH] = metadata(origin, {
      revocation_endpoint: `${origin}/revoke`,
      jwks_uri: `${origin}/keys`,
    });

    const environment = await discover();

    assert.deepEqual(environment, {
      tokenUrl: `${origin}/token`,
      apiOrigins: [origin],
      revocationUrl: `${origin}/revoke`,
      issuer: origin,
    });
    assert.deepEqual(asked, asks(OAUTH));
    assert.ok(Object.isFrozen(environment));
  });

  test('leaves out the revocation endpoint where the server has none', async (t) => {
    const { origin, answers, discover } = await startMetadataServer(t);
    for (const revocation_endpoint of [undefined, null]) {
      answers[OAUTH] = metadata(origin, { revocation_endpoint });
      assert.deepEqual(await discover(), {
        tokenUrl: `${origin}/token`,
        apiOrigins: [origin],
        issuer: origin,
      });
    }
  });

  test('puts the path of an issuer behind the well-known part, then before that of OpenID Connect', async (t) => {
    const { origin, asked, answers, discover } = await startMetadataServer(t);
    answers[`${OAUTH}/a/b`] = metadata(`${origin}/a/b`);
    answers[`/c${OPENID}`] = metadata(`${origin}/c`);

    assert.equal((await discover('/a/b')).tokenUrl, `${origin}/a/b/token`);
    assert.equal((await discover('/c')).tokenUrl, `${origin}/c/token`);

    assert.deepEqual(asked, asks(`${OAUTH}/a/b`, `${OAUTH}/c`, `/c${OPENID}`));
  });

  test('leaves the last slash of an issuer out of the address, and compares it all the same', async (t) => {
    const { origin, asked, answers, discover } = await startMetadataServer(t);
    answers[OPENID] = metadata(`${origin}/`, { token_endpoint: `${origin}/token` });
    answers[`${OAUTH}/a`] = metadata(`${origin}/a/`);

    assert.equal((await discover('/')).tokenUrl, `${origin}/token`);
    assert.equal((await discover('/')).issuer, `${origin}/`);
    assert.equal((await discover('/a/')).tokenUrl, `${origin}/a//token`);
    await assert.rejects(discover(), { code: 'invalid_response' });
    await assert.rejects(discover('/a'), { code: 'invalid_response' });

    assert.deepEqual(asked.slice(2, 5), asks(OAUTH, OPENID, `${OAUTH}/a`));
  });

  const NO_METADATA: [what: string, answer: Answer][] = [
    ['404', { status: 404 }],
    ['a page with status 200', { headers: { 'content-type': 'text/html' }, body: '<html>log in</html>' }],
    ['JSON that is none', { body: [] }],
    ['null', { body: 'null' }],
    ['metadata of another issuer', metadata('https://elsewhere.example')],
    [
      'an issuer of 8,000 arrays in each other',
      { body: `{"issuer":${'['.repeat(8_000)}${']'.repeat(8_000)},"token_endpoint":"ORIGIN/t"}` },
    ],
    ['an issuer that is no text', { body: { issuer: { toString: 'ORIGIN' }, token_endpoint: 'ORIGIN/t' } }],
    ['metadata without token endpoint', { body: { issuer: 'ORIGIN' } }],
    [
      'a token endpoint without https',
      { body: { issuer: 'ORIGIN', token_endpoint: 'http://auth.example.com/token' } },
    ],
    [
      'a token endpoint with credentials',
      { body: { issuer: 'ORIGIN', token_endpoint: 'https://a:b@auth.example.com/token' } },
    ],
    [
      'a revocation endpoint without https',
      {
        body: {
          issuer: 'ORIGIN',
          token_endpoint: 'ORIGIN/t',
          revocation_endpoint: 'http://auth.example.com/r',
        },
      },
    ],
    [
      'good metadata with an error status',
      { status: 500, body: { issuer: 'ORIGIN', token_endpoint: 'ORIGIN/t' } },
    ],
    ['a redirect', { status: 302, headers: { location: '/moved' } }],
    ['a redirect to another origin', { status: 307, headers: { location: 'https://elsewhere.example/' } }],
  ];
  for (const [what, answer] of NO_METADATA) {
    test(`goes on to the second address where the first gives ${what}, and says so where that is none either`, async (t) => {
      const { origin, asked, answers, discover } = await startMetadataServer(t);
      answers['/moved'] = metadata(origin);
      answers[OAUTH] = JSON.parse(JSON.stringify(answer).replaceAll('ORIGIN', origin));

      const error = await rejectionOf(discover());
      assert.ok(error instanceof ApiError);
      assert.deepEqual([error.code, error.statusCode], ['invalid_response', 404]);
      assert.ok(error.message.startsWith(`${origin}${OAUTH} is `), error.message);
      assert.ok(error.message.endsWith(`; ${origin}${OPENID} is not metadata (status 404)`), error.message);

      answers[OPENID] = metadata(origin);
      assert.equal((await discover()).tokenUrl, `${origin}/token`);
      assert.deepEqual(
        asked,
        [1, 2].flatMap(() => asks(OAUTH, OPENID)),
      );
    });
  }

  for (const endpoint of ['token_endpoint', 'revocation_endpoint']) {
    for (const url of ['http://localhost:8080/internal', ' HTTP://127.0.0.1/internal']) {
      test(`takes no ${endpoint} of this machine (${url}) from an https issuer`, async () => {
        const issuer = 'https://auth.example.com';
        const endpoints = { token_endpoint: `${issuer}/token`, [endpoint]: url };
        const fetch = async () => new Response(JSON.stringify({ issuer, ...endpoints }));

        await assert.rejects(discover(issuer, { apiOrigins: [], fetch }), {
          code: 'invalid_response',
          message: /oauth-authorization-server is unusable: endpoints must be https \(status 200\);/,
        });
      });
    }
  }

  test('says which issuer the metadata is of', async (t) => {
    const { origin, answers, discover } = await startMetadataServer(t);
    answers[OPENID] = metadata(`${origin}/`);
    await assert.rejects(discover(), (error: Error) =>
      error.message.endsWith(`is that of issuer "${origin}/" (status 200)`),
    );
  });

  test('shows no more than the first 200 characters of another issuer', async (t) => {
    const { answers, discover } = await startMetadataServer(t);
    answers[OPENID] = metadata('x'.repeat(1_000));
    await assert.rejects(discover(), (error: Error) =>
      error.message.endsWith(` is that of issuer "${'x'.repeat(200)}" (status 200)`),
    );
  });

  test('shows another issuer in one line, without what a terminal would obey', async (t) => {
    const { answers, discover } = await startMetadataServer(t);
    answers[OPENID] = metadata('https://a.example\u009b31m\u202eb\u2028c\r\n');
    await assert.rejects(discover(), (error: Error) =>
      error.message.endsWith(
        ' is that of issuer "https://a.example%C2%9B31m%E2%80%AEb%E2%80%A8c%0D%0A" (status 200)',
      ),
    );
  });

  test('reads no more than 64 KiB', async (t) => {
    const { origin, answers, discover } = await startMetadataServer(t);
    answers[OPENID] = metadata(origin, { filler: 'x'.repeat(70_000) });
    const error = await rejectionOf(discover());
    assert.deepEqual([error.name, error.code, error.statusCode], ['ApiError', 'response_too_large', 200]);
    assert.ok(error.message.endsWith(`${origin}${OPENID} is over 64 KiB (status 200)`), error.message);
  });

  test('rejects with network where nobody answers', async (t) => {
    const origin = await listen(t, (_, response) => response.destroy());
    const error = await rejectionOf(discover(origin, { apiOrigins: [origin] }));
    assert.deepEqual([error.name, error.code, error.statusCode], ['ApiError', 'network', undefined]);
    assert.ok(error.cause instanceof TypeError);
  });

  test('has 30 s for the whole, or the time given', async (t) => {
    const clock = fakeClock(t);
    const asked: string[] = [];
    const origin = await listen(t, ({ url = '' }, response) => {
      asked.push(url);
      // The first one takes most of the time, the second one all that is left.
      if (asked.length % 2) setTimeout(() => send(response, { status: 404 }), 20_000);
    });
    for (const [options, ms] of [
      [{}, 30_000],
      [{ timeout: 0 }, 30_000],
      [{ timeout: 25_000 }, 25_000],
    ] as const) {
      asked.length = 0;
      const failed = rejectionOf(discover(origin, { apiOrigins: [origin], ...options }));
      await clock.until(() => asked.length === 1);
      clock.advance(20_000);
      await clock.until(() => asked.length === 2);
      clock.advance(ms - 20_000 - 1);
      clock.advance(1);
      const error = await failed;
      assert.deepEqual(
        [error.name, error.code, error.message],
        [
          'ApiError',
          'timeout',
          `${ms} ms were not enough for ${origin}: check the network, or raise timeout`,
        ],
      );
    }
  });

  test('rejects with the reason of its signal, without a request where that is aborted before', async (t) => {
    const { asked, discover } = await startMetadataServer(t);
    const reason = { of: 'the caller' };
    assert.equal(await rejectionOf(discover('', { signal: AbortSignal.abort(reason) })), reason);
    assert.deepEqual(asked, []);

    const controller = new AbortController();
    const hung = (_: unknown, init?: RequestInit) =>
      new Promise<Response>((_, reject) =>
        init!.signal!.addEventListener('abort', () => reject(new Error('of the platform'))),
      );
    const waiting = rejectionOf(discover('', { signal: controller.signal, fetch: hung }));
    controller.abort(reason);
    assert.equal(await waiting, reason);
  });

  test('takes null for no signal, as fetch does', async (t) => {
    const { origin, answers, discover } = await startMetadataServer(t);
    answers[OAUTH] = metadata(origin);
    assert.equal((await discover('', { signal: null })).tokenUrl, `${origin}/token`);
  });

  test('refuses a bad issuer and bad options before any request', async () => {
    let asked = 0;
    const fetch = async () => (asked++, new Response('{}'));
    const issuer = 'https://auth.example.com';
    const apiOrigins = ['https://api.example.com'];
    const issuers = [
      undefined,
      null,
      '',
      7,
      new URL(issuer),
      'auth.example.com',
      'http://auth.example.com',
      'https://a:b@auth.example.com',
      `${issuer}?x`,
      `${issuer}/#x`,
      `${issuer}/?`,
      'ftp://auth.example.com',
    ];
    for (const each of issuers) {
      await assert.rejects(
        discover(each as string, { apiOrigins, fetch }),
        { name: 'TypeError', message: /^issuer must be an https or loopback URL/ },
        String(each),
      );
    }
    const options: [options: any, name: string][] = [
      [undefined, 'apiOrigins'],
      [{}, 'apiOrigins'],
      [{ apiOrigins: issuer }, 'apiOrigins'],
      [{ apiOrigins: ['http://api.example.com'] }, 'apiOrigins'],
      [{ apiOrigins: [`${issuer}/path`] }, 'apiOrigins'],
      [{ apiOrigins, timeout: -1 }, 'timeout'],
      [{ apiOrigins, fetch: {} }, 'fetch'],
      [{ apiOrigins, signal: 'now' }, 'signal'],
      [{ apiOrigins, origins: [] }, 'origins'],
    ];
    for (const [each, name] of options) {
      const error = await rejectionOf(discover(issuer, each && { fetch, ...each }));
      assert.ok(
        error instanceof TypeError && error.message.replace('unknown option ', '').match(`^${name}\\b`),
        `${name}: ${error}`,
      );
    }
    assert.equal(asked, 0);
  });

  test('gives an environment with which a client works and revokes', async () => {
    const mock = createMockServer({ clients: { 'invented-id': 'invented-secret' } });
    const { fetch, seen } = withMetadata(mock);
    for (const issuer of ['https://auth.example.com', 'https://auth.example.com/tenant']) {
      seen.length = 0;
      const environment = await discover(issuer, { apiOrigins: ['https://api.example.com'], fetch });
      const credentials = { oauthClientId: 'invented-id', oauthClientSecret: 'invented-secret' };
      const config = { clientCredentialsAuthCredentials: credentials, environment, fetch };
      const client = createClient(config);
      assert.equal((await client.authorizedFetch('https://api.example.com/orders')).status, 200);
      await revokeToken(config, await client.getToken());
      const path = new URL(issuer).pathname.replace(/\/$/, '');
      assert.deepEqual(seen, [
        `${OAUTH}${path} 200`,
        `${path}/oauth2/token 200`,
        '/orders 200',
        `${path}/oauth2/revoke 200`,
      ]);
    }
  });
});

test('says what fetch must answer where it answers unlike the platform', async () => {
  const fetch = (async () => ({})) as unknown as typeof globalThis.fetch;

  await assert.rejects(discover('https://auth.example.com', { apiOrigins: [], fetch }), {
    name: 'TypeError',
    message: /^fetch must answer/,
  });
});
