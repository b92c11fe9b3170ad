import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type ClientConfig,
  clientSecretPost,
  configFromEnvironment,
  createClient,
  Environment,
  type Fetch,
  OauthScopeEnum,
  revokeToken,
} from 'thingspace-auth';
import { createSession } from 'thingspace-auth/session';
import { startServer } from '../support/server.ts';

/** Stands for a secret in every value that is wrong. */
const MARKER = 'invented-marker';

const ANY_JUNK: readonly unknown[] = [
  null,
  '',
  ` ${MARKER}\n`,
  -1,
  -0.5,
  NaN,
  Infinity,
  true,
  1n,
  Symbol(MARKER),
  [MARKER],
  [null],
  { [MARKER]: MARKER },
  () => MARKER,
];

type Path = readonly [
  group: '' | 'clientCredentialsAuthCredentials' | 'retry' | 'environment',
  option: string,
];

/** Every option: what of {@link ANY_JUNK} it takes, and what else it must refuse. */
const OPTIONS: readonly [Path, accepts: (value: unknown) => boolean, moreJunk?: readonly unknown[]][] = [
  [['', 'clientCredentialsAuthCredentials'], () => false, [undefined, 'Production']],
  [['', 'vZM2mToken'], () => false, [`${MARKER}\r\nx: y`, `${MARKER}\u0000`, 'ключ', `${MARKER} x`]],
  [['', 'timeout'], () => false, ['5', -Infinity]],
  [['', 'environment'], () => false, ['production', 'toString', 'Staging ']],
  [['', 'fetch'], (value) => typeof value === 'function'],
  [['', 'retry'], () => false, ['Production', '__proto__']],
  [['', 'waitUntil'], (value) => typeof value === 'function'],
  [['', 'onEvent'], (value) => typeof value === 'function'],
  [['clientCredentialsAuthCredentials', 'oauthClientId'], (value) => value === ANY_JUNK[2], [undefined]],
  [['clientCredentialsAuthCredentials', 'oauthClientSecret'], () => false, [`${MARKER}\r\n`, `a\n${MARKER}`]],
  [
    ['clientCredentialsAuthCredentials', 'oauthScopes'],
    (value) => Array.isArray(value) && value[0] === MARKER,
    [
      'read',
      [''],
      ['read write'],
      ['"'],
      ['\\'],
      ['é'],
      [1],
      [undefined],
      [Symbol(MARKER)],
      [['read']],
      [`${MARKER}\n`],
    ],
  ],
  [
    ['clientCredentialsAuthCredentials', 'oauthToken'],
    () => false,
    [
      {},
      { accessToken: '' },
      { accessToken: `${MARKER}\r\nx: y` },
      { accessToken: `Bearer ${MARKER}` },
      { accessToken: 'a', tokenType: 'mac' },
      { accessToken: 'a', expiry: MARKER },
      { accessToken: 'a', expiresIn: {} },
      { accessToken: 'a', scope: [MARKER] },
      { accessToken: 'a', refreshToken: 5 },
    ],
  ],
  [['clientCredentialsAuthCredentials', 'oauthClockSkew'], () => false, ['5']],
  [
    ['clientCredentialsAuthCredentials', 'oauthParams'],
    (value) => typeof value === 'object' && value !== null && Object.hasOwn(value, MARKER),
    [
      { audience: null },
      { audience: 5 },
      new Map([['audience', MARKER]]),
      new URLSearchParams({ audience: MARKER }),
      { audience: [MARKER, 5] },
      { audience: { a: MARKER } },
      ...[
        'grant_type',
        'scope',
        'client_id',
        'client_secret',
        'client_assertion',
        'client_assertion_type',
      ].map((reserved) => ({ audience: 'a', [reserved]: MARKER })),
    ],
  ],
  [['clientCredentialsAuthCredentials', 'oauthTokenProvider'], (value) => typeof value === 'function'],
  [['clientCredentialsAuthCredentials', 'oauthOnTokenUpdate'], (value) => typeof value === 'function'],
  [['clientCredentialsAuthCredentials', 'clientAuthentication'], (value) => typeof value === 'function'],
  [['retry', 'attempts'], () => false, [0, 1.5, '3']],
  [['retry', 'baseDelay'], () => false, ['3']],
  [['retry', 'maxDelay'], () => false, ['3']],
  [['environment', 'issuer'], (value) => typeof value === 'string' && value !== '', [7, null]],
  ...(['tokenUrl', 'revocationUrl', 'sessionUrl'] as const).map(
    (name) =>
      [
        ['environment', name],
        () => false,
        [
          ...(name === 'tokenUrl' ? [undefined] : []),
          `/${MARKER}`,
          `http://${MARKER}.example.com/token`,
          `ftp://${MARKER}.example.com/token`,
          'wss://https:8080/token',
          `https://${MARKER}@example.com/token`,
          `https://user:${MARKER}@example.com/token`,
          'http://localhost.example.com/token',
          'http://127.0.0.1.example.com/token',
          'http://notlocalhost/token',
          'http://10.127.0.1/token',
          'http://8.8.127.5/token',
          'http://127.example.com/token',
          'http://128.0.0.1/token',
          'http://example.com:127/token',
          'http://[1::1]/token',
          'http://[::1].example.com/token',
        ],
      ] as [Path, () => boolean, unknown[]],
  ),
  [
    ['environment', 'apiOrigins'],
    () => false,
    [
      undefined,
      'https://api.example.com',
      ['https://api.example.com/'],
      ['https://api.example.com/path'],
      ['https://api.example.com?q'],
      ['https://api.example.com#h'],
      [`https://${MARKER}@api.example.com`],
      ['http://api.example.com'],
      ['api.example.com'],
      ['https://*'],
      ['https://*.'],
      ['https://api.*.com'],
      ['https://*.*.com'],
      ['https://*example.com'],
      ['**'],
      [''],
      [null],
      [5],
      ['https://API.example.com'],
      ['https://api.example.com:443'],
      ['ftp://api.example.com'],
      ['*', `https://api.example.com/${MARKER}`],
    ],
  ],
  [['environment', 'allowInsecureRequests'], (value) => value === true, ['true', 1]],
];

