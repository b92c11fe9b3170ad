/** The command, as a process of its own, against the mock over real HTTP. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createMockServer, type MockServerOptions } from 'thingspace-auth/testing';
import { type Outcome, startStandIn } from '../support/standIn.ts';

const COMMAND = join(import.meta.dirname, '../../../dist/command.js');
const SECRETS =
  /invented secret|invented\+secret|invented%20secret|invented-password|aW52ZW50ZWQ|mock-access-token|mock-session-token/;

interface Setting {
  readonly mock?: MockServerOptions;
  /** What stands before the mock. */
  readonly answer?: (request: Request, next: () => Promise<Response>) => Response | Promise<Response>;
  readonly script?: (mock: ReturnType<typeof createMockServer>) => void;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Runs the command with the variables of an invented client of one server; `{origin}` stands for that in
 * arguments and variables.
 */
async function run(
  t: TestContext,
  args: string[],
  { mock: options, answer, script, env = {} }: Setting = {},
) {
  const mock = createMockServer({ clients: { 'invented-key': 'invented secret' }, ...options });
  script?.(mock);
  const fetch = async (request: any) =>
    answer ? answer(request, () => mock.fetch(request)) : mock.fetch(request);
  const origin = await startStandIn(t, { fetch } as never);
  const here = (text: string) => text.replace('{origin}', origin);
  const variables = Object.fromEntries(
    Object.entries({ ...VARIABLES, ...env }).map(([name, value]) => [name, here(value)]),
  );
  const outcome = await start(args.map(here), variables);
  const isToken = args[0] === 'token' && outcome.exitCode === 0;
  assert.doesNotMatch(isToken ? outcome.stderr : outcome.stdout + outcome.stderr, SECRETS);
  return { ...outcome, mock, origin };
}

const ACCOUNT = { THINGSPACE_USERNAME: 'invented-user', THINGSPACE_PASSWORD: 'invented-password' };

const VARIABLES = {
  THINGSPACE_CLIENT_ID: 'invented-key',
  THINGSPACE_CLIENT_SECRET: 'invented secret',
  THINGSPACE_TOKEN_URL: '{origin}/api/ts/v1/oauth2/token',
  THINGSPACE_API_ORIGINS: '{origin}',
};

function start(args: string[], env: Readonly<Record<string, string>>): Promise<Outcome> {
  // Those of this process that measure what its children run.
  const { PATH, NODE_OPTIONS, NODE_V8_COVERAGE } = process.env;
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [COMMAND, ...args],
      { env: { PATH, NODE_OPTIONS, NODE_V8_COVERAGE, ...env }, timeout: 30_000 },
      (error, stdout, stderr) => resolve({ stdout, stderr, exitCode: error ? Number(error.code ?? 1) : 0 }),
    );
  });
}

const seen = ({ mock }: Awaited<ReturnType<typeof run>>) =>
  mock.requests.map(({ path, status }) => `${path.split('/').at(-1)} ${status}`);

test('token prints the access token and nothing else', async (t) => {
  const outcome = await run(t, ['token']);

  assert.match(outcome.stdout, /^mock-access-token-\w+-1\n$/);
  assert.deepEqual([outcome.stderr, outcome.exitCode], ['', 0]);
});

test('token says on the other stream what is wrong, and what to do', async (t) => {
  const outcome = await run(t, ['token'], { mock: { clients: {} } });

  assert.equal(outcome.stdout, '');
  assert.match(outcome.stderr, /invalid_client[^]*\nCheck THINGSPACE_CLIENT_ID and THINGSPACE_CLIENT_SECRET/);
  assert.equal(outcome.exitCode, 1);
});

