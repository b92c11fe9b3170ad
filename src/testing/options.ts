/**
 * A mock server's options, checked, and the type of the requests that come in.
 * @module
 */
/**
 * Options of {@link createMockServer}. All of them are optional; an unknown key is a `TypeError`. Without
 * options the server behaves like ThingSpace and accepts any credentials.
 */
export interface MockServerOptions {
  /** Lifetime of a token, in seconds. `0`: a token has already expired when it arrives. @default 3600 */
  readonly expiresIn?: number;
  /**
   * The scopes that may be granted; any other scope is refused with `invalid_scope`. A request that asks for
   * none is granted all of them. Absent: any scope is granted.
   */
  readonly scopes?: readonly string[];
  /**
   * Client ids, each with its secret. Other clients are refused with `invalid_client`. A client assertion is
   * taken whatever it says, if the `client_id` beside it is one of these. Absent: any client is accepted.
   */
  readonly clients?: Readonly<Record<string, string>>;
  /**
   * User names with their passwords for the M2M login. Five wrong passwords in a row lock a user.
   * Absent: any login is accepted.
   */
  readonly users?: Readonly<Record<string, string>>;
  /**
   * Whether requests of one client for the same scopes get the same token until it expires or is revoked, as
   * with ThingSpace. It shows only where one mock answers them all: another one has other tokens.
   * @default true
   */
  readonly sameToken?: boolean;
  /**
   * `true`: `expires_in` of a repeated token is the time that it has left. `false`: always the full lifetime.
   * @default true
   */
  readonly countsDown?: boolean;
  /**
   * Milliseconds for which an answer is held back; the request takes effect before that. `0`: no timer.
   * @default 0
   */
  readonly latencyMs?: number;
  /**
   * The time of the server's clock, in milliseconds since 1970, which `0` is. Only `advance` moves it.
   * Absent: the real clock, moved by `advance`.
   */
  readonly startTime?: number;
  /**
   * Rewrites the answer that grants a token, so that it looks like that of another server. It gets the body,
   * and returns an object (sent as JSON), a string or a `Response`. Absent: the answer stays as it is.
   */
  readonly tokenResponse?: (body: Record<string, unknown>) => unknown;
  /**
   * Says who sent a request to an OAuth endpoint: returns the client's id, or `undefined` to refuse. Use it
   * for clients that send the secret in the body, and for public clients. It replaces `clients` and the check
   * of Basic headers and assertions. Absent: that check is made (the default).
   */
  readonly identifyClient?: (request: Received) => string | undefined;
}

/** A request that came in. Frozen. */
export interface MockRequest {
  /** The method, in upper case. */
  readonly method: string;
  /** The whole URL. */
  readonly url: string;
  /** The URL's path, without its query. */
  readonly path: string;
  /** The headers, by their names in lower case. Credentials are left in, for tests to look at. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body as text; empty where there is none. */
  readonly body: string;
  /** The HTTP status of the answer; `0` where `failNext` made it a rejection. */
  readonly status: number;
}

/** A request before it has its answer. */
export type Received = Omit<MockRequest, 'status'>;

/** By name, so that the compiler misses none. */
const KNOWN: Readonly<Record<keyof MockServerOptions, true>> = {
  expiresIn: true,
  scopes: true,
  clients: true,
  users: true,
  sameToken: true,
  countsDown: true,
  latencyMs: true,
  startTime: true,
  tokenResponse: true,
  identifyClient: true,
};

/** A misspelt option would otherwise be a server that quietly behaves like ThingSpace. */
export function checkOptions(options: MockServerOptions): void {
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(KNOWN, name))
      throw new TypeError(`unknown option ${name}; known options: ${Object.keys(KNOWN).join(', ')}`);
  }
}
