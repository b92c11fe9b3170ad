import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { ApiError, createClient, revokeToken } from 'thingspace-auth';
import { type AssertionSource, type ClientAssertionOptions, clientAssertion } from 'thingspace-auth/jwt';
import { fakeClock, listen, recordEvents, rejectionOf, startServer, tokenAnswer } from '../support/server.ts';

type Test = Parameters<typeof startServer>[0];

const BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const SPIFFE = 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe';

describe('clientAssertion', () => {
  test("sends somebody else's JWT with the client's id, and no secret", async (t) => {
    const { server, config } = await start(t, () => 'header.claims.signature');

    await createClient(config).fetchToken();

    const [{ form, headers }] = server.tokenRequests as [(typeof server.tokenRequests)[0]];
    assert.deepEqual(Object.fromEntries(form), {
      grant_type: 'client_credentials',
      client_id: 'invented-id',
      client_assertion_type: BEARER,
      client_assertion: 'header.claims.signature',
    });
    assert.equal(headers.authorization, undefined);
  });

  test('cuts off white space around it, which files end with', async (t) => {
    const { server, config } = await start(t, async () => '\ufeff header.claims.signature\r\n');
    await createClient(config).fetchToken();
    assert.equal(server.tokenRequests[0]!.form.get('client_assertion'), 'header.claims.signature');
  });

  test('says of which type it is', async (t) => {
    const { server, config } = await start(t, () => 'a.b.c', { type: SPIFFE });
    await createClient(config).fetchToken();
    assert.equal(server.tokenRequests[0]!.form.get('client_assertion_type'), SPIFFE);
  });

  test('tells its source who asks, and where', async (t) => {
    const asked: string[] = [];
    const { server, config } = await start(t, ({ clientId, url, tokenUrl, signal }) => {
      asked.push(`${clientId} ${url} ${tokenUrl} ${signal.aborted}`);
      return 'a.b.c';
    });
    await createClient(config).fetchToken();
    await revokeToken(config, { accessToken: 'a', tokenType: 'Bearer' });
    const revoke = `${server.origin}/revoke`;
    assert.deepEqual(
      asked,
      [server.tokenUrl, revoke].map((url) => `invented-id ${url} ${server.tokenUrl} false`),
    );
    assert.equal(server.revocations[0]!.form.get('client_assertion'), 'a.b.c');
  });

  test('asks its source anew for each attempt: a file that rotates meanwhile serves', async (t) => {
    const file = await fileWith(t, 'first');
    const { server, config } = await start(t, () => readFile(file, 'utf8'));
    const clock = fakeClock(t);
    server.token = async () => {
      if (server.tokenRequests.length > 1) return tokenAnswer('a', 1);
      await writeFile(file, 'second\n');
      return { status: 503 };
    };
    const { fetchToken } = createClient({ ...config, onEvent: clock.skipWaits });

    await fetchToken();
    await writeFile(file, 'third\n');
    await fetchToken();

    assert.deepEqual(
      server.tokenRequests.map(({ form }) => form.get('client_assertion')),
      ['first', 'second', 'third'],
    );
  });

  test('tries again where the file is empty, as it is while somebody writes it', async (t) => {
    const clock = fakeClock(t);
    const file = await fileWith(t, '\n');
    const { server, config } = await start(t, () => readFile(file, 'utf8'));
    const { events, onEvent } = recordEvents();
    const { fetchToken } = createClient({
      ...config,
      onEvent: (event) => {
        onEvent(event);
        if (event.type === 'retry_waiting')
          void writeFile(file, 'complete').then(() => clock.skipWaits(event));
      },
    });

    await fetchToken();

    assert.deepEqual(
      events.map(({ type }) => type),
      ['retry_waiting', 'token_obtained'],
    );
    assert.equal(server.tokenRequests[0]!.form.get('client_assertion'), 'complete');
  });

  test('says so where the file stays empty, and that trying again may help', async (t) => {
    const { server, config } = await start(t, () => ' \n');
    const error = await rejectionOf(createClient({ ...config, retry: { attempts: 1 } }).fetchToken());
    assert.deepEqual(
      [error.name, error.code, error.isTemporary, error.message],
      ['ApiError', 'network', true, 'The source of clientAssertion gave an empty text: try again later'],
    );
    assert.equal(server.tokenRequests.length, 0);
  });

  test('names the file that is not there, does not try again, and takes it once it is', async (t) => {
    const file = `${await fileWith(t, 'present')}.missing`;
    let asked = 0;
    const { server, config } = await start(t, () => (asked++, readFile(file, 'utf8')));
    const { fetchToken } = createClient(config);

    const error = await rejectionOf(fetchToken());

    assert.deepEqual(
      [error.name, error.code, error.isTemporary, error.cause.code],
      ['ApiError', 'no_credentials', false, 'ENOENT'],
    );
    assert.equal(
      error.message,
      `The source of clientAssertion failed (ENOENT: no such file or directory, open '${file}'): check its path`,
    );
    assert.equal(asked, 1);

    await writeFile(file, 'there');
    await fetchToken();
    assert.equal(server.tokenRequests[0]!.form.get('client_assertion'), 'there');
  });

  test('tries again where the service that gives it does not answer, and says why', async (t) => {
    const clock = fakeClock(t);
    const dead = await listen(t, (_, response) => response.destroy());
    let asked = 0;
    const { server, config } = await start(t, async () => (asked++, (await fetch(dead)).text()));

    const error = await rejectionOf(createClient({ ...config, onEvent: clock.skipWaits }).fetchToken());

    assert.deepEqual([asked, server.tokenRequests.length], [3, 0]);
    assert.deepEqual(
      [error.code, error.isTemporary, error.cause.constructor.name, error.message],
      [
        'network',
        true,
        'TypeError',
        'The source of clientAssertion failed (fetch failed, UND_ERR_SOCKET): check what it reads, or try again later',
      ],
    );
  });

  test('does not try again where the runtime or the disk denies the permission', async (t) => {
    const denied = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
    let asked = 0;
    const { config } = await start(t, () => (asked++, Promise.reject(denied)));
    const error = await rejectionOf(createClient(config).fetchToken());
    assert.deepEqual([asked, error.code, error.isTemporary], [1, 'network', false]);
  });

  test("passes on an ApiError of the source's own", async (t) => {
    const own = new ApiError('The vault is sealed', { code: 'no_credentials' });
    const { config } = await start(t, () => Promise.reject(own));
    assert.equal(await rejectionOf(createClient(config).fetchToken()), own);
  });

  test('says what failed whatever the source throws, and quotes no JSON that it read', async (t) => {
    const thrown: [error: unknown, reason: string][] = [
      [new Error('GitHub answered 500'), 'GitHub answered 500'],
      ['a text', 'string'],
      [undefined, 'undefined'],
      [null, 'object'],
    ];
    for (const [error, reason] of thrown) {
      const { config } = await start(t, () => {
        throw error;
      });
      const { message } = await rejectionOf(createClient({ ...config, retry: { attempts: 1 } }).fetchToken());
      assert.ok(message.startsWith(`The source of clientAssertion failed (${reason}): `), message);
    }
    const { config } = await start(t, () => JSON.parse('invented-assertion'));
    const { message } = await rejectionOf(createClient({ ...config, retry: { attempts: 1 } }).fetchToken());
    assert.match(message, /failed \(SyntaxError\)/);
    assert.doesNotMatch(message, /invented/);
  });

  test('ends with the time of the request where the source hangs, and tells the source', async (t) => {
    const clock = fakeClock(t);
    let signal: AbortSignal | undefined;
    const { server, config } = await start(t, (request) => {
      signal = request.signal;
      return new Promise(() => {});
    });
    for (const [timeout, limitMs] of [
      [0, 30_000],
      [5_000, 5_000],
    ] as const) {
      signal = undefined;
      const failed = rejectionOf(createClient({ ...config, timeout }).fetchToken());
      await clock.until(() => signal);
      clock.advance(limitMs);
      assert.equal((await failed).code, 'timeout');
      assert.equal(signal!.aborted, true);
    }
    assert.equal(server.tokenRequests.length, 0);
  });

  test("says what a source must give, which is no file's bytes and no variable that is not set", async (t) => {
    for (const [given, kind] of [
      [Buffer.from('a.b.c'), 'object'],
      [undefined, 'undefined'],
      [null, 'null'],
      [7, 'number'],
    ]) {
      const { server, config } = await start(t, () => given as string);
      await assert.rejects(createClient(config).fetchToken(), {
        name: 'TypeError',
        message: `the source of clientAssertion must give a text, not ${kind}`,
      });
      assert.equal(server.tokenRequests.length, 0);
    }
  });

  test('is masked in what the server sends back', async (t) => {
    const secret = 'invented-assertion.with+signs';
    const { server, config } = await start(t, () => secret);
    server.token = ({ body, form }) => ({
      status: 401,
      body: { error: 'invalid_client', error_description: `${form.get('client_assertion')} in ${body}` },
    });
    const error = await rejectionOf(createClient(config).fetchToken());
    assert.match(error.message, /\*\*\* in grant_type/);
    assert.doesNotMatch(inspect(error, { depth: 9, showHidden: true }), /invented-assertion/);
  });

  test('takes a function and its options only, at once', () => {
    for (const source of ['a.b.c', undefined, Promise.resolve('a.b.c')] as unknown as AssertionSource[]) {
      assert.throws(() => clientAssertion(source), {
        name: 'TypeError',
        message: 'source must be a function, so that each request has the latest assertion',
      });
    }
    for (const [options, name] of [
      [{ type: '' }, 'type must be'],
      [{ type: null }, 'type must be'],
      [{ typ: SPIFFE }, 'unknown option typ; known options: type'],
    ] as unknown as [ClientAssertionOptions, string][]) {
      assert.throws(
        () => clientAssertion(() => 'a.b.c', options),
        (error: Error) => error instanceof TypeError && error.message.startsWith(name),
      );
    }
  });
});

async function start(t: Test, source: AssertionSource, options?: ClientAssertionOptions) {
  const server = await startServer(t);
  const clientAuthentication = clientAssertion(source, options);
  return { server, config: server.config({}, { clientAuthentication, oauthClientSecret: undefined }) };
}

async function fileWith(t: Test, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'thingspace-auth-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'token');
  await writeFile(file, text);
  return file;
}
