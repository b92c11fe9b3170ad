// Real servers on loopback: Redis, Valkey, and a stand-in for Upstash's REST service in front of a real
// Redis.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../../support/freePort.mjs';
import { endWithTest } from '../children.mjs';

/**
 * Starts `redis-server` or `valkey-server`; `port` to take the place of one that was stopped. It keeps each
 * write in `folder`; absent: in memory only.
 */
export async function startRedis(binary, port, folder) {
  port ??= await freePort();
  const options = [
    '--bind',
    '127.0.0.1',
    '--port',
    String(port),
    '--save',
    '',
    '--appendonly',
    folder ? 'yes' : 'no',
    '--appendfsync',
    'always',
    '--dir',
    folder ?? tmpdir(),
  ];
  const child = endWithTest(spawn(binary, options, { stdio: ['ignore', 'ignore', 'inherit'] }));
  const failure = once(child, 'error').then(([error]) => Promise.reject(error));
  await Promise.race([failure, untilAnswering(port, child)]);
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    pause: () => child.kill('SIGSTOP'),
    resume: () => child.kill('SIGCONT'),
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

/**
 * Upstash's REST protocol as its client uses it: a command as a JSON array, or at `/pipeline` an array of
 * them, answered by `{ result }` or `{ error }`, strings in base64 where the client asks for that. `redis` is
 * an ioredis client.
 */
export async function startRestServer(redis) {
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const encode = request.headers['upstash-encoding'] === 'base64' ? encodeBase64 : (value) => value;
    const isKnown = request.headers.authorization === 'Bearer invented-rest-token';
    const answer = isKnown
      ? await runAll(redis, request.url, JSON.parse(body), encode)
      : { error: 'Unauthorized' };
    response.writeHead(answer.error ? 400 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, token: 'invented-rest-token', stop };
}

function runAll(redis, url, body, encode) {
  return url === '/pipeline'
    ? Promise.all(body.map((command) => run(redis, command, encode)))
    : run(redis, body, encode);
}

async function run(redis, [command, ...args], encode) {
  try {
    return { result: encode(await redis.call(command, ...args.map(String))) };
  } catch (error) {
    return { error: error.message };
  }
}

function encodeBase64(value) {
  return typeof value === 'string' && value !== 'OK' ? Buffer.from(value).toString('base64') : value;
}

/** A server that reads what it had written listens already, and answers each command that it is loading. */
async function untilAnswering(port, child) {
  for (;;) {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    const isAnswering = await Promise.race([
      once(socket, 'data').then(([answer]) => `${answer}`.startsWith('+PONG')),
      once(socket, 'close').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (isAnswering) return;
    if (child.exitCode !== null) throw new Error(`the server on port ${port} ended with ${child.exitCode}`);
    await sleep(50);
  }
}
