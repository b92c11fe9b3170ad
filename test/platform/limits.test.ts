import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { getEventListeners } from 'node:events';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  ApiError,
  type Client,
  type ClientAuthentication,
  createClient,
  type Fetch,
  revokeToken,
} from 'thingspace-auth';
import {
  fakeClock,
  hold,
  inTime,
  rejectionOf,
  setGlobal,
  startServer,
  tokenAnswer,
  turn,
  turns,
} from '../support/server.ts';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

const root = new URL(import.meta.url.includes('/.build/') ? '../../..' : '../..', import.meta.url);

describe('the time limit of an API call', () => {
  test('ends one that is not answered, with an ApiError', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t, { api: () => {} });
    const client = createClient(server.config({ timeout: 5_000 }));
    const failure = rejectionOf(client.authorizedFetch(`${server.origin}/x`));
    await clock.until(() => server.apiRequests.length);
    clock.advance(4_999);
    let isSettled = false;
    void failure.then(() => (isSettled = true));
    await turn();
    assert.ok(!isSettled);
    clock.advance(1);
    const error = await failure;
    assert.ok(error instanceof ApiError);
    assert.equal(error.code, 'timeout');
    assert.match(error.message, /5000/);
    assert.ok(!('statusCode' in error));
  });

  test('lasts until the body is read: one that stalls is aborted with the same error', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    let isClosed = false;
    server.api = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.write('half');
      response.on('close', () => (isClosed = true));
    };
    const client = createClient(server.config({ timeout: 5_000 }));
    const response = await client.authorizedFetch(`${server.origin}/x`);
    assert.equal(response.status, 200);
    const failure = rejectionOf(response.text());
    clock.advance(5_000);
    const error = await failure;
    assert.ok(error instanceof ApiError && error.code === 'timeout', String(error));
    await clock.until(() => isClosed);
  });

  test('does not touch a body that has been read, or an answer without one', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t, {
      api: ({ url }) => (url === '/empty' ? { status: 204 } : { body: 'whole' }),
    });
    const client = createClient(server.config({ timeout: 5_000 }));
    const response = await client.authorizedFetch(`${server.origin}/x`);
    assert.equal(await response.text(), 'whole');
    const empty = await client.authorizedFetch(`${server.origin}/empty`);
    clock.advance(60_000);
    assert.equal(await empty.text(), '');
  });

  test('leaves the caller’s own abort its reason, before and after the headers', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    server.api = ({ url }, response) => {
      if (url === '/stall') response.writeHead(200).write('half');
    };
    const client = createClient(server.config({ timeout: 5_000 }));
    const reason = new Error('mine');
    for (const path of ['/hang', '/stall']) {
      const controller = new AbortController();
      const before = server.apiRequests.length;
      const call = client.authorizedFetch(`${server.origin}${path}`, { signal: controller.signal });
      const failure =
        path === '/hang' ? rejectionOf(call) : rejectionOf(call.then((response) => response.text()));
      await clock.until(() => server.apiRequests.length > before);
      await turns();
      controller.abort(reason);
      assert.equal(await failure, reason);
    }
  });

  test('does not let a call out whose signal has aborted already', async (t) => {
    const server = await startServer(t);
    const client = createClient(server.config({ timeout: 5_000 }));
    await client.getToken();
    const reason = new Error('mine');
    assert.equal(
      await rejectionOf(client.authorizedFetch(`${server.origin}/x`, { signal: AbortSignal.abort(reason) })),
      reason,
    );
    await turn();
    assert.equal(server.apiRequests.length, 0);
  });

  test('does not count the time of the exchange, nor of the first try of a replay', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    server.token = () => (clock.advance(4_000), tokenAnswer(`token-${server.tokenRequests.length}`));
    server.api = ({ headers }) => {
      clock.advance(4_000);
      return headers.authorization === 'Bearer token-1' ? { status: 401 } : { body: 'late' };
    };
    const client = createClient(server.config({ timeout: 5_000 }));
    const response = await client.authorizedFetch(`${server.origin}/x`);
    assert.equal(await response.text(), 'late');
  });

  test('is let go of when nobody holds the body any more', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    const client = createClient(server.config({ timeout: 5_000 }));
    await client.getToken();
    assert.equal(await client.authorizedFetch(`${server.origin}/x`).then(({ status }) => status), 200);
    assert.deepEqual(clock.pendingMs(), [5_000]);

    await clock.until(() => {
      collectGarbage();
      return !clock.pendingMs().length;
    });
  });

  test('is let go of, too, when the client of the call has gone with it', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    const config = server.config({ timeout: 5_000 });
    const first = createClient(config);
    const token = await first.getToken();
    const makeCall = async (client: Client) => {
      const { body } = await client.authorizedFetch(`${server.origin}/x`);
      await body?.cancel();
    };
    for (let calls = 0; calls < 20; calls++) {
      await makeCall(first.withToken(token));
      await makeCall(createClient(server.config({ timeout: 5_000 }, { oauthToken: token })));
    }
    assert.equal(clock.pendingMs().length, 40);

    await clock.until(() => {
      collectGarbage();
      return !clock.pendingMs().length;
    });
  });

  test('is set also where the platform does not tell what nobody holds any more', async (t) => {
    const clock = fakeClock(t);
    const answer = new Response('body');
    setGlobal(t, 'FinalizationRegistry', undefined);
    const client = createClient({
      clientCredentialsAuthCredentials: {
        oauthClientId: 'invented-id',
        oauthToken: { accessToken: 'held-token', tokenType: 'Bearer' },
      },
      timeout: 5_000,
      fetch: async () => answer,
    });

    assert.equal(await client.authorizedFetch('https://thingspace.verizon.com/x'), answer);

    assert.deepEqual(clock.pendingMs(), [5_000]);
  });

  test('stands still while a 401 is renewed: the body of the 401 that goes to the caller can be read', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    const ready = hold();
    server.api = async (_, response) => {
      clock.advance(3_000);
      response.writeHead(401).write('half');
      await ready.promise;
      response.end(' and half');
    };
    // The renewal brings the same token, so the 401 is the caller's.
    server.token = () => (clock.advance(4_000), tokenAnswer('held-token'));
    const credentials = { oauthToken: { accessToken: 'held-token', tokenType: 'Bearer' } as const };
    const client = createClient(server.config({ timeout: 5_000 }, credentials));

    const response = await client.authorizedFetch(`${server.origin}/x`);
    clock.advance(1_999);
    ready.open();

    assert.equal(await response.text(), 'half and half');
    assert.equal(server.tokenRequests.length, 1);
  });

  test('then runs on for the rest, and no longer', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    server.api = (_, response) => {
      clock.advance(3_000);
      response.writeHead(401).write('half');
    };
    server.token = () => tokenAnswer('held-token');
    const credentials = { oauthToken: { accessToken: 'held-token', tokenType: 'Bearer' } as const };
    const client = createClient(server.config({ timeout: 5_000 }, credentials));

    const response = await client.authorizedFetch(`${server.origin}/x`);
    const failure = rejectionOf(response.text());
    clock.advance(2_000);

    assert.equal((await inTime(failure)).code, 'timeout');
  });

  test('leaves no timer where the 401 that goes to the caller has no body', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    server.token = () => tokenAnswer('held-token');
    const credentials = { oauthToken: { accessToken: 'held-token', tokenType: 'Bearer' } as const };
    const bodiless: Fetch = (input, init) =>
      input === server.tokenUrl ? fetch(input, init) : Promise.resolve(new Response(null, { status: 401 }));
    const client = createClient(server.config({ timeout: 5_000, fetch: bodiless }, credentials));

    assert.equal((await client.authorizedFetch(`${server.origin}/x`)).status, 401);

    assert.deepEqual(clock.pendingMs(), []);
  });

  test('keeps no follower where no call may end a timer outside of a request, as on workerd', async (t) => {
    const clock = fakeClock(t);
    setGlobal(t, 'WebSocketPair', class {});
    const { signal } = new AbortController();
    const client = createClient({
      clientCredentialsAuthCredentials: {
        oauthClientId: 'invented-id',
        oauthToken: { accessToken: 'held-token', tokenType: 'Bearer' },
      },
      timeout: 5_000,
      fetch: async () => new Response('body'),
    });
    await client.authorizedFetch('https://thingspace.verizon.com/x', { signal }).then(({ status }) => status);
    assert.equal(getEventListeners(signal, 'abort').length, 1);

    await clock.until(() => {
      collectGarbage();
      return !getEventListeners(signal, 'abort').length;
    });

    assert.deepEqual(clock.pendingMs(), [5_000]);
  });

  test('is none by default', async (t) => {
    const clock = fakeClock(t);
    const gate = hold();
    const server = await startServer(t, { api: async () => (await gate.promise, { body: 'late' }) });
    const call = createClient(server.config()).authorizedFetch(`${server.origin}/x`);
    await clock.until(() => server.apiRequests.length);
    clock.advance(86_400_000);
    gate.open();
    assert.equal((await call).status, 200);
  });

  for (const timeout of [2 ** 31, 1e300, Number.MAX_SAFE_INTEGER]) {
    test(`of ${timeout} ms does not end at once`, async (t) => {
      const server = await startServer(t);
      const warnings: string[] = [];
      const warn = ({ name }: Error) => void warnings.push(name);
      process.on('warning', warn);
      t.after(() => process.off('warning', warn));
      server.api = async () => {
        // Longer than the 1 ms of a timer that is out of range.
        await new Promise((resolve) => setTimeout(resolve, 30));
        return { body: 'late' };
      };
      const response = await createClient(server.config({ timeout })).authorizedFetch(`${server.origin}/x`);
      assert.equal(await response.text(), 'late');
      assert.ok(!warnings.includes('TimeoutOverflowWarning'));
    });
  }
});

