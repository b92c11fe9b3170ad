/** The requests that `check` makes, and the variables that it reads. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createMockServer } from 'thingspace-auth/testing';
import { ACCOUNT, preloading, runCommand, seen, startCommand, withHeaders } from '../support/runCommand.ts';
import { startStandIn } from '../support/standIn.ts';

test('--json prints what it found as fields, too', async (t) => {
  const outcome = await runCommand(
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
    steps.map(({ message: _, warnings: __, ...fields }: { message: string; warnings: unknown }) => fields),
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
    'one M2M login follows; if it fails it counts, and five in a row lock the account',
    'the M2M login brought a session in N',
    'GET /api/mec/eds/regions answered 200 in N',
  ]);
});

test('check names the variable that leads to a proxy', async (t) => {
  for (const name of ['https_proxy', 'HTTP_PROXY', 'http_proxy']) {
    const { stdout } = await runCommand(t, ['check'], {
      env: { THINGSPACE_TOKEN_URL: 'http://127.0.0.1:65535/token', [name]: 'http://127.0.0.1:65535' },
    });
    assert.ok(stdout.includes(`${name} is set, but Node uses it only with NODE_USE_ENV_PROXY=1`), name);
  }
});

test('check reads nothing of what an API answers', async (t) => {
  const program = `
    globalThis.fetch = async (input) => {
      const body = new ReadableStream({ cancel: () => void process.stderr.write('thrown away') });
      if (new Request(input).url.endsWith('/orders')) return new Response(body);
      return Response.json({ access_token: 'invented' });
    };`;
  const { stdout, stderr } = await runCommand(t, ['check', '{origin}/orders'], { env: preloading(program) });

  assert.match(stdout, /\nok    call /);
  assert.equal(stderr, 'thrown away');
});

test('check compares the clocks in the middle of the request', async (t) => {
  // An invented request of 40 s; `Date` has whole seconds.
  for (const [serverMs, offsetSeconds, where] of [
    [20_000, 0, 'is within a second of the server'],
    [17_000, 3, 'is 3 s ahead of'],
    [23_000, -3, 'is 3 s behind'],
  ] as const) {
    const program = `
      let nowMs = ${Date.UTC(2030, 0, 1)};
      Date.now = () => nowMs;
      globalThis.fetch = async () => {
        const headers = { date: new Date(nowMs + ${serverMs}).toUTCString() };
        nowMs += 40_000;
        return Response.json({ access_token: 'invented', token_type: 'Bearer' }, { headers });
      };`;
    const { steps } = JSON.parse(
      (await runCommand(t, ['check', '--json'], { env: preloading(program) })).stdout,
    );
    const clock = steps.find(({ name }: { name: string }) => name === 'clock');
    assert.ok(clock.ok && Math.abs(clock.offsetSeconds - offsetSeconds) < 1e-9, clock.offsetSeconds);
    assert.ok(clock.message.includes(`clock ${where}`), clock.message);
    assert.equal(steps[1].durationMs, 40_000);
  }
});

test('check says nothing of the clock where the server does not say what time it is', async (t) => {
  const { stdout } = await runCommand(t, ['check'], {
    env: preloading("globalThis.fetch = async () => Response.json({ access_token: 'invented' });"),
  });

  assert.match(stdout, /^ok    variables .*\nok    endpoint   [^;]+ answered 200 in \d+ ms\nok    token /);
});

test('check goes no further where it got no token', async (t) => {
  const outcome = await runCommand(t, ['check', '--json', '--login', '{origin}/orders'], {
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

test('check makes the call with the method and the body that it is given', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'thingspace-auth-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'body.json');
  await writeFile(file, '{"name":"invented"}\n');
  const callOf = async (...args: string[]) => {
    const { mock, stdout } = await runCommand(t, ['check', '{origin}/orders', ...args]);
    const { method, headers, body } = mock.requests.at(-1) ?? assert.fail();
    assert.match(stdout, new RegExp(`\nok {4}call {7}${method} \\S+/orders answered 200 in `));
    return [method, body, headers['content-type']];
  };

  assert.deepEqual(await callOf('-X', 'POST', '-d', `@${file}`), [
    'POST',
    '{"name":"invented"}\n',
    'application/json',
  ]);
  assert.deepEqual(await callOf('-d', '{}'), ['POST', '{}', 'application/json']);
  assert.deepEqual(await callOf('--method', 'patch', '--data=-1'), ['PATCH', '-1', 'application/json']);
  // The stand-in makes a text of a body without a type.
  assert.deepEqual(await callOf('-X', 'PUT', '-d', 'a=b'), ['PUT', 'a=b', 'text/plain;charset=UTF-8']);
  assert.deepEqual(await callOf('-X', 'DELETE'), ['DELETE', '', undefined]);
});

test('a body that cannot be read is told before any request', async (t) => {
  const { stdout, stderr, exitCode, mock } = await runCommand(t, [
    'check',
    '{origin}/orders',
    '-d',
    '@/missing/body',
  ]);

  assert.deepEqual(
    [stdout, stderr, exitCode, mock.requests.length],
    ['', 'The file of --data cannot be read (ENOENT)\nGive its path after the @.\n', 1, 0],
  );
});

test('check takes a call for done that is answered without a body', async (t) => {
  const outcome = await runCommand(t, ['check', '{origin}/orders'], {
    script: ({ failNext }) => failNext('api', new Response(null, { status: 204 })),
  });

  assert.match(outcome.stdout, /\nok    call       GET \S+\/orders answered 204 in \d+ ms\n$/);
});

test('check misses no scope where the server says none', async (t) => {
  const { stdout, exitCode } = await runCommand(t, ['check'], {
    mock: { tokenResponse: ({ access_token }) => ({ access_token }) },
    env: { THINGSPACE_SCOPES: 'discovery:read' },
  });

  assert.match(
    stdout,
    /ok    token      granted without a known end; scopes granted: not said; asked for: discovery:read\nwarn .*\n$/,
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
    assert.match((await runCommand(t, ['check'], { env })).stdout, /HTTPS_PROXY is set\.\n$/, runtime);
    const { stdout } = await runCommand(t, ['check'], { env: { ...env, HTTPS_PROXY: '' } });
    assert.match(stdout, / Behind a proxy, set HTTPS_PROXY\.\n$/, runtime);
  }
});

test('check never logs in by itself, and with --login once, after it has said that failures count', async (t) => {
  const env = { THINGSPACE_USERNAME: 'invented-user', THINGSPACE_PASSWORD: 'invented-password' };
  const devices = '{origin}/api/m2m/v1/accounts';

  assert.deepEqual(seen(await runCommand(t, ['check', devices], { env })), ['token 200', 'accounts 400']);
  assert.deepEqual(seen(await runCommand(t, ['check', '--login'], { env })), ['token 200', 'login 200']);
  const outcome = await runCommand(t, ['check', '--login', devices], { env });
  assert.match(outcome.stdout, /notice .*five in a row lock the account\nok    login .*\nok    call/);
  assert.deepEqual(seen(outcome), ['token 200', 'login 200', 'accounts 200']);
  const refused = await runCommand(t, ['check', '--login', devices], { env, mock: { users: {} } });
  assert.deepEqual(seen(refused), ['token 200', 'login 401']);
});

test('check --login logs in once, also if the API says that the session has lapsed', async (t) => {
  const outcome = await runCommand(t, ['check', '--login', '{origin}/api/m2m/v1/accounts'], {
    env: ACCOUNT,
    script: ({ failNext }) =>
      failNext(
        'api',
        Response.json(
          { errorCode: 'UnifiedWebService.REQUEST_FAILED.SessionToken.Expired' },
          { status: 400 },
        ),
        Infinity,
      ),
  });

  assert.equal(outcome.exitCode, 1);
  assert.deepEqual(seen(outcome), ['token 200', 'login 200', 'accounts 400']);
});

test('check --login logs in once, also if a gateway does not take the bearer there', async (t) => {
  const outcome = await runCommand(t, ['check', '--login', '--json'], {
    mock: { sameToken: false },
    env: ACCOUNT,
    script: ({ failNext }) => failNext('login', 401, Infinity),
  });

  assert.equal(seen(outcome).filter((each) => each.startsWith('login')).length, 1);
  assert.equal(JSON.parse(outcome.stdout).steps.at(-1).name, 'login');
  assert.equal(outcome.exitCode, 1);
});

test('check logs in also where no API lies at the origin of the token endpoint', async (t) => {
  const outcome = await runCommand(t, ['check', '--login'], {
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

  const { stdout, exitCode } = await startCommand(['check', '--login'], { ...env, ...preload });

  assert.match(
    stdout,
    /https:\/\/thingspace\.verizon\.com\/api\/ts\/v1\/oauth2\/token answered 200[^]*ok    login/,
  );
  assert.equal(exitCode, 0);
});

test('a key that Production refuses may be one of the 5G Edge portal', async (t) => {
  const module = join(import.meta.dirname, '../support/standInPreload.js');
  const mock = createMockServer({ clients: {} });
  const env = {
    THINGSPACE_CLIENT_ID: 'invented-key',
    THINGSPACE_CLIENT_SECRET: 'invented secret',
    STAND_IN: await startStandIn(t, mock),
    NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${module}`,
  };
  const other = /may want another token URL: set (THINGSPACE_TOKEN_URL=\S+) "(\S+ \S+)" (\S+), without/;

  const { stdout } = await startCommand(['check'], env);
  const [, ...variables] = other.exec(stdout) ?? [];
  const advised = Object.fromEntries(variables.map((each) => each.split('=')));
  assert.deepEqual(Object.keys(advised), [
    'THINGSPACE_TOKEN_URL',
    'THINGSPACE_API_ORIGINS',
    'THINGSPACE_SESSION_URL',
  ]);
  const followed = await startCommand(['check'], { ...env, ...advised });
  assert.match(followed.stdout, /https:\/\/5gedge\.verizon\.com\/api\/ts\/v1\/oauth2\/token answered 401/);
  assert.doesNotMatch(followed.stdout, other);
  const staging = await startCommand(['check'], { ...env, THINGSPACE_ENVIRONMENT: 'Staging' });
  assert.doesNotMatch(staging.stdout, other);
});

test('check makes one token request, whatever comes of it', async (t) => {
  assert.deepEqual(
    seen(await runCommand(t, ['check', '--json'], { script: ({ failNext }) => failNext('token', 503, 9) })),
    ['token 503'],
  );
});

test('the call is renewed and replayed once, as any other', async (t) => {
  const outcome = await runCommand(t, ['check', '{origin}/api/mec/eds/regions'], {
    mock: { sameToken: false },
    script: ({ failNext }) => failNext('api', 401),
  });

  assert.equal(outcome.exitCode, 0);
  assert.deepEqual(seen(outcome), ['token 200', 'regions 401', 'token 200', 'regions 200']);
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
  const { stdout } = await runCommand(t, ['check'], {
    env,
    answer: async (_request, next) => withHeaders(await next(), { server: forms.join(', ') }),
  });

  assert.match(stdout, /server: (\*\*\*, ){7}http:\/\/\*\*\*@proxy\.example\)\n/);
});
