/**
 * A token store of one's own in PostgreSQL, with the package `pg`. The table:
 *
 * CREATE TABLE oauth_tokens (key text PRIMARY KEY, value text NOT NULL, ends timestamptz);
 */
import type { Pool } from 'pg';
import type { TokenStore } from 'thingspace-auth/stores';

export function postgresStore(pool: Pool): TokenStore {
  return {
    get: async (key) =>
      (await pool.query('SELECT value FROM oauth_tokens WHERE key = $1 AND (ends > now() OR ends IS NULL)', [key])).rows[0]?.value,
    set: (key, value, ttlSeconds) =>
      pool.query(
        `INSERT INTO oauth_tokens VALUES ($1, $2, now() + make_interval(secs => $3))
         ON CONFLICT (key) DO UPDATE SET value = excluded.value, ends = excluded.ends`,
        [key, value, ttlSeconds],
      ),
    delete: (key) => pool.query('DELETE FROM oauth_tokens WHERE key = $1', [key]),
    lock: async (key, ttlSeconds) => {
      const connection = await pool.connect();
      connection.on('error', ignore);
      let ended: Promise<void> | undefined;
      const end = async () => {
        const isLost = await connection.query('COMMIT').then(() => false, () => true);
        connection.off('error', ignore).release(isLost);
      };
      const release = () => (ended ??= end());
      // The server frees an advisory lock when its transaction ends, its holder is killed, or it idles past the time-out.
      const sql = `SELECT set_config('idle_in_transaction_session_timeout', $2, true),
                     pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS taken`;
      const taking = connection.query('BEGIN').then(() => connection.query(sql, [key, Math.ceil(ttlSeconds * 1000)]));
      const isTaken = await taking.then(({ rows }) => rows[0].taken, async (error) => { await release(); throw error; });
      return isTaken ? release : release().then(() => undefined);
    },
  };
}

function ignore(): void {} // a connection ended by the server also fails the next query, which is where it is dealt with
