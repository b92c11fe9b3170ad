// graphql-request on top of authorizedFetch; Apollo's HttpLink and urql take `fetch: authorizedFetch` in the
// same way.
//   npm install thingspace-auth graphql-request graphql
import { GraphQLClient } from 'graphql-request';
import { createClient } from 'thingspace-auth';

const { authorizedFetch } = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'my-service',
    oauthClientSecret: process.env.CLIENT_SECRET,
  },
  environment: { tokenUrl: 'https://auth.example.com/oauth2/token', apiOrigins: ['https://api.example.com'] },
});

const api = new GraphQLClient('https://api.example.com/graphql', { fetch: authorizedFetch });

console.log(await api.request('{ regions { name } }'));
