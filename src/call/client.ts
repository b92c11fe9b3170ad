/**
 * The type of a client. Types only.
 * @module
 */
import type { OAuthToken } from '../core/token.ts';
import type { Fetch } from '../platform/fetch.ts';

/** Options of a call for a token. */
export interface TokenOptions {
  /**
   * Ends this caller's wait when it aborts: the call then rejects with the signal's reason. The token
   * request itself goes on. Absent: nothing ends the wait early.
   */
  readonly signal?: AbortSignal | null | undefined;
}

/** A client: a frozen object of plain functions, each of which works when destructured. */
export interface Client {
  /**
   * Gets a new access token with a token request, remembers it and returns it. It does so even while the
   * remembered token is valid. Calls made while a token request and its retries are under way share them.
   * With an `oauthTokenProvider`, a `fetchToken` shares only what another `fetchToken` has begun. Most
   * programs need only {@link Client.authorizedFetch}.
   *
   * Rejects with an `OAuthProviderError` when the server refuses, with an `ApiError` (`network`, `timeout`,
   * `gateway_fault`, `invalid_response`, `response_too_large`, `no_credentials`), with the signal's reason,
   * or with what the token provider or the client authentication threw.
   *
   * @see RFC 6749 section 4.4
   */
  readonly fetchToken: (options?: TokenOptions) => Promise<OAuthToken>;
  /**
   * Returns the remembered token while it is valid, without using the network. Otherwise one token request,
   * which all callers share, brings a new one. For WebSockets, gRPC and other clients.
   *
   * Rejects like {@link Client.fetchToken}. After a failed token request, calls get the same error at once
   * until the next one may be made: after 1 s, then after 2 s and so on up to 30 s, or when `Retry-After`
   * says (300 s at most).
   */
  readonly getToken: (options?: TokenOptions) => Promise<OAuthToken>;
  /**
   * Makes a new client with the same configuration that starts from `token`. The token may be parsed from
   * JSON. The first client is not changed. The two share nothing but a store, a session and a `dpop` object
   * of the configuration. Touches no network.
   *
   * @throws `TypeError` for anything that is not a token, and for a DPoP token if the configuration has no
   *   `dpop`
   */
  readonly withToken: (token: OAuthToken) => Client;
  /**
   * `fetch` with the client's credentials. It takes the same arguments and gives the same results: a status
   * is never an error. It replaces `Authorization`. Where a session token is configured, it sets
   * `VZ-M2M-Token`, unless the call has that header itself. When there is no valid token, it gets one first.
   * When the answer is 401, it renews the token and sends the call once more, unless the body was a stream or
   * there is no way to get another token.
   *
   * Rejects with a `TypeError` for an origin outside `apiOrigins`, before any token is fetched. Rejects also
   * with what `fetch` rejects with, with the signal's reason, with an `ApiError` `timeout`, like {@link
   * Client.getToken}, and as the login of a session does.
   *
   * @see RFC 6750 section 2.1
   */
  readonly authorizedFetch: Fetch;
}
