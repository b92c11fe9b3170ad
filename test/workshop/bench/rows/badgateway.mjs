import { OAuth2Client, OAuth2Fetch } from '@badgateway/oauth2-client';

export function connect({ tokenUrl, apiUrl, fetch, clientId, clientSecret, getStoredToken, storeToken }) {
  const client = new OAuth2Client({ tokenEndpoint: tokenUrl, clientId, clientSecret, fetch });
  const wrapper = new OAuth2Fetch({
    client,
    getNewToken: () => client.clientCredentials(),
    getStoredToken,
    storeToken,
  });
  // The middleware is what `wrapper.fetch` is made of; only there can another fetch be put in.
  const send = wrapper.mw();
  return { call: (url = apiUrl, init) => send(new Request(url, init), (request) => fetch(request)) };
}

/** The options with which many processes share one token. */
export async function sharedBy(folder) {
  const { readFileSync, renameSync, writeFileSync } = await import('node:fs');
  const path = `${folder}/token.json`;
  return {
    getStoredToken() {
      try {
        return JSON.parse(readFileSync(path, 'utf8'));
      } catch {
        return null;
      }
    },
    storeToken(token) {
      writeFileSync(`${path}.${process.pid}`, JSON.stringify(token));
      renameSync(`${path}.${process.pid}`, path);
    },
  };
}
