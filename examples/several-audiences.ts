// Several APIs behind one authorization server, each with an audience of its own: a client for each, all made
// of one configuration. They share a store, whose key contains the audience.
import { join } from 'node:path';
import { type Client, createClient } from 'thingspace-auth';
import { storedToken } from 'thingspace-auth/stores';
import { fileStore } from 'thingspace-auth/stores/file';

const credentials = {
  oauthClientId: 'my-service',
  oauthClientSecret: process.env.CLIENT_SECRET,
  oauthTokenProvider: storedToken(fileStore(join(import.meta.dirname, '.tokens'))),
};
const clients = new Map<string, Client>();

function clientOf(origin: string): Client {
  const client =
    clients.get(origin) ??
    createClient({
      clientCredentialsAuthCredentials: { ...credentials, oauthParams: { audience: origin } },
      environment: { tokenUrl: 'https://auth.example.com/oauth2/token', apiOrigins: [origin] },
    });
  clients.set(origin, client);
  return client;
}

for (const url of ['https://orders.example.com/open', 'https://stock.example.com/items']) {
  const response = await clientOf(new URL(url).origin).authorizedFetch(url);
  console.log(url, response.status);
}
