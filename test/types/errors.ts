/**
 * Code that must not compile. Above each wrong line stands the compiler's message: after `PRINTS` the whole
 * of it, in one line; after `THROWS` it may say more.
 */
import {
  type AnyApiError,
  type ApiErrorCode,
  type ClientConfig,
  type ClientEvent,
  type CustomEnvironment,
  configFromEnvironment,
  createClient,
  Environment,
  isExpired,
  type KnownScopesConfig,
  type OAuthToken,
  type OauthScope,
  OauthScopeEnum,
  type ProviderContext,
  revokeToken,
} from 'thingspace-auth';
import { createClient as createPageClient } from 'thingspace-auth/browser';
import { clientAssertion } from 'thingspace-auth/jwt';

declare const anyScope: string;
declare const anyEnvironment: Environment | CustomEnvironment;
declare const token: OAuthToken;
const oauthClientId = 'a';
const ENDPOINTS = { tokenUrl: 'https://auth.example.com/token', apiOrigins: ['https://api.example.com'] };

// Scopes of a named environment are known ones, wherever the environment is named, and whatever else is given.
// PRINTS Type '"discovery:reed"' is not assignable to type 'OauthScope'. Did you mean '"discovery:read"'?
createClient({ clientCredentialsAuthCredentials: { oauthClientId, oauthScopes: ['discovery:reed'] } });
// PRINTS Type '"discovery:reed"' is not assignable to type 'OauthScope'. Did you mean '"discovery:read"'?
createClient({
  clientCredentialsAuthCredentials: { oauthClientId, oauthScopes: ['discovery:reed'] },
  environment: 'Staging',
});
// PRINTS Type '"discovery:reed"' is not assignable to type 'OauthScope'. Did you mean '"discovery:read"'?
createClient({
  clientCredentialsAuthCredentials: { oauthClientId, oauthScopes: ['read', 'discovery:reed'] },
  environment: undefined,
});
// PRINTS Type '"discovery:reed"' is not assignable to type 'OauthScope'. Did you mean '"discovery:read"'?
createClient({
  clientCredentialsAuthCredentials: { oauthClientId, oauthScopes: ['discovery:reed'] },
  environment: anyEnvironment,
});
// PRINTS Type '"discovery:reed"' is not assignable to type 'OauthScope'. Did you mean '"discovery:read"'?
createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId,
    oauthScopes: ['discovery:reed'],
    oauthTokenProvider: async (lastToken, { fetchToken }) => lastToken ?? fetchToken(),
  },
  onEvent: ({ type }) => type,
});
// PRINTS Type '"discovery:reed"' is not assignable to type 'OauthScope'. Did you mean '"discovery:read"'?
createClient({
  ...configFromEnvironment(),
  clientCredentialsAuthCredentials: { oauthClientId, oauthScopes: ['discovery:reed'] },
});
// PRINTS Type '"discovery:reed"' is not assignable to type 'OauthScope'. Did you mean '"discovery:read"'?
void revokeToken(
  { clientCredentialsAuthCredentials: { oauthClientId, oauthScopes: ['discovery:reed'] } },
  token,
);
// PRINTS Type 'string' is not assignable to type 'OauthScope'.
createClient({
  clientCredentialsAuthCredentials: { oauthClientId, oauthScopes: [anyScope] },
  environment: Environment.Production,
});
// PRINTS Type 'string' is not assignable to type 'readonly OauthScope[]'.
createClient({ clientCredentialsAuthCredentials: { oauthClientId, oauthScopes: 'discovery:read' } });
// THROWS Type '"discovery:reed"' is not assignable to type 'OauthScope'. Did you mean '"discovery:read"'?
export const wrongConfig: ClientConfig = {
  clientCredentialsAuthCredentials: { oauthClientId, oauthScopes: ['discovery:reed'] },
};
// PRINTS Type '"discovery:reed"' is not assignable to type 'OauthScope'. Did you mean '"discovery:read"'?
export const wrongKnown: KnownScopesConfig = {
  clientCredentialsAuthCredentials: { oauthClientId, oauthScopes: ['discovery:reed'] },
};
// THROWS Property 'Discoverywrite' does not exist on type
export const unknownScope: OauthScope = OauthScopeEnum.Discoverywrite;

// Environments.
// PRINTS Type '"production"' is not assignable to type 'CustomEnvironment | Environment | undefined'. Did you mean '"Production"'?
createClient({ clientCredentialsAuthCredentials: { oauthClientId }, environment: 'production' });
// THROWS Property 'Test' does not exist on type
createClient({ clientCredentialsAuthCredentials: { oauthClientId }, environment: Environment.Test });
// THROWS Property 'apiOrigins' is missing in type
createClient({
  clientCredentialsAuthCredentials: { oauthClientId },
  environment: { tokenUrl: 'https://auth.example.com/token' },
});
// THROWS 'apiOrigin' does not exist in type
createClient({
  clientCredentialsAuthCredentials: { oauthClientId },
  environment: { ...ENDPOINTS, apiOrigin: 'https://a.example.com' },
});

