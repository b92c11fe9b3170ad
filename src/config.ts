/**
 * The configuration: its shape, its defaults, its rules. The one place that knows the vendor's long names; everything
 * below works on the flat {@link Settings}. Nothing here touches the network, a clock or a timer.
 * @module
 */
import type { ClientAuthentication } from './clientAuthentication.ts';
import { clientSecretBasic } from './clientAuthentication.ts';
import type { CustomEnvironment, Environment } from './environments.ts';
import { isBare, ENVIRONMENTS } from './environments.ts';
import type { ClientEvent, Report } from './events.ts';
import { withoutAbsent } from './record.ts';
import type { OauthScope } from './scopes.ts';
import type { OAuthToken } from './token.ts';
import { asHeaderText, asText, reviveToken } from './token.ts';
import type { Answer, Fetch } from './transport.ts';

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

/** The client that a session works for: its configuration, and what else only the client's own functions know. */
export interface SessionClient {
  /** The client's configuration. */
  readonly settings: Settings;
}

/**
 * What a client lends to its session, so that neither bundle holds anything of the other. Told apart by their places,
 * since names would stay in every bundle. `client` is the one that the session works for.
 */
export type SessionTools = readonly [
  /** A valid bearer. */
  getToken: (client: any) => Promise<OAuthToken>,
  /** Another bearer than the one that was answered with 401; `undefined` where there is none to be had. */
  renewToken: (client: any, rejected: OAuthToken) => Promise<OAuthToken | undefined>,
  /**
   * Posts a secret as the client does: by its `fetch`, within its time limit, along no redirect. What has come fills
   * `answer`, also where it rejects.
   */
  post: (settings: Settings, url: string, headers: Record<string, string>, body: string, answer: Answer) => Promise<Answer>,
  /** A body as text, `undefined` for one that is larger than 64 KiB. */
  readText: (response: Response) => Promise<string | undefined>,
];

/** Where a changing M2M session token comes from: what `createSession` of `thingspace-auth/session` returns. */
export interface SessionTokenSource {
  /** The session token for one call: the one held, or after a login. Rejects like `getToken`, or as the login does. */
  readonly getSessionToken: (
    client: SessionClient,
    signal: AbortSignal | null | undefined,
    ...tools: SessionTools
  ) => string | Promise<string>;
  /**
   * `'session'` for an answer which says that `sent`, the session token of the call, has expired; it is then given up, so
   * that the next `getSessionToken` logs in. The answer can still be read afterwards.
   */
  readonly noteLapse: (response: Response, sent: string) => Promise<'session' | undefined>;
}

/** A configuration settled: checked, copied, complete and flat, under its short names. */
export interface Settings extends Omit<CustomEnvironment, 'allowInsecureRequests'>, Required<Readonly<Record<keyof RetryOptions, number>>> {
  readonly clientId: string;
  readonly clientSecret?: string;
  readonly clientAuthentication: ClientAuthentication;
  /** Whether a token can be had at all: there is a secret, or the method needs none, or there is a provider. */
  readonly canRenew: unknown;
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

  readonly waitUntil?: (promise: Promise<unknown>) => unknown;
  readonly onEvent?: (event: ClientEvent) => unknown;
}

/**
 * Checks and settles a configuration. The caller's objects are copied, never changed; each property is read once.
 *
 * @throws `TypeError` that names the option and the rule, never the value
 */
export function resolveConfig(config: ClientConfig): Settings {
  const { vZM2mToken: sessionToken, timeout, scopes, params, token, apiOrigins, ...options } = readOptions(config ?? {}, OPTIONS);
  return {
    canRenew: options.clientSecret || !options.clientAuthentication.needsSecret || options.tokenProvider,
    scope: scopes.join(' ') || undefined,
    token: token && reviveToken(token),
    sessionToken,
    // Beyond 2^31-1 ms most platforms fire at once; eleven days are as good.
    timeoutMs: Math.min(timeout, 1e9),
    params: Object.freeze(withoutAbsent<Settings['params']>(params)),
    apiOrigins: [...apiOrigins],
    ...options,
  };
}

/** Whether an option is good; may throw what is wrong itself. `options`: those of its group that stand before it. */
type Rule = (value: any, options: any) => unknown;
/** The options of a group: rule, the rule in words, default. One that must be given has a default that breaks its rule. */
type Rules = Readonly<Record<string, readonly [rule: Rule | Rules, words: string, standard?: unknown]>>;

const TEXT = 'a non-empty string';
const AMOUNT = 'a finite number, 0 or more';
const CALLABLE = 'a function';
const ENDPOINT = 'an https or loopback URL without credentials';

