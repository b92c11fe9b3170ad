// Authenticates with a private key (private_key_jwt): the server has only the public key, and no secret is
// shared. To make a key, and to print its public half:
//   openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out private-key.pem
//   openssl pkey -in private-key.pem -pubout
import { readFile } from 'node:fs/promises';
import { createClient } from 'thingspace-auth';
import { importKey, privateKeyJwt } from 'thingspace-auth/jwt';

const key = await importKey(await readFile('private-key.pem', 'utf8'));

const { authorizedFetch } = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'my-service',
    oauthScopes: ['orders:read'],
    // `keyId`: the name under which the server knows the key, if it has one.
    clientAuthentication: privateKeyJwt({ key, keyId: 'key-1' }),
  },
  environment: { tokenUrl: 'https://auth.example.com/oauth2/token', apiOrigins: ['https://api.example.com'] },
});

const response = await authorizedFetch('https://api.example.com/orders');
console.log(response.status, await response.json());
