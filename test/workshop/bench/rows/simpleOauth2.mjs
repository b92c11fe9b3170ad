import { ClientCredentials } from 'simple-oauth2';
import { sharedToken } from '../sharedToken.mjs';

/** The window of its own example. */
const EXPIRATION_WINDOW_SECONDS = 300;

export function connect({ tokenUrl, apiUrl, fetch, agent, clientId, clientSecret }) {
  const { origin, pathname } = new URL(tokenUrl);
  const client = new ClientCredentials({
    client: { id: clientId, secret: clientSecret },
    auth: { tokenHost: origin, tokenPath: pathname },
    http: { agent },
  });
  const getToken = sharedToken(
    () => client.getToken({}),
    (token) => !token.expired(EXPIRATION_WINDOW_SECONDS),
  );
  return {
    async call(url = apiUrl, init = {}) {
      const { token } = await getToken();
      return fetch(url, {
        ...init,
        headers: { ...init.headers, authorization: `Bearer ${token.access_token}` },
      });
    },
  };
}