describe('the time limit of a token request', () => {
  for (const [timeout, limitMs] of [
    [0, 30_000],
    [5_000, 5_000],
    [50_000, 50_000],
  ] as const) {
    test(`is ${limitMs} ms where timeout is ${timeout}`, async (t) => {
      const clock = fakeClock(t);
      const server = await startServer(t, { token: () => {} });
      const client = createClient(server.config({ timeout }));
      const failure = rejectionOf(client.getToken());
      let hasFailed = false;
      void failure.then(() => (hasFailed = true));
      await clock.until(() => server.tokenRequests.length);
      clock.advance(limitMs - 1);
      await turn();
      assert.ok(!hasFailed);
      clock.advance(1);
      const error = await failure;
      assert.equal(error.code, 'timeout');
      assert.match(error.message, new RegExp(String(limitMs)));
    });
  }

  test('lasts until the body is read', async (t) => {
    const clock = fakeClock(t);
    let isClosed = false;
    const server = await startServer(t);
    server.token = (_, response) => {
      response.writeHead(200);
      response.write('{"access_token":');
      response.on('close', () => (isClosed = true));
    };
    const failure = rejectionOf(createClient(server.config({ timeout: 5_000 })).fetchToken());
    await clock.until(() => server.tokenRequests.length);
    await turns();
    clock.advance(5_000);
    assert.equal((await failure).code, 'timeout');
    await clock.until(() => isClosed);
  });

  test('holds although the fetch that was given ignores its signal', async (t) => {
    const clock = fakeClock(t);
    const stalled = () =>
      new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode('{')) });
    const STUBBORN: Fetch[] = [() => new Promise(() => {}), async () => new Response(stalled())];
    for (const fetch of STUBBORN) {
      let isCalled = false;
      const client = createClient({
        clientCredentialsAuthCredentials: {
          oauthClientId: 'invented-id',
          oauthClientSecret: 'invented-secret',
        },
        fetch: (...parameters) => ((isCalled = true), fetch(...parameters)),
        timeout: 5_000,
      });
      const failure = rejectionOf(client.fetchToken());
      await clock.until(() => isCalled);
      await turn();
      clock.advance(5_000);
      assert.equal((await failure).code, 'timeout');
    }
  });

  for (const [timeout, limitMs] of [
    [0, 30_000],
    [5_000, 5_000],
  ] as const) {
    test(`ends a clientAuthentication that hangs, after ${limitMs} ms, and tells it by its signal`, async (t) => {
      const clock = fakeClock(t);
      const server = await startServer(t);
      const reasons: unknown[] = [];
      const asked: AbortSignal[] = [];
      const clientAuthentication: ClientAuthentication = ({ signal }) => {
        asked.push(signal);
        signal.addEventListener('abort', () => reasons.push(signal.reason));
        return new Promise(() => {});
      };
      const config = server.config({ timeout, retry: { attempts: 1 } }, { clientAuthentication });
      for (const call of [
        () => createClient(config).fetchToken(),
        () => revokeToken(config, { accessToken: 'a', tokenType: 'Bearer' }),
      ]) {
        const failure = rejectionOf(call());
        await clock.until(() => asked.length);
        clock.advance(limitMs - 1);
        await turn();
        assert.deepEqual(reasons, []);
        clock.advance(1);
        const error = await inTime(failure);
        assert.equal(error.code, 'timeout');
        assert.deepEqual(reasons.splice(0), [error]);
        assert.equal(asked.splice(0).length, 1);
      }
      assert.deepEqual([server.tokenRequests.length, server.revocations.length], [0, 0]);
    });
  }

  test('holds for a revocation, too', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t, { revoke: () => {} });
    const failure = rejectionOf(revokeToken(server.config(), { accessToken: 'a', tokenType: 'Bearer' }));
    await clock.until(() => server.revocations.length);
    clock.advance(30_000);
    assert.equal((await failure).code, 'timeout');
  });
});