test('check says step by step what works, and calls the URL with the token', async (t) => {
  const outcome = await run(t, ['check', '{origin}/api/mec/eds/regions?key=invented-key'], {
    mock: { scopes: ['discovery:read'] },
    env: { THINGSPACE_SCOPES: 'discovery:read' },
    answer: async (_request, next) => {
      const answer = await next();
      return withHeaders(answer, { via: '1.1 gateway.example', server: 'invented' });
    },
  });

  assert.equal(outcome.stderr, '');
  const lines = outcome.stdout
    .replaceAll(outcome.origin, '')
    .replace(/\d+ ms/g, 'N ms')
    .split('\n');
  assert.deepEqual(lines, [
    'ok    variables  set: THINGSPACE_API_ORIGINS, THINGSPACE_CLIENT_ID, THINGSPACE_CLIENT_SECRET, THINGSPACE_SCOPES, THINGSPACE_TOKEN_URL',
    'ok    endpoint   /api/ts/v1/oauth2/token answered 200 in N ms; server: invented; through a proxy: 1.1 gateway.example',
    lines[2],
    'ok    token      granted for 3600 s; scopes granted: discovery:read; asked for: discovery:read',
    'ok    call       GET /api/mec/eds/regions answered 200 in N ms',
    '',
  ]);
  assert.match(lines[2]!, /^ok    clock      this machine's clock is \d s (behind|ahead of) the server's$/);
  assert.equal(outcome.exitCode, 0);
  assert.deepEqual(seen(outcome), ['token 200', 'regions 200']);
});

/**
 * What check finds, as the failed steps of its object; each stands beside what the message and the advice
 * must say.
 */
