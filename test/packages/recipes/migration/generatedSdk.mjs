// As much of the vendor's generated SDK as its auth page uses, wired from the same runtime packages as the
// original, which is not on npm. `clientCredentialsAuthCredentials` is what versions up to 1.3 call it: a
// token must be given. `thingspaceOauthCredentials` is the name of later versions, which also fetch one by
// themselves.
import { compositeAuthenticationProvider } from '@apimatic/authentication-adapters';
import { HttpClient } from '@apimatic/axios-client-adapter';
import { AbortError, ApiError, createRequestBuilderFactory, setHeader } from '@apimatic/core';
import { isExpired, requestAuthenticationProvider } from '@apimatic/oauth-adapters';
import { bigint, dict, object, optional, string, unknown } from '@apimatic/schema';

export { ApiError };

export class OAuthProviderError extends ApiError {}

export const OauthScopeEnum = { Discoveryread: 'discovery:read', Serviceprofileread: 'serviceprofile:read' };

export const Environment = { Production: 'Production' };

const SERVERS = {
  'Edge Discovery': 'https://5gedge.verizon.com/api/mec/eds',
  'OAuth Server': 'https://thingspace.verizon.com/api/ts/v1',
  M2M: 'https://thingspace.verizon.com/api/m2m',
};

const DEFAULT_CONFIGURATION = { timeout: 0, vZM2mToken: '', environment: Environment.Production };

const DEFAULT_RETRY_CONFIG = {
  maxNumberOfRetries: 0,
  retryOnTimeout: true,
  retryInterval: 1,
  maximumRetryWaitTime: 0,
  backoffFactor: 2,
  httpStatusCodesToRetry: [408, 413, 429, 500, 502, 503, 504, 521, 522, 524],
  httpMethodsToRetry: ['GET', 'PUT'],
};

const oauthTokenSchema = object({
  accessToken: ['access_token', string()],
  tokenType: ['token_type', string()],
  expiresIn: ['expires_in', optional(bigint())],
  scope: ['scope', optional(string())],
  expiry: ['expiry', optional(bigint())],
  refreshToken: ['refresh_token', optional(string())],
});

export class Client {
  #config;
  #createRequest;

  constructor(config) {
    this.#config = { ...DEFAULT_CONFIGURATION, ...config };
    const { clientCredentialsAuthCredentials, thingspaceOauthCredentials, timeout, vZM2mToken } =
      this.#config;
    const { vZM2mTokenCredentials: { 'VZ-M2M-Token': sessionToken = vZM2mToken } = {} } = this.#config;
    const credentials = thingspaceOauthCredentials ?? clientCredentialsAuthCredentials;
    const manager = new ClientCredentialsAuthManager(credentials, this);
    this.clientCredentialsAuthManager = manager;
    const { oauthToken, oauthTokenProvider, oauthOnTokenUpdate, oauthClockSkew } = credentials;
    const provide = oauthTokenProvider
      ? (token) => oauthTokenProvider(token, manager)
      : (token) => manager.updateToken(token);
    const oauth2 = thingspaceOauthCredentials
      ? requestAuthenticationProvider(oauthToken, provide, oauthOnTokenUpdate, { clockSkew: oauthClockSkew })
      : requestAuthenticationProvider(oauthToken);
    const http = new HttpClient(AbortError, { timeout });
    this.#createRequest = createRequestBuilderFactory(
      (request, options) => http.executeRequest(request, options),
      (server = 'Edge Discovery') => SERVERS[server],
      ApiError,
      compositeAuthenticationProvider({ oauth2 }),
      DEFAULT_RETRY_CONFIG,
    );
    this.vZM2mToken = sessionToken;
  }

  createRequest(method, path) {
    const request = this.#createRequest(method, path);
    request.defaultToError(ApiError);
    request.header('user-agent', 'APIMATIC 3.0');
    request.authenticate([{ oauth2: true }]);
    request.interceptRequest((sent) => {
      const headers = sent.headers ?? {};
      setHeader(headers, 'VZ-M2M-Token', this.vZM2mToken);
      return { ...sent, headers };
    });
    return request;
  }

  withConfiguration(config) {
    return new Client({ ...this.#config, ...config });
  }
}

class ClientCredentialsAuthManager {
  #credentials;
  #client;

  constructor(credentials, client) {
    this.#credentials = credentials;
    this.#client = client;
  }

  async updateToken(token) {
    return token === undefined || isExpired(token, this.#credentials.oauthClockSkew)
      ? this.fetchToken()
      : token;
  }

  async fetchToken(additionalParams) {
    const { oauthClientId, oauthClientSecret, oauthScopes } = this.#credentials;
    const request = this.#client.createRequest('POST', '/oauth2/token');
    request.baseUrl('OAuth Server');
    request.header(
      'Authorization',
      `Basic ${Buffer.from(`${oauthClientId}:${oauthClientSecret}`).toString('base64')}`,
    );
    request.form({ grant_type: 'client_credentials', scope: oauthScopes?.join(' '), ...additionalParams });
    request.throwOn(400, OAuthProviderError, 'OAuth 2 provider returned an error.');
    request.throwOn(401, OAuthProviderError, 'OAuth 2 provider says client authentication failed.');
    request.authenticate(false);
    const { result } = await request.callAsJson(oauthTokenSchema);
    if (result.expiresIn) result.expiry = BigInt(Math.round(Date.now() / 1000)) + result.expiresIn;
    return result;
  }
}

export class M5gEdgePlatformsController {
  #client;

  constructor(client) {
    this.#client = client;
  }

  async listRegions() {
    return this.#client.createRequest('GET', '/regions').callAsJson(dict(unknown()));
  }
}

export class DeviceManagementController {
  #client;

  constructor(client) {
    this.#client = client;
  }

  async listDevicesInformation(body) {
    const request = this.#client.createRequest('POST', '/v1/devices/actions/list');
    request.baseUrl('M2M');
    request.header('Content-Type', 'application/json');
    request.json(body);
    return request.callAsJson(dict(unknown()));
  }
}
