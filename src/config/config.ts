/**
 * The configuration's shape: what a caller may write, in the seed's names, with the docstring of each option. Types only;
 * the rules and the defaults are in `settings.ts`.
 * @module
 */
import type { ClientEvent, Report } from '../platform/events.ts';
import type { RejectedUse } from '../platform/rejections.ts';
import type { OAuthToken } from '../platform/token.ts';
import type { Fetch } from '../platform/transport.ts';
import type { ClientAuthentication } from './clientAuthentication.ts';
import type { CustomEnvironment, Environment } from './environments.ts';
import type { OauthScope } from './scopes.ts';

/** What a token provider gets besides the token that can no longer be used. Frozen. */
export interface TokenRequest {
  /**
   * Makes one exchange with its retries. Rejects like the client's own `fetchToken`; between the exchanges that the
   * outage guard allows, with the last error and without a request.
   */
  readonly fetchToken: () => Promise<OAuthToken>;
  /** The token endpoint. */
  readonly tokenUrl: string;
  /** `oauthClientId`. */
  readonly clientId: string;
  /** The scopes as sent, separated by spaces; absent where none are asked for. */
  readonly scope: string | undefined;
  /** `oauthParams`. */
  readonly params: Readonly<Record<string, string | readonly string[]>>;
  /** `oauthClockSkew`, in seconds. */
  readonly clockSkew: number;
  /** `true` when the caller used the client's own `fetchToken`: a token from a store will not do. */
  readonly isForced: boolean;
  /** Takes an event for `onEvent`. */
  readonly report: Report;
  /** The thumbprint of the key of `dpop` (RFC 7638), to which tokens are bound; absent without `dpop`. */
  readonly binding?: string;
}

/**
 * Replaces the exchange: a token broker, your own backend, a store. `lastToken` is the token that this client holds and
 * can no longer use (ending, ended or rejected), or `undefined`; giving it back means "there is no newer one".
 * What it throws reaches the caller unchanged. It has 60 s.
 */
export type OAuthTokenProvider = (
  lastToken: OAuthToken | undefined,
  request: TokenRequest,
) => OAuthToken | Promise<OAuthToken>;

/** Who the client is, what it asks for, and where its tokens come from. */
export interface ClientCredentials<Scope extends string = string> {
  /** The OAuth 2 client id (RFC 6749 section 2.2): ThingSpace calls it the key. */
  readonly oauthClientId: string;
  /**
   * The OAuth 2 client secret (RFC 6749 section 2.3.1). Absent: no exchange is made, unless the authentication method
   * needs none; a stored token or a provider must serve (browsers).
   */
  readonly oauthClientSecret?: string | undefined;
  /** The scopes to ask for (RFC 6749 section 3.3); absent or empty: none are asked for. */
  readonly oauthScopes?: readonly Scope[] | undefined;
  /** A token from an earlier run, also one parsed back from JSON, used while it is valid. Absent: the first call gets one. */
  readonly oauthToken?: OAuthToken | undefined;
  /** Seconds before its expiry at which a token counts as expired. Finite, 0 or more. Default 10. */
  readonly oauthClockSkew?: number | undefined;
  /**
   * Further form fields of every exchange: `audience`, `resource` (RFC 8707 section 2.2); an array repeats the field.
   * Absent: none. Reserved: `grant_type`, `scope`, `client_id`, `client_secret`, `client_assertion`, `client_assertion_type`.
   */
  readonly oauthParams?: Readonly<Record<string, string | readonly string[]>> | undefined;
  /**
   * Replaces the exchange; see {@link OAuthTokenProvider}. Absent: every token comes from an exchange. What it throws or
   * rejects with reaches the caller.
   */
  readonly oauthTokenProvider?: OAuthTokenProvider | undefined;
  /**
   * Called after every token that is new to this client; absent: nothing is. Not awaited; what it throws or rejects is an event
   * (`token_update_failed`), never a failed call.
   */
  readonly oauthOnTokenUpdate?: ((token: OAuthToken) => unknown) | undefined;
  /** How the client proves who it is (RFC 6749 section 2.3). Default `clientSecretBasic`. */
  readonly clientAuthentication?: ClientAuthentication | undefined;
}

/** How often and how patiently the token endpoint is asked. API calls are never retried. */
export interface RetryOptions {
  /** Requests of one exchange, the first included. A whole number, 1 or more. Default 3. */
  readonly attempts?: number | undefined;
  /** Milliseconds: the first wait is a random part of this, doubled each time. Default 500. */
  readonly baseDelay?: number | undefined;
  /** Milliseconds: no wait is longer; a `Retry-After` that asks for more ends the exchange at once. Default 5000. */
  readonly maxDelay?: number | undefined;
}

