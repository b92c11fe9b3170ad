/**
 * A `fetch` that is not the platform's: what it must answer is said, and what can safely be read of it works.
 */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import {
  ApiError,
  type ClientConfig,
  createClient,
  type Fetch,
  type OAuthToken,
  revokeToken,
} from 'thingspace-auth';
import { rejectionOf } from '../support/server.ts';

const HELD: OAuthToken = { accessToken: 'held-token', tokenType: 'Bearer' };
const API = 'https://api.example.com/x';
const TOKEN_TEXT = '{"access_token":"new-token","token_type":"Bearer","expires_in":3600}';

describe('a fetch that answers unlike the platform', () => {
  const ANSWERS: Record<string, () => unknown> = {
    nothing: () => undefined,
    null: () => null,
    text: () => TOKEN_TEXT,
    'the body itself': () => JSON.parse(TOKEN_TEXT),
    'no headers': () => ({
      ok: true,
      status: 200,
      text: async () => TOKEN_TEXT,
      json: async () => JSON.parse(TOKEN_TEXT),
    }),
    'plain headers': () => ({
      ok: true,
      status: 200,
      headers: { 'content-type': 'application/json' },
      text: async () => TOKEN_TEXT,
    }),
    'no status': () => ({ ok: true, headers: new Headers(), text: async () => TOKEN_TEXT }),
    'axios, as it is': () => ({
      status: 200,
      headers: { 'content-type': 'application/json' },
      data: JSON.parse(TOKEN_TEXT),
      config: {},
    }),
  };
  for (const [name, answer] of Object.entries(ANSWERS)) {
    test(`(${name}) is told what it must answer, and nothing is said of network or URL`, async () => {
      const config = configOf(async () => answer() as Response);
      const { authorizedFetch, fetchToken } = createClient(config);
      const withToken = createClient(configOf(config.fetch, HELD));
      for (const call of [
        fetchToken(),
        authorizedFetch(API),
        withToken.authorizedFetch(API),
        revokeToken(config, HELD),
      ]) {
        const error = await rejectionOf(call);
        assert.ok(error instanceof TypeError, String(error));
        assert.match(error.message, /^fetch must answer with a Response: status, headers/);
      }
    });
  }

  test('(a body that is no stream, as node-fetch has it) is told so for a token, whose size nothing would bound', async () => {
    for (const body of [Readable.from([TOKEN_TEXT]), undefined, {}, TOKEN_TEXT]) {
      let reads = 0;
      const headers = new Headers({
        'content-type': 'application/json',
        'content-length': `${TOKEN_TEXT.length}`,
      });
      const answer = { ok: true, status: 200, headers, body, text: async () => (reads++, TOKEN_TEXT) };
      const outcome = await createClient(configOf(async () => answer as unknown as Response))
        .fetchToken()
        .catch((error: unknown) => error);
      assert.ok(outcome instanceof TypeError && /^fetch must/.test(outcome.message), String(outcome));
      assert.equal(reads, 0);
    }
  });

  test('is not asked again, and does not make the guard hold: it is the caller’s mistake', async () => {
    let calls = 0;
    const { getToken } = createClient(configOf(async () => (calls++, undefined as unknown as Response)));
    await rejectionOf(getToken());
    assert.equal(calls, 1);
  });

  test('gives its answer to an API call as it is, when that has status and headers', async () => {
    const answer = { ok: true, status: 200, headers: new Headers(), json: async () => ({ path: '/x' }) };
    const { authorizedFetch } = createClient(configOf(async () => answer as unknown as Response, HELD));
    assert.equal(await authorizedFetch(API), answer as unknown as Response);
  });
});

describe('a body that cannot be let go of, as node-fetch has it', () => {
  test('does not keep a call from being sent again', async () => {
    const refused = { ok: false, status: 401, headers: new Headers(), body: Readable.from(['text']) };
    const answers = [refused as unknown as Response, new Response('end')];
    const fetch: Fetch = async (input) => (input === API ? answers.shift()! : new Response(TOKEN_TEXT));

    assert.equal(await (await createClient(configOf(fetch, HELD)).authorizedFetch(API)).text(), 'end');
  });
});

