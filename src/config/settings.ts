/**
 * The configuration settled: its rules, its defaults, its short names. This is the one place that reads the
 * long names of the configuration; everything below works on the flat {@link Settings}. Nothing here touches
 * the network, a clock or a timer.
 * @module
 */
import type { ClientEvent } from '../core/events.ts';
import { freezeRecord } from '../core/record.ts';
import { asHeaderText, asText, isTexts, type OAuthToken, reviveToken } from '../core/token.ts';
import { globalFetch, type Transport } from '../platform/fetch.ts';
import { sessions } from './attachment.ts';
import { type ClientAuthentication, clientSecretBasic } from './clientAuthentication.ts';
import type {
  ClientCredentials,
  ClientOptions,
  Dpop,
  GivenConfig,
  OAuthTokenProvider,
  RetryOptions,
  Session,
} from './config.ts';
import { type CustomEnvironment, ENVIRONMENTS, isBare } from './environments.ts';

/** A configuration settled: checked, copied, complete and flat, under its short names. */
export interface Settings extends Transport {
  readonly clientId: string;
  readonly clientSecret: string | undefined;
  readonly clientAuthentication: ClientAuthentication;
  /**
   * Whether this client can get a token: there is a secret, or the method needs none, or there is a provider.
   */
  readonly canRenew: boolean;
  readonly scope: string | undefined;
  readonly params: Readonly<Record<string, string | readonly string[]>>;
  readonly clockSkew: number;
  readonly token: OAuthToken | undefined;
  readonly oauthTokenProvider?: OAuthTokenProvider | undefined;
  readonly oauthOnTokenUpdate?: ((token: OAuthToken) => unknown) | undefined;
  readonly sessionToken: string | Session | undefined;
  readonly tokenUrl: string;
  readonly apiOrigins: readonly string[];
  readonly revocationUrl?: string | undefined;
  readonly sessionUrl?: string | undefined;
  readonly issuer?: string | undefined;
  readonly allowInsecureRequests?: boolean | undefined;
  readonly retry: RetryOptions;
  readonly waitUntil?: ((promise: Promise<unknown>) => unknown) | undefined;
  readonly dpop?: Dpop | undefined;
  readonly onEvent?: ((event: ClientEvent) => unknown) | undefined;
}

/**
 * Checks and settles a configuration. The caller's objects are copied, never changed; each property is read
 * once.
 *
 * @throws `TypeError` that names the option and the rule, never the value
 */
export function resolveConfig(config: GivenConfig, rules: GrantRules): Settings {
  const optionRules: OptionRules = { ...OPTIONS, ...rules.options };
  const credentialRules: CredentialRules = { ...CREDENTIALS, ...rules.credentials };
  const {
    clientCredentialsAuthCredentials,
    environment,
    timeout: timeoutMs,
    vZM2mToken: sessionToken,
    ...options
  } = checkOptions(config ?? {}, optionRules);
  const {
    oauthClientId: clientId,
    oauthClientSecret: clientSecret,
    oauthScopes,
    oauthToken,
    oauthClockSkew: clockSkew,
    oauthParams,
    ...others
  } = checkOptions(clientCredentialsAuthCredentials, credentialRules);
  if (options.dpop && typeof sessionToken === 'object')
    throw new TypeError('dpop must be absent beside createSession');
  return {
    timeoutMs,
    sessionToken,
    clientId,
    clientSecret,
    scope: oauthScopes.join(' ') || undefined,
    token: oauthToken && assertUsable(oauthToken, options.dpop),
    clockSkew,
    // Providers get these, and all clients share the default.
    // Absent fields are gone: the rule's copy has none.
    params: Object.freeze(oauthParams as Settings['params']),
    canRenew: Boolean(clientSecret || !others.clientAuthentication.needsSecret || others.oauthTokenProvider),
    // These stand last: an object that begins with spread members takes 700 bytes more.
    ...options,
    ...others,
    ...settleEnvironment(environment),
  };
}

/**
 * Refuses a token that this client cannot use.
 *
 * @throws `TypeError` for a token that is bound to a key, if the client has no `dpop`
 */
