// Each Redis client as an application would set it up: a function from a port to the client and how it is
// closed. Its package is imported when it is called, since 64 processes of a fleet want one client each.
import { startRestServer } from './servers.mjs';

export const clients = {
  'node-redis 5': async (port) => connectNodeRedis(await import('redis-5'), port),
  'node-redis 6': async (port) => connectNodeRedis(await import('redis'), port),
  'ioredis 5': async (port) => connectIoRedis(await import('ioredis-5'), port),
  'ioredis 6': async (port) => connectIoRedis(await import('ioredis'), port),
  'Upstash, parsing values': (port) => connectUpstash(port, {}),
  'Upstash, leaving values alone': (port) => connectUpstash(port, { automaticDeserialization: false }),
};

async function connectNodeRedis({ createClient }, port) {
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  // Without a handler a lost connection ends the process.
  client.on('error', () => undefined);
  await client.connect();
  return { client, close: () => client.destroy(), ping: () => client.ping() };
}

function connectIoRedis({ Redis }, port) {
  const client = new Redis(port, '127.0.0.1');
  client.on('error', () => undefined);
  return { client, close: () => client.disconnect(), ping: () => client.ping() };
}

async function connectUpstash(port, options) {
  const [{ Redis: Upstash }, { Redis }] = [await import('@upstash/redis'), await import('ioredis')];
  const redis = new Redis(port, '127.0.0.1');
  const rest = await startRestServer(redis);
  const client = new Upstash({ url: rest.url, token: rest.token, enableTelemetry: false, ...options });
  const close = () => {
    redis.disconnect();
    rest.stop();
  };
  return { client, close };
}
