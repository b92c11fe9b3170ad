/**
 * The client of the main entry: it makes token requests, and follows redirects by hand.
 * @module
 */
import type { Client } from './call/client.ts';
import { connect } from './call/connect.ts';
import { nextHop } from './call/redirects.ts';
import type { GivenConfig } from './config/config.ts';
import { resolveConfig, TOKEN_REQUEST } from './config/settings.ts';
import { requestToken } from './token/grant.ts';

/**
 * Makes a client. Touches no network, starts no timer, draws no random number and reads no clock, so that it
 * can stand at module scope everywhere. Two clients share nothing but a store, a session or a `dpop` object
 * that both were given.
 *
 * @throws `TypeError` that names the option and the rule, never the value
 * @example
 * ```ts
 * const { authorizedFetch } = createClient({
 *   clientCredentialsAuthCredentials: { oauthClientId: 'key', oauthClientSecret: 'secret' },
 * });
 * const response = await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
 * ```
 */
export function createClient(config: GivenConfig): Client {
  const settings = resolveConfig(config, TOKEN_REQUEST);
  return connect(settings, settings.token, { grant: requestToken, nextHop });
}
