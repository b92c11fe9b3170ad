/** Code that must compile. */
import {
  type AnyApiError,
  ApiError,
  type ApiErrorCode,
  type Client,
  type ClientAuthentication,
  type ClientConfig,
  type ClientCredentials,
  type ClientEvent,
  type ClientOptions,
  type CustomEnvironment,
  type CustomEnvironmentConfig,
  clientSecretBasicRaw,
  configFromEnvironment,
  createClient,
  Environment,
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
  reviveToken,
  revokeToken,
} from 'thingspace-auth';
import { createClient as createPageClient } from 'thingspace-auth/browser';
import { discover } from 'thingspace-auth/discover';
import { type AssertionSource, clientAssertion } from 'thingspace-auth/jwt';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const isTrue = <T extends true>(value?: T): void => void value;

// The seed's configuration, key for key.
const client: Client = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'OAuthClientId',
    oauthClientSecret: 'OAuthClientSecret',
    oauthScopes: [OauthScopeEnum.Discoveryread, OauthScopeEnum.Serviceprofileread],
  },
  vZM2mToken: 'VZ-M2M-Token',
  timeout: 0,
  environment: Environment.Production,
});

// Names and values are the same thing, and no environment is the default one.
createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'a',
    oauthScopes: ['discovery:read', 'edge:discovery:read'],
  },
});
createClient({
  clientCredentialsAuthCredentials: { oauthClientId: 'a', oauthScopes: ['read'] },
  environment: 'Staging',
});

// A custom environment takes any scope, and a string that is known only at run time.
const anyScope: string = 'invented.scope';
const custom: CustomEnvironmentConfig = {
  clientCredentialsAuthCredentials: {
    oauthClientId: 'a',
    oauthScopes: [anyScope, 'other', OauthScopeEnum.Read],
  },
  environment: { tokenUrl: 'https://auth.example.com/token', apiOrigins: ['*'], revocationUrl: undefined },
};
createClient(custom);
createClient({
  clientCredentialsAuthCredentials: { oauthClientId: 'a', oauthScopes: [anyScope, 'invented'] },
  environment: { tokenUrl: 'https://auth.example.com/token', apiOrigins: [] },
});

// Scopes and fields from variables need no cast there. A variable that is not set is an absent field.
const fromVariables: ClientCredentials = {
  oauthClientId: process.env['ID'] ?? '',
  oauthScopes: process.env['SCOPES']?.split(' '),
  oauthParams: { audience: process.env['AUDIENCE'], resource: ['a', anyScope] },
};
const server = { tokenUrl: anyScope, apiOrigins: anyScope.split(' ') };
createClient({ clientCredentialsAuthCredentials: fromVariables, environment: server });
createClient({
  clientCredentialsAuthCredentials: { oauthClientId: 'a', oauthScopes: process.env['SCOPES']?.split(' ') },
  environment: server,
});
createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'a',
    oauthParams: { audience: process.env['AUDIENCE'] },
  },
});
const separate = { clientCredentialsAuthCredentials: fromVariables, environment: server, timeout: 5 };
createClient(separate);

// An environment that is known only at run time takes known scopes.
export function createFor(
  environment: Environment | CustomEnvironment,
  given: CustomEnvironment | undefined,
): readonly Client[] {
  const clientCredentialsAuthCredentials = { oauthClientId: 'a', oauthScopes: ['read'] } as const;
  return [
    createClient({ clientCredentialsAuthCredentials, environment }),
    createClient({ clientCredentialsAuthCredentials, environment: given }),
    createClient({ clientCredentialsAuthCredentials, ...(given && { environment: given }) }),
    createClient({ clientCredentialsAuthCredentials, environment: given ?? 'Staging', timeout: 5 }),
  ];
}

