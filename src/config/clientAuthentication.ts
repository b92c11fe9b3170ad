/**
 * Client authentication at the token endpoint (RFC 6749 section 2.3): functions that fill the form body or
 * the headers. A function of your own does the same.
 * @module
 */

/** The request that a client authentication method fills, and the credentials to fill it with. */
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
  /** The environment's `issuer`; absent if it has none. */
  readonly issuer?: string | undefined;
  /** Aborts when the time of the request is over: `timeout`, or 30 s. */
  readonly signal: AbortSignal;
}

/**
 * Fills the form or the headers of one token or revocation request (RFC 6749 section 2.3). It is called anew
 * for each attempt, within the request's time limit, and may be asynchronous. What it throws or rejects with
 * reaches the caller. What it writes counts as secret: it is masked in whatever the server sends back.
 */
export interface ClientAuthentication {
  (request: ClientAuthenticationRequest): void | Promise<void>;
  /**
   * `true`: without `oauthClientSecret` no token request is made. Absent: the method needs no client secret.
   */
  readonly needsSecret?: boolean;
}

/**
 * HTTP Basic authentication, the default. Id and secret are form-urlencoded first (RFC 6749 section 2.3.1),
 * which leaves the characters `A-Z a-z 0-9 - . _ *` as they are. Touches no network.
 */
export const clientSecretBasic: ClientAuthentication = /* @__PURE__ */ Object.assign(
  ({ clientId, clientSecret, headers }: ClientAuthenticationRequest): void =>
    setBasic(headers, `${formEncode(clientId)}:${formEncode(clientSecret)}`),
  { needsSecret: true },
);

/**
 * HTTP Basic authentication with id and secret as they are, in UTF-8. It is for servers that do not decode
 * them: eBay, Google, Doorkeeper. RFC 6749 section 2.3.1 asks for {@link clientSecretBasic} instead. Both
 * send the same if id and secret consist of letters, digits, `-`, `.`, `_` and `*` only. Touches no network.
 */
export const clientSecretBasicRaw: ClientAuthentication = /* @__PURE__ */ Object.assign(
  ({ clientId, clientSecret, headers }: ClientAuthenticationRequest): void =>
    // btoa takes Latin-1 only, so it gets the bytes of the UTF-8 text.
    setBasic(headers, String.fromCharCode(...new TextEncoder().encode(`${clientId}:${clientSecret}`))),
  { needsSecret: true },
);

/**
 * Sends id and secret as form fields `client_id` and `client_secret` (RFC 6749 section 2.3.1). Touches no
 * network.
 */
export const clientSecretPost: ClientAuthentication = /* @__PURE__ */ Object.assign(
  ({ clientId, clientSecret, body }: ClientAuthenticationRequest): void => {
    body.set('client_id', clientId);
    body.set('client_secret', clientSecret);
  },
  { needsSecret: true },
);

/**
 * Sends only the form field `client_id`. For public clients (RFC 6749 section 3.2.1), and for mutual TLS,
 * where the `fetch` that you give brings the certificate (RFC 8705 section 2). Needs no secret. Touches no
 * network.
 */
export const noClientAuthentication: ClientAuthentication = ({
  clientId,
  body,
}: ClientAuthenticationRequest): void => {
  body.set('client_id', clientId);
};

function setBasic(headers: Headers, credentials: string): void {
  // With a capital B: django-oauth-toolkit, Doorkeeper and others refuse `basic`.
  headers.set('authorization', `Basic ${btoa(credentials)}`);
}

/**
 * Encodes a text as the platform's form serializer does (RFC 6749 appendix B). It leaves `-` and `.` as they
 * are, which ids of eBay and Google need.
 */
export function formEncode(text: string): string {
  return `${new URLSearchParams({ '': text })}`.slice(1);
}
