// One process of a fleet: answers each message with its token, or with the result of a `compareAndSet` that it is told.
import { createClient } from 'thingspace-auth';
import { storedToken } from 'thingspace-auth/stores';
import { openStore } from '../openStore.mjs';

const [database, tokenUrl] = process.argv.slice(2);
const store = openStore(database);
const { getToken } = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'invented-id',
    oauthClientSecret: 'invented-secret',
    oauthClockSkew: 0,
    oauthTokenProvider: storedToken(store),
  },
  environment: { tokenUrl, apiOrigins: [new URL(tokenUrl).origin] },
});
process.on('message', async ({ compareAndSet: args }) => {
  const [key, expected, value] = args ?? [];
  process.send(args ? { hasWon: await store.compareAndSet(key, expected ?? undefined, value, 60) } : await getToken());
});
process.send('ready');
