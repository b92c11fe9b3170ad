/**
 * A configuration from environment variables.
 * @module
 */
import type { VariablesConfig } from './config.ts';
import { type CustomEnvironment, Environment } from './environments.ts';
import type { OauthScope } from './scopes.ts';

/** Reads one variable, named without its `THINGSPACE_`; one that is empty is absent. */
type Read = (name: string) => string | undefined;

/**
 * Makes a configuration from `THINGSPACE_CLIENT_ID`, `THINGSPACE_CLIENT_SECRET`, `THINGSPACE_SCOPES`
 * (separated by spaces), `THINGSPACE_M2M_TOKEN`, `THINGSPACE_ENVIRONMENT` and `THINGSPACE_TIMEOUT`
 * (milliseconds). In the place of `THINGSPACE_ENVIRONMENT`, another server has `THINGSPACE_TOKEN_URL` and
 * `THINGSPACE_API_ORIGINS` (separated by spaces). An empty variable is absent. Touches no network.
 *
 * @param env the variables; default `process.env`, and none where there is no `process`
 * @throws `TypeError` that names the variable: for a missing id, for a timeout that is no number, for an
 *   unknown environment, for one of the two variables of another server without the other, and for
 *   `THINGSPACE_ENVIRONMENT` beside them
 */
export function configFromEnvironment(
  env: Readonly<Record<string, string | undefined>> = processEnv(),
): VariablesConfig {
  const read: Read = (name) => env[`THINGSPACE_${name}`]?.trim() || undefined;
  const oauthClientId = read('CLIENT_ID');
  if (!oauthClientId) throw new TypeError('THINGSPACE_CLIENT_ID must be set to the client id');
  const timeout = Number(read('TIMEOUT') ?? 0);
  if (!(timeout >= 0 && timeout < Infinity))
    throw new TypeError('THINGSPACE_TIMEOUT must be a number of milliseconds, 0 or more');
  return {
    clientCredentialsAuthCredentials: {
      oauthClientId,
      oauthClientSecret: read('CLIENT_SECRET'),
      oauthScopes: read('SCOPES')?.split(/\s+/) as OauthScope[] | undefined,
    },
    vZM2mToken: read('M2M_TOKEN'),
    environment: readCustomEnvironment(read) ?? readNamedEnvironment(read),
    timeout,
  };
}

function readCustomEnvironment(read: Read): CustomEnvironment | undefined {
  const tokenUrl = read('TOKEN_URL');
  const apiOrigins = read('API_ORIGINS')?.split(/\s+/);
  if (!tokenUrl && !apiOrigins) return undefined;
  if (!tokenUrl || !apiOrigins || read('ENVIRONMENT')) {
    throw new TypeError(
      'THINGSPACE_TOKEN_URL and THINGSPACE_API_ORIGINS must be set together, and without THINGSPACE_ENVIRONMENT',
    );
  }
  return { tokenUrl, apiOrigins };
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
