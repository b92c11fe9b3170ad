// Each Redis client as an application would set it up: a function from a port to the client and how it is closed.
import { Redis as Upstash } from '@upstash/redis';
import { Redis as IoRedis6 } from 'ioredis';
import { Redis as IoRedis5 } from 'ioredis-5';
import { createClient as createClient6 } from 'redis';
import { createClient as createClient5 } from 'redis-5';
import { startRestServer } from './servers.mjs';

export const clients = {
  'node-redis 5': (port) => connectNodeRedis(createClient5, port),
  'node-redis 6': (port) => connectNodeRedis(createClient6, port),
  'ioredis 5': (port) => connectIoRedis(IoRedis5, port),
  'ioredis 6': (port) => connectIoRedis(IoRedis6, port),
  'Upstash, parsing values': (port) => connectUpstash(port, {}),
  'Upstash, leaving values alone': (port) => connectUpstash(port, { automaticDeserialization: false }),
};

export async function connectNodeRedis(createClient, port) {
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  // Without a handler a lost connection ends the process.
  client.on('error', () => undefined);
  await client.connect();
  return { client, close: () => client.destroy(), ping: () => client.ping() };
}

export async function connectIoRedis(Redis, port) {
  const client = new Redis(port, '127.0.0.1');
  client.on('error', () => undefined);
  return { client, close: () => client.disconnect(), ping: () => client.ping() };
}

async function connectUpstash(port, options) {
  const redis = new IoRedis6(port, '127.0.0.1');
  const rest = await startRestServer(redis);
  const client = new Upstash({ url: rest.url, token: rest.token, enableTelemetry: false, ...options });
  const close = () => {
    redis.disconnect();
    rest.stop();
  };
  return { client, close };
}
