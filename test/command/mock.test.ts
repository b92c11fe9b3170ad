/** `mock`: a server that programs in any language reach. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { COMMAND, ownVariables, preloading, startCommand } from '../support/runCommand.ts';

interface Serving {
  readonly child: ChildProcess;
  /** The variables that it has printed. */
  readonly variables: Readonly<Record<string, string>>;
  readonly origin: string;
  /** The next line that it prints. */
  readonly nextLine: () => Promise<string>;
}

function serve(t: TestContext, ...args: string[]): Promise<Serving> {
  return serveWith(t, {}, ...args);
}

async function serveWith(
  t: TestContext,
  env: Readonly<Record<string, string>>,
  ...args: string[]
): Promise<Serving> {
  const child = spawn(process.execPath, [COMMAND, 'mock', ...args], {
    env: { ...ownVariables(), ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(async () => {
    if (child.exitCode !== null || !child.kill('SIGINT')) return;
    await once(child, 'exit');
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async () => (await lines.next()).value;
  const variables: Record<string, string> = {};
  while (!variables['THINGSPACE_PASSWORD']) {
    const [, name = '', value = ''] = /^(THINGSPACE_\w+)=(\S+)$/.exec(await nextLine()) ?? [];
    assert.ok(name);
    variables[name] = value;
  }
  return { child, variables, origin: variables['THINGSPACE_API_ORIGINS'] ?? '', nextLine };
}

test('it prints the variables that lead to it, then each request in a line', async (t) => {
  const { variables, origin, nextLine } = await serve(t);
  assert.match(origin, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.deepEqual(Object.keys(variables), [
    'THINGSPACE_CLIENT_ID',
    'THINGSPACE_CLIENT_SECRET',
    'THINGSPACE_TOKEN_URL',
    'THINGSPACE_API_ORIGINS',
    'THINGSPACE_USERNAME',
    'THINGSPACE_PASSWORD',
  ]);

  const { stdout } = await startCommand(
    ['check', '--login', `${origin}/api/m2m/v1/accounts?key=1`],
    variables,
  );

  assert.match(stdout, /\nok {4}login .*\nok {4}call .* answered 200 in \d+ ms\n$/);
  assert.deepEqual(
    [await nextLine(), await nextLine(), await nextLine()],
    [
      'POST /api/ts/v1/oauth2/token 200',
      'POST /api/m2m/v1/session/login 200',
      'GET /api/m2m/v1/accounts 200',
    ],
  );
  const answer = await fetch(`${origin}/api/orders`, { method: 'PUT', body: 'text' });
  assert.equal(answer.status, 401);
  assert.match(await answer.text(), /900902/);
  assert.equal(await nextLine(), 'PUT /api/orders 401');
});

test('it shows that a key gets the same token for its hour, and that a kept one needs no request', async (t) => {
  const { variables, origin, nextLine } = await serve(t);
  const folder = await mkdtemp(join(tmpdir(), 'thingspace-auth-'));
  t.after(() => rm(folder, { recursive: true }));
  const printed = async (...args: string[]) => (await startCommand(['token', ...args], variables)).stdout;

  const token = await printed();
  assert.equal(await printed(), token);
  for (let run = 0; run < 2; run++) assert.equal(await printed('--store', folder), token);

  await fetch(`${origin}/last`);
  const lines = [await nextLine(), await nextLine(), await nextLine(), await nextLine()];
  assert.deepEqual(lines, [...Array(3).fill('POST /api/ts/v1/oauth2/token 200'), 'GET /last 401']);
});

test('it outlives requests that it cannot read', async (t) => {
  const { origin, nextLine } = await serve(t);
  const { port } = new URL(origin);
  for (const [method, host] of [
    ['TRACE', 'localhost'],
    ['GET', '%%%'],
  ]) {
    const socket = connect(Number(port), '127.0.0.1');
    socket.end(`${method} /path HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    const [bytes] = await once(socket, 'data');
    assert.match(String(bytes), /^HTTP\/1\.1 400 /);
    assert.equal(await nextLine(), `${method} /path 400`);
  }
});

test('it takes the port that it is given, and says if that is taken', async (t) => {
  const blocker = createServer().listen(0, '127.0.0.1');
  t.after(() => blocker.close());
  await once(blocker, 'listening');
  const { port } = blocker.address() as { port: number };

  assert.deepEqual(await startCommand(['mock', '--port', String(port)], {}), {
    stdout: '',
    stderr: `Port ${port} is taken\nChoose another one, or leave --port out for any free one.\n`,
    exitCode: 1,
  });
  blocker.close();
  await once(blocker, 'close');
  assert.equal((await serve(t, '--port', String(port))).origin, `http://127.0.0.1:${port}`);
});

test('a machine without IPv4 gets it on ::1', async (t) => {
  const { origin } = await serveWith(t, failingOn('127.0.0.1', 'EADDRNOTAVAIL'));

  assert.match(origin, /^http:\/\/\[::1\]:\d+$/);
  assert.equal((await fetch(`${origin}/api`)).status, 401);
});

test('it says why a port cannot be used', async () => {
  const env = failingOn('127.0.0.1', 'EACCES');

  assert.deepEqual(await startCommand(['mock', '--port', '80'], env), {
    stdout: '',
    stderr: 'Port 80 cannot be used (EACCES)\nChoose another one, or leave --port out for any free one.\n',
    exitCode: 1,
  });
});

/** What makes it fail to listen at one address. */
function failingOn(host: string, code: string): Readonly<Record<string, string>> {
  return preloading(`
    import { Server } from 'node:net';
    const { listen } = Server.prototype;
    Server.prototype.listen = function (port, at, ...rest) {
      if (at !== '${host}') return listen.call(this, port, at, ...rest);
      setImmediate(() => this.emit('error', Object.assign(new Error('invented'), { code: '${code}' })));
    };`);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} ends it, with an open connection too`, async (t) => {
    const { child, origin } = await serve(t);
    const socket = connect(Number(new URL(origin).port), '127.0.0.1');
    socket.on('error', () => {});
    socket.write('POST /api HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf');
    await once(socket, 'connect');

    child.kill(signal);

    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });
}