/** What an object lacks that is given instead of one with options. */
const REQUIRED = /^(oauthClientId|tokenUrl|apiOrigins) must/;

const ENDPOINTS = { tokenUrl: 'https://auth.example.com/token', apiOrigins: ['https://api.example.com'] };

describe('createClient on mistakes', () => {
  for (const [[group, option], accepts, moreJunk = []] of OPTIONS) {
    const path = group ? `${group}.${option}` : option;

    test(`refuses junk as ${path} at once, names option and rule, and shows no value`, () => {
      const junk = [...ANY_JUNK.filter((value) => !accepts(value)), ...moreJunk];
      for (const value of junk) {
        const label = `${path} as ${describeValue(value)}`;
        const { message } = catchTypeError(() => createClient(configWith(group, option, value)), label);
        // Where another object stands in the place of one with options, its key is what is wrong.
        const isNamed =
          new RegExp(`^${option}[ .]`).test(message) ||
          message.startsWith(`unknown option ${MARKER};`) ||
          REQUIRED.test(message);
        assert.ok(isNamed, `${label}: ${message}`);
        // A rule has words.
        assert.match(message, /must \w|cannot be|unknown option/, label);
        assert.ok(
          !message.replace(`unknown option ${MARKER};`, '').includes(MARKER),
          `${label} is shown: ${message}`,
        );
      }
    });

    test(`takes ${path} where it is well-formed junk or absent`, () => {
      for (const value of ANY_JUNK.filter(accepts)) createClient(configWith(group, option, value));
      const isRequired = moreJunk.includes(undefined);
      if (!isRequired) createClient(configWith(group, option, undefined));
    });
  }

  test('refuses unknown keys at every level and lists the known ones', () => {
    const cases: [string, string, string][] = [
      ['', 'clientCredentials', 'vZM2mToken'],
      ['clientCredentialsAuthCredentials', 'oauthScope', 'oauthScopes'],
      ['retry', 'retries', 'attempts'],
      ['environment', 'apiOrigin', 'apiOrigins'],
    ];
    for (const [group, key, known] of cases) {
      const { message } = catchTypeError(() => createClient(configWith(group as 'retry', key, MARKER)), key);
      assert.ok(message.startsWith(`unknown option ${key}; known options: `), message);
      assert.match(message, new RegExp(`\\b${known}\\b`));
      assert.ok(!message.includes(MARKER));
    }
  });

  test('takes no name that every object has for an option, at any level', () => {
    for (const group of ['', 'clientCredentialsAuthCredentials', 'retry', 'environment'] as const) {
      for (const key of ['constructor', 'toString', 'hasOwnProperty', '__defineGetter__', 'valueOf']) {
        const { message } = catchTypeError(
          () => createClient(configWith(group as 'retry', key, MARKER)),
          `${group} ${key}`,
        );
        assert.ok(message.startsWith(`unknown option ${key}; known options: `), message);
      }
      catchTypeError(() => createClient(withOwnPrototype(group)), `${group} __proto__`);
    }
    catchTypeError(
      () => createClient(configWith('', 'environment', 'constructor')),
      'environment constructor',
    );
    catchTypeError(() => createClient(configWith('', 'environment', '__proto__')), 'environment __proto__');
  });

  test('refuses what is no configuration', () => {
    for (const junk of [undefined, null, 5, 'text', [], () => {}]) {
      catchTypeError(() => createClient(junk as never), String(junk));
    }
  });

  test('refuses junk given to withToken', () => {
    const { withToken } = createClient(configWith('', 'timeout', 0));
    for (const junk of [undefined, null, MARKER, 5, {}, { accessToken: 5 }, { accessToken: `${MARKER}\n` }]) {
      const { message } = catchTypeError(() => withToken(junk as never), describeValue(junk));
      assert.ok(!message.includes(MARKER));
    }
  });
});

