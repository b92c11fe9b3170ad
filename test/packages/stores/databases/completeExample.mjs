// The complete example of the vendor's documentation, with a real database in the place of its two comments.
import { createClient, isExpired, reviveToken } from 'thingspace-auth';
import { openStore } from '../openStore.mjs';

const [place, tokenUrl] = process.argv.slice(2);
const { store } = await openStore(JSON.parse(place));

async function saveTokenToDatabase(token) {
  await store.set('thingspace-token', JSON.stringify(token), token.expiresIn);
}

async function loadTokenFromDatabase() {
  const saved = await store.get('thingspace-token');
  return saved == null ? undefined : reviveToken(JSON.parse(saved));
}

const { origin } = new URL(tokenUrl);
let client = createClient({
  clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthClientSecret: 'invented-secret' },
  vZM2mToken: 'invented-session-token',
  timeout: 0,
  environment: { tokenUrl, apiOrigins: [origin] },
});

const previousToken = await loadTokenFromDatabase();
if (previousToken && !isExpired(previousToken)) client = client.withToken(previousToken);
else await saveTokenToDatabase(await client.fetchToken());

const response = await client.authorizedFetch(`${origin}/api`);
console.log(await response.text());
