// One process of a fleet. Messages: `{ open }` makes a client, `{ shiftMs }` moves its clock on, `{ ping }` waits until
// its Redis answers, `{ get }` and `{ compareAndSet }` ask the store, `{ ask }` gets a token; each is answered with one message.
import { Redis as IoRedis } from 'ioredis';
import { createClient as createRedis } from 'redis';
import { createClient } from 'thingspace-auth';
import { storedToken } from 'thingspace-auth/stores';
import { fileStore } from 'thingspace-auth/stores/file';
import { redisStore } from 'thingspace-auth/stores/redis';
import { connectIoRedis, connectNodeRedis } from './redis/clients.mjs';

const { now } = Date;
let shiftedMs = 0;
Date.now = () => now() + shiftedMs;

let redis;
let store;
let client;
let failures = 0;

const actions = {
  open: async ({ path, port, tokenUrl, isEven }) => {
    redis?.close();
    // The clients of a fleet need not be the same.
    redis = port && (await (isEven ? connectNodeRedis(createRedis, port) : connectIoRedis(IoRedis, port)));
    store = redis ? redisStore(redis.client) : fileStore(path);
    client = createClient({
      clientCredentialsAuthCredentials: {
        oauthClientId: 'invented-id',
        oauthClientSecret: 'invented-secret',
        oauthTokenProvider: storedToken(store),
      },
      environment: { tokenUrl, apiOrigins: [] },
      onEvent: ({ type }) => void (type === 'store_failed' && failures++),
    });
  },
  shiftMs: (ms) => void (shiftedMs += ms),
  ping: () => redis.ping(),
  get: async (key) => ({ value: await store.get(key) }),
  compareAndSet: async ([key, expected, value]) => ({ hasWon: await store.compareAndSet(key, expected ?? undefined, value, 60) }),
  ask: async () => {
    failures = 0;
    const startedAt = performance.now();
    const { accessToken } = await client.getToken();
    return { accessToken, failures, waitedMs: Math.round(performance.now() - startedAt) };
  },
};

process.on('message', async (message) => {
  const [[action, argument]] = Object.entries(message);
  process.send(await Promise.resolve(actions[action](argument)).catch((error) => ({ error: String(error) })) ?? {});
});
process.send('ready');
