/**
 * A store in Redis, Valkey or another server of their protocol, through the client that the application has.
 * @module
 */
import { requireMethods, type TokenStore } from './tokenStore.ts';

type RedisCommand = (...args: never[]) => unknown;

/**
 * The part of a Redis client that the store needs. These have it: node-redis 5 and 6, ioredis 5 and 6, Bun's
 * `RedisClient` (which has `send` instead of `eval`), `@upstash/redis`. The caller connects the client, and
 * closes it.
 */
export type RedisClient = {
  readonly get: RedisCommand;
  readonly set: RedisCommand;
  readonly del: RedisCommand;
} & ({ readonly eval: RedisCommand } | { readonly send: RedisCommand });

/**
 * A store for fleets: all processes that reach one Redis share one token. Values end by themselves (`PX`),
 * and `compareAndSet` is one script. Whether values survive a restart of Redis or a failover to a replica is
 * up to Redis. If they are lost, `storedToken` makes one more token request, and a session goes by what each
 * process knows.
 *
 * Each method is one command over the client's network. You connect the client, and you close it. A client
 * that queues commands while it is disconnected counts as a store that hangs. Rejects with what the client
 * rejects with.
 *
 * @param client a client of node-redis, ioredis, Bun or Upstash. It may return texts as bytes
 * @throws `TypeError` for anything else
 *
 * @example
 * ```ts
 * import { storedToken } from 'thingspace-auth/stores';
 * import { type RedisClient, redisStore } from 'thingspace-auth/stores/redis';
 *
 * declare const redis: RedisClient; // node-redis: await createClient({ url: 'redis://localhost' }).connect()
 * const provider = storedToken(redisStore(redis));
 * ```
 */
export function redisStore(client: RedisClient): TokenStore {
  const redis = client as any;
  requireMethods('client', redis, 'get', 'set', 'del', redis?.send ? 'send' : 'eval');
  return {
    get: async (key) => {
      const value = await redis.get(key);
      if (value == null || typeof value === 'string') return value;
      // node-redis gives bytes if its types are mapped so. Upstash's client parses what looks like JSON.
      return ArrayBuffer.isView(value) ? new TextDecoder().decode(value) : JSON.stringify(value);
    },
    set: (key, value, ttlSeconds) => {
      const end = endOf(ttlSeconds);
      // Bun and ioredis take a command's arguments as Redis does. node-redis reads the name in upper
      // case, Upstash in lower case.
      return redis.set(key, value, ...(redis.send || redis.call ? end : [{ PX: end[1], px: end[1] }]));
    },
    delete: (key) => redis.del(key),
    compareAndSet: async (key, expected = '', value = '', ttlSeconds) =>
      Number(await evaluate(redis, key, [expected, value, ...endOf(ttlSeconds).map(String)])) === 1,
  };
}

/** The words with which Redis is told when a value ends. */
function endOf(ttlSeconds: number | undefined): ['PX', number] | [] {
  return ttlSeconds === undefined ? [] : ['PX', Math.ceil(ttlSeconds * 1000)];
}

/** Values are never empty, so an empty text stands for no value. */
const COMPARE_AND_SET = `if (redis.call("get",KEYS[1]) or "")~=ARGV[1] then return 0 end
if ARGV[2]=="" then redis.call("del",KEYS[1]) else redis.call("set",KEYS[1],unpack(ARGV,2)) end
return 1`;

/** Each client has its own way to be given a script's keys and arguments. */
function evaluate(redis: any, key: string, args: readonly string[]): Promise<unknown> {
  if (redis.send) return redis.send('EVAL', [COMPARE_AND_SET, '1', key, ...args]);
  if (redis.call) return redis.eval(COMPARE_AND_SET, 1, key, ...args);
  if (redis.sendCommand) return redis.eval(COMPARE_AND_SET, { keys: [key], arguments: args });
  return redis.eval(COMPARE_AND_SET, [key], args);
}
