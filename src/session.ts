/**
 * The M2M session (`VZ-M2M-Token`): one login for all calls and processes, which never locks the account.
 * @module
 */
export type { Session } from './config/config.ts';
export { createSession, type SessionOptions } from './session/createSession.ts';
export { type EnvironmentSessionOptions, sessionFromEnvironment } from './session/sessionFromEnvironment.ts';
