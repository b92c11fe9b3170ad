/**
 * A scriptable token endpoint and API on one loopback server, which keeps what it is sent.
 * Everything that a test needs besides: a fake clock, and a recorder of events.
 */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import type {
  ClientCredentials,
  ClientEvent,
  ClientOptions,
  CustomEnvironment,
  CustomEnvironmentConfig,
} from 'thingspace-auth';

/** A request as it arrived, its body read. */
export interface Received {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The body read as a form. */
  readonly form: URLSearchParams;
  /** The client's end of the connection that it came over. */
  readonly port: number | undefined;
}

/** What the server answers: a string or bytes as they are, anything else as JSON. Default 200, no body. */
export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: unknown;
}

/** Answers one request; one that returns nothing has dealt with the response itself. */
export type Handler = (
  received: Received,
  response: ServerResponse,
  // biome-ignore lint/suspicious/noConfusingVoidType: one that answers by itself returns nothing
) => Answer | void | Promise<Answer | void>;

export interface TestServer {
  readonly origin: string;
  readonly tokenUrl: string;
  /** What came to the token endpoint, to the revocation endpoint, and to any other path. */
  readonly tokenRequests: Received[];
  readonly revocations: Received[];
  readonly apiRequests: Received[];
  /** Access tokens that the API answers with 401. */
  readonly revoked: Set<string>;
  /** How the token endpoint answers; default: `token-1`, `token-2` and so on, for an hour. */
  token: Handler;
  /** How the API answers; default: 200 with the path, or 401 for a revoked token. */
  api: Handler;
  revoke: Handler;
  /** A configuration for this server. */
  readonly config: (
    options?: Partial<ClientOptions>,
    credentials?: Partial<ClientCredentials>,
    environment?: Partial<CustomEnvironment>,
  ) => CustomEnvironmentConfig;
}

/** As it was before a test has put a fake clock in its place. */
const { setTimeout: realSetTimeout } = globalThis;

type Finisher = Pick<TestContext, 'after'>;

/** Starts a server that is closed, connections and all, when the test has ended. */
export async function startServer(
  t: Finisher,
  handlers: { token?: Handler; api?: Handler; revoke?: Handler } = {},
): Promise<TestServer> {
  const tokenRequests: Received[] = [];
  const revocations: Received[] = [];
  const apiRequests: Received[] = [];
  const revoked = new Set<string>();
  const origin = await listen(t, async (request, response) => {
    const { method = '', url = '', headers } = request;
    const body = await readBody(request);
    const received = {
      method,
      url,
      headers,
      body,
      form: new URLSearchParams(body),
      port: request.socket.remotePort,
    };
    const endpoints = {
      '/token': { seen: tokenRequests, handle: server.token },
      '/revoke': { seen: revocations, handle: server.revoke },
    };
    const api = { seen: apiRequests, handle: server.api };
    const { seen, handle } = endpoints[url as keyof typeof endpoints] ?? api;
    seen.push(received);
    const answer = await handle(received, response);
    if (answer) send(response, answer);
  });
  const server: TestServer = {
    origin,
    tokenUrl: `${origin}/token`,
    tokenRequests,
    revocations,
    apiRequests,
    revoked,
    token: handlers.token ?? (() => tokenAnswer(`token-${tokenRequests.length}`)),
    api:
      handlers.api ??
      (({ headers, url }) => (revoked.has(bearerOf(headers)) ? rejection : { body: { path: url } })),
    revoke: handlers.revoke ?? (() => ({})),
    config: (options, credentials, environment) => ({
      clientCredentialsAuthCredentials: {
        oauthClientId: 'invented-id',
        oauthClientSecret: 'invented-secret',
        ...credentials,
      },
      environment: {
        tokenUrl: `${origin}/token`,
        apiOrigins: [origin],
        revocationUrl: `${origin}/revoke`,
        ...environment,
      },
      ...options,
    }),
  };
  return server;
}

