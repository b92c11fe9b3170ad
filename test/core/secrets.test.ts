import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import {
  ApiError,
  type ClientAuthentication,
  type ClientConfig,
  type ClientEvent,
  clientSecretBasic,
  clientSecretBasicRaw,
  clientSecretPost,
  createClient,
  type OAuthProviderError,
  revokeToken,
} from 'thingspace-auth';
import { createDpop } from 'thingspace-auth/dpop';
import {
  type Answer,
  type Received,
  recordEvents,
  rejectionOf,
  startServer,
  type TestServer,
} from '../support/server.ts';

// Characters that Basic, forms and JSON each write differently.
const SECRET = 'invented-secret+%:"ü';
const SESSION = 'invented-session';
const TOKEN = 'invented-token';
const WRITINGS = [
  SECRET,
  encodeURIComponent(SECRET),
  new URLSearchParams({ s: SECRET }).toString().slice(2),
  JSON.stringify(SECRET).slice(1, -1),
];
const ALL = [
  ...WRITINGS,
  ...WRITINGS.map((secret) => Buffer.from(`invented-id:${secret}`).toString('base64')),
  SESSION,
  TOKEN,
];

describe('no secret is shown', () => {
  test('by console.log, util.inspect, JSON.stringify or the text of a client or its functions', async (t) => {
    const server = await startServer(t, {
      token: () => ({ body: { access_token: TOKEN, expires_in: 3600 } }),
    });
    const client = createClient(configOf(server));
    for (const stage of ['before the first token', 'with a token']) {
      const texts = [
        captureLog(client),
        inspect(client),
        inspect(client, { depth: Infinity, showHidden: true, showProxy: true, getters: true }),
        JSON.stringify(client),
        ...Object.values(client).flatMap((each) => [
          String(each),
          inspect(each, { depth: Infinity, showHidden: true }),
        ]),
      ];
      for (const text of texts) assertClean(text, stage);
      await client.authorizedFetch(`${server.origin}/x`);
    }
    const pending = client.fetchToken();
    assertClean(inspect([client, pending], { depth: Infinity, showHidden: true }), 'a pending call');
    await pending;
  });

  const echo = {
    error_description: `wrong secret ${SECRET} for invented-id`,
    error_uri: `https://docs.example.com/?s=${SECRET}`,
  };
  const ANSWERS: [label: string, Answer | 'cut', code: string][] = [
    [
      'a refusal that echoes the secret in its description',
      { status: 401, body: { error: 'invalid_client', ...echo } },
      'oauth_error',
    ],
    [
      'a refusal that echoes the secret at the cut of its description',
      { status: 401, body: { error: 'invalid_client', error_description: 'd'.repeat(190) + SECRET } },
      'oauth_error',
    ],
    [
      'a refusal that echoes the secret in its error',
      { status: 400, body: { error: `bad ${SECRET}` } },
      'oauth_error',
    ],
    [
      'a fault that echoes the secret',
      { status: 401, body: { fault: { code: '900902', message: SECRET, description: SECRET } } },
      'gateway_fault',
    ],
    ['a fault whose code is the secret', { status: 401, body: { fault: { code: SECRET } } }, 'gateway_fault'],
    [
      'HTML that echoes the secret',
      { status: 502, headers: { 'content-type': 'text/html' }, body: `<html>${SECRET}` },
      'gateway_fault',
    ],
    [
      'text that echoes the secret',
      { status: 400, headers: { 'content-type': 'text/plain' }, body: SECRET },
      'gateway_fault',
    ],
    ['broken JSON that begins with the token', { body: `"${TOKEN}` }, 'invalid_response'],
    ['broken JSON that holds the token', { body: `{"access_token":"${TOKEN}",}` }, 'invalid_response'],
    [
      'a token that cannot stand in a header',
      { body: { access_token: `${TOKEN}\r\nx: y` } },
      'invalid_response',
    ],
    ['a token of another type', { body: { access_token: TOKEN, token_type: TOKEN } }, 'invalid_response'],
    ['an answer that is too large', { body: TOKEN.repeat(10_000) }, 'response_too_large'],
    ['a connection that breaks', 'cut', 'network'],
  ];
  for (const [label, answer, code] of ANSWERS) {
    test(`in the error and the events of ${label}`, async (t) => {
      const server = await startServer(t);
      server.token = server.revoke = (_, response) =>
        answer === 'cut' ? void response.socket?.destroy() : answer;
      for (const clientAuthentication of [undefined, clientSecretPost, clientSecretBasicRaw]) {
        const { events, onEvent } = recordEvents();
        const config = configOf(server, onEvent, { clientAuthentication });
        const errors = [await rejectionOf(createClient(config).fetchToken())];
        // A revocation has no token to find in its answer.
        if (code !== 'invalid_response')
          errors.push(await rejectionOf(revokeToken(config, { accessToken: TOKEN, tokenType: 'Bearer' })));
        for (const error of errors) {
          assert.ok(error instanceof ApiError);
          assert.equal(error.code, code);
          assertCleanError(error, label);
        }
        assertClean(inspect(events, { depth: Infinity }), label);
      }
    });
  }

  test('in a description, which says where it has been left out', async (t) => {
    const server = await startServer(t);
    server.token = () => ({ status: 401, body: { error: 'invalid_client', ...echo } });
    const error = await rejectionOf(createClient(configOf(server)).fetchToken());
    assert.equal((error as OAuthProviderError).errorDescription, 'wrong secret *** for invented-id');
    assert.equal((error as OAuthProviderError).errorUri, 'https://docs.example.com/?s=***');
  });

  test('in a description, not even the rest of one that another is a part of', async (t) => {
    const server = await startServer(t);
    const own = `before-${SECRET}-after`;
    server.token = () => ({
      status: 401,
      body: { error: 'invalid_client', error_description: `wrong ${own}` },
    });
    // Names that are much like those of fields that hold nothing secret.
    for (const name of ['own_scope', 'scope_own']) {
      const clientAuthentication: ClientAuthentication = ({ body }) => body.set(name, own);
      const error = await rejectionOf(
        createClient(configOf(server, undefined, { clientAuthentication })).fetchToken(),
      );
      assert.equal((error as OAuthProviderError).errorDescription, 'wrong ***');
    }
  });

  /**
   * What a server may find in a request and say again: each value of a header and of the form, whole and in
   * its parts.
   */
  const carried = ({ headers, form, body }: Received): string[] => {
    const authorization = headers.authorization ?? '';
    const all = [authorization, authorization.replace(/^\w+ /, ''), headers['x-own-key'], ...form.values()];
    const raw = [...body.matchAll(/=([^&]*)/g)].map(([, value]) => value!);
    const texts = [...all, ...raw].filter((text): text is string => Boolean(text));
    return [...new Set(texts)].filter((text) => /invented(?!-id$)|^(Basic )?\w{30}/.test(text));
  };
  const ownAuthentication: ClientAuthentication = ({ clientId, body, headers }) => {
    body.set('client_id', clientId);
    body.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
    body.set('client_assertion', 'eyJhbGciOiJub25lIn0.invented-assertion+/=.c2lnbmF0dXJl');
    body.set('x_own_field', 'invented own field');
    headers.set('x-own-key', 'invented-own-key');
  };
  const METHODS: Record<string, ClientAuthentication> = {
    clientSecretBasic,
    clientSecretBasicRaw,
    clientSecretPost,
    'a function of the caller’s': ownAuthentication,
  };
  const PLACES: Record<string, (echo: string) => Answer> = {
    error: (echo) => ({ status: 400, body: { error: echo } }),
    'error_description, once and again': (echo) => ({
      status: 401,
      body: { error: 'invalid_client', error_description: `${echo}, ${echo}` },
    }),
    'error_description, at its cut': (echo) => ({
      status: 401,
      body: { error: 'invalid_client', error_description: 'd'.repeat(195) + echo },
    }),
    error_uri: (echo) => ({
      status: 400,
      body: { error: 'invalid_request', error_uri: `https://docs.example.com/?${echo}` },
    }),
    'the code of a fault': (echo) => ({ status: 401, body: { fault: { code: echo } } }),
    'the code of a fault, at its cut': (echo) => ({
      status: 401,
      body: { fault: { code: 'c'.repeat(45) + echo } },
    }),
    'the code of an XML fault': (echo) => ({
      status: 500,
      headers: { 'content-type': 'application/xml' },
      body: `<am:fault><am:code>${echo}</am:code></am:fault>`,
    }),
    'the code of an XML fault, at its cut': (echo) => ({
      status: 400,
      body: `<fault><code>${'c'.repeat(45)}${echo}</code></fault>`,
    }),
    'the content type': (echo) => ({
      status: 502,
      headers: { 'content-type': `text/html; echo="${echo.replace(/[^\x20-\x7e]/g, '')}"` },
      body: '<html>',
    }),
  };
  for (const [method, clientAuthentication] of Object.entries(METHODS)) {
    for (const [place, answerWith] of Object.entries(PLACES)) {
      test(`of ${method} in ${place}, whatever of the request the server repeats there`, async (t) => {
        const server = await startServer(t);
        const { events, onEvent } = recordEvents();
        const config = configOf(server, onEvent, { clientAuthentication }, { retry: { attempts: 1 } });
        // The first request tells what there is to repeat, the others repeat it.
        server.token = server.revoke = () => ({ status: 400, body: { error: 'invalid_client' } });
        const revoke = () => revokeToken(config, { accessToken: TOKEN, tokenType: 'Bearer' });
        await rejectionOf(createClient(config).fetchToken());
        await rejectionOf(revoke());
        for (const [call, received] of [
          [() => createClient(config).fetchToken(), server.tokenRequests[0]!],
          [revoke, server.revocations[0]!],
        ] as const) {
          const secrets = carried(received);
          assert.ok(secrets.length > 0, 'nothing secret was sent');
          for (const secret of secrets) {
            server.token = server.revoke = () => answerWith(secret);
            const error = await rejectionOf(call());
            assert.ok(error instanceof ApiError, String(error));
            assertCleanError(error, place, [secret.slice(0, 40)]);
          }
        }
        assertClean(inspect(events, { depth: Infinity }), place);
      });
    }
  }

  test('but what is none stays readable', async (t) => {
    const server = await startServer(t);
    server.token = () => ({
      status: 400,
      body: {
        error: 'invalid_request',
        error_description:
          'grant_type client_credentials of invented-id for invented-audience wants application/json',
      },
    });
    for (const clientAuthentication of Object.values(METHODS)) {
      const credentials = { clientAuthentication, oauthParams: { audience: 'invented-audience' } };
      const { errorDescription } = await rejectionOf(
        createClient(configOf(server, undefined, credentials)).fetchToken(),
      );
      assert.equal(
        errorDescription,
        'grant_type client_credentials of invented-id for invented-audience wants application/json',
      );
    }
  });

  for (const oauthClientSecret of ['client', 's', 'scope']) {
    test(`but codes and words stay readable where the secret is "${oauthClientSecret}"`, async (t) => {
      const server = await startServer(t);
      server.token = () => ({
        status: 401,
        body: { error: 'invalid_client', error_description: 'this is sad' },
      });

      const error = await rejectionOf(
        createClient(configOf(server, undefined, { oauthClientSecret })).fetchToken(),
      );

      assert.deepEqual([error.error, error.errorDescription], ['invalid_client', 'this is sad']);
      assert.match(error.message, /refused with invalid_client \(check oauthClientId/);
    });
  }

  test('and a nonce is brought also to a client whose secret is "nonce"', async (t) => {
    const server = await startServer(t);
    server.token = () =>
      server.tokenRequests.length > 1
        ? { body: { access_token: 'token-1', token_type: 'DPoP' } }
        : { status: 400, headers: { 'dpop-nonce': 'n' }, body: { error: 'use_dpop_nonce' } };
    const config = configOf(server, undefined, { oauthClientSecret: 'nonce' }, { dpop: createDpop() });

    assert.equal((await createClient(config).fetchToken()).accessToken, 'token-1');
  });

  test('in the header that a parameter of the form has the name of', async (t) => {
    const server = await startServer(t);
    server.token = ({ headers }) => ({
      status: 400,
      body: { error: 'invalid_request', error_description: `${headers.authorization}` },
    });
    const credentials = { oauthParams: { authorization: 'invented' } };

    const error = await rejectionOf(createClient(configOf(server, undefined, credentials)).fetchToken());

    assert.equal(error.errorDescription, '***');
  });

  test('and no answer writes a line of its own, or turns one around', async (t) => {
    const server = await startServer(t);
    server.token = () => ({
      status: 400,
      body: { error: 'a\nb', error_description: 'c\u2028d\u001b[31m\u202ee\ud800', error_uri: 'f\r' },
    });

    const error = await rejectionOf(createClient(configOf(server)).fetchToken());

    assert.deepEqual(
      [error.error, error.errorDescription, error.errorUri],
      ['a%0Ab', 'c%E2%80%A8d%1B[31m%E2%80%AEe\ud800', 'f%0D'],
    );
    assert.match(error.message, /^.* refused with a%0Ab: c%E2%80%A8d.*$/u);
  });

  test('in the origin that a redirect leads to', async (t) => {
    const server = await startServer(t);
    const oauthClientSecret = 'Invented-Host';
    server.token = server.revoke = () => ({
      status: 302,
      headers: { location: `https://${oauthClientSecret}.example.com/` },
    });
    const config = configOf(server, undefined, { oauthClientSecret });
    for (const call of [
      () => createClient(config).fetchToken(),
      () => revokeToken(config, { accessToken: TOKEN, tokenType: 'Bearer' }),
    ]) {
      const { message } = await rejectionOf(call());
      assert.match(message, / answered 302 to https:\/\/\*\*\*\.example\.com: /);
    }
  });

  test('in the error after a 401 whose renewal fails', async (t) => {
    const server = await startServer(t, { token: () => ({ body: { access_token: TOKEN } }) });
    const { authorizedFetch, getToken } = createClient(configOf(server));
    await getToken();
    server.token = () => ({ status: 401, body: { error: 'invalid_client', ...echo } });
    server.api = () => ({ status: 401, body: TOKEN });
    assertCleanError(await rejectionOf(authorizedFetch(`${server.origin}/x`)), 'a renewal');
  });

  test('in the errors of a time-out, of missing credentials, of the origin guard and of a redirect', async (t) => {
    const server = await startServer(t, { token: () => ({ body: { access_token: TOKEN } }) });
    const client = createClient(configOf(server));
    const hasty = createClient(configOf(server, undefined, {}, { timeout: 50 })).withToken(
      await client.getToken(),
    );
    server.api = ({ url }) =>
      url === '/hang'
        ? undefined
        : { status: 302, headers: { location: `https://user:${SECRET}@example.com/` } };
    const errors = [
      rejectionOf(hasty.authorizedFetch(`${server.origin}/hang`)),
      rejectionOf(client.authorizedFetch(`${server.origin}/x`)),
      rejectionOf(client.authorizedFetch(`https://example.com/?session=${SESSION}`)),
      rejectionOf(createClient(configOf(server, undefined, { oauthClientSecret: undefined })).getToken()),
    ];
    const found = await Promise.all(errors);
    assert.deepEqual(
      found.map(({ name, code }) => code ?? name),
      ['timeout', 'TypeError', 'TypeError', 'no_credentials'],
    );
    for (const error of found) assertCleanError(error, 'a call');
  });

  test('when a stored, a given or a provided token cannot stand in a header', async (t) => {
    const server = await startServer(t);
    const bad = { accessToken: `${TOKEN}\u0000`, tokenType: 'Bearer' as const };
    const thrown = (call: () => unknown) => {
      try {
        call();
      } catch (error) {
        return error;
      }
      return assert.fail('it was accepted');
    };
    const errors = [
      thrown(() => createClient(configOf(server, undefined, { oauthToken: bad }))),
      thrown(() => createClient(configOf(server)).withToken(bad)),
      thrown(() => createClient(configOf(server, undefined, {}, { vZM2mToken: `${SESSION}\r\n` }))),
      await rejectionOf(
        createClient(configOf(server, undefined, { oauthTokenProvider: () => bad })).getToken(),
      ),
      await rejectionOf(revokeToken(configOf(server), bad)),
    ];
    for (const error of errors) assertCleanError(error as Error, 'a bad token');
  });

  test('in the events of calls that go well', async (t) => {
    const server = await startServer(t, {
      token: () => ({ body: { access_token: `${TOKEN}-${server.tokenRequests.length}`, expires_in: 60 } }),
    });
    const { events, onEvent } = recordEvents();
    const client = createClient(
      configOf(server, onEvent, { oauthOnTokenUpdate: () => Promise.reject(new Error(TOKEN)) }),
    );
    await client.getToken();
    server.revoked.add(`${TOKEN}-1`);
    assert.equal((await client.authorizedFetch(`${server.origin}/x`)).status, 200);
    assert.ok(events.length >= 4);
    assertClean(inspect(events, { depth: Infinity, showHidden: true }), 'events');
  });
});

function configOf(
  server: TestServer,
  onEvent?: (event: ClientEvent) => void,
  credentials: object = {},
  options: object = {},
): ClientConfig {
  return server.config(
    { vZM2mToken: SESSION, retry: { attempts: 2, baseDelay: 0 }, ...(onEvent && { onEvent }), ...options },
    { oauthClientSecret: SECRET, ...credentials },
  );
}

function captureLog(value: unknown): string {
  const lines: string[] = [];
  const { log } = console;
  console.log = (...parameters) => void lines.push(...parameters.map((each) => inspect(each)));
  try {
    console.log(value);
  } finally {
    console.log = log;
  }
  return lines.join('\n');
}

/**
 * Everything that a logger might print of an error, its cause and its hidden properties, but not the headers
 * themselves.
 */
function assertCleanError(error: Error, label: string, secrets = ALL): void {
  const texts = [
    String(error),
    error.stack ?? '',
    inspect(error, { depth: Infinity }),
    JSON.stringify(error),
  ];
  for (const name of Object.getOwnPropertyNames(error)) {
    if (name !== 'headers')
      texts.push(
        inspect((error as unknown as Record<string, unknown>)[name], { depth: Infinity, showHidden: true }),
      );
  }
  for (const text of texts) assertClean(text, label, secrets);
}

function assertClean(text: string | undefined, label: string, secrets = ALL): void {
  for (const secret of secrets) assert.ok(!text?.includes(secret), `${label} shows ${secret}: ${text}`);
}