describe('createClient on what it is given', () => {
  test('takes the configuration of the seed as it stands', () => {
    const client = createClient({
      clientCredentialsAuthCredentials: {
        oauthClientId: 'OAuthClientId',
        oauthClientSecret: 'OAuthClientSecret',
        oauthScopes: [OauthScopeEnum.Discoveryread, OauthScopeEnum.Serviceprofileread],
      },
      vZM2mToken: 'VZ-M2M-Token',
      timeout: 0,
      environment: Environment.Production,
    });
    assert.ok(Object.isFrozen(client));
    assert.deepEqual(Object.keys(client), ['fetchToken', 'getToken', 'withToken', 'authorizedFetch']);
  });

  test('knows the scopes of the seed, and those of the edge services, as they go over the wire', () => {
    assert.deepEqual(OauthScopeEnum, {
      Discoveryread: 'discovery:read',
      Serviceprofileread: 'serviceprofile:read',
      Serviceprofilewrite: 'serviceprofile:write',
      Serviceregistryread: 'serviceregistry:read',
      Serviceregistrywrite: 'serviceregistry:write',
      TsMecFullaccess: 'ts.mec.fullaccess',
      TsMecLimitaccess: 'ts.mec.limitaccess',
      TsApplicationRo: 'ts.application.ro',
      Read: 'read',
      Write: 'write',
      Edgediscoveryread: 'edge:discovery:read',
      Edgeserviceprofileread: 'edge:serviceprofile:read',
      Edgeserviceprofilewrite: 'edge:serviceprofile:write',
      Edgeserviceregistryread: 'edge:serviceregistry:read',
      Edgeserviceregistrywrite: 'edge:serviceregistry:write',
    });
  });

  test("takes the values of the generated SDK's scope enum and its BigInt tokens at run time", async (t) => {
    const VendorScope = { Discoveryread: 'discovery:read' }; // what its `enum` is at run time
    const server = await startServer(t);
    const client = createClient(server.config({}, { oauthScopes: [VendorScope.Discoveryread] }));
    await client.fetchToken();
    assert.equal(server.tokenRequests[0]?.form.get('scope'), 'discovery:read');
    const saved = await client
      .withToken({ accessToken: 'saved', expiry: 4_102_444_800n } as never)
      .getToken();
    assert.deepEqual(saved, { accessToken: 'saved', tokenType: 'Bearer', expiry: 4_102_444_800 });
  });

  test('takes a deep-frozen configuration and leaves it unchanged', async (t) => {
    const server = await startServer(t);
    const config = deepFreeze(
      server.config(
        { vZM2mToken: 'invented-session', timeout: 1000, retry: { attempts: 2, baseDelay: 1, maxDelay: 2 } },
        {
          oauthScopes: ['a', 'b'],
          oauthToken: { accessToken: 'stored', tokenType: 'Bearer', expiry: 1 },
          oauthParams: { resource: ['https://a.example.com', 'https://b.example.com'] },
          clientAuthentication: clientSecretPost,
        },
      ),
    );
    const before = JSON.stringify(config);

    const client = createClient(config);
    await client.authorizedFetch(`${server.origin}/x`);
    await client.withToken({ accessToken: 'other', tokenType: 'Bearer' }).getToken();

    assert.equal(JSON.stringify(config), before);
    assert.equal(server.tokenRequests[0]?.form.get('scope'), 'a b');
  });

  test('is not affected by what the caller does to the configuration afterwards', async (t) => {
    const server = await startServer(t);
    const scopes = ['a'];
    const resource = ['first'];
    const params: Record<string, string | string[]> = { resource };
    const environment = { tokenUrl: server.tokenUrl, apiOrigins: [server.origin] };
    const client = createClient({
      clientCredentialsAuthCredentials: {
        oauthClientId: 'invented-id',
        oauthClientSecret: 'invented-secret',
        oauthScopes: scopes,
        oauthParams: params,
      },
      environment,
    });
    scopes.push('b');
    resource.push('second');
    params.grant_type = 'password';
    environment.tokenUrl = 'https://other.example.com/token';

    const response = await client.authorizedFetch(`${server.origin}/x`);

    assert.equal(response.status, 200);
    assert.equal(server.tokenRequests[0]?.body, 'grant_type=client_credentials&scope=a&resource=first');
  });

  test('keeps its guard whatever the caller does to apiOrigins afterwards', async () => {
    const { fetch } = stubFetch();
    const apiOrigins = ['https://api.example.com'];
    const client = createClient(configWith('environment', 'apiOrigins', apiOrigins, { fetch }));
    apiOrigins[0] = 'https://other.example.com';
    assert.equal((await client.authorizedFetch('https://api.example.com/x')).status, 200);
    await assert.rejects(client.authorizedFetch('https://other.example.com/x'), TypeError);
  });

  test('reads each option once', () => {
    const reads = new Map<string, number>();
    const counted = <T extends object>(prefix: string, target: T): T =>
      Object.defineProperties(
        {},
        Object.fromEntries(
          Object.entries(target).map(([name, value]) => [
            name,
            {
              enumerable: true,
              get() {
                reads.set(prefix + name, (reads.get(prefix + name) ?? 0) + 1);
                return value;
              },
            },
          ]),
        ),
      ) as T;
    const credentials = counted('c.', {
      oauthClientId: 'invented-id',
      oauthClientSecret: 'invented-secret',
      oauthScopes: ['a'],
      oauthToken: { accessToken: 'a', tokenType: 'Bearer' as const },
      oauthClockSkew: 3,
      oauthParams: { audience: 'a' },
      oauthTokenProvider: () => ({ accessToken: 'a', tokenType: 'Bearer' as const }),
      oauthOnTokenUpdate: () => {},
      clientAuthentication: clientSecretPost,
    });
    const environment = counted('e.', {
      ...ENDPOINTS,
      revocationUrl: 'https://a.example.com',
      sessionUrl: 'https://a.example.com',
      allowInsecureRequests: false,
    });
    const retry = counted('r.', { attempts: 1, baseDelay: 1, maxDelay: 1 });
    createClient(
      counted('', {
        clientCredentialsAuthCredentials: credentials,
        vZM2mToken: 's',
        timeout: 1,
        environment,
        fetch,
        retry,
        waitUntil: () => {},
        onEvent: () => {},
      }) as ClientConfig,
    );
    assert.equal(reads.size, 8 + 9 + 5 + 3);
    for (const [name, count] of reads) assert.equal(count, 1, `${name} was read ${count} times`);
  });

  test('touches no network, timer, clock or random number', (t) => {
    const forbidden = (name: string) => () => assert.fail(`${name} was used`);
    t.mock.method(globalThis, 'fetch', forbidden('fetch') as never);
    t.mock.method(globalThis, 'setTimeout', forbidden('setTimeout') as never);
    t.mock.method(Date, 'now', forbidden('Date.now') as never);
    t.mock.method(Math, 'random', forbidden('Math.random') as never);
    t.mock.method(crypto, 'getRandomValues', forbidden('getRandomValues') as never);
    const token = {
      accessToken: 'stored',
      tokenType: 'Bearer' as const,
      expiresIn: 3600,
      expiry: 5_000_000_000,
    };
    const client = createClient(configWith('clientCredentialsAuthCredentials', 'oauthToken', token));
    client.withToken(token);
  });

  test('looks the global fetch up at each call', async (t) => {
    const server = await startServer(t);
    const client = createClient(server.config());
    const seen = t.mock.method(globalThis, 'fetch');
    await client.authorizedFetch(`${server.origin}/x`);
    assert.equal(seen.mock.callCount(), 2);
  });

  test('calls an injected fetch unbound from any object', async (t) => {
    const server = await startServer(t);
    const receivers: unknown[] = [];
    const unbound = function (this: unknown, ...parameters: Parameters<Fetch>) {
      receivers.push(this);
      return fetch(...parameters);
    };
    const client = createClient(server.config({ fetch: unbound }));
    await client.authorizedFetch(`${server.origin}/x`);
    assert.deepEqual(receivers, [undefined, undefined]);
  });

  test('resolves a relative URL as the platform does, a <base> of the page included', async (t) => {
    const { fetch, requests } = stubFetch();
    const client = createClient(configWith('', 'fetch', fetch));
    await assert.rejects(client.authorizedFetch('/api/x'), TypeError);
    const scope = globalThis as { location?: unknown; Request: unknown };
    const Platform = Request;
    let base = 'https://example.com/';
    scope.location = { href: 'https://5gedge.verizon.com/page/' };
    scope.Request = class extends Platform {
      constructor(input: RequestInfo, init?: RequestInit) {
        super(typeof input === 'string' ? new URL(input, base) : input, init);
      }
    };
    t.after(() => {
      delete scope.location;
      scope.Request = Platform;
    });
    await assert.rejects(
      client.authorizedFetch('api/x'),
      /No credentials for https:\/\/example\.com: environment\.apiOrigins allows/,
    );
    base = 'https://5gedge.verizon.com/app/';
    await client.authorizedFetch('api/x');
    assert.equal(requests.length, 2);
    assert.equal(requests[1]!.url, 'https://5gedge.verizon.com/app/api/x');
  });

  test('gives functions that work when destructured', async (t) => {
    const server = await startServer(t);
    const { fetchToken, getToken, withToken, authorizedFetch } = createClient(server.config());
    assert.equal((await fetchToken()).accessToken, 'token-1');
    assert.equal((await getToken()).accessToken, 'token-1');
    assert.equal((await authorizedFetch(`${server.origin}/x`)).status, 200);
    assert.equal((await withToken(await getToken()).getToken()).accessToken, 'token-1');
    assert.equal(server.tokenRequests.length, 1);
  });
});

