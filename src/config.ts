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
import { callHook } from './events.ts';
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
  /** The OAuth 2 client id: ThingSpace calls it the key. */
  readonly oauthClientId: string;
  /**
   * The OAuth 2 client secret. Absent: no exchange is made, unless the authentication method needs none; a stored token
   * or a provider must serve (browsers).
   */
  readonly oauthClientSecret?: string | undefined;
  /** The scopes to ask for; absent or empty: none are asked for. */
  readonly oauthScopes?: readonly Scope[] | undefined;
  /** A token from an earlier run, also one parsed back from JSON; used while it is valid. */
  readonly oauthToken?: OAuthToken | undefined;
  /** Seconds before its expiry at which a token counts as expired. Finite, 0 or more. Default 10. */
  readonly oauthClockSkew?: number | undefined;
  /**
   * Further form fields of every exchange: `audience`, `resource` (RFC 8707); an array repeats the field. Reserved:
   * `grant_type`, `scope`, `client_id`, `client_secret`, `client_assertion`, `client_assertion_type`.
   */
  readonly oauthParams?: Readonly<Record<string, string | readonly string[]>> | undefined;
  /** Replaces the exchange; see {@link OAuthTokenProvider}. */
  readonly oauthTokenProvider?: OAuthTokenProvider | undefined;
  /**
   * Called after every token that is new to this client. Not awaited; what it throws or rejects is an event
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
   */
  readonly vZM2mToken?: string | SessionTokenSource | undefined;
  /**
   * How long one HTTP call may take until its body is read, in milliseconds: token requests and API calls alike.
   * `0` sets no limit of ours; a token request then has 30 s all the same. Default 0.
   */
  readonly timeout?: number | undefined;
  /** The `fetch` to use for everything; default: the global one, looked up at call time. Called unbound. */
  readonly fetch?: Fetch | undefined;
  /** Retries at the token endpoint. */
  readonly retry?: RetryOptions | undefined;
  /** Lets a renewal outlive the request that began it: `waitUntil` from `cloudflare:workers`, or a context's, bound. */
  readonly waitUntil?: ((promise: Promise<unknown>) => unknown) | undefined;
  /** Gets frozen, secret-free records of what happens. What it throws is ignored. */
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
  /** A valid bearer. */
  readonly getToken: (signal?: AbortSignal | null) => Promise<OAuthToken>;
  /** Another bearer than the one that was answered with 401; `undefined` where there is none to be had. */
  readonly renewToken: (rejected: OAuthToken, signal?: AbortSignal | null) => Promise<OAuthToken | undefined>;
}

