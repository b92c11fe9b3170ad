// That redisStore takes each client as its package types it.
import { Redis as Upstash } from '@upstash/redis';
import { RedisClient } from 'bun';
import { Cluster, Redis as IoRedis6 } from 'ioredis';
import { Redis as IoRedis5 } from 'ioredis-5';
import { createClient as createClient6, createCluster } from 'redis';
import { createClient as createClient5 } from 'redis-5';
import { redisStore } from 'thingspace-auth/stores/redis';

redisStore(createClient5());
redisStore(createClient6());
redisStore(createCluster({ rootNodes: [] }));
redisStore(new IoRedis5());
redisStore(new IoRedis6());
redisStore(new Cluster([]));
redisStore(new RedisClient());
redisStore(Upstash.fromEnv());
// @ts-expect-error: no client
redisStore({ get: () => undefined });
// @ts-expect-error: nothing to run a script with
redisStore({ get: () => undefined, set: () => undefined, del: () => undefined });
// @ts-expect-error: where it lies is no client
redisStore('redis://localhost');
