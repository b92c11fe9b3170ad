// One process of a fleet: answers each message with its token.
import { createClient } from 'thingspace-auth';
import { storedToken } from 'thingspace-auth/stores';
import { openStore } from './openStore.mjs';

const [database, tokenUrl] = process.argv.slice(2);
const { getToken } = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'invented-id',
    oauthClientSecret: 'invented-secret',
    oauthClockSkew: 0,
    oauthTokenProvider: storedToken(openStore(database)),
  },
  environment: { tokenUrl, apiOrigins: [new URL(tokenUrl).origin] },
});
process.on('message', async () => process.send(await getToken()));
process.send('ready');
