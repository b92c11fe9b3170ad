// A store of the examples on a database: the file of SQLite, or the URL of PostgreSQL.
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';
import { postgresStore } from '../../examples/postgres-store.ts';
import { sqliteStore } from '../../examples/sqlite-store.ts';

export function openStore(database) {
  if (!database.startsWith('postgres:')) return sqliteStore(new DatabaseSync(database));
  const pool = new pg.Pool({ connectionString: database, allowExitOnIdle: true });
  pool.on('error', () => {}); // an idle connection, when the server is stopped
  return postgresStore(pool);
}