const FAILURES: readonly (readonly [
  what: string,
  step: string,
  message: RegExp,
  next: RegExp,
  setting: Setting,
  ...args: string[],
])[] = [
  [
    'a wrong secret',
    'token',
    /invalid_client/,
    /Check THINGSPACE_CLIENT_ID and THINGSPACE_CLIENT_SECRET/,
    { env: { THINGSPACE_CLIENT_SECRET: 'another invented secret' } },
  ],
  [
    'a scope that is refused',
    'token',
    /invalid_scope/,
    /THINGSPACE_SCOPES/,
    { mock: { scopes: ['discovery:read'] }, env: { THINGSPACE_SCOPES: 'serviceprofile:read' } },
  ],
  [
    'another refusal',
    'token',
    /unauthorized_client/,
    /Ask who runs the server what "unauthorized_client" means/,
    {
      script: ({ failNext }) =>
        failNext('token', Response.json({ error: 'unauthorized_client' }, { status: 400 })),
    },
  ],
  [
    'a scope that is left out',
    'token',
    /scopes granted: discovery:read; asked for: discovery:read serviceprofile:read/,
    /Have the application granted serviceprofile:read/,
    {
      mock: { tokenResponse: (body) => ({ ...body, scope: 'discovery:read' }) },
      env: { THINGSPACE_SCOPES: 'discovery:read serviceprofile:read' },
    },
  ],
  [
    'two scopes that are left out',
    'token',
    /scopes granted: a d; asked for: a b c$/,
    /Have the application granted b and c, or leave it out of THINGSPACE_SCOPES/,
    { mock: { tokenResponse: (body) => ({ ...body, scope: 'a d' }) }, env: { THINGSPACE_SCOPES: 'a b c' } },
  ],
  [
    'an endpoint that throttles',
    'endpoint',
    /answered 429/,
    /throttles or is unavailable: wait/,
    { script: ({ failNext }) => failNext('token', 429) },
  ],
  [
    "a proxy's page",
    'endpoint',
    /answered 200 in \d+ ms; .*text\/html/,
    /Something else answered[^]*proxy/,
    {
      script: ({ failNext }) =>
        failNext('token', new Response('<html>Sign in', { headers: { 'content-type': 'text/html' } })),
    },
  ],
  [
    "a proxy's 407",
    'endpoint',
    /fetch failed/,
    /a proxy asks for its own user name and password/,
    {
      script: ({ failNext }) =>
        failNext('token', new Response('<html>', { status: 407, headers: { 'content-type': 'text/html' } })),
    },
  ],
  [
    'an endpoint that has failed',
    'endpoint',
    /answered 500/,
    /unavailable: wait/,
    { script: ({ failNext }) => failNext('token', 500) },
  ],
  [
    'an endpoint that is down',
    'endpoint',
    /answered 503/,
    /unavailable: wait/,
    { script: ({ failNext }) => failNext('token', 503) },
  ],
  [
    'a host that nobody answers at',
    'endpoint',
    /^No answer from http.*: connect ECONNREFUSED 127\.0\.0\.1:65535$/,
    /Check host, DNS and firewall\. Behind a proxy, set HTTPS_PROXY/,
    { env: { THINGSPACE_TOKEN_URL: 'http://127.0.0.1:65535/token' } },
  ],
  [
    'a host that nobody answers at, and a proxy that is not asked',
    'endpoint',
    /ECONNREFUSED/,
    /HTTPS_PROXY is set; Node heeds it with NODE_USE_ENV_PROXY=1/,
    {
      env: {
        THINGSPACE_TOKEN_URL: 'http://127.0.0.1:65535/token',
        HTTPS_PROXY: 'http://invented-user:invented-password@127.0.0.1:65535',
      },
    },
  ],
  [
    'a host that nobody answers at, and a proxy that is asked',
    'endpoint',
    /ECONNREFUSED/,
    /HTTPS_PROXY is set\.$/,
    {
      env: {
        THINGSPACE_TOKEN_URL: 'http://127.0.0.1:65535/token',
        HTTPS_PROXY: 'http://127.0.0.1:65535',
        NODE_USE_ENV_PROXY: '1',
      },
    },
  ],
  [
    'an answer that does not come',
    'endpoint',
    /100 ms/,
    /raise THINGSPACE_TIMEOUT/,
    { env: { THINGSPACE_TIMEOUT: '100' }, answer: () => new Promise(() => {}) },
  ],
  [
    'a clock that is more than a minute off',
    'clock',
    /clock is (89|90|91) s ahead of the server's/,
    /\(NTP\)/,
    { answer: async (_request, next) => withDate(await next(), Date.now() - 90_000) },
  ],
  [
    'a clock that is ten minutes off',
    'clock',
    /clock is (599|600|601) s behind the server's/,
    /\(NTP\)/,
    { answer: async (_request, next) => withDate(await next(), Date.now() + 600_000) },
  ],
  ['no id', 'variables', /THINGSPACE_CLIENT_ID must be set/, /--help/, { env: { THINGSPACE_CLIENT_ID: '' } }],
  [
    'no secret',
    'variables',
    /THINGSPACE_CLIENT_SECRET must be set/,
    /--env/,
    { env: { THINGSPACE_CLIENT_SECRET: '' } },
  ],
  [
    'half an environment',
    'variables',
    /THINGSPACE_TOKEN_URL and THINGSPACE_API_ORIGINS must be set together/,
    /--help/,
    { env: { THINGSPACE_API_ORIGINS: '' } },
  ],
  [
    'an http token URL',
    'variables',
    /tokenUrl must be an https/,
    /--help/,
    { env: { THINGSPACE_TOKEN_URL: 'http://auth.example.com/token' } },
  ],
  [
    'no password for the login',
    'variables',
    /THINGSPACE_USERNAME and THINGSPACE_PASSWORD must be set/,
    /--env/,
    {},
    '--login',
  ],
  [
    'a login that is refused',
    'login',
    /session/i,
    /five failed logins in a row lock the account/,
    {
      mock: { users: { 'invented-user': 'right' } },
      env: { THINGSPACE_USERNAME: 'invented-user', THINGSPACE_PASSWORD: 'invented-password' },
    },
    '--login',
  ],
  [
    'a login that cannot be had now',
    'login',
    /session/i,
    /wait, then try again/i,
    {
      script: ({ failNext }) => failNext('login', 503),
      env: { THINGSPACE_USERNAME: 'invented-user', THINGSPACE_PASSWORD: 'invented-password' },
    },
    '--login',
  ],
  [
    'a login without a session',
    'login',
    /session/i,
    /Wait, then try again/,
    {
      script: ({ failNext }) => failNext('login', Response.json({})),
      env: { THINGSPACE_USERNAME: 'invented-user', THINGSPACE_PASSWORD: 'invented-password' },
    },
    '--login',
  ],
  [
    "a proxy's 407 that the platform shows",
    'endpoint',
    /answered 407/,
    /a proxy asks for its own/,
    { env: preloading("globalThis.fetch = async () => new Response('<html>', { status: 407 });") },
  ],
  [
    'a failure that is more than a bare "fetch failed"',
    'endpoint',
    /fetch failed \(EINVENTED\)$/,
    /Check host/,
    { env: rejecting('fetch failed', 'EINVENTED') },
  ],
  [
    'a failure that only ends like that',
    'endpoint',
    /: an invented fetch failed$/,
    /Check host/,
    { env: rejecting('an invented fetch failed', '') },
  ],
  [
    'an authority that is not trusted',
    'endpoint',
    /self-signed certificate in certificate chain \(SELF_SIGNED_CERT_IN_CHAIN\)/,
    /NODE_EXTRA_CA_CERTS/,
    { env: rejecting('self-signed certificate in certificate chain', 'SELF_SIGNED_CERT_IN_CHAIN') },
  ],
  [
    'a certificate that has ended',
    'endpoint',
    /certificate has expired/,
    /Check this machine's clock/,
    { env: rejecting('certificate has expired', 'CERT_HAS_EXPIRED') },
  ],
  [
    'an API of another origin',
    'call',
    /example\.com/,
    /THINGSPACE_API_ORIGINS/,
    {},
    'https://api.example.com/orders',
  ],
  [
    'an API that cannot be reached',
    'call',
    /ECONNREFUSED/,
    /Check host/,
    { env: { THINGSPACE_API_ORIGINS: 'http://127.0.0.1:65535' } },
    'http://127.0.0.1:65535/orders',
  ],
  [
    'an API that refuses the token',
    'call',
    /answered 401/,
    /one environment/,
    { script: ({ failNext }) => failNext('api', 401, 2) },
    '{origin}/api',
  ],
  [
    'an API that throttles',
    'call',
    /answered 429/,
    /throttles or is unavailable: wait/,
    { script: ({ failNext }) => failNext('api', 429) },
    '{origin}/api',
  ],
  [
    'an API that has failed',
    'call',
    /answered 500/,
    /throttles or is unavailable: wait/,
    { script: ({ failNext }) => failNext('api', 500) },
    '{origin}/api',
  ],
  [
    'an API that forbids',
    'call',
    /answered 403/,
    /does not suffice/,
    { script: ({ failNext }) => failNext('api', 403) },
    '{origin}/api',
  ],
  [
    'an API that is down',
    'call',
    /answered 503/,
    /wait/,
    { script: ({ failNext }) => failNext('api', 503) },
    '{origin}/api',
  ],
  ['an API without its session', 'call', /answered 400/, /--login/, {}, '{origin}/api/m2m/v1/accounts'],
];