describe('a whole renewal', () => {
  test('has 60 s, retries and their waits included', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    // The first try takes 25 s, the second hangs: 5 s short of the limit of its own.
    server.token = () => {
      if (server.tokenRequests.length > 2) return;
      clock.advance(25_000);
      return { status: 503, headers: { 'retry-after': '5' } };
    };
    let waits = 0;
    const client = createClient(
      server.config({
        onEvent: (event) => {
          if (event.type === 'retry_waiting') waits++;
        },
      }),
    );
    let failed: ApiError | undefined;
    client.getToken().catch((error: ApiError) => (failed = error));
    await clock.until(() => waits === 1);
    await turn();
    clock.advance(5_000);
    await clock.until(() => waits === 2 || failed);
    await turn();
    if (!failed) clock.advance(60_000);
    await clock.until(() => failed);
    assert.equal(failed?.code, 'timeout');
    assert.equal(server.tokenRequests.length, 2);
    await turns();
    assert.equal(server.tokenRequests.length, 2, 'a renewal over its limit asked again');
  });

  test('cuts a request off that is under way at its end, and the next renewal is free to begin', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t, { token: () => {} });
    const client = createClient(server.config({ timeout: 600_000 }));
    const failure = rejectionOf(client.fetchToken());
    await clock.until(() => server.tokenRequests.length);
    clock.advance(60_000);
    const error = await failure;
    assert.equal(error.code, 'timeout');
    assert.match(error.message, /60000/);
    server.token = () => tokenAnswer('a');
    assert.equal((await client.fetchToken()).accessToken, 'a');
  });

  test('over its limit is one failure, after which the outage guard holds for 1 s', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t, { token: () => {} });
    const client = createClient(server.config({ timeout: 600_000 }));
    const failure = rejectionOf(client.getToken());
    await clock.until(() => server.tokenRequests.length);
    clock.advance(60_000);
    const error = await failure;
    await turns();
    server.token = () => tokenAnswer('a');
    clock.advance(999);
    assert.equal(await rejectionOf(client.getToken()), error);
    clock.advance(1);
    assert.equal((await client.getToken()).accessToken, 'a');
  });
});