export function assertUsable(token: OAuthToken, dpop: Dpop | undefined): OAuthToken {
  if (token.tokenType === 'DPoP' && !dpop)
    throw new TypeError('oauthToken.tokenType must be Bearer without dpop');
  return token;
}

/** Checks and copies an environment, which may be given by its name. */
export function settleEnvironment(environment: string | CustomEnvironment): CustomEnvironment {
  const chosen = typeof environment === 'string' ? ENVIRONMENTS[environment] : environment;
  return checkOptions(chosen, ENVIRONMENT);
}

/** A configuration of any kind. */
interface AnyConfig extends ClientOptions {
  readonly clientCredentialsAuthCredentials: ClientCredentials;
  readonly environment?: string | CustomEnvironment | undefined;
}

/**
 * The test of an option, given the other options, and the rule in words. If the test returns an object, that
 * object is kept instead of the option. It may also throw an error of its own.
 */
type Rule<T> = readonly [isGood: (value: unknown, options: Partial<T>) => unknown, words: string];
/**
 * The rules for the options of `T`. Those for `D` end with a default, which all share and nobody changes. An
 * option that must be given has `null` there.
 */
export type Rules<T, D extends keyof T = never> = {
  readonly [K in keyof T]-?: K extends D
    ? readonly [...rule: Rule<T>, standard: Exclude<T[K], undefined> | null]
    : Rule<T>;
};
type GivenRule<T> = readonly [...rule: Rule<T>, standard?: unknown];
type Complete<T, D extends keyof T> = Omit<T, D> & { readonly [K in D]-?: Exclude<T[K], undefined> };

/** A copy of an options object: each option is checked, and the defaults are filled in. */
export function checkOptions<T extends object, D extends keyof T = never>(
  given: unknown,
  rules: Rules<T, D>,
): Complete<T, D> {
  const options = { ...(given as Record<string, unknown>) };
  const known = Object.keys(rules);
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown) throw new TypeError(`unknown option ${unknown}; known options: ${known.join(', ')}`);
  for (const [name, [isGood, words, standard]] of Object.entries<GivenRule<T>>(rules)) {
    const { [name]: value = standard } = options;
    const judged = value === standard ? value !== null : isGood(value, options as Partial<T>);
    if (!judged) throw new TypeError(`${name} must be ${words}`);
    options[name] = typeof judged === 'object' ? judged : value;
  }
  return options as unknown as Complete<T, D>;
}

export const TEXT = 'a non-empty string';
const AMOUNT = 'a finite number, 0 or more';
const CALLABLE = 'a function';
const ENDPOINT = 'an https URL without credentials; http needs a loopback host or allowInsecureRequests';

type CredentialRules = Rules<
  ClientCredentials,
  'oauthClientId' | 'oauthScopes' | 'oauthClockSkew' | 'oauthParams' | 'clientAuthentication'
>;

/** The options that only a token request needs. */
type GrantCredential = 'oauthClientSecret' | 'oauthParams' | 'clientAuthentication';