for (const [what, step, message, next, setting, ...args] of FAILURES) {
  test(`check tells of ${what}`, async (t) => {
    const { stdout, stderr, exitCode } = await run(t, ['check', '--json', ...args], setting);

    const { ok, steps, error } = JSON.parse(stdout);
    const failed = steps.filter((each: { ok: boolean }) => !each.ok);
    assert.deepEqual(
      failed.map(({ name }: { name: string }) => name),
      [step],
    );
    assert.match(failed[0].message, message);
    assert.match(failed[0].next, next);
    assert.deepEqual(
      [ok, error, stderr, exitCode],
      [false, { message: failed[0].message, next: failed[0].next }, '', 1],
    );
    assert.equal(stdout, `${JSON.stringify({ ok, steps, error }, null, 2)}\n`);
  });
}

/** What makes every `fetch` of the command reject as the platform's does. */
function rejecting(reason: string, code: string): Readonly<Record<string, string>> {
  const cause = `Object.assign(new Error(${JSON.stringify(reason)}), { code: '${code}' })`;
  return preloading(
    `globalThis.fetch = async () => { throw new TypeError('fetch failed', { cause: ${cause} }); };`,
  );
}

function preloading(program: string): Readonly<Record<string, string>> {
  return {
    NODE_OPTIONS: [
      process.env.NODE_OPTIONS,
      `--import=data:text/javascript,${encodeURIComponent(program)}`,
    ].join(' '),
  };
}

function withDate(answer: Response, ms: number): Response {
  return withHeaders(answer, { date: new Date(ms).toUTCString() });
}

function withHeaders({ status, headers, body }: Response, more: Record<string, string>): Response {
  return new Response(body, { status, headers: { ...Object.fromEntries(headers), ...more } });
}

