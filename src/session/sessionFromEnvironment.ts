/**
 * A session from environment variables.
 * @module
 */
import type { Session } from '../config/config.ts';
import type { TokenStore } from '../stores/tokenStore.ts';
import { createSession } from './createSession.ts';

/** The store and the variables for {@link sessionFromEnvironment}. */
export interface EnvironmentSessionOptions {
  /** As for `createSession`. Absent: session and count live in this object only. */
  readonly store?: TokenStore | undefined;
  /** The variables. Default `process.env`, and none where there is no `process`. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

/**
 * {@link createSession} with the user name and password of `THINGSPACE_USERNAME` and `THINGSPACE_PASSWORD`.
 * White space around them is cut off. Touches no network, clock or store.
 *
 * @throws `TypeError` that names the variable that is missing or empty, or an unknown option, and what
 *   `createSession` throws
 * @example
 * ```ts
 * import { configFromEnvironment, createClient } from 'thingspace-auth';
 * import { sessionFromEnvironment } from 'thingspace-auth/session';
 * import { fileStore } from 'thingspace-auth/stores/file';
 *
 * const session = sessionFromEnvironment({ store: fileStore('./private') });
 * const { authorizedFetch } = createClient({ ...configFromEnvironment(), vZM2mToken: session });
 * ```
 */
export function sessionFromEnvironment(options: EnvironmentSessionOptions = {}): Session {
  const { store, env = processVariables(), ...unknown } = options;
  for (const name in unknown) throw new TypeError(`${name} is not store or env`);
  const read = (name: string): string => {
    const value = env[name]?.trim();
    if (!value) throw new TypeError(`${name} must be set and not empty`);
    return value;
  };
  return createSession({
    username: read('THINGSPACE_USERNAME'),
    password: read('THINGSPACE_PASSWORD'),
    ...('store' in options && { store }),
  });
}

function processVariables(): NonNullable<EnvironmentSessionOptions['env']> {
  return (globalThis as { process?: { env?: EnvironmentSessionOptions['env'] } }).process?.env ?? {};
}
