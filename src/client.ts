/**
 * Wires the parts: configuration → settings → exchange → token → source → request.
 * @module
 */
import { authorizedFetch } from './call/authorizedFetch.ts';
import type { ClientConfig } from './config/config.ts';
import type { Settings } from './config/settings.ts';
import { assertUsable, resolveConfig } from './config/settings.ts';
import type { OAuthToken } from './platform/token.ts';
import { reviveToken } from './platform/token.ts';
import { createTokenSource, getToken } from './token/tokenSource.ts';
import type { Fetch } from './platform/transport.ts';

/** Options of a call for a token. */
export interface TokenOptions {
  /** Ends this caller's wait, with its own reason; the exchange goes on for the others. Absent: nothing ends it early. */
  readonly signal?: AbortSignal | null | undefined;
}

/** What `createClient` returns: a frozen object of plain functions, each of which works when destructured. */
export interface Client {
  /**
   * Exchanges the credentials for an access token, remembers it and returns it: always one exchange, with its retries.
   * Calls made meanwhile share it. Most programs need {@link Client.authorizedFetch} only.
   *
   * Rejects with an `OAuthProviderError` when the server refuses, with an `ApiError` (`network`, `timeout`,
   * `gateway_fault`, `invalid_response`, `response_too_large`, `no_credentials`), with the signal's reason, or with
   * what the token provider threw.
   *
   * @see RFC 6749 section 4.4
   */
  readonly fetchToken: (options?: TokenOptions) => Promise<OAuthToken>;
  /**
   * The remembered token while it is valid, without the network; else that of one shared exchange.
   * For WebSockets, gRPC and other clients. Rejects like {@link Client.fetchToken}; after a failure the same error
   * comes back at once until the outage guard (1 s, doubling to 30 s) allows another exchange.
   */
  readonly getToken: (options?: TokenOptions) => Promise<OAuthToken>;
  /**
   * A new client with the same configuration that starts from `token`, also one parsed back from JSON. The first client
   * is not changed, and the two share nothing. Touches no network.
   *
   * @throws `TypeError` for anything that is no token
   */
  readonly withToken: (token: OAuthToken) => Client;
  /**
   * `fetch` with the client's credentials: same arguments and results, never an error for a status. Sets
   * `Authorization` and, where configured, `VZ-M2M-Token` (a caller's own is kept). Exchanges first when there is no
   * valid token. An answer 401 renews the token once and is sent again once, unless its body was a stream.
   *
   * Rejects with a `TypeError` for an origin outside `apiOrigins`, before any token is fetched; with what `fetch`
   * rejects with; with the signal's reason; with an `ApiError` `timeout`; or like {@link Client.getToken}.
   *
   * @see RFC 6750 section 2.1
   */
  readonly authorizedFetch: Fetch;
}

/**
 * Makes a client. Touches no network, starts no timer, draws no random number and reads no clock, so that it can stand
 * at module scope everywhere. Two clients share nothing but a store or session that both were given.
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
export function createClient(config: ClientConfig): Client {
  const settings = resolveConfig(config);
  return connect(settings, settings.token);
}

function connect(settings: Settings, token: OAuthToken | undefined): Client {
  const source = createTokenSource(settings, token);
  return Object.freeze<Client>({
    fetchToken: (options) => getToken(source, options?.signal, true),
    getToken: (options) => getToken(source, options?.signal),
    withToken: (other) => connect(settings, assertUsable(reviveToken(other), settings.dpop)),
    authorizedFetch: (input, init) => authorizedFetch(source, input, init),
  });
}
