/**
 * The configuration: its shape, its defaults, its rules. The one place that knows the vendor's long names; everything
 * below works on the flat, frozen {@link Settings}. Nothing here touches the network, a clock or a timer.
 * @module
 */
import type { ClientAuthentication } from './clientAuthentication.ts';
import { clientSecretBasic } from './clientAuthentication.ts';
import type { CustomEnvironment, Environment } from './environments.ts';
import { ENVIRONMENTS } from './environments.ts';
import type { ClientEvent, Report } from './events.ts';
import type { OauthScope } from './scopes.ts';
import type { OAuthToken } from './token.ts';
import { isHeaderSafe, reviveToken } from './token.ts';
import type { Fetch } from './transport.ts';

/** What a token provider gets besides the token that can no longer be used. Frozen. */
export interface TokenRequest {
  /**
   * Makes one exchange with its retries. Rejects like the client's own `fetchToken`; between the exchanges that the
   * outage guard allows, with the last error and without a request.
   */
  readonly fetchToken: () => Promise<OAuthToken>;
  /** The token endpoint. */
  readonly tokenUrl: string;
  /** `oauthClientId`. */
  readonly clientId: string;
  /** The scopes as sent, separated by spaces; absent where none are asked for. */
  readonly scope: string | undefined;
  /** `oauthParams`. */
  readonly params: Readonly<Record<string, string | readonly string[]>>;
  /** `oauthClockSkew`, in seconds. */
  readonly clockSkew: number;
  /** `true` when the caller used the client's own `fetchToken`: a token from a store will not do. */
  readonly isForced: boolean;
  /** Takes an event for `onEvent`. */
  readonly report: Report;
}

/**
 * Replaces the exchange: a token broker, your own backend, a store. `lastToken` is the token that this client holds and
 * can no longer use (ending, ended or rejected), or `undefined`; giving it back means "there is no newer one".
 * What it throws reaches the caller unchanged. It has 60 s.
 */
export type OAuthTokenProvider = (
  lastToken: OAuthToken | undefined,
  request: TokenRequest,
) => OAuthToken | Promise<OAuthToken>;

/** Who the client is, what it asks for, and where its tokens come from. */
export interface ClientCredentials<Scope extends string = string> {
  /** The OAuth 2 client id (RFC 6749 section 2.2): ThingSpace calls it the key. */
  readonly oauthClientId: string;
  /**
   * The OAuth 2 client secret (RFC 6749 section 2.3.1). Absent: no exchange is made, unless the authentication method
   * needs none; a stored token or a provider must serve (browsers).
   */
  readonly oauthClientSecret?: string | undefined;
  /** The scopes to ask for (RFC 6749 section 3.3); absent or empty: none are asked for. */
  readonly oauthScopes?: readonly Scope[] | undefined;
  /** A token from an earlier run, also one parsed back from JSON, used while it is valid. Absent: the first call gets one. */
  readonly oauthToken?: OAuthToken | undefined;
  /** Seconds before its expiry at which a token counts as expired. Finite, 0 or more. Default 10. */
  readonly oauthClockSkew?: number | undefined;
  /**
   * Further form fields of every exchange: `audience`, `resource` (RFC 8707 section 2.2); an array repeats the field.
   * Absent: none. Reserved: `grant_type`, `scope`, `client_id`, `client_secret`, `client_assertion`, `client_assertion_type`.
   */
  readonly oauthParams?: Readonly<Record<string, string | readonly string[]>> | undefined;
  /**
   * Replaces the exchange; see {@link OAuthTokenProvider}. Absent: every token comes from an exchange. What it throws or
   * rejects with reaches the caller.
   */
  readonly oauthTokenProvider?: OAuthTokenProvider | undefined;
  /**
   * Called after every token that is new to this client; absent: nothing is. Not awaited; what it throws or rejects is an event
   * (`token_update_failed`), never a failed call.
   */
  readonly oauthOnTokenUpdate?: ((token: OAuthToken) => unknown) | undefined;
  /** How the client proves who it is (RFC 6749 section 2.3). Default `clientSecretBasic`. */
  readonly clientAuthentication?: ClientAuthentication | undefined;
}

