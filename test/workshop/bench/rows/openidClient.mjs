import * as client from 'openid-client';
import { sharedToken } from '../sharedToken.mjs';

export function connect({ tokenUrl, apiUrl, fetch, clientId, clientSecret }) {
  const server = { issuer: new URL(tokenUrl).origin, token_endpoint: tokenUrl };
  const configuration = new client.Configuration(server, clientId, clientSecret);
  configuration[client.customFetch] = fetch;
  client.allowInsecureRequests(configuration);
  const getToken = sharedToken(
    () => client.clientCredentialsGrant(configuration),
    (token) => token.expiresIn() > 30,
  );
  return {
    async call(url = apiUrl, init = {}) {
      const { access_token } = await getToken();
      return fetch(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${access_token}` } });
    },
  };
}