describe('the exchange as configured', () => {
  test('asks for no scope where none is configured', async (t) => {
    const server = await startServer(t);
    for (const oauthScopes of [undefined, []])
      await createClient(server.config({}, { oauthScopes })).fetchToken();
    for (const { body } of server.tokenRequests) assert.equal(body, 'grant_type=client_credentials');
  });

  test('sends any scope token, so that a new one needs no new release', async (t) => {
    const server = await startServer(t);
    await createClient(
      server.config({}, { oauthScopes: ['discovery:read', 'brand.new!scope#1[]~'] }),
    ).fetchToken();
    assert.equal(server.tokenRequests[0]?.form.get('scope'), 'discovery:read brand.new!scope#1[]~');
  });

  test('takes names for oauthParams that only resemble the reserved ones', async (t) => {
    const names = ['my_scope', 'scopes', 'grant_type_hint', 'x_client_id', 'client_ids'];
    const server = await startServer(t);
    await createClient(
      server.config({}, { oauthParams: Object.fromEntries(names.map((name) => [name, 'invented'])) }),
    ).fetchToken();

    assert.deepEqual(
      names.filter((name) => !new URLSearchParams(server.tokenRequests[0]!.body).has(name)),
      [],
    );
  });

  test('sends no field of oauthParams that is undefined, as a variable that is not set', async (t) => {
    const server = await startServer(t);
    const oauthParams = { audience: undefined, resource: 'a' };
    await createClient(server.config({}, { oauthParams })).fetchToken();
    assert.equal(server.tokenRequests[0]?.body, 'grant_type=client_credentials&resource=a');
  });

  test('sends oauthParams in their order, arrays as repeated fields', async (t) => {
    const server = await startServer(t);
    const oauthParams = { audience: 'https://api.example.com/', resource: ['a b', 'c&d'] };
    await createClient(server.config({}, { oauthParams })).fetchToken();
    assert.equal(
      server.tokenRequests[0]?.body,
      'grant_type=client_credentials&audience=https%3A%2F%2Fapi.example.com%2F&resource=a+b&resource=c%26d',
    );
  });

  test('sends a form by POST that asks for JSON', async (t) => {
    const server = await startServer(t);
    await createClient(server.config()).fetchToken();
    const { method, headers } = server.tokenRequests[0]!;
    assert.equal(method, 'POST');
    assert.equal(headers.accept, 'application/json');
    assert.match(headers['content-type'] ?? '', /^application\/x-www-form-urlencoded(;charset=UTF-8)?$/);
  });

  test('sends token requests without cookies and follows no redirect for them', async () => {
    const { fetch, requests } = stubFetch();
    await createClient({ ...configWith('', 'fetch', fetch) }).fetchToken();
    const { credentials, redirect, cache } = requests[0]!.init;
    // workerd of 2023 refuses `cache`.
    assert.deepEqual(
      { credentials, redirect, cache },
      { credentials: 'omit', redirect: 'manual', cache: undefined },
    );
  });

  test('says nothing of cookies where requests know none, as on workerd of 2023', async (t) => {
    const known = Object.getOwnPropertyDescriptor(Request.prototype, 'credentials')!;
    t.after(() => Object.defineProperty(Request.prototype, 'credentials', known));
    Reflect.deleteProperty(Request.prototype, 'credentials');
    const { fetch, requests } = stubFetch();
    await createClient({ ...configWith('', 'fetch', fetch) }).fetchToken();
    assert.equal(requests[0]!.init.credentials, undefined);
  });
});