/** How often and how patiently the token endpoint is asked. API calls are never retried. */
export interface RetryOptions {
  /** Requests of one exchange, the first included. A whole number, 1 or more. Default 3. */
  readonly attempts?: number | undefined;
  /** Milliseconds: the first wait is a random part of this, doubled each time. Default 500. */
  readonly baseDelay?: number | undefined;
  /** Milliseconds: no wait is longer; a `Retry-After` that asks for more ends the exchange at once. Default 5000. */
  readonly maxDelay?: number | undefined;
}

/** What every configuration has besides its credentials. */
export interface ClientOptions {
  /**
   * The M2M session token, sent as `VZ-M2M-Token` with every call to an allowed origin: a constant string, or what
   * `createSession` of `thingspace-auth/session` returns. Absent: none is sent.
   *
   * @see https://thingspace.verizon.com/documentation/apis/connectivity-management/api-reference/start-connectivity-management-session.html
   */
  readonly vZM2mToken?: string | SessionTokenSource | undefined;
  /**
   * How long one HTTP call may take until its body is read, in milliseconds: token requests and API calls alike.
   * `0` sets no limit of ours; a token request then has 30 s all the same. Default 0.
   */
  readonly timeout?: number | undefined;
  /** The `fetch` to use for everything; default: the global one, looked up at call time. Called unbound. */
  readonly fetch?: Fetch | undefined;
  /** Retries at the token endpoint. Absent: {@link RetryOptions}' own defaults. */
  readonly retry?: RetryOptions | undefined;
  /**
   * Lets a renewal outlive the request that began it: `waitUntil` from `cloudflare:workers`, or a context's, bound.
   * Absent: on workers no token is refreshed ahead of its end. What it throws is ignored.
   */
  readonly waitUntil?: ((promise: Promise<unknown>) => unknown) | undefined;
  /** Gets frozen, secret-free records of what happens; absent: nobody is told. What it throws is ignored. */
  readonly onEvent?: ((event: ClientEvent) => unknown) | undefined;
}

/** A configuration for one of the vendor's environments: only known scopes compile. */
export interface NamedEnvironmentConfig extends ClientOptions {
  /** Who the client is. */
  readonly clientCredentialsAuthCredentials: ClientCredentials<OauthScope>;
  /** The environment's name. Default `'Production'`. */
  readonly environment?: Environment | undefined;
}

/** A configuration for any other OAuth 2 server: any scope compiles. */
export interface CustomEnvironmentConfig extends ClientOptions {
  /** Who the client is. */
  readonly clientCredentialsAuthCredentials: ClientCredentials;
  /** The server's endpoints and the origins that may see its tokens. */
  readonly environment: CustomEnvironment;
}

/** What `createClient` takes. */
export type ClientConfig = NamedEnvironmentConfig | CustomEnvironmentConfig;

/** What a session may ask of the client that uses it, for one call. */
export interface SessionContext {
  /** The client's configuration. */
  readonly settings: Settings;
  /** A valid bearer. `context` is this object. */
  getToken(context: SessionContext, signal?: AbortSignal | null): Promise<OAuthToken>;
  /** Another bearer than the one that was answered with 401; `undefined` where there is none to be had. */
  renewToken(context: SessionContext, rejected: OAuthToken, signal?: AbortSignal | null): Promise<OAuthToken | undefined>;
}

/** Where a changing M2M session token comes from: what `createSession` of `thingspace-auth/session` returns. */
export interface SessionTokenSource {
  /** The session token for one call: the one held, or after a login. Rejects like `getToken`, or as the login does. */
  readonly getSessionToken: (
    context: SessionContext,
    signal: AbortSignal | null | undefined,
  ) => string | Promise<string>;
  /**
   * Whether an answer says that `sent`, the session token of the call, has expired; it is then given up, so that the
   * next `getSessionToken` logs in. The answer can still be read afterwards.
   */
  readonly noteLapse: (response: Response, sent: string) => Promise<boolean>;
}

