// One process of sessionMembers.ts: begins, makes a call and moves its clock when it is told to, and tells
// how that ended.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { createClient } from 'thingspace-auth';
import { createSession } from 'thingspace-auth/session';
import { encryptedStore, type TokenStore } from 'thingspace-auth/stores';
import { fileStore } from 'thingspace-auth/stores/file';
import { deriveKeysQuickly } from './quickKeys.ts';
import type { Order, Report, Setting } from './sessionMembers.ts';

const { now } = Date;
const { link } = fs.promises;
const { fsync } = fs;
let call: () => Promise<string>;
let nowMs: number | undefined;
let movedMs = 0;
let stopAt: string | undefined;
let fsyncMs = 0;
/** What is being written. */
let writing = '';

function report(...message: Report): Promise<void> {
  return new Promise((resolve) => process.send!(message, () => resolve()));
}

/**
 * Stops here if it is told to, as a scheduler, a debugger or a frozen function does it: until somebody lets
 * it go on.
 */
async function reach(step: string): Promise<void> {
  if (step !== stopAt) return;
  stopAt = undefined;
  await report('stopped');
  process.kill(process.pid, 'SIGSTOP');
}

async function begin(setting: Setting): Promise<void> {
  const { origin, password, timeoutMs, name, folder, keys } = setting;
  ({ nowMs, stopAt, fsyncMs = 0 } = setting);
  movedMs = 0;
  const plain = folder ? fileStore(folder) : remote(origin, name);
  const store = tracked(keys ? encryptedStore(plain, await Promise.all(keys.map(importKey))) : plain);
  const { authorizedFetch } = createClient({
    clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthClientSecret: 'invented-secret' },
    environment: { tokenUrl: `${origin}/token`, apiOrigins: [origin] },
    vZM2mToken: createSession({ username: 'invented-user', password, store }),
    timeout: timeoutMs,
    fetch: async (input, init) => {
      const isLogin = String(input).endsWith('/login');
      if (isLogin) await reach('before login');
      const headers = { ...Object.fromEntries(new Headers(init?.headers)), 'x-process': name };
      const answer = await fetch(input, { ...init, headers });
      if (isLogin) await reach('after login');
      return answer;
    },
  });
  call = () =>
    authorizedFetch(`${origin}/devices`).then(
      () => 'ok',
      (error: { code?: string; message: string }) => error.code ?? error.message,
    );
}

function importKey(name: string): Promise<CryptoKey> {
  const bytes = new TextEncoder().encode(name.padEnd(32));
  return crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt']);
}

function kindOf(record: string | undefined): string {
  if (record?.includes('"counted"')) return 'count';
  return record?.includes('"refused"') ? 'refusal' : 'session';
}

function tracked(store: TokenStore): TokenStore {
  return {
    ...store,
    compareAndSet: async (key, expected, value, ttlSeconds) => {
      writing = kindOf(value);
      await reach(`before ${writing}`);
      const isWritten = await store.compareAndSet!(key, expected, value, ttlSeconds);
      void report('written');
      await reach(`after ${writing}`);
      return isWritten;
    },
  };
}

/** The store behind HTTP. */
function remote(origin: string, name: string): TokenStore {
  const ask = async (operation: string, body: object): Promise<any> => {
    const response = await fetch(`${origin}/store/${operation}`, {
      method: 'POST',
      body: JSON.stringify(body),
    });
    return response.json();
  };
  return {
    get: async (key) => (await ask('get', { key, name })).value,
    set: (key, value, ttlSeconds) => ask('set', { key, value, ttlSeconds }),
    delete: (key) => ask('delete', { key }),
    compareAndSet: async (key, expected, value) =>
      (await ask('compareAndSet', { key, expected, value })).isWritten,
  };
}

deriveKeysQuickly();
Date.now = () => (nowMs ?? now()) + movedMs;
fs.promises.link = async (...parameters) => {
  await reach(`within ${writing}`);
  return link(...parameters);
};
fs.fsync = ((descriptor: number, callback: fs.NoParamCallback) => {
  setTimeout(() => fsync(descriptor, callback), fsyncMs);
}) as typeof fsync;
syncBuiltinESMExports();

process.on('message', async ([word, detail]: Order) => {
  if (word === 'call') return report(word, await call());
  if (word === 'begin') await begin(detail);
  else movedMs += detail;
  return report(word);
});
