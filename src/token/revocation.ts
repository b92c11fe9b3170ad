/**
 * Token revocation (RFC 7009).
 * @module
 */
import type { GivenConfig } from '../config/config.ts';
import { resolveConfig, TOKEN_REQUEST } from '../config/settings.ts';
import { type OAuthToken, reviveToken } from '../core/token.ts';
import { postForm } from './exchange.ts';

/**
 * Revokes an access token with one request, which is never repeated. At ThingSpace the next token request
 * then brings a new token; otherwise it would bring the same one again. Clients that hold the token notice at
 * their next call, which gets a 401.
 *
 * @param config the client's configuration
 * @param token the token to revoke
 * @throws `TypeError` for a configuration without `revocationUrl`, or for anything that is not a token
 * @throws `OAuthProviderError` when the server refuses, or `ApiError` (`network`, `timeout`, `gateway_fault`,
 *   `invalid_response`, `response_too_large`, `no_credentials`)
 * @see RFC 7009 section 2.1
 */
export async function revokeToken(config: GivenConfig, token: OAuthToken): Promise<void> {
  const settings = resolveConfig(config, TOKEN_REQUEST);
  const { accessToken } = reviveToken(token);
  const { revocationUrl: url } = settings;
  if (!url) throw new TypeError('environment.revocationUrl must be given to revoke a token');
  await postForm(settings, url, { token: accessToken }, () => undefined, { secret: accessToken });
}
