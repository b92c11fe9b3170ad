// Mutual TLS (RFC 8705): the certificate says who the client is, at the token endpoint and at the API.
//   npm install thingspace-auth undici@7
import { readFileSync } from 'node:fs';
import { createClient, noClientAuthentication } from 'thingspace-auth';
import { Agent } from 'undici';

const dispatcher = new Agent({
  connect: {
    cert: readFileSync('client.pem'),
    key: readFileSync('client.key'),
    ca: readFileSync('ca.pem'), // only where the server's certificate comes from a company's own authority
  },
});

const { authorizedFetch } = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'my-service',
    clientAuthentication: noClientAuthentication,
  },
  environment: { tokenUrl: 'https://auth.example.com/oauth2/token', apiOrigins: ['https://api.example.com'] },
  fetch: (input, init) => fetch(input, { ...init, dispatcher } as RequestInit),
});

const response = await authorizedFetch('https://api.example.com/orders');
console.log(response.status, await response.json());