test('check --json prints what it found as fields, too', async (t) => {
  const outcome = await run(
    t,
    ['check', '{origin}/api/mec/eds/regions?key=invented-key', '--json', '--login'],
    {
      mock: { scopes: ['discovery:read'], expiresIn: 60 },
      env: {
        THINGSPACE_SCOPES: 'discovery:read',
        THINGSPACE_M2M_TOKEN: ' ',
        MY_THINGSPACE_VARIABLE: 'invented',
        ...ACCOUNT,
      },
      answer: async (_request, next) => {
        const answer = await next();
        return withHeaders(answer, { via: '1.1 gateway.example', server: 'invented' });
      },
    },
  );
  const { origin } = outcome;
  const set = [
    'THINGSPACE_API_ORIGINS',
    'THINGSPACE_CLIENT_ID',
    'THINGSPACE_CLIENT_SECRET',
    'THINGSPACE_PASSWORD',
    'THINGSPACE_SCOPES',
    'THINGSPACE_TOKEN_URL',
    'THINGSPACE_USERNAME',
  ];
  const isNumber: string[] = [];
  const { ok, steps, ...more } = JSON.parse(outcome.stdout, (name, value) => {
    if (!/durationMs|offsetSeconds/.test(name)) return value;
    isNumber.push(typeof value);
    return name;
  });

  assert.deepEqual([ok, more, outcome.exitCode, outcome.stderr], [true, {}, 0, '']);
  assert.deepEqual(isNumber, Array(4).fill('number'));
  assert.deepEqual(
    steps.map(({ message: _, ...fields }: { message: string }) => fields),
    [
      { name: 'variables', ok: true, set },
      {
        name: 'endpoint',
        ok: true,
        url: `${origin}/api/ts/v1/oauth2/token`,
        status: 200,
        durationMs: 'durationMs',
        server: 'invented',
        via: '1.1 gateway.example',
      },
      { name: 'clock', ok: true, offsetSeconds: 'offsetSeconds' },
      { name: 'token', ok: true, expiresIn: 60, granted: ['discovery:read'], asked: ['discovery:read'] },
      { name: 'notice', ok: true },
      { name: 'login', ok: true, durationMs: 'durationMs' },
      { name: 'call', ok: true, url: `${origin}/api/mec/eds/regions`, status: 200, durationMs: 'durationMs' },
    ],
  );
  const messages = steps.map(({ message }: { message: string }) =>
    message.replaceAll(origin, '').replace(/\d+ m?s/, 'N'),
  );
  assert.deepEqual(messages.slice(3), [
    'granted for N; scopes granted: discovery:read; asked for: discovery:read',
    'one M2M login follows; a failed one counts, and five in a row lock the account',
    'the M2M login brought a session in N',
    'GET /api/mec/eds/regions answered 200 in N',
  ]);
});

test('check --json says of a failed call where it went, and of a refused one with which status', async (t) => {
  const stepOf = async (setting: Setting, url: string) =>
    JSON.parse((await run(t, ['check', '--json', url], setting)).stdout).steps.at(-1);

  const {
    message: _,
    next: __,
    durationMs,
    ...refused
  } = await stepOf({ script: ({ failNext }) => failNext('api', 404) }, '{origin}/api?key=invented');
  assert.match(refused.url, /^http:\/\/127\.0\.0\.1:\d+\/api$/);
  assert.deepEqual([refused.name, refused.status, typeof durationMs], ['call', 404, 'number']);
  const failed = await stepOf({}, 'https://api.example.com/orders?key=invented');
  assert.deepEqual([failed.name, failed.ok, failed.url], ['call', false, 'https://api.example.com/orders']);
});

test('check names the variable that leads to a proxy', async (t) => {
  for (const name of ['https_proxy', 'HTTP_PROXY', 'http_proxy']) {
    const { stdout } = await run(t, ['check'], {
      env: { THINGSPACE_TOKEN_URL: 'http://127.0.0.1:65535/token', [name]: 'http://127.0.0.1:65535' },
    });
    assert.ok(stdout.includes(`${name} is set; Node heeds it`), name);
  }
});

