/**
 * A configuration from environment variables.
 * @module
 */
import {
  type ClientAuthentication,
  clientSecretBasic,
  clientSecretBasicRaw,
  clientSecretPost,
} from './clientAuthentication.ts';
import type { ClientCredentials, KnownScopesConfig } from './config.ts';
import { type CustomEnvironment, Environment } from './environments.ts';
import type { OauthScope } from './scopes.ts';
import { isOrigin, safeOrigin } from './settings.ts';

/** The variables for {@link configFromEnvironment}, and options that win over them. */
export interface EnvironmentOptions extends Partial<ClientCredentials<OauthScope>> {
  /** The variables. Default `process.env`, and none where there is no `process`. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

/** Reads one variable, named without its `THINGSPACE_`; one that is empty is absent. */
type Read = (name: string) => string | undefined;

/**
 * Makes a configuration from `THINGSPACE_CLIENT_ID`, `THINGSPACE_CLIENT_SECRET`, `THINGSPACE_SCOPES`
 * (separated by spaces), `THINGSPACE_M2M_TOKEN`, `THINGSPACE_ENVIRONMENT` and `THINGSPACE_TIMEOUT`
 * (milliseconds). For another server, set `THINGSPACE_TOKEN_URL` and `THINGSPACE_API_ORIGINS` (separated by
 * spaces) instead of `THINGSPACE_ENVIRONMENT`, and `THINGSPACE_SESSION_URL` if the M2M session lives
 * elsewhere. `THINGSPACE_CLIENT_AUTHENTICATION` is `basic` (the default), `basic-raw` or `post`;
 * `THINGSPACE_TOKEN_PARAMS` are further form fields of every token request, form-encoded:
 * `audience=…&resource=…`. An empty variable is absent. Touches no network.
 *
 * Further members are options of `clientCredentialsAuthCredentials`. One that is given wins over its
 * variable, which may then be absent.
 *
 * @throws `TypeError` that names the variable, and says what to write: for a missing id, for a timeout that
 *   is not a number, for an unknown environment, for an unknown client authentication or one beside a
 *   `clientAuthentication` that is given, for commas in a list, for a URL without `https://`, for one of the
 *   variables of another server without the others, and for `THINGSPACE_ENVIRONMENT` beside them
 * @example
 * ```ts
 * import { configFromEnvironment, createClient } from 'thingspace-auth';
 * import { storedToken } from 'thingspace-auth/stores';
 * import { fileStore } from 'thingspace-auth/stores/file';
 *
 * const oauthTokenProvider = storedToken(fileStore('/var/lib/my-service'));
 * const client = createClient(configFromEnvironment({ oauthTokenProvider }));
 * ```
 */
export function configFromEnvironment({
  env = processEnv(),
  ...given
}: EnvironmentOptions = {}): KnownScopesConfig {
  const read: Read = (name) => env[`THINGSPACE_${name}`]?.trim() || undefined;
  const oauthClientId = given.oauthClientId ?? read('CLIENT_ID');
  if (!oauthClientId) throw new TypeError('THINGSPACE_CLIENT_ID must be set to the client id');
  const oauthClientSecret = given.oauthClientSecret ?? read('CLIENT_SECRET');
  const oauthScopes = given.oauthScopes ?? (readList(read, 'SCOPES') as OauthScope[] | undefined);
  const oauthParams = given.oauthParams ?? readParams(read);
  const clientAuthentication = readClientAuthentication(read, given.clientAuthentication);
  const timeout = Number(read('TIMEOUT') ?? 0);
  if (!(timeout >= 0 && timeout < Infinity))
    throw new TypeError('THINGSPACE_TIMEOUT must be a number of milliseconds, 0 or more');
  return {
    clientCredentialsAuthCredentials: {
      ...given,
      oauthClientId,
      oauthClientSecret,
      oauthScopes,
      ...(oauthParams && { oauthParams }),
      ...(clientAuthentication && { clientAuthentication }),
    },
    vZM2mToken: read('M2M_TOKEN'),
    environment: readCustomEnvironment(read) ?? readNamedEnvironment(read),
    timeout,
  };
}

function readList(read: Read, name: string): string[] | undefined {
  const text = read(name);
  if (text?.includes(','))
    throw new TypeError(`THINGSPACE_${name} must be separated by spaces, not by commas`);
  return text?.split(/\s+/);
}

/** A field that occurs more than once becomes an array. */
function readParams(read: Read): Record<string, string | string[]> | undefined {
  const text = read('TOKEN_PARAMS');
  if (!text) return undefined;
  const form = new URLSearchParams(text);
  return Object.fromEntries([...form].map(([name, value]) => [name, allOf(form, name, value)]));
}

function allOf(form: URLSearchParams, name: string, value: string): string | string[] {
  const values = form.getAll(name);
  return values.length > 1 ? values : value;
}

const CLIENT_AUTHENTICATION: Readonly<Record<string, ClientAuthentication>> = {
  basic: clientSecretBasic,
  'basic-raw': clientSecretBasicRaw,
  post: clientSecretPost,
};

function readClientAuthentication(
  read: Read,
  given: ClientAuthentication | undefined,
): ClientAuthentication | undefined {
  const name = read('CLIENT_AUTHENTICATION');
  if (!name) return given;
  if (given)
    throw new TypeError('THINGSPACE_CLIENT_AUTHENTICATION must not be set beside clientAuthentication');
  if (!Object.hasOwn(CLIENT_AUTHENTICATION, name))
    throw new TypeError('THINGSPACE_CLIENT_AUTHENTICATION must be basic, basic-raw or post');
  return CLIENT_AUTHENTICATION[name];
}

function readCustomEnvironment(read: Read): CustomEnvironment | undefined {
  const tokenUrl = readEndpoint(read, 'TOKEN_URL', 'https://auth.example.com/token');
  const apiOrigins = readList(read, 'API_ORIGINS');
  const sessionUrl = readEndpoint(read, 'SESSION_URL', 'https://api.example.com/api/m2m/v1/session');
  if (!tokenUrl && !apiOrigins && sessionUrl)
    throw new TypeError(
      'THINGSPACE_SESSION_URL must be set beside THINGSPACE_TOKEN_URL and THINGSPACE_API_ORIGINS',
    );
  if (!tokenUrl && !apiOrigins) return undefined;
  if (!tokenUrl || !apiOrigins || read('ENVIRONMENT')) {
    throw new TypeError(
      'THINGSPACE_TOKEN_URL and THINGSPACE_API_ORIGINS must be set together, ' +
        'and without THINGSPACE_ENVIRONMENT',
    );
  }
  if (!apiOrigins.every((origin) => origin === '*' || isOrigin(origin, {})))
    throw new TypeError(
      'THINGSPACE_API_ORIGINS must be origins like https://api.example.com, without a path',
    );
  return { tokenUrl, apiOrigins, ...(sessionUrl && { sessionUrl }) };
}

function readEndpoint(read: Read, name: string, example: string): string | undefined {
  const url = read(name);
  // `URL` would cut line breaks out, and make one path of a whole file with a quote too many.
  if (url && (/\s/.test(url) || !safeOrigin(url, {})))
    throw new TypeError(`THINGSPACE_${name} must be a URL like ${example}`);
  return url;
}

function readNamedEnvironment(read: Read): Environment | undefined {
  const name = read('ENVIRONMENT');
  const names = Object.keys(Environment);
  if (name && !names.includes(name))
    throw new TypeError(`THINGSPACE_ENVIRONMENT must be one of ${names.join(', ')}`);
  return name as Environment | undefined;
}

function processEnv(): Readonly<Record<string, string | undefined>> {
  return (globalThis as { process?: { env?: Record<string, string | undefined> } }).process?.env ?? {};
}
