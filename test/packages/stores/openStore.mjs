// Opens a store of any kind in a process. Each kind's packages are imported only then, since no runtime has
// them all.
import { fileStore } from 'thingspace-auth/stores/file';
import { kvStore } from 'thingspace-auth/stores/kv';
import { redisStore } from 'thingspace-auth/stores/redis';

const KINDS = {
  files: ({ path }) => ({ store: fileStore(path) }),

  /** The clients of a fleet need not be the same. */
  Redis: async ({ port, index }) => {
    const { clients } = await import('./redis/clients.mjs');
    const { client, ...rest } = await clients[index % 2 === 0 ? 'node-redis 6' : 'ioredis 6'](port);
    return { store: redisStore(client), ...rest };
  },

  "Bun's client of Redis": async ({ url }) => {
    const { RedisClient } = await import('bun');
    const client = new RedisClient(url);
    return { store: redisStore(client), close: () => client.close() };
  },

  'Deno.Kv': async ({ path }) => {
    const kv = await Deno.openKv(path);
    return { store: kvStore(kv), close: () => kv.close() };
  },

  SQLite: async ({ path }) => {
    const { DatabaseSync } = await import('node:sqlite');
    const { sqliteStore } = await import('../../../examples/sqlite-store.ts');
    const database = new DatabaseSync(path);
    return { store: sqliteStore(database), close: () => database.close() };
  },

  PostgreSQL: async ({ url }) => {
    const { default: pg } = await import('pg');
    const { postgresStore } = await import('../../../examples/postgres-store.ts');
    const pool = new pg.Pool({ connectionString: url, allowExitOnIdle: true });
    pool.on('error', () => {}); // an idle connection, when the server is stopped
    return { store: postgresStore(pool), close: () => pool.end() };
  },
};

/** `kind`, and what that kind wants to know: `{ store, close?, ping? }`. */
export function openStore({ kind, ...place }) {
  return KINDS[kind](place);
}
