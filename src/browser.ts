/**
 * thingspace-auth/browser: the client for pages and service workers, which everybody can read. It holds no
 * secret and makes no token request.
 * @module
 */
import type { Client } from './call/client.ts';
import { connect } from './call/connect.ts';
import { nextHopInPage } from './call/redirects.ts';
import type {
  ClientCredentials,
  ClientOptions,
  CustomEnvironmentConfig,
  KnownScopesConfig,
} from './config/config.ts';
import type { OauthScope } from './config/scopes.ts';
import { type GrantRules, resolveConfig } from './config/settings.ts';
import { ApiError } from './core/errors.ts';

export type { Client, TokenOptions } from './call/client.ts';
export type {
  ClientConfig,
  ClientCredentials,
  ClientOptions,
  CustomEnvironmentConfig,
  KnownScopesConfig,
  OAuthTokenProvider,
  ProviderContext,
  Session,
} from './config/config.ts';
export { type CustomEnvironment, Environment } from './config/environments.ts';
export { type OauthScope, OauthScopeEnum } from './config/scopes.ts';
export type { AnyApiError, ApiErrorCode, ApiErrorFields } from './core/errors.ts';
export { ApiError, OAuthProviderError } from './core/errors.ts';
export type { ClientEvent, EventCode, Report } from './core/events.ts';
export { isExpired, type OAuthToken, reviveToken } from './core/token.ts';
export type { Fetch } from './platform/fetch.ts';
export { createBrowserClient as createClient };

/** The credentials of a page: no secret, and nothing that only a token request needs. */
export interface PageCredentials<Scope extends string = string> extends ClientCredentials<Scope> {
  /** Absent in a page: keep it on a server. */
  readonly oauthClientSecret?: undefined;
  /** Absent in a page: no token request carries them. */
  readonly oauthParams?: undefined;
  /** Absent in a page: without a token request there is nothing to prove. */
  readonly clientAuthentication?: undefined;
}

/** A configuration for a page that calls the APIs of any other OAuth 2 server: any scope compiles. */
interface CustomPageConfig extends CustomEnvironmentConfig {
  /** Client id and scopes, without a secret; any scope compiles. */
  readonly clientCredentialsAuthCredentials: PageCredentials;
  /** Absent in a page: there is no token request to repeat. */
  readonly retry?: undefined;
}

/** A configuration for a page, for any environment: only known scopes compile. */
interface KnownScopesPageConfig extends KnownScopesConfig {
  /** Client id and scopes, without a secret; a scope that is not in {@link OauthScope} does not compile. */
  readonly clientCredentialsAuthCredentials: PageCredentials<OauthScope>;
  /** Absent in a page: there is no token request to repeat. */
  readonly retry?: undefined;
}

/** No value has this type: see `GivenConfig`. */
interface ImpossiblePageConfig extends ClientOptions {
  /** Absent in a page: there is no token request to repeat. */
  readonly retry?: undefined;
  readonly environment: never;
}

/** A configuration for `createClient` in a page. */
export type BrowserConfig = CustomPageConfig | ImpossiblePageConfig | KnownScopesPageConfig;

/**
 * Makes a client for a page or a service worker, without the token request of `thingspace-auth`. Give an
 * `oauthTokenProvider` that asks your own server for a token, or an `oauthToken`. Where neither has a valid
 * token, calls reject with an `ApiError` `no_credentials`.
 *
 * Browsers do not say where a redirect leads. So a redirected GET or HEAD is sent once more, for the browser
 * to follow. With another method, a session or a DPoP proof, a redirect is a `TypeError`. An answer that
 * shows its redirect goes to the caller.
 *
 * Touches no network, starts no timer, draws no random number and reads no clock.
 *
 * @throws `TypeError` that names the option and the rule, never the value. Also for `oauthClientSecret`,
 *   `oauthParams`, `clientAuthentication` and `retry`
 * @example
 * ```ts
 * import { createClient } from 'thingspace-auth/browser';
 *
 * const { authorizedFetch } = createClient({
 *   clientCredentialsAuthCredentials: {
 *     oauthClientId: 'key',
 *     oauthTokenProvider: async () => (await fetch('/thingspace-token')).json(),
 *   },
 * });
 * const response = await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
 * ```
 */
function createBrowserClient(config: BrowserConfig): Client {
  const settings = resolveConfig(config, noTokenRequest());
  return connect(settings, settings.token, { grant: refuseGrant, nextHop: nextHopInPage });
}

/** The rules for what a page must not be given, whatever it is. */
function noTokenRequest(): GrantRules {
  const absent = [() => false, 'absent: everybody can read a page'] as const;
  return {
    credentials: {
      oauthClientSecret: absent,
      oauthParams: [...absent, {}],
      clientAuthentication: [...absent, Object.assign(refuseGrant, { needsSecret: true })],
    },
    options: { retry: [...absent, {}] },
  };
}

async function refuseGrant(): Promise<never> {
  throw new ApiError('No valid token: give oauthToken or oauthTokenProvider', { code: 'no_credentials' });
}
