// Binds the tokens to a key of this process (DPoP): a token that is stolen from a log or a proxy is useless
// without that key.
import { createClient } from 'thingspace-auth';
import { createDpop } from 'thingspace-auth/dpop';

const { authorizedFetch } = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'my-service',
    oauthClientSecret: process.env.CLIENT_SECRET,
    oauthScopes: ['orders:read'],
  },
  environment: { tokenUrl: 'https://auth.example.com/oauth2/token', apiOrigins: ['https://api.example.com'] },
  dpop: createDpop(), // every request now carries a proof, with the nonce that its server asks for
});

const response = await authorizedFetch('https://api.example.com/orders');
console.log(response.status, await response.json());
