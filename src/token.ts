/**
 * The token: how it is read from the wire and revived from storage. Every token is a frozen, JSON-safe object.
 * @module
 */

/** An access token and what is known about it. Frozen; survives `JSON.stringify` and back. */
export interface OAuthToken {
  /** The access token itself: a secret. */
  readonly accessToken: string;
  /** Always `'Bearer'`, however the server writes it (RFC 6750). */
  readonly tokenType: 'Bearer';
  /** The lifetime as the server gave it, in whole seconds; absent where it gave none. */
  readonly expiresIn?: number;
  /** The scopes granted, separated by spaces; absent where the server does not say. */
  readonly scope?: string;
  /** When it ends, in whole seconds of Unix time, counted from just before it was asked for; absent: never by itself. */
  readonly expiry?: number;
  /** A refresh token; client credentials answers normally have none (RFC 6749 section 4.4.3). */
  readonly refreshToken?: string;
}

/**
 * Whether a token has ended, or ends within `clockSkew` seconds. Touches no network.
 *
 * @param token the token; one without `expiry` never expires
 * @param clockSkew seconds before its expiry at which it counts as expired; default 0
 */
export function isExpired(token: OAuthToken, clockSkew = 0): boolean {
  return token.expiry !== undefined && Date.now() >= (token.expiry - clockSkew) * 1000;
}

/**
 * Makes a token of outside data, such as `JSON.parse(text)` from a store. Numbers written as strings or as `BigInt`
 * (as the vendor's generated SDK has them) are taken. Touches no network.
 *
 * @throws `TypeError` for anything that is no token; the message names the field and the rule, never the value
 */
export function reviveToken(value: unknown): OAuthToken {
  if (typeof value !== 'object' || value === null) {
    throw new TypeError('a token must be an object with an accessToken; text from a store goes through JSON.parse first');
  }
  const data = value as Record<string, unknown>;
  const { accessToken, tokenType, expiresIn, scope, expiry, refreshToken } = data;
  return buildToken(accessToken, tokenType, {
    expiresIn: wholeNumber('expiresIn', expiresIn),
    scope: optionalString('scope', scope),
    expiry: wholeNumber('expiry', expiry),
    refreshToken: optionalString('refreshToken', refreshToken),
  });
}

/**
 * Makes a token of a token endpoint's answer (RFC 6749 section 5.1), read as real servers write it.
 * `requestedAtMs` is the time just before the request was sent.
 *
 * @throws `TypeError` that names the member and the rule, never the value
 */
export function parseToken(body: Readonly<Record<string, unknown>>, requestedAtMs: number): OAuthToken {
  const expiresIn = lifetimeOf(body.expires_in);
  // Twitch sends an array.
  const scope = Array.isArray(body.scope) ? body.scope.join(' ') : body.scope;
  const refreshToken = body.refresh_token;
  return buildToken(body.access_token, body.token_type, {
    expiresIn,
    scope: typeof scope === 'string' ? scope : undefined,
    expiry: expiresIn === undefined ? undefined : Math.floor(requestedAtMs / 1000) + expiresIn,
    refreshToken: typeof refreshToken === 'string' ? refreshToken : undefined,
  });
}

/** The same token with another end; absent: none. */
export function withExpiry(token: OAuthToken, expiry: number | undefined): OAuthToken {
  return token.expiry === expiry ? token : buildToken(token.accessToken, token.tokenType, { ...token, expiry });
}

/** Whether a text can stand in a header as a token does: platforms quote a bad header value in their errors, secret and all. */
export function isHeaderSafe(text: unknown): text is string {
  return typeof text === 'string' && /^[\x21-\x7e]+$/.test(text);
}

interface OptionalFields {
  readonly expiresIn?: number | undefined;
  readonly scope?: string | undefined;
  readonly expiry?: number | undefined;
  readonly refreshToken?: string | undefined;
}

function buildToken(accessToken: unknown, tokenType: unknown, optional: OptionalFields): OAuthToken {
  if (!isHeaderSafe(accessToken)) {
    throw new TypeError('the access token must be a non-empty string of visible ASCII characters, without "Bearer "');
  }
  if (tokenType != null && String(tokenType).toLowerCase() !== 'bearer') {
    throw new TypeError('the token type must be Bearer');
  }
  const { expiresIn, scope, expiry, refreshToken } = optional;
  return Object.freeze({
    accessToken,
    tokenType: 'Bearer' as const,
    ...(expiresIn !== undefined && { expiresIn }),
    ...(scope && { scope }),
    ...(expiry !== undefined && { expiry }),
    ...(refreshToken && { refreshToken }),
  });
}

/** Seconds from `expires_in`: PayPal sends a string. Out of range is clamped (68 years), unparsable is absent. */
function lifetimeOf(value: unknown): number | undefined {
  const seconds = typeof value === 'string' && value.trim() ? Number(value) : value;
  if (typeof seconds !== 'number' || Number.isNaN(seconds)) return undefined;
  return Math.trunc(Math.min(Math.max(seconds, 0), 2 ** 31));
}

function wholeNumber(name: string, value: unknown): number | undefined {
  if (value == null) return undefined;
  const number = typeof value === 'number' ? value : /^-?\d+$/.test(String(value)) ? Number(value) : NaN;
  if (!Number.isFinite(number)) throw new TypeError(`the token's ${name} must be a number of seconds`);
  return Math.floor(number);
}

function optionalString(name: string, value: unknown): string | undefined {
  if (value == null || typeof value === 'string') return value ?? undefined;
  throw new TypeError(`the token's ${name} must be a string`);
}
