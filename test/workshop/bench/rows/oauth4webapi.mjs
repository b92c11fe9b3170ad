import * as oauth from 'oauth4webapi';
import { sharedToken } from '../sharedToken.mjs';

export function connect({ tokenUrl, apiUrl, fetch, clientId, clientSecret }) {
  const server = { issuer: new URL(tokenUrl).origin, token_endpoint: tokenUrl };
  const client = { client_id: clientId };
  const options = { [oauth.customFetch]: fetch, [oauth.allowInsecureRequests]: true };
  const authentication = oauth.ClientSecretBasic(clientSecret);
  const defaultUrl = new URL(apiUrl);
  const getToken = sharedToken(fetchToken, ({ endsAt }) => Date.now() < endsAt);
  return {
    async call(url = defaultUrl, { headers, signal } = {}) {
      const { access_token } = await getToken();
      return oauth.protectedResourceRequest(access_token, 'GET', new URL(url), new Headers(headers), null, {
        ...options,
        signal,
      });
    },
  };

  async function fetchToken() {
    const response = await oauth.clientCredentialsGrantRequest(
      server,
      client,
      authentication,
      new URLSearchParams(),
      options,
    );
    const token = await oauth.processClientCredentialsResponse(server, client, response);
    return { ...token, endsAt: Date.now() + (token.expires_in - 30) * 1000 };
  }
}
