/**
 * The token: how it is read from the wire and revived from storage. Every token is a frozen, JSON-safe object.
 * @module
 */

/** An access token and what is known about it (RFC 6749 section 5.1). Frozen; survives `JSON.stringify` and back. */
export interface OAuthToken {
  /** The access token itself: a secret. */
  readonly accessToken: string;
  /** Always `'Bearer'`, however the server writes it (RFC 6750 section 6.1.1). */
  readonly tokenType: 'Bearer';
  /** The lifetime as the server gave it, in whole seconds; absent where it gave none (RFC 6749 section 5.1). */
  readonly expiresIn?: number;
  /** The scopes granted, separated by spaces; absent where the server does not say (RFC 6749 section 5.1). */
  readonly scope?: string;
  /** When it ends, in whole seconds of Unix time, counted from just before it was asked for; absent: never by itself. */
  readonly expiry?: number;
  /** A refresh token; normally absent, since this grant has none (RFC 6749 section 4.4.3). Not used. */
  readonly refreshToken?: string;
}

/**
 * For so many seconds past its known end a token that the server repeats may not have ended there: its clock started later
 * by what the request took, and ends are rounded.
 */
export const GRACE_SECONDS = 3;

/**
 * Whether a token has ended, or ends within `clockSkew` seconds. Touches no network.
 *
 * @param token the token; one without `expiry` never expires
 * @param clockSkew seconds before its expiry at which it counts as expired; default 0
 */
export function isExpired(token: OAuthToken, clockSkew = 0): boolean {
  return Date.now() / 1000 >= token.expiry! - clockSkew;
}

/**
 * Makes a token of outside data, such as `JSON.parse(text)` from a store. Numbers written as strings or as `BigInt`
 * (as the vendor's generated SDK has them) are taken. Touches no network.
 *
 * @throws `TypeError` for anything that is no token; the message names the field and the rule, never the value
 */
export function reviveToken(value: unknown): OAuthToken {
  return withEnd(value);
}

/**
 * Makes a token of a token endpoint's answer (RFC 6749 section 5.1), read as real servers write it.
 * `requestedAtMs` is the time just before the request was sent.
 *
 * @throws `TypeError` that names the member and the rule, never the value
 */
export function parseToken(body: Readonly<Record<string, unknown>>, requestedAtMs: number): OAuthToken {
  return withEnd({
    accessToken: body.access_token,
    tokenType: body.token_type,
    // PayPal sends a string; what cannot be read is absent.
    expiresIn: wholeSeconds(body.expires_in),
    // Twitch sends an array.
    scope: asText(Array.isArray(body.scope) ? body.scope.join(' ') : body.scope),
    refreshToken: asText(body.refresh_token),
  }, requestedAtMs);
}

/** What `reviveToken` makes, with its end where it has a lifetime only: one that began at `startMs`. */
export function withEnd(value: unknown, startMs?: number): OAuthToken {
  const token: Record<string, any> = {};
  for (const [name, read] of Object.entries(FIELDS)) {
    const given = Object(value)[name] ?? '';
    // Without a start or a lifetime, which has been read before, the sum is not a number.
    const result = read(given === '' && name === 'expiry' ? startMs! / 1000 + token.expiresIn : given);
    if (result !== undefined) token[name] = result;
    else if (given !== '' || name === 'accessToken') throw new TypeError(`oauthToken.${name} must be that of a Bearer token`);
  }
  return Object.freeze(token as OAuthToken);
}

/** A text that can stand in a header as a token does: platforms quote a bad value in their errors, secret and all. */
export function asHeaderText(value: unknown): string | undefined {
  return typeof value === 'string' && /^[!-~]+$/.test(value) ? value : undefined;
}

const FIELDS = {
  accessToken: asHeaderText,
  tokenType: (value: any): unknown => (/^(bearer)?$/i.test(String(value)) ? 'Bearer' : undefined),
  expiresIn: wholeSeconds,
  scope: asText,
  expiry: wholeSeconds,
  refreshToken: asText,
};

/** A text that is not empty; `undefined` for anything else. */
export function asText(value: unknown): string | undefined {
  return typeof value === 'string' && value ? value : undefined;
}

/** A number, also as text or `BigInt`; beyond some 3,000 years it is cut. */
function wholeSeconds(value: any): number | undefined {
  return /^\s*\d+(\.\d+)?\s*$/.test(String(value)) ? Math.floor(Math.min(Number(value), 1e11)) : undefined;
}
