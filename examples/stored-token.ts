// Keeps the token in a file of a folder, so that the next run, and every other process on this machine, starts with it.
import { createClient, OauthScopeEnum } from 'thingspace-auth';
import { storedToken } from 'thingspace-auth/stores';
import { fileStore } from 'thingspace-auth/stores/file';

const { authorizedFetch } = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: process.env.THINGSPACE_CLIENT_ID!,
    oauthClientSecret: process.env.THINGSPACE_CLIENT_SECRET,
    oauthScopes: [OauthScopeEnum.Discoveryread],
    oauthTokenProvider: storedToken(fileStore('.thingspace-tokens')),
  },
  onEvent: (event) => {
    if (event.type === 'token_obtained') console.log(event.attempts === 0 ? 'token from the file' : 'token from the server');
  },
});

const response = await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
console.log(response.status, await response.json());
