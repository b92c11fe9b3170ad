import assert from 'node:assert/strict';
import { createDecipheriv, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  type Client,
  type ClientCredentials,
  type ClientEvent,
  createClient,
  type OAuthToken,
  type ProviderContext,
} from 'thingspace-auth';
import { type EncryptionKey, encryptedStore, storedToken, type TokenStore } from 'thingspace-auth/stores';
import {
  hold,
  recordEvents,
  START_MS,
  setGlobal,
  startServer,
  type TestServer,
  tokenAnswer,
  turn,
  turns,
} from '../support/server.ts';

const { testStore } = await import(join(import.meta.dirname, '../../../test/support/storeContract.mjs'));

testStore(test, { name: 'the memory of these tests', open: memoryOpener(), ttlSeconds: undefined });
testStore(test, { name: 'encryptedStore', open: encryptedOpener(), ttlSeconds: undefined });

test('makes one exchange for all clients of a store, and none for a later one', async (t) => {
  const server = await startServer(t);
  const { store } = createMemory();
  const clients = Array.from({ length: 16 }, () => clientOf(server, store));

  const tokens = await Promise.all(clients.map((client) => client.getToken()));
  const later = await clientOf(server, store).getToken();

  assert.equal(server.tokenRequests.length, 1);
  assert.deepEqual(new Set([...tokens, later].map(({ accessToken }) => accessToken)), new Set(['token-1']));
});

test('holds a lease of five seconds during its exchange, and keeps the token for as long as it lives', async (t) => {
  fakeClock(t);
  const { store, asked, values } = createMemory();
  const leases: [name: string, text: string][] = [];
  const server = await startServer(t, {
    token: () => {
      leases.push(...values);
      return tokenAnswer('token', 3600, { scope: 'a b' });
    },
  });

  await clientOf(server, store).getToken();

  const [[key, text], ...others] = [...values] as [[string, string]];
  assert.deepEqual(others, []);
  assert.deepEqual(JSON.parse(text), {
    accessToken: 'token',
    tokenType: 'Bearer',
    expiresIn: 3600,
    scope: 'a b',
    expiry: START_MS / 1000 + 3600,
    key,
  });
  const [[lease, held], ...more] = leases as [[string, string]];
  assert.deepEqual([lease, more], [`${key}:lease`, []]);
  const { owner, endMs } = JSON.parse(held);
  assert.match(owner, /^\d+(,\d+){3}$/);
  assert.equal(endMs, START_MS + 5_000);
  const lifetimes = asked.filter(([, , , value]) => value).map(([, name, , , seconds]) => [name, seconds]);
  assert.deepEqual(lifetimes, [
    [lease, 5],
    [key, 3600],
  ]);
});

test('writes a token without an end for good, and one that has ended not at all', async (t) => {
  const { store, asked } = createMemory();
  const endless = await startServer(t, { token: () => tokenAnswer('token', null) });
  const ended = await startServer(t, { token: () => tokenAnswer('token', 0) });

  await clientOf(endless, store).getToken();
  await clientOf(ended, store).getToken();

  const written = asked.filter(
    ([operation, key, , value]) => operation === 'compareAndSet' && !key.endsWith(':lease') && value,
  );
  assert.equal(written.length, 1);
  assert.equal(written[0]![4], undefined);
});

test('counts the lifetime of a token of one’s own fetchToken from its arrival, for every tab and after a reload', async (t) => {
  const server = await startServer(t);
  const { store, values } = createMemory();
  const { events, onEvent } = recordEvents();
  // A backend that hands out a token as it has it from its server: a lifetime, and no end.
  const askBackend = async (): Promise<OAuthToken> => {
    const response = await fetch(server.tokenUrl, { method: 'POST' });
    const { access_token: accessToken, expires_in: expiresIn } = await response.json();
    return { accessToken, tokenType: 'Bearer', expiresIn };
  };
  const openTab = (): Client => {
    const shared = storedToken(store);
    const oauthTokenProvider = (lastToken: OAuthToken | undefined, context: ProviderContext) =>
      shared(lastToken, { ...context, fetchToken: askBackend });
    return createClient(server.config({ onEvent }, { oauthClientSecret: undefined, oauthTokenProvider }));
  };
  t.mock.timers.enable({ apis: ['Date'], now: START_MS });

  const tokens = await Promise.all(Array.from({ length: 6 }, () => openTab().getToken()));
  t.mock.timers.setTime(START_MS + 1_800_000);
  tokens.push(...(await Promise.all(Array.from({ length: 6 }, () => openTab().getToken()))));

  assert.equal(server.tokenRequests.length, 1);
  assert.deepEqual(new Set(tokens.map(asExpiry)), new Set([START_MS / 1000 + 3600]));
  assert.equal(values.size, 1);
  assert.deepEqual(failures(events), []);
});

test('leaves it to the client to say what is wrong with what one’s own fetchToken brings', async (t) => {
  const server = await startServer(t);
  const { store, values } = createMemory();
  const fetchToken = async () => ({ access_token: 'invented' }) as unknown as OAuthToken;
  const shared = storedToken(store);

  const client = createClient(
    server.config({}, { oauthTokenProvider: (last, context) => shared(last, { ...context, fetchToken }) }),
  );

  await assert.rejects(client.getToken(), { code: 'invalid_response', message: /oauthToken\.accessToken/ });
  assert.equal(values.size, 0);
});

test('gives the lease back when the exchange fails, and the error is that of the exchange', async (t) => {
  const server = await startServer(t, { token: () => ({ status: 401, body: { error: 'invalid_client' } }) });
  const { store, asked, values } = createMemory();

  await assert.rejects(clientOf(server, store).getToken(), {
    name: 'OAuthProviderError',
    error: 'invalid_client',
  });

  assert.ok(asked.some(([operation]) => operation === 'compareAndSet'));
  assert.equal(values.size, 0);
});

test('looks into the store although the guard bars exchanges', async (t) => {
  // The second for which the guard holds must not pass meanwhile.
  fakeClock(t);
  const server = await startServer(t, {
    token: () => ({ status: 400, body: { error: 'temporarily_unavailable' } }),
  });
  const memory = createMemory();
  const client = clientOf(server, memory.store);
  await assert.rejects(client.getToken());
  await assert.rejects(client.getToken());
  assert.equal(server.tokenRequests.length, 1);

  server.token = () => tokenAnswer('of-another-process');
  await clientOf(server, memory.store).getToken();

  assert.equal((await client.getToken()).accessToken, 'of-another-process');
  assert.equal(server.tokenRequests.length, 2);
});

