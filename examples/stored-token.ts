// Keeps the token in a folder, so that the next run, and every other process on this machine, starts with it.
//   echo .thingspace-tokens >> .gitignore      (a token is a secret)
import { join } from 'node:path';
import { configFromEnvironment, createClient } from 'thingspace-auth';
import { storedToken } from 'thingspace-auth/stores';
import { fileStore } from 'thingspace-auth/stores/file';

// Beside this file, since cron starts programs in another folder.
const store = fileStore(join(import.meta.dirname, '.thingspace-tokens'));
const { authorizedFetch } = createClient({
  ...configFromEnvironment({ oauthTokenProvider: storedToken(store) }),
  onEvent: (event) => {
    if (event.type === 'token_obtained')
      console.log(event.attempts === 0 ? 'token from the store' : 'token from the server');
    if (event.type === 'store_failed') console.error(`The token is not kept: ${event.reason}`);
  },
});

const response = await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
console.log(response.status, await response.json());
