import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import {
  ApiError,
  type ApiErrorCode,
  createClient,
  isExpired,
  OAuthProviderError,
  type OAuthToken,
  reviveToken,
} from 'thingspace-auth';
import {
  type Answer,
  fakeClock,
  rejectionOf,
  START_MS,
  startServer,
  tokenAnswer,
  turn,
} from '../support/server.ts';

const START = START_MS / 1000;

describe('a token response', () => {
  const LIFETIMES: [wire: unknown, expiresIn: number | undefined][] = [
    [3600, 3600],
    ['3600', 3600],
    [' 3600 ', undefined],
    ['3599.9', 3599],
    [3599.9, 3599],
    [599, 599],
    [0, 0],
    ['0', 0],
    [-5, undefined],
    ['-5', undefined],
    [undefined, undefined],
    [null, undefined],
    ['', undefined],
    [' ', undefined],
    ['soon', undefined],
    ['NaN', undefined],
    [true, undefined],
    [{}, undefined],
  ];
  for (const [wire, expiresIn] of LIFETIMES) {
    test(`with expires_in ${JSON.stringify(wire)} lives ${expiresIn ?? 'for an unknown number of'} seconds`, async (t) => {
      fakeClock(t);
      const token = await exchangeFor(t, { body: { access_token: 'a', expires_in: wire } });
      assert.equal(token.expiresIn, expiresIn);
      assert.equal(token.expiry, expiresIn === undefined ? undefined : START + expiresIn);
      assert.equal('expiresIn' in token, expiresIn !== undefined);
      assert.equal('expiry' in token, expiresIn !== undefined);
    });
  }

  for (const wire of [1e20, Number.MAX_SAFE_INTEGER, 2 ** 31 + 1]) {
    test(`with the absurd expires_in ${wire} has an expiry that is a safe whole number, far ahead`, async (t) => {
      fakeClock(t);
      const { expiresIn, expiry } = await exchangeFor(t, tokenAnswer('a', wire));
      assert.ok(Number.isSafeInteger(expiresIn) && Number.isSafeInteger(expiry));
      assert.ok(expiry! > START + 10 * 365 * 86_400);
      assert.equal(reviveToken({ accessToken: 'a', expiry }).expiry, expiry);
    });
  }

  test('counts its life from just before the request, not from the answer', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    clock.advance(999);
    server.token = () => {
      clock.advance(7_000);
      return tokenAnswer('a');
    };
    const token = await createClient(server.config()).fetchToken();
    assert.equal(token.expiry, START + 3600);
  });

  for (const type of [
    undefined,
    null,
    'bearer',
    'BEARER',
    'Bearer',
    'bEaReR',
    'BearerToken',
    'Application Access Token',
  ]) {
    test(`with token_type ${JSON.stringify(type)} is a Bearer token`, async (t) => {
      const token = await exchangeFor(t, { body: { access_token: 'a', token_type: type } });
      assert.equal(token.tokenType, 'Bearer');
    });
  }

  const SCOPES: [wire: unknown, scope: string | undefined][] = [
    ['a b', 'a b'],
    [['a', 'b'], 'a b'],
    [[], undefined],
    ['', undefined],
    [undefined, undefined],
    [null, undefined],
    [5, undefined],
  ];
  for (const [wire, scope] of SCOPES) {
    test(`with scope ${JSON.stringify(wire)} ${scope ? `grants '${scope}'` : 'does not say what is granted'}`, async (t) => {
      const token = await exchangeFor(t, tokenAnswer('a', 60, { scope: wire }));
      assert.equal(token.scope, scope);
      assert.equal('scope' in token, scope !== undefined);
    });
  }

  const JSON_TEXT = JSON.stringify({ access_token: 'a', token_type: 'Bearer', expires_in: 60 });
  const FORM_TEXT = 'access_token=a&token_type=bearer&expires_in=60&scope=x+y';
  const WRITINGS: [label: string, Answer][] = [
    ['as text/plain', { headers: { 'content-type': 'text/plain' }, body: JSON_TEXT }],
    ['as text/html', { headers: { 'content-type': 'text/html; charset=latin1' }, body: JSON_TEXT }],
    ['as text/javascript', { headers: { 'content-type': 'text/javascript' }, body: JSON_TEXT }],
    ['without a content type', { body: JSON_TEXT }],
    ['behind a byte order mark', { body: `\uFEFF${JSON_TEXT}` }],
    ['between blanks', { body: `\r\n ${JSON_TEXT}\n` }],
    ['with status 201', { status: 201, body: JSON_TEXT }],
    ['in gzip', { headers: { 'content-encoding': 'gzip' }, body: gzipSync(JSON_TEXT) }],
    ['as a form', { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: FORM_TEXT }],
    ['as a form that says it is HTML', { headers: { 'content-type': 'text/html' }, body: FORM_TEXT }],
    ['with an angle bracket in a member', { body: { access_token: 'a', expires_in: 60, realm: ' <b>' } }],
    [
      'with an angle bracket on a line of its own',
      { body: '{"access_token":"a","expires_in":60,"realm":"x"\n,"note":\n"<"}' },
    ],
    [
      'with members of no standard',
      { body: { access_token: 'a', expires_in: 60, expires_at: 5, created_at: 4, id_token: 'x' } },
    ],
  ];
  for (const [label, answer] of WRITINGS) {
    test(`is read ${label}`, async (t) => {
      fakeClock(t);
      const { scope, ...token } = await exchangeFor(t, answer);
      assert.deepEqual(token, { accessToken: 'a', tokenType: 'Bearer', expiresIn: 60, expiry: START + 60 });
      assert.equal(scope, String(answer.body).includes('x+y') ? 'x y' : undefined);
    });
  }

  test('may hold a refresh token', async (t) => {
    const token = await exchangeFor(t, tokenAnswer('a', 60, { refresh_token: 'r' }));
    assert.equal(token.refreshToken, 'r');
    assert.ok(!('refreshToken' in (await exchangeFor(t, tokenAnswer('a', 60, { refresh_token: 5 })))));
  });

  test('of up to 64 KiB is read, whatever the bytes arrive in', async (t) => {
    const text = `{"access_token":"a","scope":"${'é'.repeat(30_000)}"}`;
    const bytes = Buffer.from(text + ' '.repeat(65_536 - Buffer.byteLength(text)));
    const server = await startServer(t);
    server.token = async (_, response) => {
      for (let at = 0; at < bytes.length; at += 9_999) {
        response.write(bytes.subarray(at, at + 9_999));
        await turn();
      }
      response.end();
    };
    assert.equal((await createClient(server.config()).fetchToken()).scope, 'é'.repeat(30_000));
  });

  test('from a server that speaks HTTP/1.0 and closes every connection is read', async (t) => {
    const origin = await listenRaw(t, (socket) => socket.end(`HTTP/1.0 200 OK\r\n\r\n${JSON_TEXT}`));
    const client = createClient({
      clientCredentialsAuthCredentials: {
        oauthClientId: 'invented-id',
        oauthClientSecret: 'invented-secret',
      },
      environment: { tokenUrl: `${origin}/token`, apiOrigins: [origin] },
    });
    for (let count = 0; count < 3; count++) assert.equal((await client.fetchToken()).accessToken, 'a');
  });

  test('is asked for again when a kept-alive connection turns out to be closed', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    server.token = (_, response) => {
      if (server.tokenRequests.length !== 2) return tokenAnswer('a');
      response.socket?.destroy();
    };
    const client = createClient(server.config({ onEvent: clock.skipWaits }));
    await client.fetchToken();
    await client.fetchToken();
    assert.equal(server.tokenRequests.length, 3);
  });
});

