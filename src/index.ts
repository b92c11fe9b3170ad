/**
 * thingspace-auth: OAuth 2.0 client credentials for Verizon ThingSpace, 5G Edge and any other OAuth 2 server.
 * Not affiliated with Verizon.
 * Not for React Native: import `thingspace-auth/browser` there, with a token from your own server.
 * @module
 */
export type { Client, TokenOptions } from './call/client.ts';
export { createClient } from './client.ts';
export type {
  ClientAuthentication,
  ClientAuthenticationRequest,
} from './config/clientAuthentication.ts';
export {
  clientSecretBasic,
  clientSecretBasicRaw,
  clientSecretPost,
  noClientAuthentication,
} from './config/clientAuthentication.ts';
export type {
  ClientConfig,
  ClientCredentials,
  ClientOptions,
  CustomEnvironmentConfig,
  KnownScopesConfig,
  OAuthTokenProvider,
  ProviderContext,
  RetryOptions,
  Session,
} from './config/config.ts';
export type { CustomEnvironment } from './config/environments.ts';
export { Environment } from './config/environments.ts';
export { configFromEnvironment, type EnvironmentOptions } from './config/environmentVariables.ts';
export type { OauthScope } from './config/scopes.ts';
export { OauthScopeEnum } from './config/scopes.ts';
export type { AnyApiError, ApiErrorCode, ApiErrorFields } from './core/errors.ts';
export { ApiError, OAuthProviderError } from './core/errors.ts';
export type { ClientEvent, EventCode, Report } from './core/events.ts';
export type { OAuthToken } from './core/token.ts';
export { isExpired, reviveToken } from './core/token.ts';
export type { Fetch } from './platform/fetch.ts';
export { revokeToken } from './token/revocation.ts';
