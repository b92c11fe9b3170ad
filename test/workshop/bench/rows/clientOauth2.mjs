import ClientOAuth2 from 'client-oauth2';
import { sharedToken } from '../sharedToken.mjs';

export function connect({ tokenUrl, apiUrl, fetch, request, clientId, clientSecret }) {
  const client = new ClientOAuth2({ clientId, clientSecret, accessTokenUri: tokenUrl }, request);
  const getToken = sharedToken(
    () => client.credentials.getToken(),
    (token) => !token.expired(),
  );
  return {
    async call(url = apiUrl, init = {}) {
      const token = await getToken();
      return fetch(url, token.sign({ ...init, headers: { ...init.headers } }));
    },
  };
}