/** A configuration settled: checked, copied, complete and flat, under its short names. No field holds the secret. */
export interface Settings extends Omit<CustomEnvironment, 'allowInsecureRequests'> {
  readonly clientId: string;
  /** The client secret; empty where there is none. */
  readonly secret: () => string;
  readonly clientAuthentication: ClientAuthentication;
  /** Whether an exchange can be made: there is a secret, or the method needs none. */
  readonly canExchange: boolean;
  /** Whether a token can be had at all: by an exchange or from the provider. */
  readonly canRenew: boolean;
  readonly scope: string | undefined;
  readonly params: Readonly<Record<string, string | readonly string[]>>;
  /** In seconds. */
  readonly clockSkew: number;
  readonly token: OAuthToken | undefined;
  readonly tokenProvider?: OAuthTokenProvider;
  readonly onTokenUpdate?: (token: OAuthToken) => unknown;
  readonly sessionToken: string | SessionTokenSource | undefined;
  readonly timeoutMs: number;
  /** To be called unbound: workerd and browsers refuse a `fetch` whose `this` is some object. */
  readonly fetch: Fetch;
  readonly retry: { readonly [K in keyof RetryOptions]-?: number };
  readonly waitUntil?: (promise: Promise<unknown>) => unknown;
  readonly onEvent?: (event: ClientEvent) => unknown;
}

const DEFAULT_RETRY = { attempts: 3, baseDelay: 500, maxDelay: 5000 };

/**
 * Checks and settles a configuration. The caller's objects are copied, never changed; each property is read once.
 *
 * @throws `TypeError` that names the option and the rule, never the value
 */
export function resolveConfig(config: ClientConfig): Settings {
  const {
    clientCredentialsAuthCredentials,
    environment = 'Production',
    vZM2mToken: sessionToken,
    timeout: timeoutMs = 0,
    retry,
    ...options
  } = readOptions('The configuration', config, OPTIONS);
  const {
    clientSecret = '',
    scopes = [],
    token,
    params = {},
    ...credentials
  } = readOptions('clientCredentialsAuthCredentials', clientCredentialsAuthCredentials, CREDENTIALS);
  const { clientAuthentication = clientSecretBasic, tokenProvider } = credentials;
  const canExchange = !!clientSecret || !clientAuthentication.needsSecret;
  return {
    fetch: globalFetch,
    clockSkew: 10,
    ...options,
    ...credentials,
    ...(ENVIRONMENTS[environment] ?? structuredClone(readOptions('environment', environment, ENVIRONMENT))),
    clientAuthentication,
    secret: () => clientSecret,
    canExchange,
    canRenew: canExchange || !!tokenProvider,
    scope: scopes.join(' ') || undefined,
    params: Object.freeze(structuredClone(params)),
    token: token && reviveToken(token),
    sessionToken,
    timeoutMs,
    retry: retry ? { ...DEFAULT_RETRY, ...readOptions('retry', retry, RETRY) } : DEFAULT_RETRY,
  };
}

/** Whether an option is good, and the words of its rule; `isRequired` where absence is a mistake too. */
type Rule = readonly [isGood: (value: any, options: any) => unknown, words: string, isRequired?: true];
type Rules = Readonly<Record<string, Rule>>;

const SOME_TEXT = 'a non-empty string';
const TEXT: Rule = [isText, SOME_TEXT];
const FUNCTION: Rule = [(value) => typeof value === 'function', 'a function'];
const OBJECT: Rule = [isObject, 'an object'];
const AMOUNT: Rule = [(value) => Number.isFinite(value) && value >= 0, 'a finite number, 0 or more'];
const SAFE_URL = 'an https or loopback URL without credentials';
const ENDPOINT: Rule = [isEndpoint, SAFE_URL];

