import { OAuth2Client, OAuth2Fetch } from '@badgateway/oauth2-client';

export function connect({ tokenUrl, apiUrl, fetch, clientId, clientSecret }) {
  const client = new OAuth2Client({ tokenEndpoint: tokenUrl, clientId, clientSecret, fetch });
  const wrapper = new OAuth2Fetch({ client, getNewToken: () => client.clientCredentials() });
  // The middleware is what `wrapper.fetch` is made of; only there can another fetch be put in.
  const send = wrapper.mw();
  return { call: () => send(new Request(apiUrl), (request) => fetch(request)) };
}