test('an explicit fetchToken makes its exchange without waiting, and writes what it brings', async (t) => {
  const server = await startServer(t);
  fakeClock(t);
  const { store, values } = createMemory();
  await clientOf(server, store).getToken();
  const [key] = values.keys();
  values.set(`${key}:lease`, leaseUntil(5_000));

  const { accessToken } = await clientOf(server, store).fetchToken();

  assert.equal(accessToken, 'token-2');
  assert.equal((await clientOf(server, store).getToken()).accessToken, 'token-2');
});

test('replaces a rejected token once for all clients', async (t) => {
  const server = await startServer(t);
  const { store } = createMemory();
  const clients = Array.from({ length: 8 }, () => clientOf(server, store));
  await Promise.all(clients.map((client) => client.getToken()));
  server.revoked.add('token-1');

  const responses = await Promise.all(
    clients.map(({ authorizedFetch }) => authorizedFetch(`${server.origin}/api`)),
  );

  assert.deepEqual(
    responses.map(({ status }) => status),
    Array(8).fill(200),
  );
  assert.equal(server.tokenRequests.length, 2);
});

test('takes a stored token until the clock skew before its end, and a short-lived one for a moment', async (t) => {
  const server = await startServer(t);
  const clock = fakeClock(t);
  const { store } = createMemory();
  await clientOf(server, store).getToken();

  clock.jump(3_589_000);
  await clientOf(server, store).getToken();
  assert.equal(server.tokenRequests.length, 1);

  clock.jump(1_000);
  server.token = () => tokenAnswer(`token-${server.tokenRequests.length}`, 8);
  await clientOf(server, store).getToken();
  assert.equal(server.tokenRequests.length, 2);

  clock.jump(1_000);
  await clientOf(server, store).getToken();
  assert.equal(server.tokenRequests.length, 2);

  clock.jump(1_000);
  await clientOf(server, store).getToken();
  assert.equal(server.tokenRequests.length, 3);
});

test('takes what is over for a plain miss, and anything else that is no token of this client for a failure', async (t) => {
  const seconds = START_MS / 1000;
  const token = { accessToken: 'stored', tokenType: 'Bearer', expiresIn: 3600, expiry: seconds + 3600 };
  const { key, ...kept } = { ...token, key: undefined };
  const cases: [title: string, value: unknown, isFailure: boolean][] = [
    ['ended', { ...kept, expiry: seconds - 1 }, false],
    ['ending', { ...kept, expiry: seconds + 10 }, false],
    ['null', null, true],
    ['a number', 5, true],
    ['no JSON', '{"accessToken":', true],
    ['empty', '', true],
    ['an array', [kept], true],
    ['without a token', {}, true],
    [
      'a token of another key',
      { ...kept, key: 'thingspace-auth:["https://example.com/token","other",null,[]]' },
      true,
    ],
    ['a token of no key', { ...kept, key }, true],
    ['an end in milliseconds', { ...kept, expiry: START_MS }, true],
    ['an end beyond its lifetime', { ...kept, expiry: seconds + 3600 + 3601 }, true],
    [
      'an end in a far future',
      { accessToken: 'stored', tokenType: 'Bearer', expiry: seconds + 315_363_601 },
      true,
    ],
    ['a lifetime without an end', { ...kept, expiry: undefined }, true],
    ['an end that is no number', { ...kept, expiry: 'soon' }, true],
    ['a lifetime that is no number', { ...kept, expiresIn: true }, true],
    ['a bearer that breaks headers', { ...kept, accessToken: 'stored\r\nX-Other: 1' }, true],
    ['a bearer that is no string', { ...kept, accessToken: { toString: 'stored' } }, true],
    ['another kind of token', { ...kept, tokenType: 'MAC' }, true],
    ['a token bound to a key that this client does not have', { ...kept, tokenType: 'DPoP' }, true],
    ['a scope that is no string', { ...kept, scope: ['a'] }, true],
    ['a refresh token that is no string', { ...kept, refreshToken: 1 }, true],
  ];
  for (const [title, value, isFailure] of cases) {
    await t.test(title, async (t) => {
      const server = await startServer(t);
      const { events, onEvent } = recordEvents();
      fakeClock(t);
      const memory = createMemory();
      const fill = (key: string) =>
        value && Object.getPrototypeOf(value) === Object.prototype ? { key, ...value } : value;
      let isFirst = true;
      memory.store.get = (key) => {
        if (key.endsWith(':lease')) return undefined;
        if (isFirst) memory.values.set(key, typeof value === 'string' ? value : JSON.stringify(fill(key)));
        isFirst = false;
        return memory.values.get(key);
      };

      const { accessToken } = await clientOf(server, memory.store, {}, onEvent).getToken();

      assert.equal(accessToken, 'token-1');
      assert.equal(server.tokenRequests.length, 1);
      assert.equal(JSON.parse([...memory.values.values()][0]!).accessToken, 'token-1');
      const failures = events.filter(({ type }) => type === 'store_failed');
      assert.deepEqual(
        failures,
        Array(isFailure ? 2 : 0).fill({ type: 'store_failed', operation: 'get', reason: 'junk' }),
      );
    });
  }
});

test('takes the stored token that those cases spoil', async (t) => {
  const server = await startServer(t);
  fakeClock(t);
  const { store } = createMemory();
  const expiry = START_MS / 1000 + 3600;
  store.get = (key) =>
    JSON.stringify({ key, accessToken: 'stored', tokenType: 'Bearer', expiresIn: 3600, expiry });

  assert.deepEqual(await clientOf(server, store).getToken(), {
    accessToken: 'stored',
    tokenType: 'Bearer',
    expiresIn: 3600,
    expiry,
  });
});

/** Each operation of a call that makes an exchange, in its order, with how `store_failed` names it. */
const OPERATIONS: [title: string, operation: 'get' | 'compareAndSet' | 'set', at: number][] = [
  ['the first look', 'get', 0],
  ['the look at the lease', 'get', 1],
  ['taking the lease', 'compareAndSet', 0],
  ['the second look', 'get', 2],
  ['the write', 'compareAndSet', 1],
  ['giving the lease back', 'compareAndSet', 2],
];

