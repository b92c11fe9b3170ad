// One process of sessionFleet.test.ts and sessionProcesses.test.ts: makes a call when it is told to, and answers how it ended.
// STOP_AT names a step of a login, or of a write, at which it stops itself, once; FSYNC_MS is what the disk takes.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { createClient } from 'thingspace-auth';
import { createSession } from 'thingspace-auth/session';
import type { TokenStore } from 'thingspace-auth/stores';
import { fileStore } from 'thingspace-auth/stores/file';

const [origin = '', password = '', timeout, index = '', folder] = process.argv.slice(2);
const { now } = Date;
let stopAt = process.env.STOP_AT;
/** What is being written. */
let writing = '';

/** Stops here if it is told to, as a scheduler, a debugger or a frozen function does it: until somebody lets it go on. */
async function reach(step: string): Promise<void> {
  if (step !== stopAt) return;
  stopAt = undefined;
  await new Promise((resolve) => process.send!('stopped', resolve));
  process.kill(process.pid, 'SIGSTOP');
}

function tracked(store: TokenStore): TokenStore {
  return {
    ...store,
    compareAndSet: async (key, expected, value, ttlSeconds) => {
      writing = value?.includes('"limitMs"') ? 'count' : value?.includes('"status"') ? 'refusal' : 'session';
      await reach(`before ${writing}`);
      const isWritten = await store.compareAndSet!(key, expected, value, ttlSeconds);
      await reach(`after ${writing}`);
      return isWritten;
    },
  };
}

function slowDisk(): void {
  const { link } = fs.promises;
  const { fsync } = fs;
  fs.promises.link = async (...parameters) => {
    await reach(`within ${writing}`);
    return link(...parameters);
  };
  const delayMs = Number(process.env.FSYNC_MS ?? 0);
  const slowFsync = (descriptor: number, callback: fs.NoParamCallback): void => {
    setTimeout(() => fsync(descriptor, callback), delayMs);
  };
  fs.fsync = slowFsync as typeof fsync;
  syncBuiltinESMExports();
}

async function ask(operation: string, body: object): Promise<any> {
  const response = await fetch(`${origin}/store/${operation}`, { method: 'POST', body: JSON.stringify(body) });
  return response.json();
}

/** One behind HTTP. */
const remote: TokenStore = {
  get: async (key) => (await ask('get', { key, index })).value,
  set: (key, value, ttlSeconds) => ask('set', { key, value, ttlSeconds }),
  delete: (key) => ask('delete', { key }),
  compareAndSet: async (key, expected, value) => (await ask('compareAndSet', { key, expected, value })).isWritten,
};

if (folder) slowDisk();
const session = createSession({ username: 'invented-user', password, store: tracked(folder ? fileStore(folder) : remote) });
const { authorizedFetch } = createClient({
  clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthClientSecret: 'invented-secret' },
  environment: { tokenUrl: `${origin}/token`, apiOrigins: [origin] },
  vZM2mToken: session,
  timeout: Number(timeout),
  fetch: async (input, init) => {
    const isLogin = String(input).endsWith('/login');
    if (isLogin) await reach('before login');
    const headers = { ...Object.fromEntries(new Headers(init?.headers)), 'x-process': index };
    const answer = await fetch(input, { ...init, headers });
    if (isLogin) await reach('after login');
    return answer;
  },
});

process.on('message', async (message) => {
  if (message === 'a minute later') {
    Date.now = () => now() + 61_000;
    return;
  }
  const outcome = await authorizedFetch(`${origin}/devices`).then(
    () => 'ok',
    (error: { code?: string; message: string }) => error.code ?? error.message,
  );
  process.send!(outcome);
});
process.send!('ready');
