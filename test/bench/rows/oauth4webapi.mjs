import * as oauth from 'oauth4webapi';
import { variableCache } from '../variableCache.mjs';

export function connect({ tokenUrl, apiUrl, fetch, clientId, clientSecret }) {
  const server = { issuer: new URL(tokenUrl).origin, token_endpoint: tokenUrl };
  const client = { client_id: clientId };
  const options = { [oauth.customFetch]: fetch, [oauth.allowInsecureRequests]: true };
  const authentication = oauth.ClientSecretBasic(clientSecret);
  const url = new URL(apiUrl);
  const accessToken = variableCache(async () => {
    const response = await oauth.clientCredentialsGrantRequest(server, client, authentication, new URLSearchParams(), options);
    return oauth.processClientCredentialsResponse(server, client, response);
  });
  return {
    call: async () => oauth.protectedResourceRequest(await accessToken(), 'GET', url, new Headers(), null, options),
  };
}
