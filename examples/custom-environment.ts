// Any other OAuth 2 server: its token endpoint, and the origins that may see its tokens.
import { clientSecretPost, createClient } from 'thingspace-auth';

const { authorizedFetch } = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'my-service',
    oauthClientSecret: process.env.CLIENT_SECRET,
    oauthScopes: ['orders:read'], // any scope
    oauthParams: { audience: 'https://api.example.com' }, // further form fields, if the server wants them
    clientAuthentication: clientSecretPost, // the default is clientSecretBasic
  },
  environment: {
    tokenUrl: 'https://auth.example.com/oauth2/token',
    apiOrigins: ['https://api.example.com', 'https://*.eu.example.com'],
  },
});

const response = await authorizedFetch('https://api.example.com/orders', {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ item: 'sensor', count: 2 }),
});
console.log(response.status, await response.json());

// Another origin never sees the token: this rejects before anything is sent.
await authorizedFetch('https://elsewhere.example.org/').catch((error: Error) => console.log(error.message));