test('lets no failure of a store fail a call', async (t) => {
  const boom = new Error('invented-secret-of-the-store');
  const ways: [way: string, fail: () => any][] = [
    [
      'throws',
      () => {
        throw boom;
      },
    ],
    [
      'rejects',
      async () => {
        throw boom;
      },
    ],
  ];
  for (const [title, operation, at] of OPERATIONS) {
    for (const [way, fail] of ways) {
      await t.test(`${title} ${way}`, async (t) => {
        const server = await startServer(t);
        const { events, onEvent } = recordEvents();
        const { store, values } = createMemory();
        failAt(store, operation, at, fail);

        await clientOf(server, store, {}, onEvent).getToken();

        assert.equal(server.tokenRequests.length, 1);
        assert.deepEqual(failures(events), [{ type: 'store_failed', operation, reason: 'Error' }]);
        // What still works is still used: the next process finds the token.
        const key = [...values.keys()].find((name) => !name.endsWith(':lease'));
        assert.equal(key === undefined, title === 'the write');
        assert.ok(!JSON.stringify(events).includes('invented-secret'));
      });
    }
  }
});

test('says why a store failed in a word, and nothing more of its text', async (t) => {
  const named = Object.assign(new TypeError('invented-secret'), { code: 500 });
  const refused = Object.assign(new Error('invented-secret'), { code: 'ECONNREFUSED' });
  const reasons: [thrown: unknown, reason: string][] = [
    [new Error('WRONGPASS invalid username-password pair invented-secret'), 'WRONGPASS'],
    [new Error('OOM'), 'OOM'],
    [Object.assign(new Error('READONLY You are invented-secret'), { code: 'OTHER' }), 'READONLY'],
    [
      Object.assign(new Error('connect ECONNREFUSED invented-secret'), { code: 'ECONNREFUSED' }),
      'ECONNREFUSED',
    ],
    [Object.assign(new Error('ENOENT: no such file, invented-secret'), { code: 'ENOENT' }), 'ENOENT'],
    [Object.assign(new Error('A value'), { code: 'sealed' }), 'sealed'],
    [Object.assign(new Error('Invented-Secret'), { code: '' }), 'Error'],
    [Object.assign(new Error('INVENTED-SECRET'), { code: undefined }), 'Error'],
    [new TypeError('fetch failed', { cause: refused }), 'ECONNREFUSED'],
    [new TypeError('fetch failed', { cause: new Error('invented-secret') }), 'TypeError'],
    [new AggregateError([refused, named], 'invented-secret'), 'ECONNREFUSED'],
    [new AggregateError([], 'invented-secret'), 'AggregateError'],
    [named, 'TypeError'],
    [new DOMException('full', 'QuotaExceededError'), 'QuotaExceededError'],
    ['invented-secret', 'Error'],
    [undefined, 'Error'],
    [null, 'Error'],
    [Object.create(null), 'Error'],
  ];
  for (const [thrown, reason] of reasons) {
    const server = await startServer(t);
    const { events, onEvent } = recordEvents();
    const { store } = createMemory();
    failAt(store, 'get', 0, () => {
      throw thrown;
    });

    await clientOf(server, store, {}, onEvent).getToken();

    assert.deepEqual(failures(events), [{ type: 'store_failed', operation: 'get', reason }]);
  }
});

test('waits two seconds for a store that hangs, and does without it for the rest of the call', async (t) => {
  for (const [title, operation, at] of OPERATIONS) {
    await t.test(title, async (t) => {
      const server = await startServer(t);
      const { events, onEvent } = recordEvents();
      const clock = fakeClock(t);
      const { store, asked } = createMemory();
      let askedBefore: number | undefined;
      failAt(store, operation, at, () => {
        askedBefore = asked.length;
        return new Promise<never>(() => undefined);
      });

      const token = settle(clientOf(server, store, {}, onEvent).getToken());
      await clock.until(() => askedBefore !== undefined);
      clock.advance(1_999);
      await turn();
      assert.equal(token.value, undefined);
      clock.advance(1);
      await clock.until(() => token.value);

      assert.deepEqual(failures(events), [{ type: 'store_failed', operation, reason: 'timeout' }]);
      assert.equal(asked.length, askedBefore);
      assert.equal(server.tokenRequests.length, 1);
    });
  }
});

test('leaves a store that fails alone for a second, doubling to thirty, for all clients of the provider', async (t) => {
  const clock = fakeClock(t);
  const askedAt: number[] = [];
  const broken: TokenStore = {
    get: () => {
      askedAt.push(Math.round((Date.now() - START_MS) / 1000));
      throw new Error('down');
    },
    set: () => undefined,
    delete: () => undefined,
  };
  const provide = storedToken(broken);
  const ask = (clientId: string) =>
    assert.rejects(async () => provide(undefined, requestOf({ clientId, isForced: true })), /not now/);
  const askForBoth = () => Promise.all([ask('one-id'), ask('other-id')]);

  for (let second = 0; second < 130; second++) {
    await askForBoth();
    clock.jump(1_000);
  }
  assert.deepEqual([...new Set(askedAt)], [0, 1, 3, 7, 15, 31, 61, 91, 121]);

  broken.get = () => void askedAt.push(-1);
  clock.jump(30_000);
  await askForBoth();
  await askForBoth();
  assert.equal(askedAt.filter((at) => at === -1).length, 4);

  // The next failure counts as a first one.
  broken.get = () => {
    askedAt.push(-2);
    throw new Error('down again');
  };
  await ask('one-id');
  clock.jump(999);
  await ask('one-id');
  assert.equal(askedAt.filter((at) => at === -2).length, 1);
  clock.jump(1);
  await ask('one-id');
  assert.equal(askedAt.filter((at) => at === -2).length, 2);
});

test('leaves a store that answers too late alone for longer each time, too', async (t) => {
  const clock = fakeClock(t);
  const askedAt: number[] = [];
  let late = hold();
  const provide = storedToken({
    get: () => {
      askedAt.push((Date.now() - START_MS) / 1000);
      late = hold();
      return late.promise as Promise<undefined>;
    },
    set: () => undefined,
    delete: () => undefined,
  });

  while (Date.now() < START_MS + 24_000) {
    const before = askedAt.length;
    const call = settle(Promise.resolve(provide(undefined, requestOf({ isForced: true }))));
    await turn();
    clock.advance(askedAt.length > before ? 2_000 : 1_000);
    await clock.until(() => call.value);
    late.open();
    await turn();
  }

  // Each has two seconds, and is then left alone for one, two, four and eight.
  assert.deepEqual(askedAt, [0, 3, 7, 13, 23]);
});