const OPTIONS: Rules = {
  clientCredentialsAuthCredentials: OBJECT,
  vZM2mToken: [
    (value) => isHeaderSafe(value) || typeof value.getSessionToken === 'function',
    'visible ASCII, or from createSession',
  ],
  timeout: AMOUNT,
  environment: [
    (value) => isObject(value) || Object.hasOwn(ENVIRONMENTS, value),
    'a name of Environment, like Production, or an object with tokenUrl and apiOrigins',
  ],
  fetch: FUNCTION,
  retry: OBJECT,
  waitUntil: FUNCTION,
  onEvent: FUNCTION,
};

const CREDENTIALS: Rules = {
  oauthClientId: [isText, SOME_TEXT, true],
  oauthClientSecret: TEXT,
  oauthScopes: [
    (value) => isTexts(value) && value.every((scope) => /^[!#-[\]-~]+$/.test(scope)),
    'an array of scopes (RFC 6749 section 3.3)',
  ],
  oauthToken: OBJECT,
  oauthClockSkew: AMOUNT,
  oauthParams: [
    (value) => isObject(value) && Object.entries(value).every(isFreeField),
    "an object of strings or arrays of strings, without the grant's own fields",
  ],
  oauthTokenProvider: FUNCTION,
  oauthOnTokenUpdate: FUNCTION,
  clientAuthentication: FUNCTION,
};

const RETRY: Rules = {
  attempts: [(value) => Number.isInteger(value) && value > 0, 'a whole number, 1 or more'],
  baseDelay: AMOUNT,
  maxDelay: AMOUNT,
};

const ENVIRONMENT: Rules = {
  tokenUrl: [isEndpoint, SAFE_URL, true],
  apiOrigins: [
    (value, options) => isTexts(value) && value.every((entry) => entry === '*' || isOrigin(entry, options)),
    "an array of https or loopback origins like 'https://*.example.com', without path or last slash",
    true,
  ],
  revocationUrl: ENDPOINT,
  sessionUrl: ENDPOINT,
  allowInsecureRequests: [(value) => typeof value === 'boolean', 'true or false'],
};

/** A checked copy of an options object, under short names: `oauthClientId` is `clientId` from here on. */
function readOptions(path: string, value: unknown, rules: Rules): any {
  if (!isObject(value)) throw new TypeError(`${path} must be an object`);
  const given: Record<string, unknown> = { ...value };
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(rules, name));
  if (unknown) throw new TypeError(`${unknown} is no option; known are ${Object.keys(rules).join(', ')}`);
  const options: Record<string, unknown> = {};
  for (const [name, [isGood, words, isRequired]] of Object.entries(rules)) {
    const option = given[name];
    if (option === undefined && !isRequired) continue;
    if (!isGood(option ?? '', given)) throw new TypeError(`${name} must be ${words}`);
    options[name.replace(/^oauth./, (start) => start.slice(5).toLowerCase())] = option;
  }
  return options;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isText);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isFreeField([name, field]: [string, unknown]): boolean {
  return !/^(grant_type|scope|client_(id|secret|assertion(_type)?))$/.test(name) && isTexts([field].flat());
}

function isEndpoint(value: unknown, { allowInsecureRequests }: CustomEnvironment): boolean {
  try {
    const { protocol, hostname, username, password } = new URL(value as string);
    const isLoopback = /^(.*\.)?localhost$|^127(\.\d+){3}$|^\[::1]$/.test(hostname);
    const isSafe = protocol === 'https:' || (protocol === 'http:' && (isLoopback || allowInsecureRequests));
    return !!isSafe && !username && !password && isText(value);
  } catch {
    return false;
  }
}

/** As `URL` writes it; `*` is for all that stands before the first dot, and Chromium would escape it. */
function isOrigin(entry: string, environment: CustomEnvironment): boolean {
  const origin = entry.replace('//*.', '//');
  return isEndpoint(origin, environment) && new URL(origin).origin === origin && !origin.includes('*');
}

/** Looked up at call time, and called unbound from any object. */
const globalFetch: Fetch = (input, init) => fetch(input, init);