/** Where a changing M2M session token comes from: what `createSession` of `thingspace-auth/session` returns. */
export interface SessionTokenSource {
  /** The session token for one call: the one held, or after a login. */
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

/** A configuration settled: checked, copied, complete, flat and frozen. No field holds the secret. */
export interface Settings {
  readonly clientId: string;
  readonly tokenUrl: string;
  readonly revocationUrl: string | undefined;
  readonly sessionUrl: string | undefined;
  /** Origins, `https://*.` ones, or `*`; written as `URL` writes them. */
  readonly apiOrigins: readonly string[];
  readonly scope: string | undefined;
  readonly params: Readonly<Record<string, string | readonly string[]>>;
  readonly clockSkewSeconds: number;
  readonly token: OAuthToken | undefined;
  readonly provider: OAuthTokenProvider | undefined;
  readonly onTokenUpdate: ((token: OAuthToken) => unknown) | undefined;
  /** Whether an exchange can be made: there is a secret, or the method needs none. */
  readonly canExchange: boolean;
  /** Fills a form or headers with the client's credentials. */
  readonly authenticate: (body: URLSearchParams, headers: Headers) => void | Promise<void>;
  /** Takes the secret out of a text of the server's. */
  readonly conceal: (text: string) => string;
  readonly sessionToken: string | SessionTokenSource | undefined;
  readonly timeoutMs: number;
  /** To be called unbound: workerd and browsers refuse a `fetch` whose `this` is some object. */
  readonly fetch: Fetch;
  readonly attempts: number;
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  readonly waitUntil: ((promise: Promise<unknown>) => unknown) | undefined;
  readonly report: Report;
}

/**
 * Checks and settles a configuration. The caller's objects are copied, never changed; each property is read once.
 *
 * @throws `TypeError` that names the option and the rule, never the value
 */
export function resolveConfig(config: ClientConfig): Settings {
  const options = readOptions('', config, OPTIONS);
  const credentials = readOptions(CREDENTIALS_PATH, options.clientCredentialsAuthCredentials, CREDENTIALS);
  const retry = readOptions('retry.', options.retry ?? {}, RETRY);
  const { oauthClientId: clientId, oauthClientSecret: clientSecret = '', oauthToken: token } = credentials;
  const method: ClientAuthentication = credentials.clientAuthentication ?? clientSecretBasic;
  const { onEvent } = options;
  return Object.freeze({
    ...resolveEnvironment(options.environment ?? 'Production'),
    clientId,
    scope: credentials.oauthScopes?.join(' ') || undefined,
    params: Object.freeze({ ...credentials.oauthParams }),
    clockSkewSeconds: credentials.oauthClockSkew ?? 10,
    token: token && readToken(token),
    provider: credentials.oauthTokenProvider,
    onTokenUpdate: credentials.oauthOnTokenUpdate,
    canExchange: !!clientSecret || !method.needsSecret,
    authenticate: (body: URLSearchParams, headers: Headers) => method({ clientId, clientSecret, body, headers }),
    conceal: (text: string) => (clientSecret ? text.replaceAll(clientSecret, '***') : text),
    sessionToken: options.vZM2mToken,
    timeoutMs: options.timeout ?? 0,
    fetch: options.fetch ?? globalFetch,
    attempts: retry.attempts ?? 3,
    baseDelayMs: retry.baseDelay ?? 500,
    maxDelayMs: retry.maxDelay ?? 5000,
    waitUntil: options.waitUntil,
    report: (event: ClientEvent) => void callHook(onEvent, Object.freeze(event)),
  });
}

/** A check of one option, and the words of its rule; `isRequired` where absence is a mistake too. */
type Rule = readonly [isGood: (value: any, options: any) => unknown, words: string, isRequired?: true];
type Rules = Readonly<Record<string, Rule>>;

const TEXT: Rule = [isText, 'must be a non-empty string'];
const FUNCTION: Rule = [(value) => typeof value === 'function', 'must be a function'];
const OBJECT: Rule = [isObject, 'must be an object'];
const AMOUNT: Rule = [(value) => Number.isFinite(value) && value >= 0, 'must be a finite number, 0 or more'];
const HTTPS_URL: Rule = [
  (value, { allowInsecureRequests }) => isSafeUrl(value, allowInsecureRequests),
  'must be an https URL without credentials; plain http is for loopback hosts or allowInsecureRequests: true',
];

const OPTIONS: Rules = {
  clientCredentialsAuthCredentials: OBJECT,
  vZM2mToken: [
    (value) => isHeaderSafe(value) || typeof value.getSessionToken === 'function',
    'must be a non-empty string of visible ASCII characters, or what createSession returns',
  ],
  timeout: AMOUNT,
  environment: [
    (value) => isObject(value) || Object.hasOwn(ENVIRONMENTS, value),
    "must be 'Production', 'MockServerForLimitedAvailabilitySeeQuickStart', 'Staging', or an object with tokenUrl and apiOrigins",
  ],
  fetch: FUNCTION,
  retry: OBJECT,
  waitUntil: FUNCTION,
  onEvent: FUNCTION,
};

const CREDENTIALS_PATH = 'clientCredentialsAuthCredentials.';

const CREDENTIALS: Rules = {
  oauthClientId: [...TEXT, true] as unknown as Rule,
  oauthClientSecret: TEXT,
  oauthScopes: [
    (value) => Array.isArray(value) && value.every((scope) => /^[!#-[\]-~]+$/.test(scope)),
    'must be an array of scope tokens: visible ASCII without space, quote and backslash (RFC 6749 section 3.3)',
  ],
  oauthToken: OBJECT,
  oauthClockSkew: AMOUNT,
  oauthParams: [
    (value) => isObject(value) && Object.entries(value).every(([name, field]) => isFreeField(name, field)),
    'must hold strings or arrays of strings, and not grant_type, scope, client_id, client_secret, client_assertion, client_assertion_type',
  ],
  oauthTokenProvider: FUNCTION,
  oauthOnTokenUpdate: FUNCTION,
  clientAuthentication: FUNCTION,
};

const RETRY: Rules = {
  attempts: [(value) => Number.isInteger(value) && value > 0, 'must be a whole number, 1 or more'],
  baseDelay: AMOUNT,
  maxDelay: AMOUNT,
};

const ENVIRONMENT: Rules = {
  tokenUrl: [HTTPS_URL[0], HTTPS_URL[1], true],
  apiOrigins: [
    (value, { allowInsecureRequests }) =>
      Array.isArray(value) && value.every((entry) => entry === '*' || isSafeOrigin(entry, allowInsecureRequests)),
    "must be an array of https origins such as 'https://api.example.com' or 'https://*.example.com', without path, query, credentials or last slash; plain http is for loopback hosts or allowInsecureRequests: true",
    true,
  ],
  revocationUrl: HTTPS_URL,
  sessionUrl: HTTPS_URL,
  allowInsecureRequests: [(value) => typeof value === 'boolean', 'must be true or false'],
};

function readOptions(path: string, value: unknown, rules: Rules): any {
  if (!isObject(value)) throw new TypeError(`${path.slice(0, -1) || 'the configuration'} must be an object`);
  const options: Record<string, unknown> = { ...(value as object) };
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(rules, name)) {
      throw new TypeError(`${path}${name} is no option; known are ${Object.keys(rules).join(', ')}`);
    }
  }
  for (const [name, [isGood, words, isRequired]] of Object.entries(rules)) {
    const option = options[name];
    if ((isRequired || option !== undefined) && !isGood(option ?? '', options)) throw new TypeError(`${path}${name} ${words}`);
  }
  return options;
}

type Endpoints = Pick<Settings, 'tokenUrl' | 'revocationUrl' | 'sessionUrl' | 'apiOrigins'>;

function resolveEnvironment(environment: Environment | CustomEnvironment): Endpoints {
  const { tokenUrl, revocationUrl, sessionUrl, apiOrigins } =
    typeof environment === 'string' ? ENVIRONMENTS[environment] : readOptions('environment.', environment, ENVIRONMENT);
  return { tokenUrl, revocationUrl, sessionUrl, apiOrigins: apiOrigins.map(normalizeOrigin) };
}

function readToken(token: unknown): OAuthToken {
  try {
    return reviveToken(token);
  } catch (error) {
    throw new TypeError(`${CREDENTIALS_PATH}oauthToken: ${(error as Error).message}`);
  }
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

function isFreeField(name: string, field: unknown): boolean {
  const isReserved = /^(grant_type|scope|client_(id|secret|assertion(_type)?))$/.test(name);
  return !isReserved && (Array.isArray(field) ? field : [field]).every((value) => typeof value === 'string');
}

function isSafeUrl(value: unknown, allowInsecure: boolean | undefined): boolean {
  const { protocol, hostname, username, password } = parseUrl(value) ?? {};
  const isLoopback = /^(.*\.)?localhost$|^127(\.\d+){3}$|^\[::1\]$/.test(hostname ?? '');
  return (protocol === 'https:' || (protocol === 'http:' && (isLoopback || !!allowInsecure))) && !username && !password;
}

/** `URL.canParse` is missing in Chromium 119 and edge-runtime. */
function parseUrl(value: unknown): Partial<URL> | undefined {
  try {
    return isText(value) ? new URL(value as string) : undefined;
  } catch {
    return undefined;
  }
}

function isSafeOrigin(entry: unknown, allowInsecure: boolean | undefined): boolean {
  return typeof entry === 'string' && /^\w+:\/\/(\*\.)?[^*/?#@\\]+$/.test(entry) && isSafeUrl(entry.replace('*.', ''), allowInsecure);
}

/** As `URL` writes it. Chromium escapes the `*`, so it is kept out. */
function normalizeOrigin(entry: string): string {
  return entry === '*' ? entry : new URL(entry.replace('*.', '')).origin.replace('//', entry.includes('*') ? '//*.' : '//');
}

const globalFetch: Fetch = (input, init) => fetch(input, init);
