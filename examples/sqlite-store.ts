/**
 * Your own token store in SQLite (`node:sqlite`, Node 22.5 and later), shared by the processes of one
 * machine.
 *
 * createClient({ clientCredentialsAuthCredentials: { …, oauthTokenProvider:
 * storedToken(sqliteStore(database)) } });
 */
import type { DatabaseSync } from 'node:sqlite';
import type { TokenStore } from 'thingspace-auth/stores';

export function sqliteStore(database: DatabaseSync): TokenStore {
  database.exec('PRAGMA busy_timeout = 1000'); // milliseconds to wait for another process's write
  database.exec(
    'CREATE TABLE IF NOT EXISTS oauth_tokens (key TEXT PRIMARY KEY, value TEXT NOT NULL, ends REAL)',
  );
  const select = database.prepare(
    'SELECT value FROM oauth_tokens WHERE key = ? AND (ends IS NULL OR ends > ?)',
  );
  const insert = database.prepare('INSERT OR REPLACE INTO oauth_tokens VALUES (?, ?, ?)');
  const remove = database.prepare('DELETE FROM oauth_tokens WHERE key = ?');
  const get = (key: string) => select.get(key, Date.now())?.['value'] as string | undefined;
  const set = (key: string, value: string, ttlSeconds: number | undefined) =>
    insert.run(key, value, ttlSeconds === undefined ? null : Date.now() + ttlSeconds * 1000);
  return {
    get,
    set,
    delete: (key) => remove.run(key),
    compareAndSet: (key, expected, value, ttlSeconds) => {
      database.exec('BEGIN IMMEDIATE'); // from here to its end no other connection writes
      try {
        const isAsExpected = get(key) === expected;
        if (isAsExpected) void (value === undefined ? remove.run(key) : set(key, value, ttlSeconds));
        database.exec('COMMIT');
        return isAsExpected;
      } catch (error) {
        database.exec('ROLLBACK');
        throw error;
      }
    },
  };
}