test('asks nothing of a store that hangs until all has come back, for any client of the process', async (t) => {
  const server = await startServer(t);
  const clock = fakeClock(t);
  const { store, asked } = createMemory();
  const held = [hold(), hold()];
  for (const { promise } of held)
    failAt(store, 'get', 0, async () => {
      await promise;
      throw new Error('late');
    });
  // Two ask before anybody can know.
  const first = [0, 1].map(() => settle(clientOf(server, store).getToken()));
  await turns();
  clock.advance(2_000);
  for (const { promise } of first) await promise;

  const countAsked = async () => {
    asked.length = 0;
    clock.jump(60_000);
    for (let client = 0; client < 5; client++) await clientOf(server, store).getToken();
    return asked.length;
  };
  assert.equal(await countAsked(), 0);
  held[1]!.open();
  await turns();
  assert.equal(await countAsked(), 0);
  held[0]!.open();
  await turns();
  assert.ok((await countAsked()) > 0);
});

test('asks a store that hangs all the same where a request cannot wait for what another one began', async (t) => {
  const server = await startServer(t);
  const clock = fakeClock(t);
  setGlobal(t, 'WebSocketPair', class {});
  const { store, asked } = createMemory();
  failAt(store, 'get', 0, () => new Promise<never>(() => undefined));
  const first = settle(clientOf(server, store).getToken());
  await turns();
  clock.advance(2_000);
  await clock.until(() => first.value);

  await clientOf(server, store).getToken();

  assert.equal(asked[0]![0], 'get');
});

test('has written before it hands its token on, however slow that is', async (t) => {
  const ways: [way: string, operation: 'set' | 'compareAndSet', parts: Partial<ProviderContext>][] = [
    ['without the lease', 'set', { isForced: true }],
    ['with the lease, over what it has read', 'compareAndSet', {}],
    ['with the lease, where what it has read has ended since', 'compareAndSet', {}],
  ];
  for (const [way, operation, parts] of ways) {
    await t.test(way, async () => {
      const { store, values } = createMemory();
      const { key } = await keysOf({});
      const slow = hold();
      let isWriting = false;
      const works = store[operation] as (...args: any[]) => any;
      store[operation] = async (...args: any[]) => {
        if (args[0] !== key) return works(...args);
        if (way.includes('ended') && args[1] !== undefined) return false;
        isWriting = true;
        await slow.promise;
        return works(...args);
      };
      if (way.includes('ended')) store.get = async (name) => (name === key ? '{}' : undefined);
      const fetchToken = async (): Promise<OAuthToken> => ({ accessToken: 'token', tokenType: 'Bearer' });
      const token = settle(
        Promise.resolve(storedToken(store)(undefined, requestOf({ ...parts, fetchToken }))),
      );
      while (!isWriting) await turn();
      await turns(10);

      assert.equal(token.value, undefined);
      slow.open();
      await token.promise;
      assert.equal(JSON.parse(values.get(key)!).accessToken, 'token');
    });
  }
});

test('asks again when the clock was set back behind a failure', async (t) => {
  const server = await startServer(t);
  const clock = fakeClock(t);
  const { store, asked } = createMemory();
  const { get } = store;
  store.get = () => {
    throw new Error('down');
  };
  const client = clientOf(server, store);
  await client.fetchToken();
  store.get = get;
  asked.length = 0;

  clock.jump(-60_000);
  await client.fetchToken();

  assert.equal(asked[0]![0], 'get');
});

test('waits for the token of the one who has the lease', async (t) => {
  const server = await startServer(t);
  const clock = fakeClock(t);
  const memory = createMemory();
  const { compareAndSet: _, ...withoutLease } = memory.store;
  const other = clientOf(server, withoutLease);
  const { lease } = await keysFor(server);
  memory.values.set(lease, leaseUntil(60_000));
  const token = settle(clientOf(server, memory.store).getToken());
  await passSeconds(clock, 3);
  assert.equal(token.value, undefined);
  assert.equal(server.tokenRequests.length, 0);

  await other.getToken();
  await passSeconds(clock, 0.5);

  assert.equal(((await token.promise) as any).accessToken, 'token-1');
  assert.equal(server.tokenRequests.length, 1);
});

test('takes the lease itself once its time is over', async (t) => {
  const server = await startServer(t);
  const clock = fakeClock(t);
  const { store, values } = createMemory();
  const { lease } = await keysFor(server);
  values.set(lease, leaseUntil(5_000));
  const token = settle(clientOf(server, store).getToken());

  await passSeconds(clock, 4.9);
  assert.equal(server.tokenRequests.length, 0);
  await passSeconds(clock, 0.5);
  await clock.until(() => token.value);

  assert.equal(server.tokenRequests.length, 1);
  assert.ok(!values.has(lease));
});

test('takes junk in the place of a lease, and an end that nobody can have meant, for a lease that has ended', async (t) => {
  const junk = [
    'junk',
    '',
    'null',
    '[]',
    '{"owner":"x"}',
    '{"endMs":"soon"}',
    '{"endMs":null}',
    60_001,
    0,
    -1,
  ];
  for (const each of junk) {
    await t.test(String(each), async (t) => {
      const server = await startServer(t);
      fakeClock(t);
      const { store, values } = createMemory();
      const { lease } = await keysFor(server);
      values.set(lease, typeof each === 'number' ? leaseUntil(each) : each);

      // The clock stands still, so that nobody can wait for the end of a lease.
      await clientOf(server, store).getToken();

      assert.equal(server.tokenRequests.length, 1);
      assert.ok(!values.has(lease));
    });
  }
});

test('does not put an older token over a newer one when it was stopped in the middle of the exchange', async (t) => {
  const server = await startServer(t);
  const clock = fakeClock(t);
  const { store, values } = createMemory();
  const held = holdExchange(store, { tokenUrl: server.tokenUrl });
  const stopped = settle(held.provide());
  await clock.until(() => held.isExchanging());

  // Its lease ends meanwhile, and another process brings a token.
  clock.jump(5_000);
  const { accessToken } = await clientOf(server, store).getToken();
  held.finish('older');
  await clock.until(() => stopped.value);

  assert.equal((stopped.value as any).accessToken, 'older');
  assert.deepEqual(
    [...values.values()].map((text) => JSON.parse(text).accessToken),
    [accessToken],
  );
});