describe('an answer that is no token', () => {
  const html = {
    headers: { 'content-type': 'text/html' },
    body: '<!doctype html><title>invented-body</title>',
  };
  const xml = {
    headers: { 'content-type': 'application/xml' },
    body: '<am:fault><am:code>900902</am:code></am:fault>',
  };
  const fault = { fault: { code: '900902', message: 'Missing Credentials', description: 'invented-body' } };
  const CASES: [label: string, Answer, ApiErrorCode, RegExp?][] = [
    ['HTML with 200', html, 'invalid_response', /200 text\/html.*proxy/],
    ['HTML with 403', { ...html, status: 403 }, 'gateway_fault', /403 text\/html/],
    ['HTML with 502', { ...html, status: 502 }, 'gateway_fault', /502 text\/html/],
    [
      'HTML behind a byte order mark and blanks',
      { ...html, body: `\uFEFF\n  ${html.body}` },
      'invalid_response',
    ],
    ['an XML fault', { ...xml, status: 500 }, 'gateway_fault', /500 application\/xml/],
    ['a JSON fault with 401', { status: 401, body: fault }, 'gateway_fault', /401 application\/json.*900902/],
    ['a JSON fault with 200', { body: fault }, 'invalid_response', /900902/],
    ['a JSON fault without code', { status: 400, body: { fault: {} } }, 'gateway_fault'],
    [
      'a JSON fault with a number for a code',
      { status: 400, body: { fault: { code: 900906 } } },
      'gateway_fault',
      /900906/,
    ],
    ['an empty 403', { status: 403 }, 'gateway_fault', /answered 403: /],
    ['an empty 400', { status: 400 }, 'gateway_fault'],
    ['an empty 200', {}, 'invalid_response'],
    ['an empty 204', { status: 204 }, 'invalid_response'],
    [
      'a 404 in plain text',
      { status: 404, headers: { 'content-type': 'text/plain' }, body: 'invented-body' },
      'gateway_fault',
      /404 text\/plain/,
    ],
    [
      'a 503 in plain text',
      { status: 503, headers: { 'content-type': 'text/plain' }, body: 'invented-body' },
      'gateway_fault',
      /503/,
    ],
    [
      'broken JSON',
      { headers: { 'content-type': 'application/json' }, body: '{"access_token":"invented-body"' },
      'invalid_response',
      /200 application\/json/,
    ],
    ...['null', '5', '"invented-body"', '[]', 'true', '{}'].map((body): [string, Answer, ApiErrorCode] => [
      `JSON ${body}`,
      { body },
      'invalid_response',
    ]),
    [
      'an error that is no string',
      { status: 400, body: { error: { message: 'invented-body' } } },
      'gateway_fault',
    ],
    [
      'a token of type MAC',
      { body: { access_token: 'invented-body', token_type: 'MAC' } },
      'invalid_response',
      /Bearer/,
    ],
    [
      'a token of type DPoP',
      { body: { access_token: 'invented-body', token_type: 'DPoP' } },
      'invalid_response',
    ],
    ['a token of type 5', { body: { access_token: 'invented-body', token_type: 5 } }, 'invalid_response'],
    ...[
      'invented-body x',
      'invented-body\r\nx: y',
      'invented-body\u0000',
      'invented-bodyé',
      '',
      5,
      null,
      ['invented-body'],
      {},
    ].map((accessToken): [string, Answer, ApiErrorCode] => [
      `the access token ${JSON.stringify(accessToken)}`,
      { body: { access_token: accessToken, token_type: 'Bearer' } },
      'invalid_response',
    ]),
  ];
  for (const [label, answer, code, message] of CASES) {
    test(`is an ApiError ${code}: ${label}`, async (t) => {
      const error = await failureFor(t, answer);
      assert.equal(error.code, code);
      assert.equal(error.name, 'ApiError');
      assert.ok(!(error instanceof OAuthProviderError));
      assert.equal(error.statusCode, answer.status ?? 200);
      assert.ok(error.headers instanceof Headers);
      assert.ok(!Object.keys(error).includes('headers'));
      if (message) assert.match(error.message, message);
      assert.ok(!error.message.includes('invented-body'), error.message);
      // Never the platform's own, which may quote the body.
      assert.ok(
        error.cause === undefined || String(error.cause) === 'SyntaxError: no JSON',
        String(error.cause),
      );
    });
  }

  const deep = (open: string, close: string) => open.repeat(30_000) + close.repeat(30_000);
  const HOSTILE: [label: string, body: string][] = [
    ['a fault whose code cannot be a text', '{"fault":{"code":{"toString":1}}}'],
    ['a fault whose code is nested', '{"fault":{"code":[[{"toString":null,"valueOf":1}]]}}'],
    ['a fault that is no object', '{"fault":[{"toString":1}]}'],
    ['an error that cannot be a text', '{"error":{"toString":1}}'],
    [
      'a refusal whose description cannot be a text',
      '{"error":"invalid_client","error_description":{"toString":1},"error_uri":[{"toString":1}]}',
    ],
    ['a token that cannot be a text', '{"access_token":{"toString":1}}'],
    ['a type that cannot be a text', '{"access_token":"a","token_type":{"toString":1}}'],
    [
      'members of the prototype',
      '{"__proto__":{"access_token":"a"},"constructor":{"toString":1},"hasOwnProperty":1}',
    ],
    ['an array 30,000 deep', deep('[', ']')],
    ['a fault 9,000 deep', `{"fault":${'{"a":'.repeat(9_000)}1${'}'.repeat(9_000)}}`],
    ['a form of prototypes', '__proto__=a&constructor=b'],
    ['half a pair of surrogates', '{"error":"\\ud800"}'],
  ];
  for (const [label, body] of HOSTILE) {
    for (const status of [200, 400, 401]) {
      test(`is an ApiError also where it is hostile, with ${status}: ${label}`, async (t) => {
        const error = await failureFor(t, { status, headers: { 'content-type': 'application/json' }, body });
        assert.ok(['gateway_fault', 'invalid_response', 'oauth_error'].includes(error.code), error.code);
        assert.equal(error.statusCode, status);
        assert.ok(error.message.length < 500);
      });
    }
  }

  test('does not keep a good token from being read beside members that cannot be texts or numbers', async (t) => {
    for (const more of [
      '"expires_in":{"toString":1}',
      '"scope":[{"toString":1}]',
      '"refresh_token":{"toString":1}',
      '"scope":{"toString":1}',
    ]) {
      const { accessToken, tokenType, ...rest } = await exchangeFor(t, {
        body: `{"access_token":"a",${more}}`,
      });
      assert.deepEqual([accessToken, tokenType, rest], ['a', 'Bearer', {}], more);
    }
  });

  const REFUSALS: [label: string, Answer, error: string][] = [
    ['with 400', { status: 400, body: { error: 'invalid_scope' } }, 'invalid_scope'],
    [
      'with 401 and a Bearer challenge',
      { status: 401, headers: { 'www-authenticate': 'Bearer realm="x"' }, body: { error: 'invalid_client' } },
      'invalid_client',
    ],
    ['with 403', { status: 403, body: { error: 'scope_invalid' } }, 'scope_invalid'],
    ['with 200', { body: { error: 'invalid_client' } }, 'invalid_client'],
    ['with 200 beside a token', { body: { error: 'invalid_client', access_token: 'a' } }, 'invalid_client'],
    ['with 200 as a form', { body: 'error=bad_code&error_description=x+y' }, 'bad_code'],
    [
      'as text/plain',
      { status: 400, headers: { 'content-type': 'text/plain' }, body: '{"error":"invalid_request"}' },
      'invalid_request',
    ],
    [
      'with further members',
      { status: 400, body: { error: 'invalid_client', status: 400, message: 'x' } },
      'invalid_client',
    ],
  ];
  for (const [label, answer, word] of REFUSALS) {
    test(`is an OAuthProviderError: a refusal ${label}`, async (t) => {
      const error = await failureFor(t, answer);
      assert.ok(error instanceof OAuthProviderError);
      assert.equal(error.name, 'OAuthProviderError');
      assert.equal(error.code, 'oauth_error');
      assert.equal(error.error, word);
      assert.equal(error.statusCode, answer.status ?? 200);
      assert.ok(error.message.includes(word));
    });
  }

  test("keeps the server's description to 200 characters, and its page", async (t) => {
    const body = {
      error: 'invalid_client',
      error_description: 'd'.repeat(500),
      error_uri: 'https://docs.example.com/',
    };
    const error = await failureFor(t, { status: 401, body });
    assert.ok(error instanceof OAuthProviderError);
    assert.equal(error.errorDescription, 'd'.repeat(200));
    assert.equal(error.errorUri, 'https://docs.example.com/');
    assert.ok(error.message.length < 400);
  });

  test('has no description and no page where the server sent none, or none that are texts', async (t) => {
    for (const more of [
      {},
      { error_description: 5, error_uri: {} },
      { error_description: '', error_uri: '' },
    ]) {
      const error = await failureFor(t, { status: 400, body: { error: 'invalid_client', ...more } });
      assert.ok(!('errorDescription' in error) && !('errorUri' in error));
    }
  });

  for (const status of [301, 302, 303, 307, 308]) {
    test(`is a redirect with ${status}, which is not followed`, async (t) => {
      const server = await startServer(t);
      server.token = () => ({ status, headers: { location: `${server.origin}/elsewhere` } });
      server.api = () => tokenAnswer('a');
      const error = await rejectionOf(createClient(server.config()).fetchToken());
      assert.equal(error.code, 'gateway_fault');
      assert.equal(error.statusCode, status);
      assert.match(error.message, new RegExp(`answered ${status} to ${server.origin}: .*check the URL`));
      assert.equal(server.apiRequests.length, 0);
      assert.equal(server.tokenRequests.length, 1);
    });
  }

  test('is one of more than 64 KiB, which is not read to its end', async (t) => {
    const server = await startServer(t);
    const cutOff: Promise<number>[] = [];
    server.token = (_, response) => void cutOff.push(writeWithoutEnd(response));
    const error = await rejectionOf(createClient(server.config()).fetchToken());
    assert.equal(error.code, 'response_too_large');
    // What the sockets and the client's buffers hold may have been written; no more.
    assert.ok((await cutOff[0]!) < 32 * 2 ** 20);
    assert.equal(cutOff.length, 1, 'an answer that is too large was asked for again');
  });

  test('is one that unpacks to more than 64 KiB', async (t) => {
    const body = gzipSync(`{"access_token":"a","x":"${' '.repeat(2 ** 20)}"}`);
    const error = await failureFor(t, { headers: { 'content-encoding': 'gzip' }, body });
    assert.equal(error.code, 'response_too_large');
  });

  test('is a connection that breaks in the middle of the answer', async (t) => {
    const server = await startServer(t);
    server.token = (_, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('{"access_token":', () => response.socket?.destroy());
    };
    const error = await rejectionOf(createClient(server.config({ retry: { attempts: 1 } })).fetchToken());
    assert.equal(error.code, 'network');
    assert.ok(error.cause instanceof Error);
    assert.ok(!('statusCode' in error));
  });
});

