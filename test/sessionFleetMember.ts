// One process of sessionFleet.test.ts: makes a call when it is told to, and answers how it ended.
import { createClient } from 'thingspace-auth';
import { createSession } from 'thingspace-auth/session';
import type { TokenStore } from 'thingspace-auth/stores';

const [origin = '', password = '', timeout, index = ''] = process.argv.slice(2);
let owned = 0;

async function ask(operation: string, body: object): Promise<any> {
  const response = await fetch(`${origin}/store/${operation}`, { method: 'POST', body: JSON.stringify(body) });
  return response.json();
}

const store: TokenStore = {
  get: async (key) => (await ask('get', { key })).value,
  set: (key, value, ttlSeconds) => ask('set', { key, value, ttlSeconds }),
  delete: (key) => ask('delete', { key }),
  lock: async (key, ttlSeconds) => {
    const owner = `${index}/${++owned}`;
    const { isTaken } = await ask('lock', { key, ttlSeconds, owner });
    return isTaken ? () => ask('release', { key, owner }) : undefined;
  },
};

const { authorizedFetch } = createClient({
  clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthClientSecret: 'invented-secret' },
  environment: { tokenUrl: `${origin}/token`, apiOrigins: [origin] },
  vZM2mToken: createSession({ username: 'invented-user', password, store }),
  timeout: Number(timeout),
  fetch: (input, init) => fetch(input, { ...init, headers: { ...Object.fromEntries(new Headers(init?.headers)), 'x-process': index } }),
});

process.on('message', async () => {
  const outcome = await authorizedFetch(`${origin}/devices`).then(
    () => 'ok',
    (error: { code?: string; message: string }) => error.code ?? error.message,
  );
  process.send!(outcome);
});
process.send!('ready');