test('leaves the lease alone that another has taken since', async (t) => {
  const clock = fakeClock(t);
  const { store, values } = createMemory();
  const held = holdExchange(store);
  const stopped = settle(held.provide());
  await clock.until(() => held.isExchanging());
  const [lease] = values.keys();
  values.set(lease!, leaseUntil(5_000));

  held.finish('older');
  await clock.until(() => stopped.value);

  assert.equal(values.get(lease!), leaseUntil(5_000));
});

test('writes its token although the store has ended what it had read before the exchange', async (t) => {
  const server = await startServer(t);
  const clock = fakeClock(t);
  const { store, values } = createMemory();
  await clientOf(server, store).getToken();
  clock.jump(3_592_000);
  const token = server.token;
  server.token = (...parameters) => {
    for (const key of values.keys()) if (!key.endsWith(':lease')) values.delete(key);
    return token(...parameters);
  };

  await clientOf(server, store).getToken();
  await clientOf(server, store).getToken();

  assert.equal(server.tokenRequests.length, 2);
});

test('waits eight seconds for a lease that others hold, and goes on alone', async (t) => {
  const server = await startServer(t);
  const clock = fakeClock(t);
  const { store, values } = createMemory();
  const { key, lease } = await keysFor(server);
  values.set(lease, leaseUntil(60_000));
  const token = settle(clientOf(server, store).getToken());

  await passSeconds(clock, 7.9);
  assert.equal(server.tokenRequests.length, 0);
  await passSeconds(clock, 0.5);
  await clock.until(() => token.value);

  assert.equal(server.tokenRequests.length, 1);
  assert.ok(values.has(key));
  assert.equal(values.get(lease), leaseUntil(60_000 - (Date.now() - START_MS)));
});

test('keeps what is bound to another key apart', async () => {
  const keys = await Promise.all([{}, { binding: 'a' }, { binding: 'b' }].map((parts) => keysOf(parts)));
  assert.equal(new Set(keys.map(({ key }) => key)).size, 3);
});

test('believes a token of either kind where the client has a key for proofs', async () => {
  for (const tokenType of ['Bearer', 'DPoP'] as const) {
    const { store, values } = createMemory();
    const { key } = await keysOf({ binding: 'invented-thumbprint' });
    values.set(key, JSON.stringify({ key, accessToken: 'stored', tokenType }));

    const request = requestOf({ binding: 'invented-thumbprint' });
    assert.equal((await storedToken(store)(undefined, request)).tokenType, tokenType);
  }
});

test('keeps the texts of its keys, which versions that are deployed side by side must share', async () => {
  const parts = {
    tokenUrl: 'https://example.com/token',
    clientId: 'my-id',
    scope: 'b:read a:read',
    params: { resource: ['https://two.example', 'https://one.example'], audience: 'one' },
    binding: 'invented-thumbprint',
  };
  const short = await keysOf(parts);
  const long = await keysOf({ ...parts, clientId: 'ü'.repeat(100) });

  assert.equal(
    short.key,
    'thingspace-auth:1:["https://example.com/token","my-id",["a:read","b:read"],' +
      '[["audience","one"],["resource","https://two.example","https://one.example"]],"invented-thumbprint"]',
  );
  assert.equal(long.key, 'thingspace-auth:1:rJZ9dxdCmpruiR0zH8kDSpOtu4FBMJzOdPX1jCk4cuE=');
  for (const { key, lease } of [short, long]) assert.equal(lease, `${key}:lease`);
  const { key: bare } = await keysOf({ clientId: 'my-id' });
  assert.equal(bare, 'thingspace-auth:1:["https://example.com/token","my-id",null,[],null]');
});

test('makes no key of more than 512 bytes, with room for a prefix, and each grant its own', async () => {
  for (let length = 1; length < 400; length++) {
    const clientIds = ['a', 'b'].map((end) => 'k'.repeat(length) + end);
    const keys = await Promise.all(clientIds.map((clientId) => keysOf({ clientId })));

    assert.notEqual(keys[0]!.key, keys[1]!.key);
    for (const { lease } of keys) assert.ok(Buffer.byteLength(lease) <= 312, lease);
  }
});

test('works on a page without https, where crypto makes no UUID and cannot hash', async (t) => {
  const server = await startServer(t);
  const { store, values } = createMemory();
  const { events, onEvent } = recordEvents();
  const { getRandomValues } = crypto;
  setGlobal(t, 'crypto', { getRandomValues: getRandomValues.bind(crypto) });
  const credentials = { oauthParams: { audience: 'a'.repeat(1_000) } };

  await clientOf(server, store, credentials, onEvent).getToken();
  await clientOf(server, store, credentials, onEvent).getToken();

  assert.equal(server.tokenRequests.length, 1);
  assert.deepEqual(failures(events), []);
  assert.match([...values.keys()].join(), /a{1000}/);
});

test('is a TypeError at once for what is no store', () => {
  const { store } = createMemory();
  const { delete: _, ...withoutDelete } = store;
  for (const junk of [
    undefined,
    null,
    'redis://localhost',
    {},
    [],
    withoutDelete,
    { ...store, get: 'text' },
  ]) {
    assert.throws(() => storedToken(junk as TokenStore), {
      name: 'TypeError',
      message: 'store must have get, set, delete',
    });
  }
  for (const compareAndSet of ['text', null, {}]) {
    assert.throws(() => storedToken({ ...store, compareAndSet } as unknown as TokenStore), {
      name: 'TypeError',
      message: 'store must have compareAndSet',
    });
  }
  assert.doesNotThrow(() => storedToken({ ...store, compareAndSet: undefined } as unknown as TokenStore));
});

