/**
 * Your own token store in PostgreSQL, with the package `pg`. The table:
 *
 * CREATE TABLE oauth_tokens (key text PRIMARY KEY, value text NOT NULL, ends timestamptz);
 */
import type { Pool } from 'pg';
import type { TokenStore } from 'thingspace-auth/stores';

const ALIVE = '(oauth_tokens.ends > now() OR oauth_tokens.ends IS NULL)';
const INSERT = 'INSERT INTO oauth_tokens VALUES ($1, $2, now() + make_interval(secs => $3))';
const OVERWRITE = 'ON CONFLICT (key) DO UPDATE SET value = excluded.value, ends = excluded.ends';

export function postgresStore(pool: Pool): TokenStore {
  const get = async (key: string): Promise<string | undefined> =>
    (await pool.query(`SELECT value FROM oauth_tokens WHERE key = $1 AND ${ALIVE}`, [key])).rows[0]?.value;
  const change = async (sql: string, values: unknown[]) => (await pool.query(sql, values)).rowCount === 1;
  return {
    get,
    set: (key, value, ttlSeconds) => pool.query(`${INSERT} ${OVERWRITE}`, [key, value, ttlSeconds]),
    delete: (key) => pool.query('DELETE FROM oauth_tokens WHERE key = $1', [key]),
    // Each is one statement: where two of them meet at a row, PostgreSQL runs one after the other.
    compareAndSet: async (key, expected, value, ttlSeconds) => {
      if (value === undefined && expected === undefined) return (await get(key)) === undefined;
      if (value === undefined)
        return change(`DELETE FROM oauth_tokens WHERE key = $1 AND value = $2 AND ${ALIVE}`, [key, expected]);
      if (expected === undefined)
        return change(`${INSERT} ${OVERWRITE} WHERE NOT ${ALIVE}`, [key, value, ttlSeconds]);
      const update = `UPDATE oauth_tokens SET value = $2, ends = now() + make_interval(secs => $3)
                      WHERE key = $1 AND value = $4 AND ${ALIVE}`;
      return change(update, [key, value, ttlSeconds, expected]);
    },
  };
}
