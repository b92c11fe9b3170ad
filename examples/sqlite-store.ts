/**
 * A token store of one's own in SQLite (`node:sqlite`, Node 22.5 and later), shared by the processes of one machine.
 * A lock is a row with an end and an owner, so that it survives a killed holder.
 *
 * createClient({ clientCredentialsAuthCredentials: { …, oauthTokenProvider: storedToken(sqliteStore(database)) } });
 */
import { randomUUID } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import type { TokenStore } from 'thingspace-auth/stores';

export function sqliteStore(database: DatabaseSync): TokenStore {
  database.exec('PRAGMA busy_timeout = 1000'); // milliseconds to wait for another process's write
  database.exec('CREATE TABLE IF NOT EXISTS oauth_tokens (key TEXT PRIMARY KEY, value TEXT NOT NULL, ends REAL)');
  const read = database.prepare('SELECT value FROM oauth_tokens WHERE key = ? AND (ends IS NULL OR ends > ?)');
  const write = database.prepare('INSERT OR REPLACE INTO oauth_tokens VALUES (?, ?, ?)');
  const remove = database.prepare('DELETE FROM oauth_tokens WHERE key = ?');
  const take = database.prepare(
    `INSERT INTO oauth_tokens VALUES (?, ?, ?)
     ON CONFLICT (key) DO UPDATE SET value = excluded.value, ends = excluded.ends WHERE ends <= ?`,
  );
  const release = database.prepare('DELETE FROM oauth_tokens WHERE key = ? AND value = ?');
  const endOf = (ttlSeconds: number) => Date.now() + ttlSeconds * 1000;
  return {
    get: (key) => read.get(key, Date.now())?.['value'] as string | undefined,
    set: (key, value, ttlSeconds) => write.run(key, value, ttlSeconds === undefined ? null : endOf(ttlSeconds)),
    delete: (key) => remove.run(key),
    lock: async (key, ttlSeconds) => {
      const [lock, owner] = [`lock:${key}`, randomUUID()];
      const { changes } = take.run(lock, owner, endOf(ttlSeconds), Date.now());
      return changes === 1 ? async () => release.run(lock, owner) : undefined;
    },
  };
}
