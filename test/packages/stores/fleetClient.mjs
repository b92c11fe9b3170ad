// The client of each member of a fleet: a process or a Worker.
import { createClient } from 'thingspace-auth';
import { storedToken } from 'thingspace-auth/stores';

export function createFleetClient(store, tokenUrl, options) {
  return createClient({
    clientCredentialsAuthCredentials: {
      oauthClientId: 'invented-id',
      oauthClientSecret: 'invented-secret',
      oauthClockSkew: 0,
      oauthTokenProvider: storedToken(store),
    },
    environment: { tokenUrl, apiOrigins: [new URL(tokenUrl).origin] },
    ...options,
  });
}