test('check reads nothing of what an API answers', async (t) => {
  const program = `
    globalThis.fetch = async (input) => {
      const body = new ReadableStream({ cancel: () => void process.stderr.write('thrown away') });
      if (new Request(input).url.endsWith('/orders')) return new Response(body);
      return Response.json({ access_token: 'invented' });
    };`;
  const { stdout, stderr } = await run(t, ['check', '{origin}/orders'], { env: preloading(program) });

  assert.match(stdout, /\nok    call /);
  assert.equal(stderr, 'thrown away');
});

test('check compares the clocks in the middle of the request', async (t) => {
  // An invented request of 40 s; `Date` has whole seconds.
  for (const [serverMs, offsetSeconds, where] of [
    [20_000, 0, '0 s'],
    [17_000, 3, '3 s ahead of'],
    [23_000, -3, '3 s behind'],
  ] as const) {
    const program = `
      let nowMs = ${Date.UTC(2030, 0, 1)};
      Date.now = () => nowMs;
      globalThis.fetch = async () => {
        const headers = { date: new Date(nowMs + ${serverMs}).toUTCString() };
        nowMs += 40_000;
        return Response.json({ access_token: 'invented', token_type: 'Bearer' }, { headers });
      };`;
    const { steps } = JSON.parse((await run(t, ['check', '--json'], { env: preloading(program) })).stdout);
    const clock = steps.find(({ name }: { name: string }) => name === 'clock');
    assert.ok(clock.ok && Math.abs(clock.offsetSeconds - offsetSeconds) < 1e-9, clock.offsetSeconds);
    assert.ok(clock.message.includes(`clock is ${where}`), clock.message);
    assert.equal(steps[1].durationMs, 40_000);
  }
});

test('check says nothing of the clock where the server does not say what time it is', async (t) => {
  const { stdout } = await run(t, ['check'], {
    env: preloading("globalThis.fetch = async () => Response.json({ access_token: 'invented' });"),
  });

  assert.match(stdout, /^ok    variables .*\nok    endpoint   [^;]+ answered 200 in \d+ ms\nok    token /);
});

test('check goes no further where it got no token', async (t) => {
  const outcome = await run(t, ['check', '--json', '--login', '{origin}/orders'], {
    mock: { clients: {} },
    env: ACCOUNT,
  });

  const { steps } = JSON.parse(outcome.stdout);
  assert.deepEqual(
    steps.map(({ name }: { name: string }) => name),
    ['variables', 'endpoint', 'clock', 'token'],
  );
  assert.match(steps.at(-1).message, /: Client authentication failed\.$/);
  assert.deepEqual(seen(outcome), ['token 401']);
});

test('check takes a call for done that is answered without a body', async (t) => {
  const outcome = await run(t, ['check', '{origin}/orders'], {
    script: ({ failNext }) => failNext('api', new Response(null, { status: 204 })),
  });

  assert.match(outcome.stdout, /\nok    call       GET \S+\/orders answered 204 in \d+ ms\n$/);
});

test('check misses no scope where the server says none', async (t) => {
  const { stdout, exitCode } = await run(t, ['check'], {
    mock: { tokenResponse: ({ access_token }) => ({ access_token }) },
    env: { THINGSPACE_SCOPES: 'discovery:read' },
  });

  assert.match(
    stdout,
    /ok    token      granted without a known end; scopes granted: not said; asked for: discovery:read\n$/,
  );
  assert.equal(exitCode, 0);
});

test("check asks for no switch of Node's in Bun and Deno, which heed a proxy by themselves", async (t) => {
  for (const runtime of ['bun', 'deno']) {
    const versions = `{ ...process.versions, ${runtime}: '9.9.9' }`;
    const program = `Object.defineProperty(process, 'versions', { value: ${versions} });`;
    const env = {
      THINGSPACE_TOKEN_URL: 'http://127.0.0.1:65535/token',
      HTTPS_PROXY: 'http://127.0.0.1:65535',
      ...preloading(program),
    };
    assert.match((await run(t, ['check'], { env })).stdout, /HTTPS_PROXY is set\.\n$/, runtime);
  }
});

test('check says a failure in words, with what to do next', async (t) => {
  const { stdout, exitCode } = await run(t, ['check'], {
    env: { THINGSPACE_CLIENT_SECRET: 'another invented secret' },
  });

  assert.match(
    stdout,
    /\nok    endpoint .*\n[^]*\nFAIL  token      .*invalid_client.*\n      next:      Check THINGSPACE_CLIENT_ID .*\n$/,
  );
  assert.equal(exitCode, 1);
});

