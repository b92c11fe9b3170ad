import { createClient } from 'thingspace-auth';

export function connect({ tokenUrl, apiUrl, fetch, clientId, clientSecret, timeout, sessionToken, onEvent }) {
  const { authorizedFetch } = createClient({
    clientCredentialsAuthCredentials: { oauthClientId: clientId, oauthClientSecret: clientSecret },
    environment: { tokenUrl, apiOrigins: [new URL(apiUrl).origin] },
    fetch,
    timeout,
    vZM2mToken: sessionToken,
    onEvent,
  });
  return { call: (input = apiUrl, init) => authorizedFetch(input, init) };
}
