import { ConfidentialClientApplication } from '@azure/msal-node';

const AUTHORITY = 'https://login.invented.example/invented-tenant';

export function connect({ tokenUrl, apiUrl, fetch, clientId, clientSecret }) {
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
    // It insists on https; this leads to the test's own server.
    system: { networkClient: { sendPostRequestAsync: (_url, options) => post(fetch, tokenUrl, options) } },
  });
  return {
    async call() {
      const { accessToken } = await application.acquireTokenByClientCredential({ scopes: ['invented/.default'] });
      return fetch(apiUrl, { headers: { authorization: `Bearer ${accessToken}` } });
    },
  };
}

async function post(fetch, url, { headers, body }) {
  const response = await fetch(url, { method: 'POST', headers, body });
  return { headers: Object.fromEntries(response.headers), status: response.status, body: await response.json() };
}
