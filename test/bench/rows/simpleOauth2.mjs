import { ClientCredentials } from 'simple-oauth2';

/** The window of its own example. */
const EXPIRATION_WINDOW_SECONDS = 300;

export function connect({ tokenUrl, apiUrl, fetch, agent, clientId, clientSecret }) {
  const { origin, pathname } = new URL(tokenUrl);
  const client = new ClientCredentials({
    client: { id: clientId, secret: clientSecret },
    auth: { tokenHost: origin, tokenPath: pathname },
    http: { agent },
  });
  let token;
  return {
    async call() {
      if (!token || token.expired(EXPIRATION_WINDOW_SECONDS)) token = await client.getToken({});
      return fetch(apiUrl, { headers: { authorization: `Bearer ${token.token.access_token}` } });
    },
  };
}
