/**
 * A configuration from environment variables.
 * @module
 */
import type { NamedEnvironmentConfig } from './config.ts';
import { Environment } from './environments.ts';
import type { OauthScope } from './scopes.ts';

/**
 * Makes a configuration from `THINGSPACE_CLIENT_ID`, `THINGSPACE_CLIENT_SECRET`, `THINGSPACE_SCOPES` (separated by
 * spaces), `THINGSPACE_M2M_TOKEN`, `THINGSPACE_ENVIRONMENT` and `THINGSPACE_TIMEOUT` (milliseconds). An empty variable is
 * absent. Touches no network.
 *
 * @param env the variables; default `process.env`, and none where there is no `process`
 * @throws `TypeError` that names the variable when the id is missing, the timeout is no number or the environment unknown
 */
export function configFromEnvironment(env: Readonly<Record<string, string | undefined>> = processEnv()): NamedEnvironmentConfig {
  const read = (name: string) => env[`THINGSPACE_${name}`]?.trim() || undefined;
  const oauthClientId = read('CLIENT_ID');
  if (!oauthClientId) throw new TypeError('THINGSPACE_CLIENT_ID must be set to the client id');
  const timeout = Number(read('TIMEOUT') ?? 0);
  if (!(timeout >= 0 && timeout < Infinity)) throw new TypeError('THINGSPACE_TIMEOUT must be a number of milliseconds, 0 or more');
  const environment = read('ENVIRONMENT');
  const names = Object.keys(Environment);
  if (environment && !names.includes(environment)) throw new TypeError(`THINGSPACE_ENVIRONMENT must be one of ${names.join(', ')}`);
  return {
    clientCredentialsAuthCredentials: {
      oauthClientId,
      oauthClientSecret: read('CLIENT_SECRET'),
      oauthScopes: read('SCOPES')?.split(/\s+/) as OauthScope[] | undefined,
    },
    vZM2mToken: read('M2M_TOKEN'),
    environment: environment as Environment | undefined,
    timeout,
  };
}

function processEnv(): Readonly<Record<string, string | undefined>> {
  return (globalThis as { process?: { env?: Record<string, string | undefined> } }).process?.env ?? {};
}