test('keeps clients apart that ask for something else, and joins those that ask for the same', async (t) => {
  const server = await startServer(t);
  const { store, values } = createMemory();
  const oauthTokenProvider = storedToken(store);
  const get = async (credentials: Partial<ClientCredentials>, environment = {}) =>
    (await createClient(server.config({}, { oauthTokenProvider, ...credentials }, environment)).getToken())
      .accessToken;

  const different = [
    await get({}),
    await get({ oauthClientId: 'other-id' }),
    await get({ oauthScopes: ['a'] }),
    await get({ oauthScopes: ['a', 'b'] }),
    await get({ oauthScopes: ['ab'] }),
    await get({ oauthScopes: ['ba'] }),
    await get({ oauthParams: { audience: 'a' } }),
    await get({ oauthParams: { audience: 'b' } }),
    await get({ oauthParams: { audience: 'a', resource: ['b', 'c'] } }),
    await get({}, { tokenUrl: `${server.tokenUrl}?tenant=2` }).catch(() => 'another endpoint'),
  ];
  const same = [
    await get({ oauthClientSecret: 'other-invented-secret' }),
    await get({ oauthScopes: ['b', 'a'] }),
    await get({ oauthParams: { resource: ['b', 'c'], audience: ['a'] } }),
  ];

  assert.equal(new Set(different).size, 10);
  assert.deepEqual(same, [different[0], different[3], different[8]]);
  assert.ok(![...values.keys()].join().includes('secret'));
});

test('never extends the end of a token that the server repeats, until that end', async (t) => {
  const server = await startServer(t, { token: () => tokenAnswer('same', 3600) });
  const clock = fakeClock(t);
  const { store, values } = createMemory();
  const end = START_MS / 1000 + 3600;
  const stored = () => JSON.parse([...values.values()][0]!);
  await clientOf(server, store).getToken();

  clock.jump(1_000_000);
  assert.equal((await clientOf(server, store).fetchToken()).expiry, end);
  assert.equal(stored().expiry, end);
  assert.equal(asExpiry(await clientOf(server, store).getToken()), end);

  clock.jump(2_600_000);
  assert.equal((await clientOf(server, store).getToken()).expiry, end + 3600);
  assert.equal(stored().expiry, end + 3600);
  assert.equal(server.tokenRequests.length, 3);
});

test('holds a repeated token to the earlier of two known ends, to the last second', async (t) => {
  fakeClock(t);
  const seconds = START_MS / 1000;
  const same = (expiry: number): OAuthToken => ({ accessToken: 'same', tokenType: 'Bearer', expiry });
  for (const [stored, own, expected] of [
    [600, 60, 60],
    [60, 600, 60],
    [600, undefined, 600],
    [1, undefined, 2],
  ] as const) {
    const { store, values } = createMemory();
    const { key } = await keysOf({});
    values.set(key, JSON.stringify({ key, ...same(seconds + stored) }));
    const request = requestOf({ isForced: true, fetchToken: async () => same(seconds + 3600) });

    const { expiry } = await storedToken(store)(own && same(seconds + own), request);

    assert.equal(expiry! - seconds, expected);
  }
});

test('takes a stored token to its last second where no skew is wanted, or where the server has just repeated it', async (t) => {
  fakeClock(t);
  const seconds = START_MS / 1000;
  const { key } = await keysOf({});
  for (const [more, parts] of [
    [{}, { clockSkew: 0 }],
    [{ repeatedAt: seconds }, {}],
  ] as const) {
    const { store, values } = createMemory();
    values.set(
      key,
      JSON.stringify({ key, accessToken: 'stored', tokenType: 'Bearer', expiry: seconds + 1, ...more }),
    );

    assert.equal((await storedToken(store)(undefined, requestOf(parts))).accessToken, 'stored');
  }
});

test('keeps the known end of a repeated token that the store has lost', async (t) => {
  const server = await startServer(t, { token: () => tokenAnswer('same', 3600) });
  const clock = fakeClock(t);
  const { store, values } = createMemory();
  const client = clientOf(server, store);
  await client.getToken();
  values.clear();

  clock.jump(1_000_000);
  await client.fetchToken();

  assert.equal(JSON.parse([...values.values()][0]!).expiry, START_MS / 1000 + 3600);
});

test('asks a server that repeats its token once for all clients, and again after a minute', async (t) => {
  const server = await startServer(t, { token: () => tokenAnswer('same', 3600) });
  const clock = fakeClock(t);
  const { store } = createMemory();
  const clients = Array.from({ length: 8 }, () => clientOf(server, store));
  for (const client of clients) await client.getToken();
  assert.equal(server.tokenRequests.length, 1);

  // Into the skew: each client has to renew.
  clock.jump(3_592_000);
  for (const client of clients) assert.equal((await client.getToken()).accessToken, 'same');
  assert.equal(server.tokenRequests.length, 2);

  // The joint end, which may come a little later for the server.
  clock.jump(8_000);
  for (const client of clients) assert.equal(asExpiry(await client.getToken()), START_MS / 1000 + 3600);
  assert.equal(server.tokenRequests.length, 3);
  clock.jump(3_000);
  for (const client of clients) assert.equal(asExpiry(await client.getToken()), START_MS / 1000 + 7203);
  assert.equal(server.tokenRequests.length, 4);

  // A client that was told "no newer" by a mark that is too old asks for itself.
  server.revoked.add('same');
  await clients[0]!.authorizedFetch(`${server.origin}/api`);
  await clients[1]!.authorizedFetch(`${server.origin}/api`);
  assert.equal(server.tokenRequests.length, 5);
  clock.jump(61_000);
  await clients[2]!.authorizedFetch(`${server.origin}/api`);
  assert.equal(server.tokenRequests.length, 6);
});

test('works without a lock, and with a store that is synchronous', async (t) => {
  const server = await startServer(t);
  const values = new Map<string, string>();
  const store: TokenStore = {
    get: (key) => values.get(key) ?? null,
    set: (key, value) => values.set(key, value),
    delete: (key) => values.delete(key),
  };

  await clientOf(server, store).getToken();
  await clientOf(server, store).getToken();

  assert.equal(server.tokenRequests.length, 1);
});

test('encryptedStore shows nothing of a value, and seals it anew each time', async () => {
  const { store, values } = createMemory();
  const sealed = encryptedStore(store, await newKey());

  await sealed.set('key', 'invented-token', 60);
  const first = values.get('key')!;
  await sealed.set('key', 'invented-token', 60);

  assert.notEqual(values.get('key'), first);
  assert.ok(!atob(first.replace('sealed:', '')).includes('invented'));
  assert.equal(await sealed.get('key'), 'invented-token');
});

