// Keeps the token in a folder, so that the next run, and every other process on this machine, starts with it.
import { configFromEnvironment, createClient } from 'thingspace-auth';
import { storedToken } from 'thingspace-auth/stores';
import { fileStore } from 'thingspace-auth/stores/file';

const { clientCredentialsAuthCredentials, ...config } = configFromEnvironment();
const { authorizedFetch } = createClient({
  ...config,
  clientCredentialsAuthCredentials: {
    ...clientCredentialsAuthCredentials,
    oauthTokenProvider: storedToken(fileStore('.thingspace-tokens')),
  },
  onEvent: (event) => {
    if (event.type === 'token_obtained')
      console.log(event.attempts === 0 ? 'token from the store' : 'token from the server');
  },
});

const response = await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
console.log(response.status, await response.json());
