// Asks the server itself where its endpoints are. Only its issuer needs to be configured, and which origins
// may see the tokens.
import { createClient } from 'thingspace-auth';
import { discover } from 'thingspace-auth/discover';

const environment = await discover('https://auth.example.com/tenant-1', {
  apiOrigins: ['https://api.example.com'],
});
console.log(environment.tokenUrl);

const { authorizedFetch } = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'my-service',
    oauthClientSecret: process.env.CLIENT_SECRET,
    oauthScopes: ['orders:read'],
  },
  environment,
});

const response = await authorizedFetch('https://api.example.com/orders');
console.log(response.status, await response.json());