describe('environments', () => {
  const FACTS: Record<Environment, { host: string; apiOrigins: string[] }> = {
    Production: {
      host: 'https://thingspace.verizon.com',
      apiOrigins: [
        'https://thingspace.verizon.com',
        'https://5gedge.verizon.com',
        'https://imp.thingspace.verizon.com',
      ],
    },
    MockServerForLimitedAvailabilitySeeQuickStart: {
      host: 'https://mock.thingspace.verizon.com',
      apiOrigins: ['https://mock.thingspace.verizon.com'],
    },
    Staging: {
      host: 'https://staging.thingspace.verizon.com',
      apiOrigins: ['https://staging.thingspace.verizon.com', 'https://staging.5gedge.verizon.com'],
    },
  };

  test('are named as the vendor names them', () => {
    assert.deepEqual(Object.values(Environment).sort(), Object.keys(FACTS).sort());
  });

  for (const [environment, { host, apiOrigins }] of Object.entries(FACTS)) {
    test(`${environment} has the endpoints of the vendor and sends credentials nowhere else`, async () => {
      const { fetch, requests } = stubFetch();
      const config = configWith('', 'environment', environment, { fetch });
      const client = createClient(config);
      await revokeToken(config, await client.fetchToken());
      for (const origin of apiOrigins) await client.authorizedFetch(`${origin}/api/x`);
      assert.deepEqual(
        requests.map(({ url }) => url),
        [
          `${host}/api/ts/v1/oauth2/token`,
          `${host}/api/ts/v1/oauth2/revoke`,
          ...apiOrigins.map((origin) => `${origin}/api/x`),
        ],
      );
      const others = Object.values(FACTS).flatMap((facts) => facts.apiOrigins);
      for (const origin of others.filter((each) => !apiOrigins.includes(each))) {
        await assert.rejects(client.authorizedFetch(`${origin}/api/x`), TypeError);
      }
      assert.equal(requests.length, 2 + apiOrigins.length);
    });
  }

  for (const [sessionUrl, login, logout] of [
    [
      'https://m2m.example.com/session',
      'https://m2m.example.com/session/login',
      'https://m2m.example.com/session/logout',
    ],
    [
      'https://m2m.example.com/session/',
      'https://m2m.example.com/session/login',
      'https://m2m.example.com/session/logout',
    ],
    [
      'https://m2m.example.com/session?tenant=a&b=c',
      'https://m2m.example.com/session/login?tenant=a&b=c',
      'https://m2m.example.com/session/logout?tenant=a&b=c',
    ],
    [
      'https://m2m.example.com/session/?tenant=a',
      'https://m2m.example.com/session/login?tenant=a',
      'https://m2m.example.com/session/logout?tenant=a',
    ],
    ['https://m2m.example.com', 'https://m2m.example.com/login', 'https://m2m.example.com/logout'],
  ] as const) {
    test(`take ${sessionUrl} for what it looks like`, async () => {
      const sent: string[] = [];
      const fetch: Fetch = async (input) => {
        sent.push(String(input));
        return Response.json({ access_token: 'a', sessionToken: 'invented-session' });
      };
      const session = createSession({ username: 'invented-user', password: 'invented-password' });
      const client = createClient(
        configWith('environment', 'sessionUrl', sessionUrl, { fetch, vZM2mToken: session }),
      );
      await client.authorizedFetch('https://api.example.com/x');
      await session.logout();
      assert.deepEqual(
        sent.filter((url) => url.startsWith('https://m2m')),
        [login, logout],
      );
    });
  }

  test('default to Production', async () => {
    const { fetch, requests } = stubFetch();
    await createClient(configWith('', 'environment', undefined, { fetch })).fetchToken();
    assert.equal(requests[0]?.url, 'https://thingspace.verizon.com/api/ts/v1/oauth2/token');
  });

  const WILDCARD = 'https://*.example.com';
  const ORIGINS: [entry: string, allowed: string[], refused: string[]][] = [
    [
      'https://api.example.com',
      ['https://api.example.com', 'https://api.example.com:443', 'https://API.example.com'],
      [
        'https://example.com',
        'http://api.example.com',
        'https://api.example.com:8443',
        'https://a.api.example.com',
      ],
    ],
    ['https://api.example.com:8443', ['https://api.example.com:8443'], ['https://api.example.com']],
    [
      WILDCARD,
      ['https://a.example.com', 'https://a.b.example.com'],
      [
        'https://example.com',
        'https://evilexample.com',
        'https://a.example.com.evil.net',
        'http://a.example.com',
        'https://a.example.com:8443',
        'https://.example.net',
      ],
    ],
    [
      'https://*.example.com:8443',
      ['https://a.example.com:8443'],
      ['https://a.example.com', 'https://example.com:8443'],
    ],
    ['http://localhost:3000', ['http://localhost:3000'], ['http://localhost', 'https://localhost:3000']],
    ['http://127.0.0.1', ['http://127.0.0.1'], ['http://127.0.0.2']],
    ['http://[::1]:8080', ['http://[::1]:8080'], ['http://[::1]', 'http://[::2]:8080']],
    ['*', ['https://any.example.net', 'http://localhost:3000', 'http://[::1]'], ['http://any.example.net']],
  ];
  for (const [entry, allowed, refused] of ORIGINS) {
    test(`let ${entry} stand for what it says and for nothing else`, async () => {
      const { fetch, requests } = stubFetch();
      const client = createClient(configWith('environment', 'apiOrigins', [entry], { fetch }));
      for (const origin of refused) {
        await assert.rejects(
          client.authorizedFetch(`${origin}/x`),
          (error: Error) => error instanceof TypeError && error.message.includes('apiOrigins'),
          origin,
        );
      }
      assert.equal(requests.length, 0, 'a token was fetched for an origin outside');
      for (const origin of allowed)
        assert.equal((await client.authorizedFetch(`${origin}/x`)).status, 200, origin);
      assert.equal(requests.length, 1 + allowed.length);
    });
  }

  test('let a wildcard stand for host names only, whatever the URL of a platform takes for an origin', async (t) => {
    const { fetch, requests } = stubFetch();
    const environment = { ...ENDPOINTS, apiOrigins: ['https://*.example.com'] };
    const client = createClient({
      ...configWith('environment', 'apiOrigins', ['https://*.example.com'], { fetch }),
      environment,
    });
    const Platform = URL;
    t.after(() => void (globalThis.URL = Platform));
    // As React Native's does, which takes all up to the next slash.
    globalThis.URL = class extends Platform {
      override get origin() {
        return /^[^/]*\/\/[^/]*/.exec(this.href.replace('/?', '?'))![0];
      }
    } as typeof URL;

    for (const host of [
      'evil.example.org?.example.com',
      'evil.example.org?a.example.com',
      'evil.example.org#.example.com',
    ])
      await assert.rejects(client.authorizedFetch(`https://${host}`), /No credentials for/, host);

    assert.equal(requests.length, 0);
  });

  test('are not blamed where the URL of a platform has no origin', (t) => {
    const Platform = URL;
    t.after(() => void (globalThis.URL = Platform));
    // As React Native's without a polyfill.
    globalThis.URL = class extends Platform {
      override get origin(): string {
        throw new Error('URL.origin is not implemented');
      }
    } as typeof URL;

    assert.throws(() => createClient(configWith('', 'environment', ENDPOINTS)), {
      name: 'Error',
      message: 'URL.origin is not implemented',
    });
  });

  test('let * stand for plain http, too, where insecure requests are allowed', async () => {
    const { fetch } = stubFetch();
    const environment = { ...ENDPOINTS, apiOrigins: ['*'], allowInsecureRequests: true };
    const client = createClient({
      ...configWith('environment', 'apiOrigins', ['*'], { fetch }),
      environment,
    });

    assert.equal((await client.authorizedFetch('http://any.example.net/x')).status, 200);
  });

  test('may be a module, which has no prototype', async () => {
    const lines = Object.entries(ENDPOINTS).map(
      ([name, value]) => `export const ${name} = ${JSON.stringify(value)};`,
    );
    const environment = await import(`data:text/javascript,${encodeURIComponent(lines.join(''))}`);

    createClient(configWith('', 'environment', environment));
  });

  test('may have plain http on loopback hosts', () => {
    for (const host of ['localhost', 'a.localhost', '127.0.0.1', '127.255.1.9', '[::1]', 'localhost:8080']) {
      const url = `http://${host}/token`;
      createClient(
        configWith('', 'environment', {
          tokenUrl: url,
          revocationUrl: url,
          sessionUrl: url,
          apiOrigins: [`http://${host}`],
        }),
      );
    }
  });

  test('may have plain http elsewhere only with allowInsecureRequests: true', () => {
    const environment = { tokenUrl: 'http://auth.test/token', apiOrigins: ['http://api.test'] };
    createClient(configWith('', 'environment', { ...environment, allowInsecureRequests: true }));
    for (const allowInsecureRequests of [false, undefined]) {
      catchTypeError(
        () => createClient(configWith('', 'environment', { ...environment, allowInsecureRequests })),
        'http',
      );
    }
    // Not by inheritance: it is an explicit choice.
    const heir = Object.assign(Object.create({ allowInsecureRequests: true }), environment);
    catchTypeError(() => createClient(configWith('', 'environment', heir)), 'http');
    const other = { ...environment, tokenUrl: 'ftp://auth.test/token', allowInsecureRequests: true };
    catchTypeError(() => createClient(configWith('', 'environment', other)), 'ftp');
    const alike = { ...environment, tokenUrl: 'ws://http.example.com/token', allowInsecureRequests: true };
    catchTypeError(() => createClient(configWith('', 'environment', alike)), 'ws');
  });
});

