/**
 * The configuration settled: its rules, its defaults, its short names. The one place that reads the seed's long names;
 * everything below works on the flat {@link Settings}. Nothing here touches the network, a clock or a timer.
 * @module
 */
import type { ClientEvent } from '../platform/events.ts';
import { withoutAbsent } from '../platform/record.ts';
import type { OAuthToken } from '../platform/token.ts';
import { asHeaderText, asText, reviveToken } from '../platform/token.ts';
import type { Transport } from '../platform/transport.ts';
import { globalFetch } from '../platform/transport.ts';
import type { ClientAuthentication } from './clientAuthentication.ts';
import { clientSecretBasic } from './clientAuthentication.ts';
import type {
  ClientConfig,
  ClientCredentials,
  ClientOptions,
  Dpop,
  OAuthTokenProvider,
  RetryOptions,
  SessionTokenSource,
} from './config.ts';
import type { CustomEnvironment } from './environments.ts';
import { ENVIRONMENTS, isBare } from './environments.ts';

/** A configuration settled: checked, copied, complete and flat, under its short names. */
export interface Settings extends Transport {
  readonly clientId: string;
  readonly clientSecret: string | undefined;
  readonly clientAuthentication: ClientAuthentication;
  /** Whether a token can be had at all: there is a secret, or the method needs none, or there is a provider. */
  readonly canRenew: boolean;
  readonly scope: string | undefined;
  readonly params: Readonly<Record<string, string | readonly string[]>>;
  readonly clockSkewSeconds: number;
  readonly token: OAuthToken | undefined;
  readonly tokenProvider: OAuthTokenProvider | undefined;
  readonly onTokenUpdate: ((token: OAuthToken) => unknown) | undefined;
  readonly sessionToken: string | SessionTokenSource | undefined;
  readonly tokenUrl: string;
  readonly apiOrigins: readonly string[];
  readonly revocationUrl: string | undefined;
  readonly sessionUrl: string | undefined;
  readonly attempts: number;
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  readonly waitUntil: ((promise: Promise<unknown>) => unknown) | undefined;
  readonly dpop: Dpop | undefined;
  readonly onEvent: ((event: ClientEvent) => unknown) | undefined;
}

/**
 * Checks and settles a configuration. The caller's objects are copied, never changed; each property is read once.
 *
 * @throws `TypeError` that names the option and the rule, never the value
 */
export function resolveConfig(config: ClientConfig): Settings {
  const {
    clientCredentialsAuthCredentials,
    vZM2mToken: sessionToken,
    timeout: timeoutMs = 0,
    environment = 'Production',
    fetch = globalFetch,
    retry = {},
    waitUntil,
    dpop,
    onEvent,
  } = check<AnyConfig>(config ?? {}, OPTIONS);
  if (dpop && typeof sessionToken === 'object') throw new TypeError('dpop must be absent beside createSession: its login takes a bearer');
  return {
    ...settleCredentials(clientCredentialsAuthCredentials, dpop),
    ...settleEnvironment(environment),
    ...settleRetry(retry),
    sessionToken,
    timeoutMs,
    fetch,
    waitUntil,
    dpop,
    onEvent,
  };
}

/**
 * Refuses a token that this client cannot use.
 *
 * @throws `TypeError` for a token that is bound to a key, where there is none
 */
export function assertUsable(token: OAuthToken, dpop: Dpop | undefined): OAuthToken {
  if (token.tokenType === 'DPoP' && !dpop) throw new TypeError('oauthToken.tokenType must be Bearer where no dpop is given');
  return token;
}

