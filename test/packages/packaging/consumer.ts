// Uses every entry and every exported name, with nothing but what each platform's own types declare.

import {
  type AnyApiError,
  ApiError,
  type ApiErrorCode,
  type ApiErrorFields,
  type Client,
  type ClientAuthentication,
  type ClientAuthenticationRequest,
  type ClientConfig,
  type ClientCredentials,
  type ClientEvent,
  type ClientOptions,
  type CustomEnvironment,
  type CustomEnvironmentConfig,
  clientSecretBasic,
  clientSecretBasicRaw,
  clientSecretPost,
  configFromEnvironment,
  createClient,
  Environment,
  type EventCode,
  type Fetch,
  isExpired,
  type KnownScopesConfig,
  noClientAuthentication,
  OAuthProviderError,
  type OAuthToken,
  type OAuthTokenProvider,
  type OauthScope,
  OauthScopeEnum,
  type ProviderContext,
  type Report,
  type RetryOptions,
  reviveToken,
  revokeToken,
  type TokenOptions,
} from 'thingspace-auth';
import {
  type BrowserConfig,
  createClient as createPageClient,
  ApiError as PageApiError,
  type PageCredentials,
  Environment as PageEnvironment,
  OAuthProviderError as PageOAuthProviderError,
  OauthScopeEnum as PageOauthScopeEnum,
  isExpired as pageIsExpired,
  reviveToken as pageReviveToken,
} from 'thingspace-auth/browser';
import { type DiscoverOptions, discover } from 'thingspace-auth/discover';
import {
  createDpop,
  type Dpop,
  type DpopKeyPair,
  type DpopOptions,
  type ProofRequest,
} from 'thingspace-auth/dpop';
import {
  type AssertionSource,
  clientAssertion,
  clientSecretJwt,
  importKey,
  type JwtOptions,
  type PrivateKeyJwtOptions,
  privateKeyJwt,
  type Signer,
  type SignerJwtOptions,
  type SigningAlgorithm,
  type SigningKey,
} from 'thingspace-auth/jwt';
import {
  createSession,
  type EnvironmentSessionOptions,
  type Session,
  type SessionOptions,
  sessionFromEnvironment,
} from 'thingspace-auth/session';
import { type EncryptionKey, encryptedStore, storedToken, type TokenStore } from 'thingspace-auth/stores';
import { durableObjectStore, TokenStoreObject } from 'thingspace-auth/stores/durable-object';
import { fileStore } from 'thingspace-auth/stores/file';
import { kvStore } from 'thingspace-auth/stores/kv';
import { redisStore } from 'thingspace-auth/stores/redis';
import { webStore } from 'thingspace-auth/stores/web';
import {
  createMockServer,
  type MockRequest,
  type MockServer,
  type MockServerOptions,
  type MockTarget,
} from 'thingspace-auth/testing';

type Has<Value extends Expected, Expected> = Value;

export const options: ClientOptions = {
  timeout: 1_000,
  fetch: globalThis.fetch,
  retry: { attempts: 1 } satisfies RetryOptions,
};
export const credentials: ClientCredentials<OauthScope> = {
  oauthClientId: 'invented-id',
  oauthClientSecret: 'invented-secret',
  oauthScopes: [OauthScopeEnum.Discoveryread],
};
export const named: KnownScopesConfig = {
  ...options,
  clientCredentialsAuthCredentials: credentials,
  environment: Environment.Production,
};
export const environment: CustomEnvironment = {
  tokenUrl: 'https://auth.example.com/token',
  apiOrigins: ['https://api.example.com'],
};
export const custom: CustomEnvironmentConfig = {
  clientCredentialsAuthCredentials: { oauthClientId: 'invented-id' },
  environment,
};
export const configs: readonly ClientConfig[] = [
  named,
  custom,
  configFromEnvironment({ env: {} }),
  configFromEnvironment(),
];
export const known: KnownScopesConfig = configFromEnvironment({ env: {} });
export const authentications: readonly ClientAuthentication[] = [
  clientSecretBasic,
  clientSecretBasicRaw,
  clientSecretPost,
  noClientAuthentication,
  ({ headers, body }: ClientAuthenticationRequest) => {
    headers.set('x-id', 'invented');
    body.set('assertion', 'invented');
  },
];

export const pageCredentials: PageCredentials<OauthScope> = {
  oauthClientId: 'invented-id',
  oauthScopes: [PageOauthScopeEnum.Discoveryread],
  oauthTokenProvider: (lastToken) => pageReviveToken(lastToken),
};
export const pageConfigs: readonly BrowserConfig[] = [
  {
    clientCredentialsAuthCredentials: pageCredentials,
    environment: PageEnvironment.Staging,
  },
  {
    clientCredentialsAuthCredentials: { oauthClientId: 'invented-id' },
    environment,
  },
];

export async function callFromPage(config: BrowserConfig): Promise<boolean> {
  try {
    return pageIsExpired(await createPageClient(config).getToken());
  } catch (error) {
    if (error instanceof PageOAuthProviderError) throw new Error(error.error);
    return error instanceof PageApiError && error.isTemporary;
  }
}