describe('a body that only a foreign fetch takes', () => {
  /** As npm's `form-data`: it has no more of a stream than `pipe`, and nothing to copy it by. */
  const formOf = (text: string) => ({ append: () => {}, pipe: () => {}, text }) as unknown as BodyInit;

  test('is sent as it is, without `duplex`, whether or not the call waits for a token', async () => {
    for (const body of [formOf('field'), Readable.from(['text']) as unknown as BodyInit]) {
      for (const token of [HELD, undefined]) {
        const sent: unknown[] = [];
        const fetch: Fetch = async (input, init) => {
          if (input !== API) return new Response(TOKEN_TEXT);
          sent.push(init?.body);
          return new Response('end');
        };
        await createClient(configOf(fetch, token)).authorizedFetch(API, { method: 'POST', body });

        assert.deepEqual([sent.length, sent[0] === body], [1, true]);
      }
    }
  });

  test('is not sent again: it is used up', async () => {
    let requests = 0;
    const fetch: Fetch = async (input) => {
      if (input !== API) return new Response(TOKEN_TEXT);
      requests++;
      return new Response(null, { status: 401 });
    };
    const init = { method: 'POST', body: formOf('field') };

    assert.equal((await createClient(configOf(fetch, HELD)).authorizedFetch(API, init)).status, 401);
    assert.equal(requests, 1);
  });
});

describe('no fetch at all', () => {
  test('is a TypeError that says so, of each function', async (t) => {
    const { fetch } = globalThis;
    t.after(() => void (globalThis.fetch = fetch));
    Reflect.deleteProperty(globalThis, 'fetch');
    const config = configOf(undefined);
    for (const call of [
      createClient(config).getToken(),
      createClient(config).authorizedFetch(API),
      createClient(configOf(undefined, HELD)).authorizedFetch(API),
      revokeToken(config, HELD),
    ]) {
      const error = await rejectionOf(call);
      assert.ok(error instanceof TypeError, String(error));
      assert.match(error.message, /^fetch must/);
    }
  });
});

describe('a fetch that fails by itself', () => {
  test('is the network’s failure for a token, with its own error as cause, and a call’s as it is', async () => {
    for (const problem of [new RangeError('invented'), 'a text', undefined, { code: 5 }]) {
      for (const fetch of [
        () => Promise.reject(problem),
        () => {
          throw problem;
        },
      ] as Fetch[]) {
        const error = await rejectionOf(createClient(configOf(fetch)).getToken());
        assert.ok(error instanceof ApiError && error.code === 'network', String(error));
        assert.equal(error.cause, problem);
        assert.equal(await rejectionOf(createClient(configOf(fetch, HELD)).authorizedFetch(API)), problem);
      }
    }
  });
});

describe('what marks an answer as redirected', () => {
  test('can be replaced, as the proxies of fetch-mock do', async () => {
    const answers = [new Response(null, { status: 302, headers: { location: '/end' } }), new Response('end')];
    const { authorizedFetch } = createClient(configOf(async () => answers.shift()!, HELD));
    const answer = await authorizedFetch(API);
    // An invariant of proxies: a property that cannot be configured must be shown as it is.
    const proxy = new Proxy(answer, {
      get: (target, name) => {
        if (name === 'redirected') return false;
        return name === 'clone' ? () => 'another' : Reflect.get(target, name, target);
      },
    });

    assert.equal(answer.redirected, true);
    assert.deepEqual([proxy.redirected, proxy.clone()], [false, 'another']);
  });
});

function configOf(fetch: Fetch | undefined, oauthToken?: OAuthToken): ClientConfig {
  return {
    clientCredentialsAuthCredentials: {
      oauthClientId: 'invented-id',
      oauthClientSecret: 'invented-secret',
      oauthToken,
    },
    environment: {
      tokenUrl: 'https://auth.example.com/token',
      revocationUrl: 'https://auth.example.com/revoke',
      apiOrigins: ['https://api.example.com'],
    },
    retry: { attempts: 3, baseDelay: 0 },
    fetch,
  };
}
