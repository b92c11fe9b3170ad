import { createHttpHeaders, RestError } from '@azure/core-rest-pipeline';
import { ClientSecretCredential, getBearerTokenProvider } from '@azure/identity';

const AUTHORITY = 'https://login.invented.example';

export function connect({ tokenUrl, apiUrl, fetch, clientId, clientSecret }) {
  const credential = new ClientSecretCredential('invented-tenant', clientId, clientSecret, {
    authorityHost: AUTHORITY,
    disableInstanceDiscovery: true,
    // It insists on https; this leads to the test's own server.
    httpClient: { sendRequest: (request) => send(fetch, request, tokenUrl) },
  });
  const getAccessToken = getBearerTokenProvider(credential, 'invented/.default');
  return {
    async call(url = apiUrl, init = {}) {
      return fetch(url, {
        ...init,
        headers: { ...init.headers, authorization: `Bearer ${await getAccessToken()}` },
      });
    },
  };
}

async function send(fetch, request, tokenUrl) {
  if (request.method === 'GET') return answer(request, 200, metadata());
  const { method, headers, body } = request;
  const response = await fetch(tokenUrl, { method, headers: headers.toJSON(), body }).catch(
    ({ message, cause }) => {
      throw new RestError(message, { code: cause.code, request });
    },
  );
  return answer(request, response.status, await response.text());
}

function answer(request, status, bodyAsText) {
  return { request, status, headers: createHttpHeaders({ 'content-type': 'application/json' }), bodyAsText };
}

function metadata() {
  const issuer = `${AUTHORITY}/invented-tenant/v2.0`;
  const [authorization_endpoint, token_endpoint, jwks_uri] = ['authorize', 'token', 'keys'].map(
    (name) => `${issuer}/${name}`,
  );
  return JSON.stringify({ issuer, authorization_endpoint, token_endpoint, jwks_uri });
}