test('check never logs in by itself, and with --login once, after it has said that failures count', async (t) => {
  const env = { THINGSPACE_USERNAME: 'invented-user', THINGSPACE_PASSWORD: 'invented-password' };
  const devices = '{origin}/api/m2m/v1/accounts';

  assert.deepEqual(seen(await run(t, ['check', devices], { env })), ['token 200', 'accounts 400']);
  assert.deepEqual(seen(await run(t, ['check', '--login'], { env })), ['token 200', 'login 200']);
  const outcome = await run(t, ['check', '--login', devices], { env });
  assert.match(outcome.stdout, /notice .*five in a row lock the account\nok    login .*\nok    call/);
  assert.deepEqual(seen(outcome), ['token 200', 'login 200', 'accounts 200']);
  const refused = await run(t, ['check', '--login', devices], { env, mock: { users: {} } });
  assert.deepEqual(seen(refused), ['token 200', 'login 401']);
});

test('check logs in also where no API lies at the origin of the token endpoint', async (t) => {
  const outcome = await run(t, ['check', '--login'], {
    env: { ...ACCOUNT, THINGSPACE_API_ORIGINS: 'https://api.example.com' },
  });

  assert.equal(outcome.exitCode, 0);
  assert.deepEqual(seen(outcome), ['token 200', 'login 200']);
});