const CREDENTIALS: Omit<CredentialRules, GrantCredential> = {
  oauthClientId: [asText, TEXT, null],
  oauthScopes: [
    (value) => isTexts(value) && value.every((scope) => /^[!#-[\]-~]+$/.test(scope)),
    'an array of strings without spaces',
    [],
  ],
  oauthToken: [(value) => isObject(value) && reviveToken(value), 'an object'],
  oauthClockSkew: [isAmount, AMOUNT, 10],
  oauthTokenProvider: [isCallable, CALLABLE],
  oauthOnTokenUpdate: [isCallable, CALLABLE],
};

/** The rules for the options that only a token request needs. Each entry has its own. */
export interface GrantRules {
  readonly credentials: Pick<CredentialRules, GrantCredential>;
  readonly options: Pick<OptionRules, 'retry'>;
}

/** The rules of the main entry, which makes token requests. */
export const TOKEN_REQUEST: GrantRules = {
  credentials: {
    // Files end with a line break, which is no part of the secret.
    oauthClientSecret: [
      (value) => /^.+$/.test(asText(value) ?? ''),
      'a non-empty string without line breaks',
    ],
    oauthParams: [
      (value) => isParams(value) && freezeRecord(value),
      'an object of strings or arrays, without grant_type, scope and client_…',
      {},
    ],
    clientAuthentication: [isCallable, CALLABLE, clientSecretBasic],
  },
  options: {
    retry: [(value) => isObject(value) && checkOptions(value, RETRY), 'an object like { attempts: 1 }', {}],
  },
};

/** The rule for a number of things. */
export const COUNT: readonly [isGood: (value: unknown) => boolean, words: string] = [
  (value) => Number.isInteger(value) && Number(value) > 0,
  'a whole number, 1 or more',
];

const RETRY: Rules<RetryOptions> = {
  attempts: COUNT,
  baseDelay: [isAmount, AMOUNT],
  maxDelay: [isAmount, AMOUNT],
};

const ENVIRONMENT: Rules<CustomEnvironment, 'tokenUrl' | 'apiOrigins'> = {
  tokenUrl: [safeOrigin, ENDPOINT, null],
  apiOrigins: [
    (value, options) =>
      isTexts(value) && value.every((entry) => entry === '*' || isOrigin(entry, options)) && value.slice(),
    'an array of https origins without path; http needs a loopback host or allowInsecureRequests',
    null,
  ],
  revocationUrl: [safeOrigin, ENDPOINT],
  sessionUrl: [safeOrigin, ENDPOINT],
  issuer: [asText, TEXT],
  allowInsecureRequests: [(value) => typeof value === 'boolean', 'a boolean'],
};

type OptionRules = Rules<
  AnyConfig,
  'clientCredentialsAuthCredentials' | 'timeout' | 'environment' | 'fetch' | 'retry'
>;

export const OPTIONS: Omit<OptionRules, 'retry'> = {
  clientCredentialsAuthCredentials: [isObject, 'an object', null],
  vZM2mToken: [
    (value) => asHeaderText(value) ?? sessions.has(value as object),
    'visible ASCII, or from createSession',
  ],
  timeout: [isAmount, AMOUNT, 0],
  environment: [
    (value) => isObject(value) || Object.keys(ENVIRONMENTS).includes(String(value)),
    'Production, MockServerForLimitedAvailabilitySeeQuickStart, Staging, or an object',
    'Production',
  ],
  fetch: [isCallable, CALLABLE, globalFetch],
  waitUntil: [isCallable, CALLABLE],
  dpop: [(value) => isCallable(Object(value).createProof), 'from createDpop'],
  onEvent: [isCallable, CALLABLE],
};

function isParams(value: unknown): value is Settings['params'] {
  const reserved = /^(grant_type|scope|client_(id|secret|assertion(_type)?))$/;
  return (
    isObject(value) &&
    Object.entries(value).every(
      ([name, field]) => (field === undefined || isTexts([field].flat())) && !reserved.test(name),
    )
  );
}

function isAmount(value: unknown): boolean {
  return Number.isFinite(value) && Number(value) >= 0;
}

function isCallable(value: unknown): boolean {
  return typeof value === 'function';
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !(Symbol.iterator in value);
}

/**
 * The origin of a URL, if secrets may go there; `false` if not. Throws the platform's own error where its
 * `URL` lacks `origin` (React Native without a polyfill): that says nothing against the URL.
 */
export function safeOrigin(
  value: unknown,
  { allowInsecureRequests }: Pick<CustomEnvironment, 'allowInsecureRequests'>,
): string | false {
  let url: URL;
  try {
    url = new URL(asText(value) ?? '');
  } catch {
    return false;
  }
  const safe = allowInsecureRequests ? /^http/ : /^https:|^http:\/\/((.+\.)?localhost|127[\d.]+|\[::1])(:|$)/;
  return isBare(url) && safe.test(url.origin) && url.origin;
}

/**
 * Whether an entry is an origin, as `URL` writes it. A leading `*.` is taken off first, since Chromium would
 * escape it: it stands for all that comes before the first dot. No other `*` is allowed.
 */
export function isOrigin(entry: string, environment: Partial<CustomEnvironment>): boolean {
  const origin = entry.replace('//*.', '//');
  return safeOrigin(origin, environment) === origin && !origin.includes('*');
}