// So does a configuration that is put together, handed on or narrowed.
export async function createFrom<Given extends ClientConfig>(
  config: ClientConfig,
  known: KnownScopesConfig,
  given: Given,
): Promise<readonly Client[]> {
  const variable: ClientConfig = { ...known, environment: 'Staging' };
  const satisfied = {
    clientCredentialsAuthCredentials: { oauthClientId: 'a', oauthScopes: ['read'] },
  } satisfies ClientConfig;
  const options: Partial<ClientOptions> = { timeout: 5 };
  const parameter: Parameters<typeof createClient>[0] = config;
  const found = await discover('https://auth.example.com', { apiOrigins: [] });
  await revokeToken(parameter, reviveToken({}));
  assertSame(known, { clientCredentialsAuthCredentials: { oauthClientId: 'a' }, environment: 'Staging' });
  return [
    ...[config, known, custom, variable, satisfied, parameter, given].map(wrap),
    ...[config, known, custom].map(createClient),
    createClient(known),
    createClient(given),
    createClient(parameter),
    createClient(satisfied),
    createClient(known.timeout ? known : custom),
    createClient({ ...config, ...options }),
    createClient({ ...known, environment: found }),
    createClient({ ...custom, environment: found }),
    typeof config.environment === 'object' ? createClient(config) : createClient(config),
  ];
}
const wrap: (config: ClientConfig) => Client = (config) => createClient(config);
const assertSame: <T>(actual: unknown, expected: T) => asserts actual is T = () => undefined;
isTrue<Same<ReturnType<typeof createClient>, Client>>();

// Deeply readonly and `undefined` options are fine.
const frozen = {
  clientCredentialsAuthCredentials: {
    oauthClientId: 'a',
    oauthClientSecret: undefined,
    oauthScopes: ['read'],
    oauthParams: { resource: ['a', 'b'], audience: 'c' },
    clientAuthentication: noClientAuthentication,
  },
  retry: { attempts: 1, baseDelay: undefined },
  timeout: undefined,
  environment: undefined,
} as const;
createClient(frozen);
createClient(configFromEnvironment());
createClient(configFromEnvironment({ env: { THINGSPACE_CLIENT_ID: 'a' }, oauthClockSkew: 5 }));
isTrue<Same<ReturnType<typeof configFromEnvironment>, KnownScopesConfig>>();
isTrue<Same<ClientConfig, KnownScopesConfig | CustomEnvironmentConfig>>();
const { clientCredentialsAuthCredentials: fromEnvironment, ...others } = configFromEnvironment();
createClient({
  ...others,
  clientCredentialsAuthCredentials: { ...fromEnvironment, oauthTokenProvider: () => reviveToken({}) },
});

// Unions of literals.
isTrue<Same<Environment, 'Production' | 'MockServerForLimitedAvailabilitySeeQuickStart' | 'Staging'>>();
isTrue<Same<typeof OauthScopeEnum.TsMecFullaccess, 'ts.mec.fullaccess'>>();
const scope: OauthScope = 'ts.application.ro';

// A token is JSON-safe data.
async function useTokens(config: ClientConfig, signal: AbortSignal): Promise<OAuthToken> {
  const token = await client.fetchToken({ signal });
  const expiry: number | undefined = token.expiry;
  const type: 'Bearer' | 'DPoP' = token.tokenType;
  await client.getToken();
  await client.getToken({});
  await client.getToken({ signal: null });
  await client.withToken(JSON.parse(JSON.stringify(token))).getToken({ signal: undefined });
  await revokeToken(config, reviveToken({ ...token }));
  return isExpired(token, 5) || expiry || type ? token : reviveToken(scope);
}

// `authorizedFetch` stands wherever `fetch` does.
const likeFetch: typeof fetch = client.authorizedFetch;
const nested: ClientConfig = { ...custom, fetch: client.authorizedFetch };
const injected: Fetch = fetch;
const { authorizedFetch } = client;
void authorizedFetch(new URL('https://api.example.com'), {
  method: 'POST',
  body: new FormData(),
  signal: null,
});
void authorizedFetch(new Request('https://api.example.com'));