const CREDENTIALS: Rules = {
  oauthClientId: [asText, TEXT, ''],
  oauthClientSecret: [asText, TEXT],
  oauthScopes: [
    (value) => isTexts(value) && value.every((scope) => /^[!#-[\]-~]+$/.test(scope)),
    'an array of single scopes',
    [],
  ],
  oauthToken: [reviveToken, ''],
  oauthClockSkew: [isAmount, AMOUNT, 10],
  oauthParams: [
    (value) =>
      isObject(value) && Object.entries(value).every(([name, field]) => isTexts([field].flat()) && !/^(grant_type|scope|client_(id|secret|assertion(_type)?))$/.test(name)),
    'an object of strings or arrays without reserved fields',
    {},
  ],
  oauthTokenProvider: [isCallable, CALLABLE],
  oauthOnTokenUpdate: [isCallable, CALLABLE],
  clientAuthentication: [isCallable, CALLABLE, clientSecretBasic],
};

const RETRY: Rules = {
  attempts: [(value) => Number.isInteger(value) && value > 0, 'a whole number, 1 or more', 3],
  baseDelay: [isAmount, AMOUNT, 500],
  maxDelay: [isAmount, AMOUNT, 5000],
};

const ENVIRONMENT: Rules = {
  // First, since the rules of the others ask for it.
  allowInsecureRequests: [(value) => typeof value === 'boolean', 'a boolean'],
  tokenUrl: [safeOrigin, ENDPOINT, ''],
  apiOrigins: [
    (value, options) => isTexts(value) && value.every((entry) => entry === '*' || isOrigin(entry, options)),
    'an array of https or loopback origins without path',
    '',
  ],
  revocationUrl: [safeOrigin, ENDPOINT],
  sessionUrl: [safeOrigin, ENDPOINT],
};

const OPTIONS: Rules = {
  clientCredentialsAuthCredentials: [CREDENTIALS, 'an object', ''],
  vZM2mToken: [
    (value) => asHeaderText(value) || isCallable(value.getSessionToken),
    'visible ASCII, or from createSession',
  ],
  timeout: [isAmount, AMOUNT, 0],
  environment: [ENVIRONMENT, 'a name like Production, or an object', 'Production'],
  fetch: [isCallable, CALLABLE, globalFetch],
  retry: [RETRY, 'an object', {}],
  waitUntil: [isCallable, CALLABLE],
  onEvent: [isCallable, CALLABLE],
};

/** A checked copy of an options object, complete, under short names: `oauthClientId` is `clientId` from here on. */
function readOptions({ ...given }: any, rules: Rules): any {
  const unknown = Object.keys(given).find((name) => !rules[name]);
  if (unknown) throw new TypeError(`${unknown} is no option; known are ${Object.keys(rules).join(', ')}`);
  const options: Record<string, unknown> = {};
  for (const [name, [rule, words, standard]] of Object.entries(rules)) {
    let { [name]: option = standard } = given;
    if (option === undefined) continue;
    const isGroup = typeof rule === 'object';
    if (rule === ENVIRONMENT && !isObject(option)) option = ENVIRONMENTS[option];
    if (!(isGroup ? isObject(option) : rule(option ?? '', options))) throw new TypeError(`${name} must be ${words}`);
    if (isGroup) Object.assign(options, readOptions(option, rule));
    else options[name.startsWith('oauth') ? name[5]!.toLowerCase() + name.slice(6) : name] = option;
  }
  return options;
}

function isAmount(value: number): boolean {
  return Number.isFinite(value) && value >= 0;
}

function isCallable(value: unknown): boolean {
  return typeof value === 'function';
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(asText);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The origin of a URL that secrets may go to; falsy where there is none. */
function safeOrigin(value: any, { allowInsecureRequests }: CustomEnvironment): string | false | undefined {
  try {
    const url = new URL(value);
    const safe = allowInsecureRequests ? /^http/ : /^https:|^http:\/\/((.+\.)?localhost|127[\d.]+|\[::1])(:|$)/;
    return asText(value) && isBare(url) && safe.test(url.origin) && url.origin;
  } catch {
    return undefined;
  }
}

/** As `URL` writes it; `*` is for all that stands before the first dot, and Chromium would escape it. */
function isOrigin(entry: string, environment: CustomEnvironment): boolean {
  const origin = entry.replace('//*.', '//');
  return safeOrigin(origin, environment) === origin && !origin.includes('*');
}

/** Looked up at call time, and called unbound from any object. */
function globalFetch(...parameters: Parameters<Fetch>): ReturnType<Fetch> {
  return fetch(...parameters);
}