/** A bare server for tests that write the answer byte by byte; returns its origin. */
export async function listen(
  t: Finisher,
  handle: (request: IncomingMessage, response: ServerResponse) => unknown,
): Promise<string> {
  const server = createServer((request, response) => void handle(request, response));
  // Fake clocks stop the client's keep-alive timers; the server must not close what the client thinks open.
  server.keepAliveTimeout = 600_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

export function send(response: ServerResponse, { status = 200, headers = {}, body }: Answer): void {
  const isRaw = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
  response.writeHead(status, { ...(!isRaw && { 'content-type': 'application/json' }), ...headers } as Record<
    string,
    string
  >);
  response.end(isRaw ? body : JSON.stringify(body));
}

export function tokenAnswer(accessToken: string, expiresIn: unknown = 3600, more: object = {}): Answer {
  return { body: { access_token: accessToken, token_type: 'Bearer', expires_in: expiresIn, ...more } };
}

/** ThingSpace's words for a bearer that it does not take. */
export const rejection: Answer = {
  status: 401,
  body: { fault: { code: '900901', message: 'Invalid Credentials' } },
};

export function bearerOf({ authorization = '' }: IncomingHttpHeaders): string {
  return authorization.replace(/^Bearer /, '');
}

/** A handler for `onEvent` that keeps what it gets. */
export function recordEvents(): {
  readonly events: ClientEvent[];
  readonly onEvent: (event: ClientEvent) => void;
} {
  const events: ClientEvent[] = [];
  return { events, onEvent: (event) => void events.push(event) };
}

export interface Clock {
  /** Moves the time on, and fires the timers that are due. */
  readonly advance: (ms: number) => void;
  /** Sets the clock back or forward without firing timers, as an administrator or NTP does. */
  readonly jump: (ms: number) => void;
  /** A handler for `onEvent` that skips each wait between two tries. */
  readonly skipWaits: (event: ClientEvent) => void;
  /** How many timers wait for their time, but those of the platform. */
  readonly countTimers: () => number;
  /** The delays of the timers that wait for their time, but those of the platform. */
  readonly pendingMs: () => number[];
  /** The delays of all timers so far, but those of the platform. */
  readonly delaysMs: readonly number[];
  /** Lets I/O that is under way and promises go on in real time until `isDone`; fails after 30 s in vain. */
  readonly until: (isDone: () => unknown) => Promise<void>;
}

export const START_MS: number = Date.UTC(2030, 0, 1);

/**
 * Fakes `setTimeout` and `Date.now` for one test, from {@link START_MS} on. Sockets stay real, and so do the
 * timers that Node's own fetch sets for its connections: `mock.timers` fakes those too, and a moved clock
 * then breaks connections.
 */
export function fakeClock(t: Finisher): Clock {
  const real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout, now: Date.now };
  const timers = new Map<
    unknown,
    { readonly atMs: number; readonly delayMs: number; readonly fire: () => void }
  >();
  const delaysMs: number[] = [];
  let nowMs = START_MS;
  let jumpedMs = 0;
  Date.now = () => nowMs + jumpedMs;
  globalThis.setTimeout = ((
    callback: (...parameters: unknown[]) => void,
    delayMs = 0,
    ...parameters: unknown[]
  ) => {
    if (isCalledByPlatform()) return real.setTimeout(callback, delayMs, ...parameters);
    delaysMs.push(delayMs);
    const timer = { ref: () => timer, unref: () => timer, hasRef: () => true };
    // As Node has it.
    const isInRange = delayMs >= 1 && delayMs <= 2 ** 31 - 1;
    timers.set(timer, {
      atMs: nowMs + (isInRange ? delayMs : 1),
      delayMs,
      fire: () => callback(...parameters),
    });
    return timer;
  }) as unknown as typeof setTimeout;
  globalThis.clearTimeout = (timer) => void (timers.delete(timer) || real.clearTimeout(timer));
  t.after(() => Object.assign(globalThis, { setTimeout: real.setTimeout, clearTimeout: real.clearTimeout }));
  t.after(() => void (Date.now = real.now));
  const advance = (ms: number): void => {
    const endMs = nowMs + ms;
    for (;;) {
      const [next] = [...timers]
        .filter(([, { atMs }]) => atMs <= endMs)
        .sort(([, one], [, other]) => one.atMs - other.atMs);
      if (!next) break;
      timers.delete(next[0]);
      nowMs = Math.max(nowMs, next[1].atMs);
      next[1].fire();
    }
    nowMs = endMs;
  };
  return {
    advance,
    jump: (ms) => void (jumpedMs += ms),
    countTimers: () => timers.size,
    pendingMs: () => [...timers.values()].map(({ delayMs }) => delayMs),
    delaysMs,
    skipWaits: (event) => {
      // The wait itself begins after the event.
      if (event.type === 'retry_waiting') setImmediate(() => advance(event.delayMs + 1));
    },
    until: async (isDone) => {
      const startedAtMs = performance.now();
      while (!isDone()) {
        await turn();
        if (performance.now() - startedAtMs > 30_000) throw new Error(`in vain: ${isDone}`);
      }
    },
  };
}

/** Moves the clock on for good, but no timer: as good as a wait for what only looks at the time. */
export async function passTime(seconds: number): Promise<void> {
  const { now } = Date;
  Date.now = () => now() + seconds * 1_000;
}

function isCalledByPlatform(): boolean {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 3;
  const [, , , caller = ''] = new Error().stack!.split('\n');
  Error.stackTraceLimit = stackTraceLimit;
  return /node:|node_modules/.test(caller);
}

/** One turn of the event loop, I/O included. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Sets a global for one test. */
export function setGlobal(t: Finisher, name: string, value: unknown): void {
  const before = Object.getOwnPropertyDescriptor(globalThis, name);
  Object.defineProperty(globalThis, name, { value, configurable: true });
  t.after(() =>
    before ? Object.defineProperty(globalThis, name, before) : Reflect.deleteProperty(globalThis, name),
  );
}

/** Real time enough for a request to arrive and be answered, where a test must show that none does. */
export async function turns(count = 20): Promise<void> {
  for (let done = 0; done < count; done++) await turn();
}

/** What a promise rejects with; fails when it does not. */
export async function rejectionOf(promise: Promise<unknown>): Promise<any> {
  const outcome = await promise.then(
    () => ({}),
    (reason: unknown) => ({ reason }),
  );
  if ('reason' in outcome) return outcome.reason;
  throw new Error('it succeeded');
}

/** The promise itself, but it rejects after 5 s of real time, so that a test fails rather than hangs. */
export function inTime<T>(promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_, reject) => {
    timer = realSetTimeout(() => reject(new Error('it never settles')), 5_000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A gate that a handler waits at. */
export function hold(): { readonly promise: Promise<void>; readonly open: () => void } {
  let open!: () => void;
  const promise = new Promise<void>((resolve) => (open = resolve));
  return { promise, open };
}