test('check logs in to a named environment', async (t) => {
  const mock = createMockServer();
  const env = {
    THINGSPACE_CLIENT_ID: 'invented-key',
    THINGSPACE_CLIENT_SECRET: 'invented secret',
    THINGSPACE_USERNAME: 'invented-user',
    THINGSPACE_PASSWORD: 'invented-password',
  };
  const module = join(import.meta.dirname, '../support/standInPreload.js');
  const preload = {
    STAND_IN: await startStandIn(t, mock),
    NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${module}`,
  };

  const { stdout, exitCode } = await start(['check', '--login'], { ...env, ...preload });

  assert.match(
    stdout,
    /https:\/\/thingspace\.verizon\.com\/api\/ts\/v1\/oauth2\/token answered 200[^]*ok    login/,
  );
  assert.equal(exitCode, 0);
});

test('check tells of a token without a known end, and of no variable at all', async (t) => {
  const { stdout } = await run(t, ['check'], {
    mock: { tokenResponse: ({ access_token }) => ({ access_token }) },
  });
  assert.match(stdout, /token      granted without a known end; scopes granted: not said; asked for: none/);

  assert.match(
    (await start(['check'], {})).stdout,
    /THINGSPACE_CLIENT_ID must be set to the client id; set: none/,
  );
});

test('check makes one token request, whatever comes of it', async (t) => {
  assert.deepEqual(
    seen(await run(t, ['check', '--json'], { script: ({ failNext }) => failNext('token', 503, 9) })),
    ['token 503'],
  );
});

test('the call is renewed and replayed once, as any other', async (t) => {
  const outcome = await run(t, ['check', '{origin}/api/mec/eds/regions'], {
    mock: { sameToken: false },
    script: ({ failNext }) => failNext('api', 401),
  });

  assert.equal(outcome.exitCode, 0);
  assert.deepEqual(seen(outcome), ['token 200', 'regions 401', 'token 200', 'regions 200']);
});

test('a server that repeats the secret, or sends what a terminal would obey, is not echoed', async (t) => {
  const basic = Buffer.from('invented-key:invented+secret').toString('base64');
  const { stdout } = await run(t, ['check'], {
    answer: () =>
      Response.json(
        { error: 'invented\u001b[2J', error_description: `not invented+secret, invented secret` },
        { status: 400, headers: { server: basic } },
      ),
  });

  assert.match(stdout, /server: \*\*\*/);
  assert.ok(!stdout.includes('\u001b'));
});

test('no secret is echoed in JSON either', async (t) => {
  const { stdout } = await run(t, ['check', '--json'], {
    answer: async (_request, next) => withHeaders(await next(), { server: 'invented secret' }),
  });

  const { steps } = JSON.parse(stdout);
  assert.equal(steps[1].server, '***');
  assert.match(steps[1].message, /; server: \*\*\*$/);
});

test('no form of a secret, and no password in a URL, is echoed', async (t) => {
  const env = { THINGSPACE_M2M_TOKEN: 'mock-session', ...ACCOUNT };
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const forms = [
    'invented secret',
    'invented+secret',
    'invented%20secret',
    'mock-session',
    'invented-password',
    base64('invented-key:invented secret'),
    base64('invented-key:invented+secret'),
    'http://invented-user:shown@proxy.example',
  ];
  const { stdout } = await run(t, ['check'], {
    env,
    answer: async (_request, next) => withHeaders(await next(), { server: forms.join(', ') }),
  });

  assert.match(stdout, /server: (\*\*\*, ){7}http:\/\/\*\*\*@proxy\.example\n/);
});

test('--env reads a file; variables that are set win', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'thingspace-auth-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'variables');
  await writeFile(
    file,
    "# invented\nTHINGSPACE_CLIENT_SECRET='invented secret'\nTHINGSPACE_CLIENT_ID=another-key\n",
  );
  const mock = createMockServer({ clients: { 'invented-key': 'invented secret' } });
  const origin = await startStandIn(t, mock);
  const env = {
    THINGSPACE_CLIENT_ID: 'invented-key',
    THINGSPACE_TOKEN_URL: `${origin}/oauth2/token`,
    THINGSPACE_API_ORIGINS: origin,
  };

  const granted = await start(['token', '--env', file], env);
  assert.match(granted.stdout, /^mock-access-token-\w+-1\n$/);
  assert.deepEqual([granted.stderr, granted.exitCode], ['', 0]);
  const refused = await start(['token', '--env', file], { ...env, THINGSPACE_CLIENT_ID: 'a-third-key' });
  assert.equal(refused.exitCode, 1);
  assert.doesNotMatch(refused.stderr, /invented secret/);
  const withoutSecret = await start(['token'], env);
  assert.match(withoutSecret.stderr, /\nSet THINGSPACE_CLIENT_SECRET\.\n$/);
  const older = await start(['token', '--env', file], {
    ...env,
    ...preloading(
      "import util from 'node:util'; import { syncBuiltinESMExports } from 'node:module'; delete util.parseEnv; syncBuiltinESMExports();",
    ),
  });
  assert.match(older.stderr, /cannot read --env\.\nUse Node 20\.12 or later/);
  const missing = await start(['token', '--env', join(folder, 'none')], env);
  assert.match(
    missing.stderr,
    /cannot be read \(ENOENT\)\.\nGive the path of a file with lines NAME=value\.\n$/,
  );
});

test('--help is no failure; what is not known is one, shows the usage and repeats nothing of it', async () => {
  const help = await start(['check', '--help'], {});
  assert.deepEqual([help.stderr, help.exitCode], ['', 0]);
  assert.match(help.stdout, /^Usage:\n/);

  const mistakes: [message: string, ...args: string[]][] = [
    ['Say token or check.'],
    ['Say token or check.', 'tokens-of-invented'],
    ['Say token or check.', 'check', 'https://api.example.com/', 'invented'],
    ['token takes --env only.', 'token', 'https://api.example.com/invented'],
    ['token takes --env only.', 'token', '--json'],
    ['token takes --env only.', 'token', '--login'],
    ['The URL must be a whole one: https://…', 'check', 'invented'],
    ['There is an option that is not known, or one without its value.', 'check', '--invented'],
    ['There is an option that is not known, or one without its value.', 'check', '--env'],
  ];
  for (const [message, ...args] of mistakes) {
    const { stdout, stderr, exitCode } = await start(args, {});
    const { ok, steps, error } = args.includes('--json')
      ? JSON.parse(stdout)
      : { ok: false, steps: [], error: undefined };
    const text = error ? `${error.message}\n${error.next}\n` : stderr;
    assert.ok(text.startsWith(`${message}\nUsage:\n`), `${args.join(' ')}: ${text}`);
    assert.deepEqual([ok, steps], [false, []]);
    assert.equal(exitCode, 1);
    assert.doesNotMatch(stdout + stderr, /invented/);
  }
});
