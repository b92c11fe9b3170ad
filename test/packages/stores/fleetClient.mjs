// The client of each member of a fleet: a process or a Worker.
import { createClient } from 'thingspace-auth';
import { createSession } from 'thingspace-auth/session';
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

/** A client for one server, which grants tokens, logs in and answers calls. */
export function createSessionClient(store, origin, password) {
  const { authorizedFetch } = createClient({
    clientCredentialsAuthCredentials: {
      oauthClientId: 'invented-id',
      oauthClientSecret: 'invented-secret',
    },
    environment: { tokenUrl: `${origin}/token`, apiOrigins: [origin] },
    vZM2mToken: createSession({ username: 'invented-user', password, store }),
  });
  return { authorizedFetch: (path) => authorizedFetch(origin + path) };
}
