/**
 * The types of a configuration, in the names of version 1 of the vendor's older SDK, with the docstring
 * of each option. Types only; the rules and the defaults are in `settings.ts`.
 * @module
 */
import type { ClientEvent, Report } from '../core/events.ts';
import type { OAuthToken } from '../core/token.ts';
import type { Fetch } from '../platform/fetch.ts';
import type { ClientAuthentication } from './clientAuthentication.ts';
import type { CustomEnvironment, Environment } from './environments.ts';
import type { OauthScope } from './scopes.ts';

/** A token provider's second argument: the settings of the client that wants a token. Frozen. */
export interface ProviderContext {
  /**
   * Makes a token request, with its retries. Rejects like the client's own `fetchToken`. Once that has
   * failed, it rejects at once with the same error and sends nothing until the pause is over: 1 s at first,
   * 30 s at most. With `isForced` there is no pause.
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
  /**
   * `true` when the program called the client's own `fetchToken`. It then wants a token request: a token
   * from a store will not do.
   */
  readonly isForced: boolean;
  /** Passes an event on to `onEvent`. */
  readonly report: Report;
  /** The thumbprint (RFC 7638) of the `dpop` key that tokens are bound to. Absent without `dpop`. */
  readonly binding?: string;
}

/**
 * Gets the client's tokens from somewhere else: from a token broker, from your own backend or from a store.
 * `lastToken` is the token that this client holds and can no longer use, since it is about to end, has ended
 * or was rejected (with `context.isForced` it may still be valid). It is `undefined` if the client does not
 * hold one. Return `lastToken` to say that there is no newer one.
 *
 * The provider has 60 s. What it throws or rejects with reaches the caller unchanged. If it returns no usable
 * token, the caller gets an `ApiError` `invalid_response`.
 */
export type OAuthTokenProvider = (
  lastToken: OAuthToken | undefined,
  context: ProviderContext,
) => OAuthToken | Promise<OAuthToken>;

/** The client's id and secret, the scopes to ask for, and the source of its tokens. */
export interface ClientCredentials<Scope extends string = string> {
  /** The OAuth 2 client id (RFC 6749 section 2.2): ThingSpace calls it the key. */
  readonly oauthClientId: string;
  /**
   * The OAuth 2 client secret (RFC 6749 section 2.3.1), without line breaks: cut off the one at the end of a
   * file. Absent: no token request is made, unless the authentication method works without a secret. Tokens
   * must then come from `oauthToken` or a provider.
   */
  readonly oauthClientSecret?: string | undefined;
  /** The scopes to ask for (RFC 6749 section 3.3); absent or empty: none are asked for. */
  readonly oauthScopes?: readonly Scope[] | undefined;
  /**
   * A token from an earlier run; it may be parsed from JSON. Used while it is valid. Absent: the first call
   * gets one.
   */
  readonly oauthToken?: OAuthToken | undefined;
  /**
   * Seconds before its expiry at which a token counts as expired. Finite, 0 or more; `0` uses it to its end.
   * Default 10.
   */
  readonly oauthClockSkew?: number | undefined;
  /**
   * Further form fields of every token request, such as `audience` or `resource` (RFC 8707 section 2.2). An
   * array repeats the field for each of its members; a field that is `undefined` is not sent. Absent: none
   * are sent. These names are refused: `grant_type`, `scope`, `client_id`, `client_secret`,
   * `client_assertion`, `client_assertion_type`.
   */
  readonly oauthParams?: Readonly<Record<string, string | readonly string[] | undefined>> | undefined;
  /**
   * Gets tokens from somewhere else; see {@link OAuthTokenProvider}. Absent: every token comes from a token
   * request. What it throws or rejects with reaches the caller.
   */
  readonly oauthTokenProvider?: OAuthTokenProvider | undefined;
  /**
   * Called with every token that is new to this client. Absent: nothing is called. No call waits for it. If
   * it throws or rejects, that is an event (`token_update_failed`) and never a failed call.
   */
  readonly oauthOnTokenUpdate?: ((token: OAuthToken) => unknown) | undefined;
  /** How the client proves who it is (RFC 6749 section 2.3). Default `clientSecretBasic`. */
  readonly clientAuthentication?: ClientAuthentication | undefined;
}

