import { createClient } from 'thingspace-auth';

export function connect({
  tokenUrl,
  apiUrl,
  fetch,
  clientId,
  clientSecret,
  timeout,
  sessionToken,
  onEvent,
  tokenProvider,
}) {
  const { authorizedFetch } = createClient({
    clientCredentialsAuthCredentials: {
      oauthClientId: clientId,
      oauthClientSecret: clientSecret,
      oauthTokenProvider: tokenProvider,
    },
    environment: { tokenUrl, apiOrigins: [new URL(apiUrl).origin] },
    fetch,
    timeout,
    vZM2mToken: sessionToken,
    onEvent,
  });
  return { call: (input = apiUrl, init) => authorizedFetch(input, init) };
}

/** The options with which many processes share one token. */
export async function sharedBy(folder) {
  const [{ storedToken }, { fileStore }] = await Promise.all([
    import('thingspace-auth/stores'),
    import('thingspace-auth/stores/file'),
  ]);
  return { tokenProvider: storedToken(fileStore(`${folder}/tokens`)) };
}
