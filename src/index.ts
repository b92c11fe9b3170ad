/**
 * thingspace-auth: OAuth 2.0 client credentials for Verizon ThingSpace, 5G Edge and any other OAuth 2 server.
 * @module
 */
export type { Client, TokenOptions } from './client.ts';
export { createClient } from './client.ts';
export type {
  ClientAuthentication,
  ClientAuthenticationRequest,
} from './clientAuthentication.ts';
export {
  clientSecretBasic,
  clientSecretBasicRaw,
  clientSecretPost,
  noClientAuthentication,
} from './clientAuthentication.ts';
export type {
  ClientConfig,
  ClientCredentials,
  ClientOptions,
  CustomEnvironmentConfig,
  NamedEnvironmentConfig,
  OAuthTokenProvider,
  RetryOptions,
  SessionTokenSource,
  TokenRequest,
} from './config.ts';
export type { CustomEnvironment } from './environments.ts';
export { Environment } from './environments.ts';
export { configFromEnvironment } from './environmentVariables.ts';
export type { AnyApiError, ApiErrorCode, ApiErrorFields } from './errors.ts';
export { ApiError, OAuthProviderError } from './errors.ts';
export type { ClientEvent, EventCode, Report } from './events.ts';
export { revokeToken } from './revocation.ts';
export type { OauthScope } from './scopes.ts';
export { OauthScopeEnum } from './scopes.ts';
export type { OAuthToken } from './token.ts';
export { isExpired, reviveToken } from './token.ts';
export type { Fetch } from './transport.ts';