describe('configFromEnvironment', () => {
  test('reads every documented variable', () => {
    const config = configFromEnvironment({
      env: {
        THINGSPACE_CLIENT_ID: 'invented-id',
        THINGSPACE_CLIENT_SECRET: 'invented-secret',
        THINGSPACE_SCOPES: ' discovery:read  serviceprofile:read ',
        THINGSPACE_M2M_TOKEN: 'invented-session',
        THINGSPACE_ENVIRONMENT: 'Staging',
        THINGSPACE_TIMEOUT: '2500',
      },
    });
    assert.deepEqual(config, {
      clientCredentialsAuthCredentials: {
        oauthClientId: 'invented-id',
        oauthClientSecret: 'invented-secret',
        oauthScopes: ['discovery:read', 'serviceprofile:read'],
      },
      vZM2mToken: 'invented-session',
      environment: 'Staging',
      timeout: 2500,
    });
    createClient(config);
  });

  test('reads a custom environment', () => {
    const config = configFromEnvironment({
      env: {
        THINGSPACE_CLIENT_ID: 'invented-id',
        THINGSPACE_TOKEN_URL: 'https://auth.example.com/token',
        THINGSPACE_API_ORIGINS: ' https://api.example.com  https://*.eu.example.com ',
        THINGSPACE_ENVIRONMENT: '',
      },
    });
    const apiOrigins = ['https://api.example.com', 'https://*.eu.example.com'];
    assert.deepEqual(config.environment, { tokenUrl: 'https://auth.example.com/token', apiOrigins });
    createClient(config);
  });

  test('reads where the session lives, how to authenticate, and further fields', async () => {
    const requests: Request[] = [];
    const env = {
      THINGSPACE_CLIENT_ID: 'invented-id',
      THINGSPACE_CLIENT_SECRET: 'invented secret',
      THINGSPACE_TOKEN_URL: 'https://auth.example.com/token',
      THINGSPACE_API_ORIGINS: 'https://api.example.com',
      THINGSPACE_SESSION_URL: 'https://sessions.example.com/session',
      THINGSPACE_TOKEN_PARAMS: 'audience=https%3A%2F%2Fapi.example.com&resource=a&resource=b+c',
    };
    const ask = async (more: object, given: object = {}) => {
      const config = configFromEnvironment({ env: { ...env, ...more }, ...given });
      const fetch = async (...[input, init]: Parameters<typeof globalThis.fetch>) => {
        requests.push(new Request(input, init));
        return Response.json({ access_token: 'invented', token_type: 'Bearer' });
      };
      await createClient({ ...config, fetch }).fetchToken();
      const request = requests.at(-1)!;
      const authorization = request.headers.get('authorization');
      return { config, authorization, form: new URLSearchParams(await request.text()) };
    };
    const basic = (text: string) => `Basic ${btoa(text)}`;

    const { config, authorization, form } = await ask({});
    assert.equal(Object(config.environment).sessionUrl, 'https://sessions.example.com/session');
    assert.equal(authorization, basic('invented-id:invented+secret'));
    assert.equal(form.get('audience'), 'https://api.example.com');
    assert.deepEqual(form.getAll('resource'), ['a', 'b c']);
    const how = async (name: string) => ask({ THINGSPACE_CLIENT_AUTHENTICATION: name });
    assert.equal((await how('basic')).authorization, authorization);
    assert.equal((await how('basic-raw')).authorization, basic('invented-id:invented secret'));
    const posted = await how('post');
    assert.deepEqual([posted.authorization, posted.form.get('client_secret')], [null, 'invented secret']);
    const given = await ask({}, { oauthParams: { audience: 'given' } });
    assert.equal(given.form.get('audience'), 'given');
    const named = configFromEnvironment({
      env: { THINGSPACE_CLIENT_ID: 'invented-id', THINGSPACE_TOKEN_PARAMS: 'audience=a' },
    });
    assert.deepEqual(named.clientCredentialsAuthCredentials.oauthParams, { audience: 'a' });
  });

  test('refuses what it cannot read of these', () => {
    const refusal = (env: object, given: object = {}) =>
      catchTypeError(
        () => configFromEnvironment({ env: { THINGSPACE_CLIENT_ID: 'invented-id', ...env }, ...given }),
        MARKER,
      ).message;

    for (const name of [MARKER, 'toString'])
      assert.equal(
        refusal({ THINGSPACE_CLIENT_AUTHENTICATION: name }),
        'THINGSPACE_CLIENT_AUTHENTICATION must be basic, basic-raw or post',
      );
    assert.equal(
      refusal({ THINGSPACE_CLIENT_AUTHENTICATION: 'post' }, { clientAuthentication: () => {} }),
      'THINGSPACE_CLIENT_AUTHENTICATION must not be set beside clientAuthentication',
    );
    assert.equal(
      refusal({ THINGSPACE_SESSION_URL: `${MARKER}.example` }),
      'THINGSPACE_SESSION_URL must be a URL like https://api.example.com/api/m2m/v1/session',
    );
    for (const more of [{}, { THINGSPACE_ENVIRONMENT: 'Staging' }])
      assert.equal(
        refusal({ THINGSPACE_SESSION_URL: 'https://api.example.com', ...more }),
        'THINGSPACE_SESSION_URL must be set beside THINGSPACE_TOKEN_URL and THINGSPACE_API_ORIGINS',
      );
  });

  test('refuses half of a custom environment, and a named one beside it', () => {
    const THINGSPACE_CLIENT_ID = 'invented-id';
    const [THINGSPACE_TOKEN_URL, THINGSPACE_API_ORIGINS] = [
      `https://${MARKER}.example/`,
      `https://${MARKER}.example`,
    ];
    const both = { THINGSPACE_TOKEN_URL, THINGSPACE_API_ORIGINS, THINGSPACE_ENVIRONMENT: 'Staging' };
    for (const wrong of [{ THINGSPACE_TOKEN_URL }, { THINGSPACE_API_ORIGINS }, both]) {
      const { message } = catchTypeError(
        () => configFromEnvironment({ env: { THINGSPACE_CLIENT_ID, ...wrong } }),
        MARKER,
      );
      assert.equal(
        message,
        'THINGSPACE_TOKEN_URL and THINGSPACE_API_ORIGINS must be set together, and without THINGSPACE_ENVIRONMENT',
      );
    }
  });

  test('takes options of the credentials, which win over their variables', () => {
    const oauthTokenProvider = () => ({ accessToken: 'invented', tokenType: 'Bearer' }) as const;
    const given = { oauthClientId: 'given-id', oauthScopes: ['read'], oauthTokenProvider } as const;

    const alone = configFromEnvironment({ env: {}, ...given });
    const beside = configFromEnvironment({
      env: {
        THINGSPACE_CLIENT_ID: 'invented-id',
        THINGSPACE_CLIENT_SECRET: 'invented-secret',
        THINGSPACE_SCOPES: 'a,b',
      },
      ...given,
      oauthClientSecret: undefined,
    });

    const { oauthClientSecret, ...credentials } = beside.clientCredentialsAuthCredentials;
    assert.equal(oauthClientSecret, 'invented-secret');
    assert.deepEqual(credentials, given);
    for (const config of [alone, beside]) createClient(config);
  });

  test('says what to write in a list and in a URL', () => {
    const at = (more: object) => {
      const other = {
        THINGSPACE_TOKEN_URL: 'https://auth.example.com/token',
        THINGSPACE_API_ORIGINS: 'https://api.example.com',
      };
      const env = { THINGSPACE_CLIENT_ID: 'invented-id', ...other, ...more };
      return catchTypeError(() => configFromEnvironment({ env }), MARKER).message;
    };
    const url = 'THINGSPACE_TOKEN_URL must be a URL like https://auth.example.com/token';
    const origins = 'THINGSPACE_API_ORIGINS must be origins like https://api.example.com, without a path';

    for (const THINGSPACE_TOKEN_URL of [`${MARKER}.example/token`, `http://${MARKER}.example/token`])
      assert.equal(at({ THINGSPACE_TOKEN_URL }), url);
    for (const THINGSPACE_API_ORIGINS of [`${MARKER}.example`, `https://${MARKER}.example/path`])
      assert.equal(at({ THINGSPACE_API_ORIGINS }), origins);
    for (const name of ['THINGSPACE_SCOPES', 'THINGSPACE_API_ORIGINS']) {
      const list = `https://${MARKER}.example,https://${MARKER}.example`;
      assert.equal(at({ [name]: list }), `${name} must be separated by spaces, not by commas`);
    }
  });

  test('takes every origin, subdomains, and plain http to this machine', () => {
    for (const THINGSPACE_API_ORIGINS of ['*', 'https://*.example.com http://127.0.0.1:8080']) {
      const other = { THINGSPACE_TOKEN_URL: 'http://localhost:8080/token', THINGSPACE_API_ORIGINS };
      createClient(configFromEnvironment({ env: { THINGSPACE_CLIENT_ID: 'invented-id', ...other } }));
    }
  });

  test('takes an empty variable for an absent one', async () => {
    const config = configFromEnvironment({
      env: {
        THINGSPACE_CLIENT_ID: 'invented-id',
        THINGSPACE_CLIENT_SECRET: '',
        THINGSPACE_SCOPES: '',
        THINGSPACE_M2M_TOKEN: '',
        THINGSPACE_ENVIRONMENT: '',
        THINGSPACE_TIMEOUT: '',
      },
    });
    assert.deepEqual(JSON.parse(JSON.stringify(config)), {
      clientCredentialsAuthCredentials: { oauthClientId: 'invented-id' },
      timeout: 0,
    });
    await assert.rejects(createClient(config).fetchToken(), { code: 'no_credentials' });
  });

  test('names the variable that is missing or wrong, and never its value', () => {
    for (const env of [{}, { THINGSPACE_CLIENT_ID: '' }]) {
      assert.match(
        catchTypeError(() => configFromEnvironment({ env }), 'id').message,
        /^THINGSPACE_CLIENT_ID must/,
      );
    }
    for (const THINGSPACE_TIMEOUT of [MARKER, '-1', 'Infinity', 'NaN']) {
      const env = { THINGSPACE_CLIENT_ID: 'invented-id', THINGSPACE_TIMEOUT };
      const { message } = catchTypeError(() => configFromEnvironment({ env }), THINGSPACE_TIMEOUT);
      assert.match(message, /^THINGSPACE_TIMEOUT must/);
      assert.ok(!message.includes(THINGSPACE_TIMEOUT));
    }
    for (const THINGSPACE_ENVIRONMENT of [MARKER, 'production', 'toString']) {
      const env = { THINGSPACE_CLIENT_ID: 'invented-id', THINGSPACE_ENVIRONMENT };
      const { message } = catchTypeError(() => configFromEnvironment({ env }), THINGSPACE_ENVIRONMENT);
      assert.equal(
        message,
        'THINGSPACE_ENVIRONMENT must be one of Production, MockServerForLimitedAvailabilitySeeQuickStart, Staging',
      );
    }
  });

  test('reads process.env by default, and nothing where there is no process', () => {
    process.env.THINGSPACE_CLIENT_ID = 'from-the-process';
    try {
      assert.equal(
        configFromEnvironment().clientCredentialsAuthCredentials.oauthClientId,
        'from-the-process',
      );
      const saved = globalThis.process;
      for (const lacking of [undefined, {}]) {
        Object.assign(globalThis, { process: lacking });
        let error: unknown;
        try {
          configFromEnvironment();
        } catch (thrown) {
          error = thrown;
        } finally {
          Object.assign(globalThis, { process: saved });
        }
        assert.ok(error instanceof TypeError && error.message.includes('THINGSPACE_CLIENT_ID'));
      }
    } finally {
      delete process.env.THINGSPACE_CLIENT_ID;
    }
  });
});

