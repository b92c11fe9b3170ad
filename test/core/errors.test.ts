/** `error.isTemporary`: the one notion of what may pass by itself. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { ApiError, createClient, type Fetch } from 'thingspace-auth';
import { createSession } from 'thingspace-auth/session';
import { createMockServer } from 'thingspace-auth/testing';
import { recordEvents, rejectionOf } from '../support/server.ts';

const REGIONS = 'https://5gedge.verizon.com/api/mec/eds/regions';
const clientCredentialsAuthCredentials = {
  oauthClientId: 'invented-key',
  oauthClientSecret: 'invented-secret',
};

async function failing(fetch: Fetch): Promise<ApiError> {
  const { getToken } = createClient({ clientCredentialsAuthCredentials, fetch, retry: { attempts: 1 } });
  return rejectionOf(getToken());
}

function answering(status: number, body: string | null): Fetch {
  return async () => new Response(body, { status });
}

const refused = JSON.stringify({ error: 'invalid_client' });
const unavailable = JSON.stringify({ error: 'temporarily_unavailable' });

describe('an answer', () => {
  for (const [status, body, isTemporary] of [
    [429, null, true],
    [408, '', true],
    [502, 'Bad gateway', true],
    [503, '{"message":"down"}', true],
    [503, unavailable, true],
    [599, '<html>', true],
    [400, unavailable, false],
    [401, refused, false],
    [404, '<html>', false],
    [200, '<html>', false],
    [200, '{}', false],
  ] as const) {
    test(`${status} ${body} ${isTemporary ? 'may pass' : 'stays'}`, async () => {
      assert.equal((await failing(answering(status, body))).isTemporary, isTemporary);
    });
  }
});

describe('no answer', () => {
  const rejecting = (cause: unknown): Fetch => {
    return () => Promise.reject(new TypeError('fetch failed', { cause }));
  };

  test('has no cause, and prints none, where there is none', async () => {
    const error = await failing(async () => new Response(null, { status: 503 }));

    assert.ok(!('cause' in error));
    assert.doesNotMatch(inspect(error), /cause/);
  });

  for (const [code, isTemporary] of [
    ['ECONNREFUSED', true],
    ['ENOTFOUND', true],
    ['ERR_ACCESS_DENIED', false],
    ['EACCES', false],
  ] as const) {
    test(`${code} ${isTemporary ? 'may pass' : 'stays'}`, async () => {
      const error = await failing(rejecting(Object.assign(new Error('invented'), { code })));

      assert.deepEqual([error.code, error.isTemporary], ['network', isTemporary]);
    });
  }

  test('a permission that Deno denies stays', async () => {
    const denied = Object.assign(new Error('Requires net access'), { name: 'NotCapable' });

    assert.equal((await failing(() => Promise.reject(denied))).isTemporary, false);
  });

  test('a time-out may pass', async () => {
    const { getToken } = createClient({
      clientCredentialsAuthCredentials,
      timeout: 1,
      fetch: () => new Promise(() => {}),
    });

    const error = await rejectionOf(getToken());
    assert.deepEqual([error.code, error.isTemporary], ['timeout', true]);
  });
});

test('nothing to get a token with stays', async () => {
  const { getToken } = createClient({ clientCredentialsAuthCredentials: { oauthClientId: 'invented-key' } });

  const error = await rejectionOf(getToken());
  assert.deepEqual([error.code, error.isTemporary], ['no_credentials', false]);
});

describe('a session', () => {
  const call = async (status: number | Response | undefined, store?: object): Promise<ApiError> => {
    const { fetch, failNext } = createMockServer();
    if (status) failNext('login', status);
    const login = { username: 'invented-user', password: 'invented-password' };
    const vZM2mToken = createSession({ ...login, ...(store && { store: store as never }) });
    const client = createClient({ clientCredentialsAuthCredentials, fetch, vZM2mToken });
    return rejectionOf(client.authorizedFetch(REGIONS));
  };
  const storeFailingWith = (fields: object) => {
    const fail = () => Promise.reject(Object.assign(new Error('invented'), fields));
    return { get: fail, set: fail, delete: fail, compareAndSet: fail };
  };

  for (const [what, failed, code, isTemporary] of [
    ['a login that is refused', () => call(Response.json({}, { status: 400 })), 'session_refused', false],
    ['a login without its endpoint', () => call(404), 'session_failed', false],
    ['a login that is throttled', () => call(429), 'session_failed', true],
    ['a login that is unavailable', () => call(503), 'session_failed', true],
    [
      'a store without a network',
      () => call(undefined, storeFailingWith({ code: 'ECONNREFUSED' })),
      'session_failed',
      true,
    ],
    [
      'a store without a permission',
      () => call(undefined, storeFailingWith({ code: 'EACCES' })),
      'session_failed',
      false,
    ],
    [
      'a store that another key has sealed',
      () => call(undefined, storeFailingWith({ code: 'sealed' })),
      'session_failed',
      false,
    ],
    [
      'a store that refuses the password',
      () => call(undefined, storeFailingWith({ message: 'WRONGPASS invalid username-password pair' })),
      'session_failed',
      false,
    ],
  ] as const) {
    test(`${what} ${isTemporary ? 'may pass' : 'stays'}`, async () => {
      const error = await failed();

      assert.deepEqual([error.code, error.isTemporary], [code, isTemporary]);
    });
  }
});

test('an error of your own is judged alike, unless you say what it is', async () => {
  const of = (statusCode: number, isTemporary?: boolean) =>
    new ApiError('invented', { code: 'gateway_fault', statusCode, isTemporary });

  assert.deepEqual([of(503).isTemporary, of(404).isTemporary], [true, false]);
  assert.deepEqual([of(503, false).isTemporary, of(404, true).isTemporary], [false, true]);
});

describe('an error of another copy of this package', async () => {
  const other: string = new URL('../../../dist/thingspace-auth.min.js', import.meta.url).href;
  const { ApiError: OtherError } = (await import(other)) as typeof import('thingspace-auth');
  const oauthToken = { accessToken: 'held', tokenType: 'Bearer' } as const;

  test('is none of this copy’s class', () => {
    assert.ok(!(new OtherError('invented', { code: 'network' }) instanceof ApiError));
  });

  test('that a provider throws is told by its code', async () => {
    const { events, onEvent } = recordEvents();
    const oauthTokenProvider = () =>
      Promise.reject(new OtherError('invented', { code: 'gateway_fault', statusCode: 503 }));
    const { getToken } = createClient({
      clientCredentialsAuthCredentials: { ...clientCredentialsAuthCredentials, oauthTokenProvider },
      onEvent,
    });

    await rejectionOf(getToken());

    const [{ code, statusCode }] = events as unknown as [{ code: string; statusCode: number }];
    assert.deepEqual([code, statusCode], ['gateway_fault', 503]);
  });

  test('that an authentication throws is tried again, as one of this copy is', async () => {
    const tries: number[] = [];
    const clientAuthentication = (): void => {
      tries.push(tries.length);
      throw new OtherError('invented', { code: 'network' });
    };
    const { getToken } = createClient({
      clientCredentialsAuthCredentials: { ...clientCredentialsAuthCredentials, clientAuthentication },
      retry: { attempts: 2, baseDelay: 0 },
    });

    await rejectionOf(getToken());

    assert.equal(tries.length, 2);
  });

  test('says after a 401 that the API had answered so, and stays what it was', async () => {
    const oauthTokenProvider = () =>
      Promise.reject(new OtherError('invented', { code: 'session_failed', isTemporary: false }));
    const { authorizedFetch } = createClient({
      clientCredentialsAuthCredentials: {
        ...clientCredentialsAuthCredentials,
        oauthToken,
        oauthTokenProvider,
      },
      fetch: answering(401, null),
    });

    const error = await rejectionOf(authorizedFetch(REGIONS));

    assert.ok(error instanceof ApiError);
    assert.deepEqual([error.message, error.isTemporary], ['The API answered 401, then: invented', false]);
  });

  test('but an error of the same name from elsewhere is none', async () => {
    const { events, onEvent } = recordEvents();
    const foreign = Object.assign(new Error('invented'), { name: 'ApiError', code: 404 });
    const { getToken } = createClient({
      clientCredentialsAuthCredentials: {
        ...clientCredentialsAuthCredentials,
        oauthTokenProvider: () => Promise.reject(foreign),
      },
      onEvent,
    });

    assert.equal(await rejectionOf(getToken()), foreign);

    assert.equal((events as unknown as [{ code: string }])[0].code, 'other');
  });
});