function settleCredentials(credentials: ClientCredentials, dpop: Dpop | undefined) {
  const {
    oauthClientId: clientId,
    oauthClientSecret: clientSecret,
    oauthScopes: scopes = [],
    oauthToken,
    oauthClockSkew: clockSkewSeconds = 10,
    oauthParams: params = {},
    oauthTokenProvider: tokenProvider,
    oauthOnTokenUpdate: onTokenUpdate,
    clientAuthentication = clientSecretBasic,
  } = check<ClientCredentials>(credentials, CREDENTIALS);
  return {
    clientId,
    clientSecret,
    clientAuthentication,
    canRenew: Boolean(clientSecret || !clientAuthentication.needsSecret || tokenProvider),
    scope: scopes.join(' ') || undefined,
    params: freezeParams(params),
    clockSkewSeconds,
    token: oauthToken && assertUsable(reviveToken(oauthToken), dpop),
    tokenProvider,
    onTokenUpdate,
  };
}

/** A copy that a provider cannot change either. */
function freezeParams(params: Settings['params']): Settings['params'] {
  const copy = withoutAbsent(params);
  for (const value of Object.values(copy)) Object.freeze(value);
  return Object.freeze(copy);
}

/** Checks an environment's endpoints and origins. Throws a `TypeError` that names the option and the rule. */
export function settleEnvironment(environment: string | CustomEnvironment): Pick<Settings, 'tokenUrl' | 'apiOrigins' | 'revocationUrl' | 'sessionUrl'> {
  const chosen = typeof environment === 'string' ? ENVIRONMENTS[environment] : environment;
  const { allowInsecureRequests = false, ...given } = check<CustomEnvironment>(chosen, ENVIRONMENT);
  const { tokenUrl, apiOrigins, revocationUrl, sessionUrl } = given;
  for (const [name, url] of Object.entries({ tokenUrl, revocationUrl, sessionUrl })) {
    if (url !== undefined && !safeOrigin(url, allowInsecureRequests)) throw new TypeError(`${name} ${URL_RULE}`);
  }
  const isGood = (entry: string) => entry === '*' || isOrigin(entry, allowInsecureRequests);
  if (!apiOrigins.every(isGood)) throw new TypeError(`apiOrigins must be ${ORIGIN_RULE}`);
  return { tokenUrl, apiOrigins: [...apiOrigins], revocationUrl, sessionUrl };
}

function settleRetry(retry: RetryOptions) {
  const { attempts = 3, baseDelay: baseDelayMs = 500, maxDelay: maxDelayMs = 5_000 } = check<RetryOptions>(retry, RETRY);
  return { attempts, baseDelayMs, maxDelayMs };
}

/** Either of the two kinds of configuration. */
interface AnyConfig extends ClientOptions {
  readonly clientCredentialsAuthCredentials: ClientCredentials;
  readonly environment?: string | CustomEnvironment | undefined;
}

/**
 * Whether an option is good (it may also throw what is wrong itself), and the rule in words. An option without a value is
 * only looked at where it must be given.
 */
type Rule = readonly [isGood: (value: unknown) => boolean, words: string, isRequired?: 'required'];
export type Rules<T> = { readonly [K in keyof T]-?: Rule };

/** A copy of an options object, each of its options checked. */
export function check<T extends object>(given: unknown, rules: Rules<T>): T {
  const options = { ...(given as T) };
  const known = Object.keys(rules) as (keyof T & string)[];
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(rules, name));
  if (unknown) throw new TypeError(`${unknown} is no option; known are ${known.join(', ')}`);
  for (const name of known) {
    const [isGood, words, isRequired] = rules[name];
    const value = options[name];
    if (value === undefined ? isRequired : !isGood(value)) throw new TypeError(`${name} must be ${words}`);
  }
  return options;
}

export const TEXT = 'a non-empty string';
const AMOUNT = 'a finite number, 0 or more';
const CALLABLE = 'a function';
const PLAIN_HTTP = 'http needs a loopback host or allowInsecureRequests';
const URL_RULE = `must be an https URL without credentials; ${PLAIN_HTTP}`;
const ORIGIN_RULE = `an array of https origins like https://api.example.com, without path or last slash; ${PLAIN_HTTP}`;
const RESERVED = /^(grant_type|scope|client_(id|secret|assertion(_type)?))$/;