/** Retries of token requests. API calls are never retried. */
export interface RetryOptions {
  /**
   * Requests that may be made for one token, the first included. A whole number, 1 or more; `1` means no
   * retries. Default 3.
   */
  readonly attempts?: number | undefined;
  /**
   * Milliseconds that the first wait may take at most; each further wait may take twice as long as the one
   * before. How long a wait takes is drawn at random. Finite, 0 or more; `0` means that only `Retry-After`
   * is waited for. Default 500.
   */
  readonly baseDelay?: number | undefined;
  /**
   * Milliseconds that any wait may take at most. If `Retry-After` asks for more, there is no retry. Finite,
   * 0 or more; `0` means no waits. Default 5000.
   */
  readonly maxDelay?: number | undefined;
}

/** The options of every configuration besides credentials and environment. */
export interface ClientOptions {
  /**
   * The M2M session token, sent as `VZ-M2M-Token` with every call to an allowed origin, or as `SessionToken`
   * where that begins with `https://imp.` or `https://imp-` (ETX): a constant string, or what `createSession`
   * of `thingspace-auth/session` returns. Absent: none is sent.
   *
   * @see https://thingspace.verizon.com/documentation/apis/connectivity-management/api-reference/start-connectivity-management-session.html
   */
  readonly vZM2mToken?: string | Session | undefined;
  /**
   * How long one HTTP call may take until the answer's body has been read, in milliseconds. This holds for
   * token requests and for API calls. `0` means no limit for API calls, and 30 s for a token request. Default
   * 0.
   */
  readonly timeout?: number | undefined;
  /**
   * The `fetch` to use for every request. Default: the global one, looked up at each call. It is called
   * without a `this`.
   */
  readonly fetch?: Fetch | undefined;
  /** Retries at the token endpoint. Absent: {@link RetryOptions}' own defaults. */
  readonly retry?: RetryOptions | undefined;
  /**
   * Lets a renewal outlive the request that began it. Give `waitUntil` of `cloudflare:workers`, or that of a
   * context, bound to the context. Absent: on Workers and edge runtimes no token is refreshed before it ends.
   * What it throws is ignored.
   */
  readonly waitUntil?: ((promise: Promise<unknown>) => unknown) | undefined;
  /**
   * The result of `createDpop` of `thingspace-auth/dpop`. Tokens are then bound to its key, and each request
   * carries a proof that the client has the key (RFC 9449). It cannot be combined with a session of
   * `createSession`. Absent: bearer tokens.
   */
  readonly dpop?: Dpop | undefined;
  /**
   * Called with a frozen record of each thing that happens, without secrets. Absent: nothing is called.
   * What it throws is ignored.
   */
  readonly onEvent?: ((event: ClientEvent) => unknown) | undefined;
}

/** A configuration for any environment: only known scopes compile. */
export interface KnownScopesConfig extends ClientOptions {
  /** Key, secret and scopes; a scope that is not in {@link OauthScope} does not compile. */
  readonly clientCredentialsAuthCredentials: ClientCredentials<OauthScope>;
  /** One of the vendor's environments by its name, or a server of your own. Default `'Production'`. */
  readonly environment?: Environment | CustomEnvironment | undefined;
}

/** A configuration for any other OAuth 2 server: any scope compiles. */
export interface CustomEnvironmentConfig extends ClientOptions {
  /** Client id, secret and scopes; any scope compiles. */
  readonly clientCredentialsAuthCredentials: ClientCredentials;
  /** The server's endpoints and the origins that may see its tokens. */
  readonly environment: CustomEnvironment;
}

/**
 * A configuration for `createClient`. Of a literal, TypeScript reports an unknown scope in one line if it is
 * declared as {@link KnownScopesConfig} or given to `createClient` as it is.
 */
