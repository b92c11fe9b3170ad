import * as client from 'openid-client';

export function connect({ tokenUrl, apiUrl, fetch, clientId, clientSecret }) {
  const server = { issuer: new URL(tokenUrl).origin, token_endpoint: tokenUrl };
  const configuration = new client.Configuration(server, clientId, clientSecret);
  configuration[client.customFetch] = fetch;
  client.allowInsecureRequests(configuration);
  const url = new URL(apiUrl);
  let token;
  return {
    async call() {
      if (!token || token.expiresIn() === 0) token = await client.clientCredentialsGrant(configuration);
      return client.fetchProtectedResource(configuration, token.access_token, url, 'GET');
    },
  };
}
