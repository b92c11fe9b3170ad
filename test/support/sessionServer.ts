/**
 * The M2M half of a ThingSpace on the scriptable server: login, logout, one API path that wants a session.
 * And a store in memory that can break and be looked into.
 */
import type { TestContext } from 'node:test';
import { type Client, type ClientOptions, type CustomEnvironment, createClient } from 'thingspace-auth';
import { createSession, type Session, type SessionOptions } from 'thingspace-auth/session';
import type { TokenStore } from 'thingspace-auth/stores';
import {
  type Answer,
  bearerOf,
  type Handler,
  type Received,
  rejection,
  startServer,
  type TestServer,
  tokenAnswer,
} from './server.ts';

export const SESSION_PATH = '/api/m2m/v1/session';
export const DEVICES_PATH = '/api/m2m/v1/devices/actions/list';

export interface SessionServer extends TestServer {
  readonly logins: Received[];
  readonly logouts: Received[];
  /** Calls of neither kind. */
  readonly calls: Received[];
  /** Session tokens that the API takes. */
  readonly live: Set<string>;
  /**
   * How a login is answered; default: `session-1`, `session-2` and so on for the password
   * `invented-password`, else 401.
   */
  login: Handler;
  /** How the API refuses a session; default: in Connectivity's words. */
  lapsed: Answer;
  readonly client: (
    session: Session | string,
    options?: Partial<ClientOptions>,
    environment?: Partial<CustomEnvironment>,
  ) => Client;
  readonly account: (options?: Partial<SessionOptions>) => Session;
}

export const connectivityError = (code: string, status = 400): Answer => ({
  status,
  body: { errorCode: `UnifiedWebService.${code}`, errorMessage: 'Words that nobody should match.' },
});

export const wrongPassword: Answer = connectivityError('REQUEST_FAILED.Credentials.Invalid', 401);

export async function startSessionServer(t: Pick<TestContext, 'after'>): Promise<SessionServer> {
  const logins: Received[] = [];
  const logouts: Received[] = [];
  const calls: Received[] = [];
  const live = new Set<string>();
  const base: TestServer = await startServer(t, {
    // Bearers that outlive every clock of these tests.
    token: () => tokenAnswer(`token-${base.tokenRequests.length}`, 31_536_000),
    api: (received, response) => {
      const { url, headers, body } = received;
      const session = String(headers['vz-m2m-token'] ?? '');
      if (url === `${SESSION_PATH}/login`) {
        logins.push(received);
        return server.login(received, response);
      }
      if (url === `${SESSION_PATH}/logout`) {
        logouts.push(received);
        return live.delete(session) ? {} : server.lapsed;
      }
      calls.push(received);
      if (base.revoked.has(bearerOf(headers))) return rejection;
      return live.has(session) ? { body: { session, body } } : server.lapsed;
    },
  });
  const server: SessionServer = Object.assign(base, {
    logins,
    logouts,
    calls,
    live,
    login: (({ headers, body }) => {
      if (base.revoked.has(bearerOf(headers))) return rejection;
      if (JSON.parse(body).password !== 'invented-password') return wrongPassword;
      const sessionToken = `session-${logins.length}`;
      live.add(sessionToken);
      return { body: { sessionToken } };
    }) as Handler,
    lapsed: connectivityError('REQUEST_FAILED.SessionToken.Expired'),
    client: (
      vZM2mToken: Session | string,
      options?: Partial<ClientOptions>,
      environment?: Partial<CustomEnvironment>,
    ) => createClient(base.config({ vZM2mToken, ...options }, {}, environment)),
    account: (options?: Partial<SessionOptions>) =>
      createSession({ username: 'invented-user', password: 'invented-password', ...options }),
  });
  return server;
}

type Operation = 'get' | 'set' | 'delete' | 'compareAndSet';

export interface MemoryStore extends Required<Pick<TokenStore, Operation>> {
  readonly values: Map<string, { readonly value: string; readonly ttlSeconds: number | undefined }>;
  /** Every operation begun, in its order. */
  readonly operations: Operation[];
  /** Called before each operation, with what is to be written; may throw, wait or count. */
  before: (operation: Operation, value?: string) => unknown;
}

/** What an operation of a store that fails does. */
export const broken = (): never => {
  throw new Error('invented store failure');
};

/** A store in memory. Its times to live are only noted. */
export function memoryStore(): MemoryStore {
  const values: MemoryStore['values'] = new Map();
  const operations: Operation[] = [];
  const begin = async (operation: Operation, value?: string): Promise<void> => {
    operations.push(operation);
    await store.before(operation, value);
  };
  const store: MemoryStore = {
    values,
    operations,
    before: () => {},
    get: async (key) => {
      await begin('get');
      return values.get(key)?.value;
    },
    set: async (key, value, ttlSeconds) => {
      await begin('set', value);
      values.set(key, { value, ttlSeconds });
    },
    delete: async (key) => {
      await begin('delete');
      values.delete(key);
    },
    compareAndSet: async (key, expected, value, ttlSeconds) => {
      await begin('compareAndSet', value);
      if (values.get(key)?.value !== expected) return false;
      if (value === undefined) values.delete(key);
      else values.set(key, { value, ttlSeconds });
      return true;
    },
  };
  return store;
}
