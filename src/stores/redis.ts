/**
 * A store in Redis, Valkey or whatever speaks their protocol, through the client that the application has.
 * @module
 */
import type { TokenStore } from './tokenStore.ts';

/**
 * What is used of a Redis client: node-redis 5 and 6, ioredis 5 and 6, Bun's `RedisClient`, `@upstash/redis`;
 * connected, and owned by the caller.
 */
export interface RedisClient {
  readonly get: (...args: never[]) => unknown;
  readonly set: (...args: never[]) => unknown;
  readonly del: (...args: never[]) => unknown;
}

/**
 * A store for fleets: all processes that reach one Redis share one token. Values end by themselves (`PX`); the lock is
 * `SET NX PX` with a random owner, and only its owner releases it. Whether values survive a restart of Redis, and a
 * lock its failover to a replica, is up to Redis: at worst an exchange more is made. Connects nowhere by itself; a
 * client that queues commands while it is disconnected is a store that hangs, which `storedToken` bears. Rejects with
 * what the client rejects with.
 *
 * @example
 * const redis = await createClient({ url: 'redis://localhost' }).connect(); // node-redis
 * const provider = storedToken(redisStore(redis));
 */
export function redisStore(client: RedisClient): TokenStore {
  const redis = client as any;
  // Bun and ioredis take a command's arguments as Redis does.
  const isPlain = !!(redis.send ?? redis.call);
  return {
    get: async (key) => {
      const value = await redis.get(key);
      // Upstash's client parses what looks like JSON.
      return value == null || typeof value === 'string' ? value : JSON.stringify(value);
    },
    set: (key, value, ttlSeconds) => set(key, value, ttlSeconds, false),
    delete: (key) => redis.del(key),
    lock: async (key, ttlSeconds) => {
      const lockKey = `${key}:lock`;
      const owner = crypto.randomUUID();
      // Nothing, in whatever form, while another holds it.
      return (await set(lockKey, owner, ttlSeconds, true)) ? () => deleteOwn(lockKey, owner) : undefined;
    },
  };

  function set(key: string, value: string, ttlSeconds: number | undefined, isNew: boolean): Promise<unknown> {
    const PX = ttlSeconds && ttlSeconds * 1000;
    if (isPlain) return redis.set(key, value, ...(PX ? ['PX', PX] : []), ...(isNew ? ['NX'] : []));
    // node-redis reads the upper case, Upstash the lower.
    return redis.set(key, value, { PX, px: PX, NX: isNew, nx: isNew });
  }

  function deleteOwn(key: string, owner: string): Promise<unknown> {
    const script = 'return redis.call("get",KEYS[1])==ARGV[1] and redis.call("del",KEYS[1])';
    if (redis.send) return redis.send('EVAL', [script, '1', key, owner]);
    if (isPlain) return redis.eval(script, 1, key, owner);
    if (redis.sendCommand) return redis.eval(script, { keys: [key], arguments: [owner] });
    return redis.eval(script, [key], [owner]);
  }
}
