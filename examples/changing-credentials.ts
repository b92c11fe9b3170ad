// A secret that changes while the program runs: make another client, and let it start from the token that
// still serves. Calls under way end with the old one. Here a signal says that the secret is new: kill -HUP.
import { readFileSync } from 'node:fs';
import { configFromEnvironment, createClient, type OAuthToken } from 'thingspace-auth';

let token: OAuthToken | undefined;

function connect() {
  const config = configFromEnvironment({
    oauthClientSecret: readFileSync('secret.txt', 'utf8').trim(),
    oauthToken: token,
    oauthOnTokenUpdate: (latest) => (token = latest),
  });
  return createClient(config);
}

let client = connect();

// Everybody uses the current client.
async function countRegions(): Promise<void> {
  const response = await client.authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
  console.log('regions:', ((await response.json()) as { regions: unknown[] }).regions.length);
}

process.on('SIGHUP', () => {
  client = connect();
  void countRegions();
});
setInterval(countRegions, 60_000);
await countRegions();
