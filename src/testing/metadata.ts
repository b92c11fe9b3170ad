/**
 * The metadata of the mock's authorization server (RFC 8414, OpenID Connect Discovery).
 * @module
 */
import { json } from './answers.ts';
import type { MockServerOptions, Received } from './options.ts';

const ALGORITHMS = ['ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'EdDSA'];

/**
 * The issuer whose metadata is asked for. Its path stands behind the well-known part, or, with OpenID
 * Connect, before it.
 */
export function issuerOf({ method, url, path }: Received): string | undefined {
  if (method !== 'GET') return undefined;
  const oauth = /^\/\.well-known\/oauth-authorization-server(\/.+)?$/.exec(path);
  const found = oauth ?? /^(.*)\/\.well-known\/openid-configuration$/.exec(path);
  return found ? new URL(url).origin + (found[1] ?? '') : undefined;
}

export function describeServer({ scopes, dpop }: MockServerOptions, issuer: string): Response {
  return json(200, {
    issuer,
    token_endpoint: `${issuer}/oauth2/token`,
    revocation_endpoint: `${issuer}/oauth2/revoke`,
    grant_types_supported: ['client_credentials'],
    response_types_supported: [],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_jwt', 'private_key_jwt'],
    token_endpoint_auth_signing_alg_values_supported: ['HS256', ...ALGORITHMS],
    scopes_supported: scopes,
    ...(dpop && { dpop_signing_alg_values_supported: ALGORITHMS }),
  });
}