function configWith(group: Path[0], option: string, value: unknown, more: object = {}): ClientConfig {
  const config: Record<string, any> = {
    clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthClientSecret: 'invented-secret' },
    ...more,
  };
  if (group === 'environment') config.environment = { ...ENDPOINTS };
  if (group === 'retry') config.retry = {};
  (group ? config[group] : config)[option] = value;
  return config as ClientConfig;
}

function catchTypeError(call: () => unknown, label: string): TypeError {
  try {
    call();
  } catch (error) {
    assert.ok(error instanceof TypeError, `${label}: ${error}`);
    return error;
  }
  assert.fail(`${label} was accepted`);
}

/**
 * A configuration with an option of its own that is called `__proto__`, in itself or in one of its groups.
 */
function withOwnPrototype(group: string): ClientConfig {
  const config = configWith('', 'timeout', 0) as unknown as Record<string, object>;
  const groups: Record<string, object> = { ...config, environment: ENDPOINTS };
  const given = group ? { ...config, [group]: { ...groups[group] } } : { ...config };
  const target = group ? (given[group] as object) : given;
  Object.defineProperty(target, '__proto__', { value: MARKER, enumerable: true, configurable: true });
  return given as unknown as ClientConfig;
}

function describeValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(describeValue)}]`;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}

/** For hosts that no test may reach. */
function stubFetch(): { fetch: Fetch; requests: { url: string; init: RequestInit }[] } {
  const requests: { url: string; init: RequestInit }[] = [];
  const fetch: Fetch = async (input, init = {}) => {
    requests.push({ url: String(input), init });
    return Response.json({ access_token: 'a', token_type: 'Bearer', expires_in: 3600 });
  };
  return { fetch, requests };
}