export type ClientConfig = CustomEnvironmentConfig | KnownScopesConfig;

/**
 * {@link ClientConfig} as `createClient` and `revokeToken` declare it. It has the same values, in a form in
 * which TypeScript reports a wrong option in one sentence.
 */
// Of an object literal, TypeScript says which property is wrong only if it is wrong for all members of the
// union together, and the scopes are right for a custom environment. It compares with the best match alone if
// some member has no such property: `ImpossibleConfig`. Where members match equally, as they do without an
// `environment`, the last one is best: by name from TypeScript 7 on, before it by the time of its first use.
export type GivenConfig = CustomEnvironmentConfig | ImpossibleConfig | KnownScopesGiven;

/** The same as {@link KnownScopesConfig}, first used above whatever a program uses. */
interface KnownScopesGiven extends KnownScopesConfig {}

/** No value has this type: see {@link GivenConfig}. */
interface ImpossibleConfig extends ClientOptions {
  readonly environment: never;
}

/**
 * An M2M session, as `createSession` of `thingspace-auth/session` makes it. Frozen; each function works when
 * destructured. A client takes no other object for a session.
 */
export interface Session {
  /**
   * Ends the session at the server, and in the store for all processes that share it. This takes one request,
   * and more only if a new token is needed; it takes none if this object holds no session. The next call logs
   * in. If the logout fails, the session is forgotten here even so; at the server it ends after 20 minutes
   * without use.
   *
   * Rejects with an `ApiError` (`session_failed`, or what a token request rejects with).
   */
  readonly logout: () => Promise<void>;
  /**
   * Forgets the session, the refusal and the count of failed logins: here at once, and in the store, for all
   * processes that share it, when the promise is fulfilled. The next call of any of them then logs in with
   * the same user name and password. Use it when an account has been unlocked. It is meant for a person:
   * call it in one process, never from a handler. Each process that is restarted and calls it may send one
   * more login. For other credentials, create another session.
   *
   * A login that is under way is not sent a second time: the next call and the promise wait for it, and its
   * result counts. Touches no network but the store's. With a store, give the session to `createClient`
   * first: the session endpoint of its environment says which record is meant.
   *
   * Rejects with an `ApiError` (`session_failed`) where the store fails or another login does not end, and
   * with a `TypeError` where a session with a store has no client. If nobody waits for it, that does no harm.
   */
  readonly reset: () => Promise<void>;
  /**
   * The session token that this object holds; `undefined` if there is none, or after 20 minutes without use.
   * Reading it does not count as use, and touches no network.
   */
  readonly current: () => string | undefined;
}

/** One request that a proof is made for. Without `accessToken` it goes to the authorization server. */
export interface ProofRequest {
  /** The request's method, as sent. */
  readonly method: string;
  /** The request's URL, as sent. */
  readonly url: string;
  /** The access token that the request carries. Absent: the request goes to the authorization server. */
  readonly accessToken?: string | undefined;
}

/**
 * The key of a client whose tokens are bound to it, made by `createDpop` of `thingspace-auth/dpop`. Frozen.
 */
export interface Dpop {
  /**
   * The value of the `DPoP` header for one request (RFC 9449 section 4.2). Makes the key if there is none
   * yet. Touches no network. Rejects with what WebCrypto rejects with.
   */
  readonly createProof: (request: ProofRequest) => Promise<string>;
  /**
   * Keeps the nonce that an answer brings, for later proofs (RFC 9449 section 8). Returns `'nonce'` if the
   * answer is a 401 that asks for a nonce (`use_dpop_nonce`) and brings it. Touches no network. Never
   * throws.
   */
  readonly noteNonce: (request: ProofRequest, answer: Response) => 'nonce' | undefined;
  /**
   * The key's thumbprint, base64url (RFC 7638 section 3). Makes the key if there is none yet. Touches no
   * network. Rejects with what WebCrypto rejects with.
   */
  readonly getThumbprint: () => Promise<string>;
}