// Options.
// THROWS Property 'clientCredentialsAuthCredentials' is missing in type
createClient({ timeout: 0 });
// PRINTS Property 'oauthClientId' is missing in type '{ oauthClientSecret: string; }' but required in type 'ClientCredentials<OauthScope>'.
createClient({ clientCredentialsAuthCredentials: { oauthClientSecret: 'b' } });
// PRINTS Object literal may only specify known properties, but 'timeOut' does not exist in type 'GivenConfig'. Did you mean to write 'timeout'?
createClient({ clientCredentialsAuthCredentials: { oauthClientId }, timeOut: 0 });
// PRINTS Object literal may only specify known properties, but 'timeOut' does not exist in type 'GivenConfig'. Did you mean to write 'timeout'?
createClient({ clientCredentialsAuthCredentials: { oauthClientId }, timeOut: 0, environment: 'Staging' });
// PRINTS Object literal may only specify known properties, but 'timeOut' does not exist in type 'GivenConfig'. Did you mean to write 'timeout'?
createClient({ clientCredentialsAuthCredentials: { oauthClientId }, timeOut: 0, environment: ENDPOINTS });
// PRINTS Object literal may only specify known properties, but 'oauthScope' does not exist in type 'ClientCredentials<OauthScope>'. Did you mean to write 'oauthScopes'?
createClient({ clientCredentialsAuthCredentials: { oauthClientId, oauthScope: ['read'] } });
// THROWS Type 'string' is not assignable to type 'number'
createClient({ clientCredentialsAuthCredentials: { oauthClientId }, timeout: '5' });
// THROWS Type 'null' is not assignable to type
createClient({ clientCredentialsAuthCredentials: { oauthClientId }, vZM2mToken: null });
// THROWS Type 'number' is not assignable to type 'string | readonly string[] | undefined'
createClient({ clientCredentialsAuthCredentials: { oauthClientId, oauthParams: { max_age: 5 } } });
// PRINTS Object literal may only specify known properties, and 'retries' does not exist in type 'RetryOptions'.
createClient({ clientCredentialsAuthCredentials: { oauthClientId }, retry: { retries: 5 } });
// THROWS Property 'accessToken' is missing in type
createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId,
    oauthTokenProvider: () => ({ tokenType: 'Bearer' as const }),
  },
});

// A token is read-only and holds numbers.
// THROWS Cannot assign to 'accessToken' because it is a read-only property
token.accessToken = 'b';
// THROWS Cannot assign to 'expiry' because it is a read-only property
token.expiry = 5;
// THROWS Type 'bigint' is not assignable to type 'number'
export const bigToken: OAuthToken = { accessToken: 'a', tokenType: 'Bearer', expiry: 5n };
// THROWS Type '"mac"' is not assignable to type
export const macToken: OAuthToken = { accessToken: 'a', tokenType: 'mac' };
// THROWS Argument of type 'undefined' is not assignable to parameter of type 'OAuthToken'
isExpired(undefined);

const client = createClient({ clientCredentialsAuthCredentials: { oauthClientId } });
// THROWS Cannot assign to 'getToken' because it is a read-only property
client.getToken = client.fetchToken;
// THROWS Argument of type 'string' is not assignable to parameter of type 'OAuthToken'
client.withToken('a');
// THROWS 'timeout' does not exist in type 'TokenOptions'
void client.getToken({ timeout: 5 });
// THROWS Argument of type 'number' is not assignable to parameter of type
void client.authorizedFetch(5);

// Errors and events have what their code or type says, and no more.
export function read(error: AnyApiError, event: ClientEvent, request: ProviderContext): unknown {
  // THROWS Property 'errorDescription' does not exist on type
  if (error.code === 'network') return error.errorDescription;
  // THROWS Type '"other"' is not assignable to type 'ApiErrorCode'
  const code: ApiErrorCode = 'other';
  // THROWS Property 'attempts' does not exist on type
  if (event.type === 'retry_waiting') return event.attempts;
  // THROWS Cannot assign to 'isForced' because it is a read-only property
  request.isForced = true;
  return code;
}

// A page holds no secret, and makes no token request.
// PRINTS Type 'string' is not assignable to type 'undefined'.
createPageClient({ clientCredentialsAuthCredentials: { oauthClientId, oauthClientSecret: 'b' } });
// PRINTS Type '{ attempts: number; }' is not assignable to type 'undefined'.
createPageClient({ clientCredentialsAuthCredentials: { oauthClientId }, retry: { attempts: 1 } });
// PRINTS Type '"discovery:reed"' is not assignable to type 'OauthScope'. Did you mean '"discovery:read"'?
createPageClient({ clientCredentialsAuthCredentials: { oauthClientId, oauthScopes: ['discovery:reed'] } });
// PRINTS Object literal may only specify known properties, but 'timeOut' does not exist in type 'BrowserConfig'. Did you mean to write 'timeout'?
createPageClient({ clientCredentialsAuthCredentials: { oauthClientId }, timeOut: 1 });

// An assertion is asked for anew each time, and is a text.
// PRINTS Argument of type 'string' is not assignable to parameter of type 'AssertionSource'.
clientAssertion('a.b.c');
// THROWS Type 'Uint8Array<ArrayBuffer>' is not assignable to type 'string | Promise<string>'.
clientAssertion(() => new Uint8Array());
// PRINTS Object literal may only specify known properties, but 'typ' does not exist in type 'ClientAssertionOptions'. Did you mean to write 'type'?
clientAssertion(() => 'a.b.c', { typ: 'JWT' });