test('encryptedStore seals so that others can open: AES-GCM, the nonce of 12 bytes in front, bound to the key in the store', async () => {
  const { store, values } = createMemory();
  const bytes = randomBytes(32);
  const key = await crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt']);
  await encryptedStore(store, key).set('key', 'invented-token', 60);

  const sealed = Buffer.from(values.get('key')!.replace('sealed:', ''), 'base64');
  const decipher = createDecipheriv('aes-256-gcm', bytes, sealed.subarray(0, 12))
    .setAAD(Buffer.from('key'))
    .setAuthTag(sealed.subarray(-16));
  assert.equal(
    decipher.update(sealed.subarray(12, -16)).toString() + decipher.final().toString(),
    'invented-token',
  );
});

test('encryptedStore opens with any of its keys and seals with the first', async () => {
  const { store } = createMemory();
  const [older, newer] = [await newKey(), await newKey()];
  await encryptedStore(store, older).set('old', 'value', 60);
  await encryptedStore(store, [newer, older]).set('new', 'value', 60);

  assert.equal(await encryptedStore(store, [newer, older]).get('old'), 'value');
  await assert.rejects(async () => encryptedStore(store, newer).get('old'), { code: 'sealed' });
  assert.equal(await encryptedStore(store, newer).get('new'), 'value');
  await assert.rejects(async () => encryptedStore(store, older).get('new'), { code: 'sealed' });
});

test('encryptedStore rejects, and overwrites nothing, where a value was moved, changed, cut or never sealed', async () => {
  const { store, values } = createMemory();
  const sealed = encryptedStore(store, await newKey());
  await sealed.set('key', 'value', 60);
  const text = values.get('key')!;
  const bytes = atob(text.slice('sealed:'.length));
  const flip = (at: number) =>
    bytes.slice(0, at) + String.fromCharCode(bytes.charCodeAt(at) ^ 1) + bytes.slice(at + 1);
  const spoilt: unknown[] = [
    '',
    'sealed:',
    'sealed:%',
    '{"accessToken":"plain"}',
    text.slice(0, -8),
    bytes,
    5,
    { sealed: 1 },
  ];
  spoilt.push(
    ...[0, 11, 12, bytes.length - 1].map((at) => `sealed:${btoa(flip(at))}`),
    text.replace('sealed', 'opened'),
  );

  values.set('other', text);
  await assert.rejects(async () => sealed.get('other'), { code: 'sealed' });
  for (const junk of spoilt) {
    values.set('key', junk as string);
    await assert.rejects(
      async () => sealed.get('key'),
      { code: 'sealed', message: /^[\w ]+$/ },
      String(junk),
    );
    for (const expected of [undefined, 'value']) {
      await assert.rejects(async () => sealed.compareAndSet!('key', expected, 'other', 60), {
        code: 'sealed',
      });
      await assert.rejects(async () => sealed.compareAndSet!('key', expected, undefined, 60), {
        code: 'sealed',
      });
    }
    assert.equal(values.get('key'), junk);
  }
  for (const nothing of [null, undefined]) {
    values.set('key', nothing as unknown as string);
    assert.equal(await sealed.get('key'), undefined);
  }
  values.set('key', text);
  assert.equal(await sealed.get('key'), 'value');
});

test('encryptedStore compares where the store within does, the sealed texts', async () => {
  const { store, asked } = createMemory();
  const key = await newKey();
  const { compareAndSet, ...without } = store;
  const sealed = encryptedStore(store, key);
  await sealed.set('key', 'value', 60);
  const text = await store.get('key');
  asked.length = 0;

  assert.equal(await sealed.compareAndSet!('key', 'value', 'next', 60), true);

  const [, [operation, , expected, value, ttlSeconds]] = asked as any;
  assert.deepEqual([operation, expected, ttlSeconds], ['compareAndSet', text, 60]);
  assert.match(value, /^sealed:/);
  assert.ok(compareAndSet);
  assert.equal(encryptedStore(without, key).compareAndSet, undefined);
});

test('encryptedStore does not overwrite what another has written between its look and its write', async () => {
  const { store, values } = createMemory();
  const sealed = encryptedStore(store, await newKey());
  await sealed.set('key', 'value', 60);
  const { get } = store;
  store.get = async (key) => {
    const text = await get(key);
    await sealed.set('key', 'value', 60);
    return text;
  };
  const before = values.get('key');

  assert.equal(await sealed.compareAndSet!('key', 'value', 'next', 60), false);

  store.get = get;
  assert.notEqual(values.get('key'), before);
  assert.equal(await sealed.get('key'), 'value');
});

test('encryptedStore is a TypeError at once for what is no store or no key', async () => {
  const { store } = createMemory();
  const key = await newKey();
  const generate = (usages: any, name = 'AES-GCM') =>
    crypto.subtle.generateKey({ name, length: 256 }, false, usages) as Promise<EncryptionKey>;
  const [sealing, opening] = [await generate(['encrypt']), await generate(['decrypt'])];
  const other = await generate(['encrypt', 'decrypt'], 'AES-CBC');
  const looks = { algorithm: { name: 'AES-GCM' } };
  for (const junk of [
    undefined,
    null,
    [],
    'invented-password',
    new Uint8Array(32),
    {},
    looks,
    { ...looks, usages: 'encrypt decrypt' },
    sealing,
    opening,
    other,
    [key, 'x'],
    [opening, key],
    [key, sealing],
  ]) {
    assert.throws(() => encryptedStore(store, junk as EncryptionKey), {
      name: 'TypeError',
      message: /needs an AES-GCM CryptoKey/,
    });
  }
  assert.throws(() => encryptedStore({ ...store, compareAndSet: 'x' } as unknown as TokenStore, key), {
    name: 'TypeError',
    message: 'store must have compareAndSet',
  });
  assert.throws(() => encryptedStore(undefined!, key), {
    name: 'TypeError',
    message: 'store must have get, set, delete',
  });
  assert.doesNotThrow(() => encryptedStore(store, [key, opening]));
});

test('shares a token through an encrypted store, and overwrites what no key opens, which it tells', async (t) => {
  const server = await startServer(t);
  const { store, values } = createMemory();
  const { events, onEvent } = recordEvents();
  const sealed = encryptedStore(store, await newKey());
  await clientOf(server, sealed).getToken();
  await clientOf(server, sealed).getToken();
  assert.equal(server.tokenRequests.length, 1);

  const other = encryptedStore(store, await newKey());
  await clientOf(server, other, {}, onEvent).getToken();
  await clientOf(server, other).getToken();

  assert.equal(server.tokenRequests.length, 2);
  assert.deepEqual(
    failures(events),
    Array(2).fill({ type: 'store_failed', operation: 'get', reason: 'sealed' }),
  );
  assert.equal(values.size, 1);
});

