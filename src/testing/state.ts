/**
 * The memory of a mock server between requests.
 * @module
 */
import type { MockServerOptions } from './options.ts';

/** Kinds of request: token endpoint, M2M login, and all the rest (API calls, revocation, logout). */
export type MockTarget = 'token' | 'api' | 'login';

/** An answer that `failNext` has queued. */
export interface QueuedAnswer {
  readonly answer: number | Response | Error;
  count: number;
}

/** A token that was granted. */
export interface GrantedToken {
  /** For whom and for what it was granted. */
  readonly grant: string;
  readonly clientId: string;
  readonly endsMs: number;
  /** `DPoP` if a proof came with the token request. */
  readonly type: 'Bearer' | 'DPoP';
}

export interface MockState {
  readonly options: MockServerOptions;
  readonly tokens: Map<string, GrantedToken>;
  /** Session tokens, each with its user and the time of its last use. */
  readonly sessions: Map<string, { readonly username: string; readonly usedAtMs: number }>;
  /** User names, with their passwords. */
  readonly passwords: Map<string, string>;
  /** User names, with their failures in a row. */
  readonly failedLogins: Map<string, number>;
  readonly queued: Readonly<Record<MockTarget, QueuedAnswer[]>>;
  /** Tells this server's tokens from those of other servers. */
  tag: string | undefined;
  advancedMs: number;
  tokenCount: number;
  sessionCount: number;
  passwordCount: number;
}

export function createState(options: MockServerOptions): MockState {
  return {
    options,
    tokens: new Map(),
    sessions: new Map(),
    passwords: new Map(Object.entries(options.users ?? {})),
    failedLogins: new Map(),
    queued: { token: [], api: [], login: [] },
    tag: undefined,
    advancedMs: 0,
    tokenCount: 0,
    sessionCount: 0,
    passwordCount: 0,
  };
}

export function nowMs({ options, advancedMs }: MockState): number {
  return (options.startTime ?? Date.now()) + advancedMs;
}

/**
 * A token, or a password. Without the tag, a token kept from an earlier run would be that of a new one, and
 * be refused after it had been renewed. It is drawn at a request, since workerd draws nothing at module
 * scope.
 */
export function invent(state: MockState, kind: string, number: number): string {
  const [random = 0] = state.tag ? [] : crypto.getRandomValues(new Uint32Array(1));
  state.tag ??= random.toString(36).padStart(7, '0');
  return `mock-${kind}-${state.tag}-${number}`;
}

/** Whether a secret is the one known for this name; nothing known: any is. */
export function isKnown(
  known: Readonly<Record<string, string>> | undefined,
  name: string,
  secret: string,
): boolean {
  return known === undefined || (Object.hasOwn(known, name) && known[name] === secret);
}