describe('OAuthToken', () => {
  test('is frozen and survives JSON', async (t) => {
    const token = await exchangeFor(t, tokenAnswer('a', 60, { scope: 'x', refresh_token: 'r' }));
    assert.ok(Object.isFrozen(token));
    const parsed: unknown = JSON.parse(JSON.stringify(token));
    assert.deepEqual(parsed, token);
    assert.deepEqual(reviveToken(parsed), token);
    assert.deepEqual(Object.keys(token).sort(), [
      'accessToken',
      'expiresIn',
      'expiry',
      'refreshToken',
      'scope',
      'tokenType',
    ]);
  });

  test('lacks what is unknown', async (t) => {
    const token = await exchangeFor(t, { body: { access_token: 'a' } });
    assert.deepEqual(Object.keys(token), ['accessToken', 'tokenType']);
  });
});

describe('reviveToken', () => {
  const GOOD: [label: string, unknown, OAuthToken][] = [
    ['the least', { accessToken: 'a' }, { accessToken: 'a', tokenType: 'Bearer' }],
    [
      'other-cased type',
      { accessToken: 'a', tokenType: 'bearer' },
      { accessToken: 'a', tokenType: 'Bearer' },
    ],
    [
      "BigInt as in the vendor's SDK",
      { accessToken: 'a', expiresIn: 3600n, expiry: 1893456000n },
      { accessToken: 'a', tokenType: 'Bearer', expiresIn: 3600, expiry: 1893456000 },
    ],
    [
      'numbers as strings',
      { accessToken: 'a', expiresIn: '3600', expiry: '1893456000' },
      { accessToken: 'a', tokenType: 'Bearer', expiresIn: 3600, expiry: 1893456000 },
    ],
    // A pattern that tries each end of the digits anew would take minutes.
    [
      'what does not fit into a number',
      { accessToken: 'a', expiresIn: '1'.repeat(500_000) },
      { accessToken: 'a', tokenType: 'Bearer', expiresIn: 99_999_999_999 },
    ],
    [
      'fractions',
      { accessToken: 'a', expiresIn: 59.9, expiry: 99.9 },
      { accessToken: 'a', tokenType: 'Bearer', expiresIn: 59, expiry: 99 },
    ],
    [
      'nulls',
      { accessToken: 'a', tokenType: null, expiresIn: null, scope: null, expiry: null, refreshToken: null },
      { accessToken: 'a', tokenType: 'Bearer' },
    ],
    [
      'empty texts',
      { accessToken: 'a', scope: '', expiry: '', refreshToken: '' },
      { accessToken: 'a', tokenType: 'Bearer' },
    ],
    [
      'further members',
      { accessToken: 'a', secret: 'x', scope: 's', refreshToken: 'r' },
      { accessToken: 'a', tokenType: 'Bearer', scope: 's', refreshToken: 'r' },
    ],
    [
      'the last end that can be seconds',
      { accessToken: 'a', expiry: 99_999_999_999 },
      { accessToken: 'a', tokenType: 'Bearer', expiry: 99_999_999_999 },
    ],
    [
      'an end in the past',
      { accessToken: 'a', expiry: 0 },
      { accessToken: 'a', tokenType: 'Bearer', expiry: 0 },
    ],
  ];
  for (const [label, value, token] of GOOD) {
    test(`takes ${label}`, () => {
      const revived = reviveToken(value);
      assert.deepEqual(revived, token);
      assert.ok(Object.isFrozen(revived));
    });
  }

  const MARKER = 'invented-marker';
  const JUNK: unknown[] = [
    undefined,
    null,
    MARKER,
    JSON.stringify({ accessToken: MARKER }),
    5,
    true,
    Symbol(MARKER),
    [],
    {},
    { access_token: MARKER },
    { accessToken: '' },
    { accessToken: 5 },
    { accessToken: null },
    { accessToken: [MARKER] },
    { accessToken: `${MARKER}\n` },
    { accessToken: `Bearer ${MARKER}` },
    { accessToken: `${MARKER}é` },
    ...['mac', 'xbearer', 'bearers', 'xdpop', 'dpops'].map((tokenType) => ({
      accessToken: MARKER,
      tokenType,
    })),
    { accessToken: MARKER, tokenType: {} },
    { accessToken: MARKER, tokenType: Symbol(MARKER) },
    ...[MARKER, `${'1'.repeat(500_000)}x`, NaN, Infinity, true, {}, [], new Date(), Symbol(MARKER)].flatMap(
      (bad) => [
        { accessToken: MARKER, expiresIn: bad },
        { accessToken: MARKER, expiry: bad },
      ],
    ),
    ...[START_MS, String(START_MS), BigInt(START_MS), START_MS + 0.5, 1e11].map((milliseconds) => ({
      accessToken: MARKER,
      expiry: milliseconds,
    })),
    ...[5, {}, [MARKER], true].flatMap((bad) => [
      { accessToken: MARKER, scope: bad },
      { accessToken: MARKER, refreshToken: bad },
    ]),
  ];
  test('refuses junk with a TypeError that shows no value', () => {
    for (const [index, junk] of JUNK.entries()) {
      assert.throws(
        () => reviveToken(junk),
        (error: Error) =>
          error instanceof TypeError &&
          /^oauthToken(\.(accessToken|tokenType|expiresIn|expiry|scope|refreshToken))? must be \w/.test(
            error.message,
          ) &&
          !error.message.includes(MARKER),
        `junk ${index}`,
      );
    }
  });
});