export async function call(config: ClientConfig, signal: AbortSignal): Promise<string> {
  const client: Client = createClient({
    ...config,
    vZM2mToken: createSession({ username: 'invented', password: 'invented' }),
  });
  const { authorizedFetch, fetchToken, getToken, withToken } = client;
  const tokenOptions: TokenOptions = { signal };
  const token: OAuthToken = await fetchToken(tokenOptions);
  if (isExpired(token) || isExpired(await getToken(), 10))
    await revokeToken(config, reviveToken(JSON.parse('{}')));
  const other: Fetch = withToken(token).authorizedFetch;
  const response: Response = await authorizedFetch('https://api.example.com/', {
    method: 'POST',
    body: 'text',
    signal,
  });
  const headers: Headers = (await other(new URL('https://api.example.com/'))).headers;
  const { status } = await authorizedFetch(new Request('https://api.example.com/'));
  return `${status} ${headers.get('x')} ${await response.text()}`;
}

export function explain(error: unknown): string {
  if (error instanceof OAuthProviderError)
    return `${error.error} ${error.errorDescription ?? ''} ${error.errorUri ?? ''}`;
  if (!(error instanceof ApiError)) throw error;
  const { code } = error as AnyApiError;
  const known: ApiErrorCode = code;
  const retryAfter: string | null | undefined = error.headers?.get('retry-after');
  return `${known} ${error.statusCode ?? ''} ${retryAfter ?? ''} ${String(error.cause)}`;
}
export type ErrorFields = Has<ApiErrorFields, object>;

export const report: Report = (event: ClientEvent) => {
  if (event.type === 'token_failed') ((code: EventCode): string => code)(event.code);
};
export const provider: OAuthTokenProvider = async (last: OAuthToken | undefined, request: ProviderContext) =>
  last ?? request.fetchToken();

export const fromVariables: Session = sessionFromEnvironment({
  env: { THINGSPACE_USERNAME: 'invented', THINGSPACE_PASSWORD: 'invented' },
} satisfies EnvironmentSessionOptions);
export const session: Session = createSession({
  username: 'invented',
  password: 'invented',
} satisfies SessionOptions);
export const logout = async (): Promise<string | undefined> =>
  session.logout().then(session.reset).then(session.current);

export const algorithm: SigningAlgorithm = 'ES256';
export const sign: Signer = async (input: Uint8Array) =>
  await crypto.subtle.digest('SHA-256', new Uint8Array(input));
export const byKey = async (): Promise<ClientAuthentication> => {
  const key: SigningKey = await importKey('invented', algorithm);
  return privateKeyJwt({ key, keyId: 'invented', audience: ({ url }) => url } satisfies PrivateKeyJwtOptions);
};
export const bySigner = (): ClientAuthentication =>
  privateKeyJwt({ key: sign, algorithm, lifetime: 30 } satisfies SignerJwtOptions);
const readAssertion: AssertionSource = async ({ tokenUrl }) => `invented.${tokenUrl.length}.assertion`;
export const byAssertion: ClientAuthentication = clientAssertion(readAssertion);
export const bySecret: ClientAuthentication = clientSecretJwt({
  audience: 'https://auth.example.com',
} satisfies JwtOptions);
export const makePair = async (): Promise<DpopKeyPair> =>
  (await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, [
    'sign',
    'verify',
  ])) as DpopKeyPair;
export const prove = async (request: ProofRequest): Promise<string> => {
  const dpop: Dpop = createDpop({ keyPair: await makePair() } satisfies DpopOptions);
  const isNoted = dpop.noteNonce(request, new Response(null));
  return `${await dpop.createProof(request)} ${await dpop.getThumbprint()} ${isNoted}`;
};
export const withDpop: ClientOptions = { dpop: createDpop() };
export const found = (signal: AbortSignal): Promise<CustomEnvironment> =>
  discover('https://auth.example.com', { apiOrigins: [], signal, timeout: 1_000 } satisfies DiscoverOptions);

export const memory: TokenStore = { get: () => null, set: () => undefined, delete: () => undefined };
declare const key: EncryptionKey;
declare const namespace: Parameters<typeof kvStore>[0];
declare const redis: Parameters<typeof redisStore>[0];
declare const storage: Parameters<typeof webStore>[0];
declare const stub: Parameters<typeof durableObjectStore>[0];
export const stores: () => readonly TokenStore[] = () => [
  encryptedStore(memory, [key]),
  fileStore('tokens'),
  kvStore(namespace),
  redisStore(redis),
  webStore(storage),
  durableObjectStore(stub),
];
export const providers: () => readonly OAuthTokenProvider[] = () => stores().map(storedToken);
export class Tokens extends TokenStoreObject {}

const mockOptions: MockServerOptions = {
  expiresIn: 60,
  scopes: ['read'],
  clients: { one: 'secret' },
};
export const server: MockServer = createMockServer(mockOptions);
export const asConfig: ClientOptions = { fetch: server.fetch };
export const handler: (request: Request) => Promise<Response> = server.fetch;
export const received: readonly MockRequest[] = server.requests;

// Where a platform's types were missing, these would be `any`, and no mistake.
// @ts-expect-error a named environment knows its scopes
export const wrongScope: ClientConfig = {
  clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthScopes: ['reed'] },
};
// @ts-expect-error a response has a numeric status
export const wrongStatus = ({ status }: Awaited<ReturnType<typeof server.fetch>>): string => status;
// @ts-expect-error a token has no field of that name
export const wrongToken = (token: OAuthToken): unknown => token.access_token;
// @ts-expect-error a store key is a CryptoKey
export const wrongKey: EncryptionKey = 'secret';
// @ts-expect-error a function does not say what it signs with
export const wrongSigner = (): ClientAuthentication => privateKeyJwt({ key: sign });
// @ts-expect-error a key is no text
export const wrongSigningKey: SigningKey = 'secret';
export const failNext = (target: MockTarget): void => server.failNext(target, 503);
