/**
 * The configuration settled: its rules, its defaults, its short names. The one place that reads the seed's long names;
 * everything below works on the flat {@link Settings}. Nothing here touches the network, a clock or a timer.
 * @module
 */
import type { ClientEvent } from '../platform/events.ts';
import { withoutAbsent } from '../platform/record.ts';
import type { OAuthToken } from '../platform/token.ts';
import { asHeaderText, asText, reviveToken } from '../platform/token.ts';
import type { Fetch } from '../platform/transport.ts';
import type { ClientAuthentication } from './clientAuthentication.ts';
import { clientSecretBasic } from './clientAuthentication.ts';
import type { ClientConfig, OAuthTokenProvider, RetryOptions, SessionTokenSource } from './config.ts';
import type { CustomEnvironment } from './environments.ts';
import { ENVIRONMENTS, isBare } from './environments.ts';

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
export type Rules = Readonly<Record<string, readonly [rule: Rule | Rules, words: string, standard?: unknown]>>;

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

export const ENVIRONMENT: Rules = {
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

export const OPTIONS: Rules = {
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
export function readOptions({ ...given }: any, rules: Rules): any {
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
export function safeOrigin(value: any, { allowInsecureRequests }: CustomEnvironment): string | false | undefined {
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