describe('isExpired', () => {
  test('is true from the second of expiry on, and earlier by the skew', (t) => {
    const clock = fakeClock(t);
    const token: OAuthToken = { accessToken: 'a', tokenType: 'Bearer', expiry: START + 60 };
    clock.advance(49_999);
    assert.deepEqual([isExpired(token), isExpired(token, 10)], [false, false]);
    clock.advance(1);
    assert.deepEqual([isExpired(token), isExpired(token, 10)], [false, true]);
    clock.advance(9_999);
    assert.equal(isExpired(token), false);
    clock.advance(1);
    assert.equal(isExpired(token), true);
  });

  test('is never true without an expiry', () => {
    assert.equal(isExpired({ accessToken: 'a', tokenType: 'Bearer', expiresIn: 0 }, 1e9), false);
  });
});

type Test = Parameters<typeof fakeClock>[0];

async function exchangeFor(t: Test, answer: Answer): Promise<OAuthToken> {
  const server = await startServer(t, { token: () => answer });
  return createClient(server.config()).fetchToken();
}

async function failureFor(t: Test, answer: Answer): Promise<ApiError> {
  const server = await startServer(t, { token: () => answer });
  const error: unknown = await rejectionOf(
    createClient(server.config({ retry: { attempts: 1 } })).fetchToken(),
  );
  assert.ok(error instanceof ApiError, String(error));
  return error;
}

/** Writes until the other side closes; resolves with how many bytes were written. */
async function writeWithoutEnd(response: ServerResponse): Promise<number> {
  const chunk = Buffer.alloc(16_384, ' ');
  let written = 0;
  while (!response.destroyed && !response.closed) {
    written += chunk.length;
    if (!response.write(chunk)) await turn();
  }
  return written;
}

async function listenRaw(t: Test, answer: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    let received = '';
    socket.on('data', (data) => {
      received += data;
      if (received.endsWith('grant_type=client_credentials')) answer(socket);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