/** What every configuration has besides its credentials. */
export interface ClientOptions {
  /**
   * The M2M session token, sent as `VZ-M2M-Token` with every call to an allowed origin: a constant string, or what
   * `createSession` of `thingspace-auth/session` returns. Absent: none is sent.
   *
   * @see https://thingspace.verizon.com/documentation/apis/connectivity-management/api-reference/start-connectivity-management-session.html
   */
  readonly vZM2mToken?: string | SessionTokenSource | undefined;
  /**
   * How long one HTTP call may take until its body is read, in milliseconds: token requests and API calls alike.
   * `0` sets no limit of ours; a token request then has 30 s all the same. Default 0.
   */
  readonly timeout?: number | undefined;
  /** The `fetch` to use for everything; default: the global one, looked up at call time. Called unbound. */
  readonly fetch?: Fetch | undefined;
  /** Retries at the token endpoint. Absent: {@link RetryOptions}' own defaults. */
  readonly retry?: RetryOptions | undefined;
  /**
   * Lets a renewal outlive the request that began it: `waitUntil` from `cloudflare:workers`, or a context's, bound.
   * Absent: on workers no token is refreshed ahead of its end. What it throws is ignored.
   */
  readonly waitUntil?: ((promise: Promise<unknown>) => unknown) | undefined;
  /**
   * What `createDpop` of `thingspace-auth/dpop` returns: tokens are then bound to its key, and each request carries a proof
   * of it (RFC 9449). Not beside a session. Absent: bearer tokens.
   */
  readonly dpop?: Dpop | undefined;
  /** Gets frozen, secret-free records of what happens; absent: nobody is told. What it throws is ignored. */
  readonly onEvent?: ((event: ClientEvent) => unknown) | undefined;
}

/** A configuration for one of the vendor's environments: only known scopes compile. */
export interface NamedEnvironmentConfig extends ClientOptions {
  /** Who the client is. */
  readonly clientCredentialsAuthCredentials: ClientCredentials<OauthScope>;
  /** The environment's name. Default `'Production'`. */
  readonly environment?: Environment | undefined;
}

/** A configuration for any other OAuth 2 server: any scope compiles. */
export interface CustomEnvironmentConfig extends ClientOptions {
  /** Who the client is. */
  readonly clientCredentialsAuthCredentials: ClientCredentials;
  /** The server's endpoints and the origins that may see its tokens. */
  readonly environment: CustomEnvironment;
}

/** A configuration whose environment is known at run time only: what `configFromEnvironment` returns. */
export interface VariablesConfig extends ClientOptions {
  /** Who the client is. */
  readonly clientCredentialsAuthCredentials: ClientCredentials<OauthScope>;
  /** The environment's name, or a server of your own. Default `'Production'`. */
  readonly environment?: Environment | CustomEnvironment | undefined;
}

/** What `createClient` takes. */
export type ClientConfig = NamedEnvironmentConfig | CustomEnvironmentConfig | VariablesConfig;

/** The client that a session works for, as far as its configuration knows of it: what the session makes of it is its own. */
export interface SessionClient {
  /** The client's configuration, settled. */
  readonly settings: object;
}

/** Where a changing M2M session token comes from: what `createSession` of `thingspace-auth/session` returns. */
export interface SessionTokenSource {
  /** The session token for one call: the one held, or after a login. Rejects like `getToken`, or as the login does. */
  getSessionToken(client: SessionClient, signal: AbortSignal | null | undefined): string | Promise<string>;
  /**
   * Whether an answer says that the session has lapsed. The answer can still be read afterwards. Rejects where its body
   * breaks off.
   */
  isLapse(response: Response): Promise<boolean>;
  /**
   * Is told what met a lapse of `sent`, the session token of the call. `true`: the next `getSessionToken` brings another one.
   * Never throws.
   */
  giveUp(sent: string, use: RejectedUse): boolean;
}

/** One request that a proof is made for. Without `accessToken` it goes to the authorization server. */
export interface ProofRequest {
  /** The request's method, as sent. */
  readonly method: string;
  /** The request's URL, as sent. */
  readonly url: string;
  /** The access token that the request carries; absent: it goes to the authorization server. */
  readonly accessToken?: string | undefined;
}

/** What `createDpop` of `thingspace-auth/dpop` returns. Frozen. */
export interface Dpop {
  /**
   * The value of the `DPoP` header for one request (RFC 9449 section 4.2). Makes the key where there is none yet; touches no
   * network. Rejects with what WebCrypto rejects with.
   */
  readonly createProof: (request: ProofRequest) => Promise<string>;
  /**
   * Keeps the nonce that an answer brings for the proofs to come (RFC 9449 section 8). `'nonce'` for an answer 401 that asks
   * for one (`use_dpop_nonce`) and brings it. Never throws.
   */
  readonly noteNonce: (request: ProofRequest, answer: Response) => 'nonce' | undefined;
  /**
   * The key's thumbprint, base64url (RFC 7638 section 3). Makes the key where there is none yet; touches no network. Rejects
   * with what WebCrypto rejects with.
   */
  readonly getThumbprint: () => Promise<string>;
}