describe('a finished process', () => {
  const run = promisify(execFile);
  const PROGRAMS: [label: string, program: string][] = [
    ['that holds a token for an hour', `await client.getToken();`],
    ['whose calls were answered and read', `await (await client.authorizedFetch(api)).text();`],
    ['that left a body unread', `await client.authorizedFetch(api + '/large');`],
    [
      'that began a refresh ahead',
      `const { getToken } = client.withToken({ accessToken: 'a', tokenType: 'Bearer', expiry: Date.now() / 1000 + 12 }); await getToken();`,
    ],
  ];
  for (const [label, program] of PROGRAMS) {
    test(`${label} is kept alive by none of our timers`, async (t) => {
      const server = await startServer(t);
      server.api = ({ url }) => ({ body: url.endsWith('large') ? 'x'.repeat(2 ** 20) : 'whole' });
      const config = JSON.stringify(server.config({ timeout: 500_000 }));
      const code = `
        import { createClient } from 'thingspace-auth';
        const client = createClient(${config});
        const api = '${server.origin}/x';
        ${program}
        // What remains are idle connections, which Node does not wait for; a process with a timer of ours
        // would.
        const timers = () => process.getActiveResourcesInfo().filter((each) => each === 'Timeout');
        const pause = () => new Promise((resolve) => setTimeout(resolve, 50));
        for (let turns = 0; turns < 200 && timers().length; turns++) await pause();
        console.log(JSON.stringify(timers()));
        process.on('exit', () => console.log('ended by itself'));`;
      const child = run(process.execPath, ['--input-type=module', '-e', code], {
        cwd: root,
        timeout: 60_000,
      });
      const { stdout, stderr } = await child;
      assert.equal(stderr, '');
      assert.deepEqual(stdout.trim().split('\n'), ['[]', 'ended by itself']);
    });
  }
});
