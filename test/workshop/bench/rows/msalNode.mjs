import { ConfidentialClientApplication } from '@azure/msal-node';

const AUTHORITY = 'https://login.invented.example/invented-tenant';

export function connect({ tokenUrl, apiUrl, fetch, clientId, clientSecret, cachePlugin }) {
  const application = new ConfidentialClientApplication({
    auth: {
      clientId,
      clientSecret,
      authority: AUTHORITY,
      knownAuthorities: [new URL(AUTHORITY).host],
      authorityMetadata: JSON.stringify({
        issuer: AUTHORITY,
        authorization_endpoint: `${AUTHORITY}/authorize`,
        token_endpoint: `${AUTHORITY}/token`,
        jwks_uri: `${AUTHORITY}/keys`,
      }),
    },
    cache: { cachePlugin },
    // It insists on https; this leads to the test's own server.
    system: { networkClient: { sendPostRequestAsync: (_url, options) => post(fetch, tokenUrl, options) } },
  });
  return {
    async call(url = apiUrl, init = {}) {
      const { accessToken } = await application.acquireTokenByClientCredential({
        scopes: ['invented/.default'],
      });
      return fetch(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${accessToken}` } });
    },
  };
}

async function post(fetch, url, { headers, body }) {
  const response = await fetch(url, { method: 'POST', headers, body });
  return {
    headers: Object.fromEntries(response.headers),
    status: response.status,
    body: await response.json(),
  };
}

/** The options with which many processes share one token. */
export async function sharedBy(folder) {
  const { existsSync, readFileSync, renameSync, writeFileSync } = await import('node:fs');
  const path = `${folder}/cache.json`;
  const cachePlugin = {
    async beforeCacheAccess({ tokenCache }) {
      if (existsSync(path)) tokenCache.deserialize(readFileSync(path, 'utf8'));
    },
    async afterCacheAccess({ cacheHasChanged, tokenCache }) {
      if (!cacheHasChanged) return;
      writeFileSync(`${path}.${process.pid}`, tokenCache.serialize());
      renameSync(`${path}.${process.pid}`, path);
    },
  };
  return { cachePlugin };
}