// Providers: ours, asynchronous or not, and the generated SDK's.
const provider: OAuthTokenProvider = async (
  lastToken,
  { fetchToken, isForced, report, scope, params, clockSkew },
) => {
  report({ type: 'store_failed', operation: 'get', reason: 'junk' });
  return lastToken && !isForced && scope && params && clockSkew ? lastToken : fetchToken();
};
const sdkProvider = (
  lastToken: OAuthToken | undefined,
  authManager: Pick<ProviderContext, 'fetchToken'>,
): Promise<OAuthToken> => (lastToken ? Promise.resolve(lastToken) : authManager.fetchToken());
const method: ClientAuthentication = async ({ body, clientId, headers }) => {
  body.set('client_id', clientId);
  headers.set('x-proof', 'a');
};
createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'a',
    oauthTokenProvider: provider,
    oauthOnTokenUpdate: async (token) => void token.accessToken,
    clientAuthentication: method,
  },
  waitUntil: (promise) => void promise,
  onEvent: (event) => describeEvent(event),
});
createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'a',
    oauthTokenProvider: sdkProvider,
    clientAuthentication: clientSecretBasicRaw,
  },
});

// Events and errors narrow.
function describeEvent(event: ClientEvent): string | number | undefined {
  switch (event.type) {
    case 'token_obtained':
      return event.expiresIn ?? event.source;
    case 'token_failed':
    case 'refresh_ahead_failed':
      return event.statusCode ?? event.code;
    case 'retry_waiting':
      return event.delayMs + event.attempt;
    case 'token_update_failed':
      return event.code;
    case 'request_replayed':
      return event.reason;
    case 'store_failed':
      return event.operation;
    case 'session_obtained':
    case 'session_failed':
    case 'logins_stopped':
      return event.code;
    default:
      isTrue<Same<typeof event, never>>();
      return undefined;
  }
}

function describeError(error: unknown): string {
  if (error instanceof OAuthProviderError)
    return error.error + (error.errorDescription ?? '') + (error.errorUri ?? '');
  if (error instanceof ApiError)
    return `${error.code} ${error.statusCode} ${error.headers?.get('retry-after')}`;
  return String(error);
}

// After `instanceof`, the code tells the kinds apart.
function describeKind(error: unknown): string {
  if (!(error instanceof ApiError)) return String(error);
  const known = error as AnyApiError;
  switch (known.code) {
    case 'oauth_error':
      return known.error;
    case 'network':
    case 'timeout':
      return known.code;
    default:
      return `${known.statusCode}`;
  }
}

function narrow(error: AnyApiError): string {
  const code: ApiErrorCode = error.code;
  if (error.code === 'oauth_error') return error.error;
  isTrue<Same<(typeof error)['code'], Exclude<ApiErrorCode, 'oauth_error'>>>();
  return code;
}

export { describeError, describeKind, injected, likeFetch, narrow, nested, useTokens };

// A page gets its tokens from a provider, for any environment.
createPageClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'a',
    oauthScopes: ['orders:read'],
    oauthTokenProvider: (lastToken, { scope, isForced }) =>
      lastToken ?? { accessToken: `${scope} ${isForced}`, tokenType: 'Bearer' },
  },
  environment: { tokenUrl: 'https://auth.example.com/token', apiOrigins: ['https://api.example.com'] },
});
createPageClient({
  clientCredentialsAuthCredentials: { oauthClientId: 'a', oauthScopes: ['discovery:read'] },
});

// Somebody else's assertion, at once or later, and of any type.
const source: AssertionSource = async ({ clientId, signal }) => (signal.aborted ? '' : clientId);
createClient({
  clientCredentialsAuthCredentials: { oauthClientId: 'a', clientAuthentication: clientAssertion(source) },
});
export const methods: readonly ClientAuthentication[] = [
  clientAssertion(() => 'a.b.c'),
  clientAssertion(source, { type: undefined }),
  clientAssertion(source, { type: 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe' }),
];