type Clock = ReturnType<typeof fakeClock>;

/**
 * A clock of our own: that of Node 20's `mock.timers` may clear another timer than the one meant when one
 * that has fired is cleared, and a waiting store has several.
 */
function fakeClock(t: TestContext) {
  const { setTimeout: realSetTimeout, clearTimeout: realClearTimeout } = globalThis;
  const realDateNow = Date.now;
  const timers = new Map<object, { atMs: number; fire: () => void }>();
  let nowMs = START_MS;
  let jumpedMs = 0;
  const start = (callback: (...args: unknown[]) => void, delayMs = 0, ...args: unknown[]): object => {
    const again = () => void timers.set(timer, { atMs: nowMs + delayMs, fire: () => callback(...args) });
    const timer = {
      ref: () => timer,
      unref: () => timer,
      hasRef: () => true,
      refresh: () => (again(), timer),
    };
    again();
    return timer;
  };
  const clear = (timer: any): void => void (timers.delete(timer) || realClearTimeout(timer));
  Object.assign(globalThis, { setTimeout: start, clearTimeout: clear });
  Date.now = () => nowMs + jumpedMs;
  t.after(() => {
    Object.assign(globalThis, { setTimeout: realSetTimeout, clearTimeout: realClearTimeout });
    Date.now = realDateNow;
  });
  return {
    /** Moves the time on, and fires the timers that are due. */
    advance: (ms: number) => {
      nowMs += ms;
      for (const [timer, { atMs, fire }] of timers) {
        if (atMs <= nowMs && timers.delete(timer)) fire();
      }
    },
    /** Sets the clock without firing timers. */
    jump: (ms: number) => void (jumpedMs += ms),
    until: async (isDone: () => unknown) => {
      while (!isDone()) await turn();
    },
  };
}

type Asked = [operation: string, key: string, ...rest: unknown[]];

/** A store in memory, what it holds, and what it was asked. */
function createMemory(values = new Map<string, string>()) {
  const asked: Asked[] = [];
  const store: TokenStore = {
    get: async (key) => (asked.push(['get', key]), values.get(key)),
    set: async (key, value, ttlSeconds) => (
      asked.push(['set', key, value, ttlSeconds]), values.set(key, value)
    ),
    delete: async (key) => (asked.push(['delete', key]), values.delete(key)),
    compareAndSet: async (key, expected, value, ttlSeconds) => {
      asked.push(['compareAndSet', key, expected, value, ttlSeconds]);
      if (values.get(key) !== expected) return false;
      if (value === undefined) values.delete(key);
      else values.set(key, value);
      return true;
    },
  };
  return { store, values, asked };
}

/** Lets a store's operation go wrong at its `at`-th call. */
function failAt(
  store: TokenStore,
  operation: 'get' | 'set' | 'compareAndSet',
  at: number,
  fail: () => any,
): void {
  const works = store[operation] as (...args: any[]) => any;
  let calls = 0;
  store[operation] = (...args: any[]) => (calls++ === at ? fail() : works(...args));
}

/** A call of a provider on a store that is in the middle of its exchange until that is finished. */
function holdExchange(store: TokenStore, parts: Partial<ProviderContext> = {}) {
  let finish: ((token: OAuthToken) => void) | undefined;
  const fetchToken = () => new Promise<OAuthToken>((resolve) => (finish = resolve));
  return {
    provide: async () => storedToken(store)(undefined, requestOf({ ...parts, fetchToken })),
    isExchanging: () => finish,
    finish: (accessToken: string) => finish!({ accessToken, tokenType: 'Bearer' }),
  };
}

function leaseUntil(leftMs: number): string {
  return JSON.stringify({ owner: 'another', endMs: Date.now() + leftMs });
}

function memoryOpener(): () => TokenStore {
  const values = new Map<string, string>();
  return () => createMemory(values).store;
}

function encryptedOpener(): () => Promise<TokenStore> {
  const open = memoryOpener();
  const key = newKey();
  return async () => encryptedStore(open(), await key);
}

function newKey(): Promise<EncryptionKey> {
  return crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, [
    'encrypt',
    'decrypt',
  ]) as Promise<EncryptionKey>;
}

/** A client as another process would have it: a provider of its own. */
function clientOf(
  server: TestServer,
  store: TokenStore,
  credentials: Partial<ClientCredentials> = {},
  onEvent?: (event: ClientEvent) => void,
): Client {
  return createClient(server.config({ onEvent }, { oauthTokenProvider: storedToken(store), ...credentials }));
}

/** What a provider is asked with. */
function requestOf(parts: Partial<ProviderContext>): ProviderContext {
  return {
    fetchToken: () => Promise.reject(new Error('not now')),
    tokenUrl: 'https://example.com/token',
    clientId: 'invented-id',
    scope: undefined,
    params: {},
    clockSkew: 10,
    isForced: false,
    report: () => undefined,
    ...parts,
  };
}

/** The keys under which the token and the lease lie. */
async function keysOf(
  parts: Partial<ProviderContext>,
): Promise<{ readonly key: string; readonly lease: string }> {
  const { store, asked } = createMemory();
  await assert.rejects(async () => storedToken(store)(undefined, requestOf(parts)), /not now/);
  return { key: asked[0]![1], lease: asked[1]![1] };
}

/** Those of the clients of a server. */
function keysFor({ tokenUrl }: TestServer): Promise<{ readonly key: string; readonly lease: string }> {
  return keysOf({ tokenUrl });
}

function failures(events: readonly ClientEvent[]): readonly ClientEvent[] {
  return events.filter(({ type }) => type === 'store_failed');
}

function asExpiry({ expiry }: { expiry?: number }): number | undefined {
  return expiry;
}

/** Lets time pass in small steps, as timers set in between need it. */
async function passSeconds(clock: Clock, seconds: number): Promise<void> {
  for (let passedMs = 0; passedMs < seconds * 1000; passedMs += 50) {
    clock.advance(50);
    await turn();
  }
}

function settle(promise: Promise<unknown>): { promise: Promise<unknown>; value: unknown } {
  const settled = { promise, value: undefined as unknown };
  promise.then(
    (value) => (settled.value = value),
    (error) => (settled.value = error),
  );
  return settled;
}
