import {
  bearerTokenAuthenticationPolicy,
  createEmptyPipeline,
  createHttpHeaders,
  createPipelineRequest,
  RestError,
} from '@azure/core-rest-pipeline';
import { ClientSecretCredential } from '@azure/identity';

const AUTHORITY = 'https://login.invented.example';

export function connect({ tokenUrl, apiUrl, fetch, clientId, clientSecret }) {
  // It insists on https; this leads to the test's own server.
  const httpClient = { sendRequest: (request) => send(fetch, request, tokenUrl, apiUrl) };
  const credential = new ClientSecretCredential('invented-tenant', clientId, clientSecret, {
    authorityHost: AUTHORITY,
    disableInstanceDiscovery: true,
    httpClient,
  });
  const pipeline = createEmptyPipeline();
  pipeline.addPolicy(bearerTokenAuthenticationPolicy({ credential, scopes: 'invented/.default' }));
  const url = 'https://api.invented.example/';
  return { call: () => pipeline.sendRequest(httpClient, createPipelineRequest({ url })) };
}

async function send(fetch, request, tokenUrl, apiUrl) {
  if (request.url.includes('/.well-known/')) return answer(request, 200, metadata());
  const url = request.method === 'POST' ? tokenUrl : apiUrl;
  const { method, headers, body } = request;
  const response = await fetch(url, { method, headers: headers.toJSON(), body }).catch(({ message, cause }) => {
    throw new RestError(message, { code: cause.code, request });
  });
  return answer(request, response.status, await response.clone().text());
}

function answer(request, status, bodyAsText) {
  return { request, status, headers: createHttpHeaders({ 'content-type': 'application/json' }), bodyAsText };
}

function metadata() {
  const issuer = `${AUTHORITY}/invented-tenant/v2.0`;
  const [authorization_endpoint, token_endpoint, jwks_uri] = ['authorize', 'token', 'keys'].map((name) => `${issuer}/${name}`);
  return JSON.stringify({ issuer, authorization_endpoint, token_endpoint, jwks_uri });
}