const CREDENTIALS: Rules<ClientCredentials> = {
  oauthClientId: [isText, TEXT, 'required'],
  oauthClientSecret: [isText, TEXT],
  oauthScopes: [(value) => isTexts(value) && value.every((scope) => /^[!#-[\]-~]+$/.test(scope)), 'an array of scopes, each without spaces'],
  oauthToken: [(value) => Boolean(reviveToken(value)), 'a token'],
  oauthClockSkew: [isAmount, AMOUNT],
  oauthParams: [isParams, "an object of strings or arrays of them, without the grant's own fields (grant_type, scope, client_…)"],
  oauthTokenProvider: [isCallable, CALLABLE],
  oauthOnTokenUpdate: [isCallable, CALLABLE],
  clientAuthentication: [isCallable, CALLABLE],
};

const RETRY: Rules<RetryOptions> = {
  attempts: [(value) => Number.isInteger(value) && Number(value) > 0, 'a whole number, 1 or more'],
  baseDelay: [isAmount, AMOUNT],
  maxDelay: [isAmount, AMOUNT],
};

const ENVIRONMENT: Rules<CustomEnvironment> = {
  tokenUrl: [isText, TEXT, 'required'],
  apiOrigins: [isTexts, ORIGIN_RULE, 'required'],
  revocationUrl: [isText, TEXT],
  sessionUrl: [isText, TEXT],
  allowInsecureRequests: [(value) => typeof value === 'boolean', 'a boolean'],
};

export const OPTIONS: Rules<AnyConfig> = {
  clientCredentialsAuthCredentials: [isObject, 'an object', 'required'],
  vZM2mToken: [isSessionToken, 'visible ASCII, or from createSession'],
  timeout: [isAmount, AMOUNT],
  environment: [isEnvironment, 'a name or an object'],
  fetch: [isCallable, CALLABLE],
  retry: [isObject, 'an object like { attempts: 1 }'],
  waitUntil: [isCallable, CALLABLE],
  dpop: [(value) => isObject(value) && isCallable((value as Partial<Dpop>).createProof), 'what createDpop returns'],
  onEvent: [isCallable, CALLABLE],
};

export function isText(value: unknown): value is string {
  return asText(value) !== undefined;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isText);
}

function isParams(value: unknown): boolean {
  return isObject(value) && Object.entries(value).every(([name, field]) => isTexts([field].flat()) && !RESERVED.test(name));
}

function isEnvironment(value: unknown): boolean {
  if (isObject(value) || Object.hasOwn(ENVIRONMENTS, String(value))) return true;
  throw new TypeError(`environment must be ${Object.keys(ENVIRONMENTS).join(', ')}, or an object`);
}

function isSessionToken(value: unknown): boolean {
  return asHeaderText(value) !== undefined || (isObject(value) && isCallable((value as Partial<SessionTokenSource>).getSessionToken));
}

function isAmount(value: unknown): boolean {
  return Number.isFinite(value) && Number(value) >= 0;
}

function isCallable(value: unknown): boolean {
  return typeof value === 'function';
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The origin of a URL that secrets may go to; `undefined` where there is none. */
export function safeOrigin(value: string, allowInsecureRequests: boolean): string | undefined {
  try {
    const url = new URL(value);
    const safe = allowInsecureRequests ? /^http/ : /^https:|^http:\/\/((.+\.)?localhost|127[\d.]+|\[::1])(:|$)/;
    return isBare(url) && safe.test(url.origin) ? url.origin : undefined;
  } catch {
    return undefined;
  }
}

/** As `URL` writes it; `*` is for all that stands before the first dot, and Chromium would escape it. */
function isOrigin(entry: string, allowInsecureRequests: boolean): boolean {
  const origin = entry.replace('//*.', '//');
  return safeOrigin(origin, allowInsecureRequests) === origin && !origin.includes('*');
}
