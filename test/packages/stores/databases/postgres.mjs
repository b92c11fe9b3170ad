// A PostgreSQL server of one's own: Debian's programs, a temporary data directory, loopback only.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from '../../../support/freePort.mjs';
import { endWithTest } from '../children.mjs';

export async function startPostgres() {
  const directory = mkdtempSync(join(tmpdir(), 'token-store-postgres-'));
  const user = serverUser();
  if (user.uid !== undefined) chownSync(directory, user.uid, user.gid);
  const programs = programDirectory();
  const data = join(directory, 'data');
  const initArguments = ['--pgdata', data, '--username', 'invented', '--auth', 'trust', '--no-sync'];
  execFileSync(join(programs, 'initdb'), initArguments, { ...user, cwd: directory, stdio: 'ignore' });
  const port = await freePort();
  const server = spawn(
    join(programs, 'postgres'),
    [
      '-D',
      data,
      '-h',
      '127.0.0.1',
      '-p',
      String(port),
      '-k',
      directory,
      '-c',
      'fsync=off',
      '-c',
      'max_connections=300',
    ],
    { ...user, cwd: directory, stdio: 'ignore' },
  );
  endWithTest(server);
  const ended = once(server, 'exit');
  const url = `postgres://invented@127.0.0.1:${port}/postgres`;
  await createTable(url, server);
  const stop = async () => {
    server.kill('SIGINT');
    await ended;
    rmSync(directory, { recursive: true, force: true });
  };
  return { url, stop };
}

/** The server refuses to run as root; Debian's package brings a user for it. */
function serverUser() {
  if (process.getuid() !== 0) return {};
  const idOf = (flag) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: idOf('-u'), gid: idOf('-g') };
}

function programDirectory() {
  const root = '/usr/lib/postgresql';
  const newest = readdirSync(root).sort((a, b) => Number(b) - Number(a))[0];
  return join(root, newest, 'bin');
}

/** Waits for the server, as long as it lives. */
async function createTable(url, server) {
  for (;;) {
    const client = new pg.Client(url);
    try {
      await client.connect();
      await client.query(
        'CREATE TABLE oauth_tokens (key text PRIMARY KEY, value text NOT NULL, ends timestamptz)',
      );
      return await client.end();
    } catch (error) {
      if (server.exitCode !== null) throw error;
      await sleep(100);
    }
  }
}
