/**
 * How a client proves who it is at the token endpoint (RFC 6749 section 2.3): functions that fill the form body or
 * the headers. A function of your own does the same.
 * @module
 */

/** What a client authentication method gets: who speaks, and the request to fill. */
export interface ClientAuthenticationRequest {
  /** `oauthClientId`. */
  readonly clientId: string;
  /** `oauthClientSecret`; empty where none is configured. */
  readonly clientSecret: string;
  /** The form that will be the body. */
  readonly body: URLSearchParams;
  /** The headers of the request. */
  readonly headers: Headers;
  /** The endpoint that the request goes to: the token endpoint, or the revocation endpoint. */
  readonly url: string;
  /** The token endpoint. */
  readonly tokenUrl: string;
  /** Aborts when the time of the request is over: `timeout`, or 30 s. */
  readonly signal: AbortSignal;
}

/**
 * Fills the form or the headers of one token or revocation request (RFC 6749 section 2.3). Called anew for each attempt,
 * within the request's time limit. May be asynchronous; what it throws or rejects with reaches the caller, and what it
 * writes is masked in whatever the server sends back.
 */
export interface ClientAuthentication {
  (request: ClientAuthenticationRequest): void | Promise<void>;
  /** `true`: without `oauthClientSecret` no exchange is made. Absent: the method brings what it needs itself. */
  readonly needsSecret?: boolean;
}

/**
 * HTTP Basic with id and secret form-urlencoded first (RFC 6749 section 2.3.1), leaving `A-Z a-z 0-9 - . _ *` as they
 * are. The default. Touches no network.
 */
export const clientSecretBasic: ClientAuthentication = /* @__PURE__ */ Object.assign(
  ({ clientId, clientSecret, headers }: ClientAuthenticationRequest): void =>
    setBasic(headers, `${formEncode(clientId)}:${formEncode(clientSecret)}`),
  { needsSecret: true },
);

/**
 * HTTP Basic with id and secret as they are, in UTF-8, for servers that do not decode them: eBay, Google, Doorkeeper;
 * against RFC 6749 section 2.3.1, and the same for ids and secrets of letters, digits, `-`, `.`, `_` and `*`.
 * Touches no network.
 */
export const clientSecretBasicRaw: ClientAuthentication = /* @__PURE__ */ Object.assign(
  ({ clientId, clientSecret, headers }: ClientAuthenticationRequest): void =>
    // btoa takes Latin-1 only; the bytes of the UTF-8 text are.
    setBasic(headers, String.fromCharCode(...new TextEncoder().encode(`${clientId}:${clientSecret}`))),
  { needsSecret: true },
);

/** Id and secret as form fields `client_id` and `client_secret` (RFC 6749 section 2.3.1). Touches no network. */
export const clientSecretPost: ClientAuthentication = /* @__PURE__ */ Object.assign(
  ({ clientId, clientSecret, body }: ClientAuthenticationRequest): void => {
    body.set('client_id', clientId);
    body.set('client_secret', clientSecret);
  },
  { needsSecret: true },
);

/**
 * Only the form field `client_id`: public clients (RFC 6749 section 3.2.1), and mutual TLS through the injected
 * `fetch` (RFC 8705 section 2). Needs no secret. Touches no network.
 */
export const noClientAuthentication: ClientAuthentication = ({ clientId, body }: ClientAuthenticationRequest): void => {
  body.set('client_id', clientId);
};

function setBasic(headers: Headers, credentials: string): void {
  // The scheme is written so: `basic` is refused by django-oauth-toolkit, Doorkeeper and others.
  headers.set('authorization', `Basic ${btoa(credentials)}`);
}

/** The form serializer of the platform: RFC 6749 appendix B, and `-` and `.` stay, which eBay and Google ids need. */
export function formEncode(text: string): string {
  return `${new URLSearchParams({ '': text })}`.slice(1);
}
