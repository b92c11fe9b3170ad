/**
 * Reads a token from a server's answer, and revives one from storage. Every token is a frozen, JSON-safe
 * object.
 * @module
 */

/**
 * An access token and what is known about it (RFC 6749 section 5.1). Frozen; survives `JSON.stringify` and
 * back.
 */
export interface OAuthToken {
  /** The access token itself: a secret. */
  readonly accessToken: string;
  /**
   * `'Bearer'` (RFC 6750 section 6.1.1), or `'DPoP'` (RFC 9449 section 5) for a client with `dpop`. Always in
   * this case, however the server writes it.
   */
  readonly tokenType: 'Bearer' | 'DPoP';
  /**
   * The lifetime as the server gave it, in whole seconds; absent where it gave none (RFC 6749 section 5.1).
   */
  readonly expiresIn?: number;
  /** The scopes granted, separated by spaces; absent where the server does not say (RFC 6749 section 5.1). */
  readonly scope?: string;
  /**
   * When the token ends, in whole seconds of Unix time. The lifetime counts from just before the request.
   * Absent: it does not end by itself.
   */
  readonly expiry?: number;
  /**
   * A refresh token; normally absent, since this grant has none (RFC 6749 section 4.4.3). This package does
   * not use it.
   */
  readonly refreshToken?: string;
}

/**
 * For this many seconds after the end that we know, the server may still hold a token to be valid: its count
 * of the lifetime began later than ours, by the time that the request took, and ends are rounded. If the
 * server repeats the token within this time, it has not issued a new one.
 */
export const GRACE_SECONDS = 3;

/**
 * Whether a token has ended, or ends within `clockSkew` seconds. Touches no network.
 *
 * @param token the token; one without `expiry` never expires
 * @param clockSkew seconds before its expiry at which it counts as expired; default 0
 */
export function isExpired({ expiry = Infinity }: OAuthToken, clockSkew = 0): boolean {
  return Date.now() / 1000 >= expiry - clockSkew;
}

/**
 * Turns outside data into a token, such as `JSON.parse(text)` from a store. Numbers may also be strings or
 * `BigInt`, as the vendor's older SDK has them. Touches no network.
 *
 * @throws `TypeError` for anything that is not a token; the message names the field and the rule, never the
 *   value
 */
export function reviveToken(value: unknown): OAuthToken {
  return createToken(value);
}

/**
 * Makes a token of a token endpoint's answer (RFC 6749 section 5.1), read as real servers write it.
 * `requestedAtMs` is the time just before the request was sent.
 *
 * @throws `TypeError` that names the member and the rule, never the value
 */
export function parseToken(body: Readonly<Record<string, unknown>>, requestedAtMs: number): OAuthToken {
  const { scope } = body;
  return createToken(
    {
      accessToken: body.access_token,
      tokenType: body.token_type,
      // PayPal sends a string; what cannot be read is absent.
      expiresIn: asSeconds(body.expires_in),
      // Twitch sends an array.
      scope: asText(isTexts(scope) ? scope.join(' ') : scope),
      refreshToken: asText(body.refresh_token),
    },
    requestedAtMs,
  );
}

/**
 * Makes a token as {@link reviveToken} does. If `startMs` is given, the lifetime began at that time: a token
 * with a lifetime and without an end then gets its end.
 */
export function createToken(value: unknown, startMs?: number): OAuthToken {
  const given = Object(value) as Readonly<Record<string, unknown>>;
  const token: Record<string, unknown> = { accessToken: '', tokenType: 'Bearer' };
  for (const [name, [parse, words]] of Object.entries(FIELDS)) {
    const field = given[name] ?? '';
    if (field === '' && name !== 'accessToken') continue;
    token[name] = parse(field);
    if (token[name] === undefined) throw new TypeError(`oauthToken.${name} must be ${words}`);
  }
  const { expiresIn } = token;
  if (startMs !== undefined && expiresIn !== undefined)
    token['expiry'] ??= asSeconds(startMs / 1000 + Number(expiresIn));
  return Object.freeze(token as unknown as OAuthToken);
}

const SECONDS = 'a number of seconds, not milliseconds';

/** For each field, the function that reads it and the rule in words. */
const FIELDS: {
  readonly [K in keyof Required<OAuthToken>]: readonly [parse: (value: unknown) => unknown, words: string];
} = {
  accessToken: [asHeaderText, 'visible ASCII without spaces'],
  tokenType: [asTokenType, 'Bearer or DPoP'],
  expiresIn: [asSeconds, SECONDS],
  scope: [asText, 'a string'],
  // Twelve digits can only be milliseconds: as seconds they would end more than 3,000 years from now.
  expiry: [(value) => (/^\d{12}/.test(String(value)) ? undefined : asSeconds(value)), SECONDS],
  refreshToken: [asText, 'a string'],
};

/**
 * The value, if it is a text that can stand in a header as a token does; else `undefined`. Platforms quote a
 * bad header value in their errors, and so would show a secret.
 */
export function asHeaderText(value: unknown): string | undefined {
  return typeof value === 'string' && /^[!-~]+$/.test(value) ? value : undefined;
}

/** The value, if it is a text that is not empty; `undefined` for anything else. */
export function asText(value: unknown): string | undefined {
  return typeof value === 'string' && value ? value : undefined;
}

/** Whether a value is an array of texts, none of them empty. */
export function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(asText);
}

/**
 * The token type, which servers write in any case, Apigee as `BearerToken`, eBay as `Application Access
 * Token`; `undefined` for one that is not known.
 */
function asTokenType(value: unknown): string | undefined {
  const type = String(value);
  if (/^(bearer(token)?|application access token)$/i.test(type)) return 'Bearer';
  return /^dpop$/i.test(type) ? 'DPoP' : undefined;
}

/**
 * Whole seconds of a number, which may be a text or a `BigInt`; `undefined` for anything else. More
 * than eleven digits, some 3,000 years, is cut.
 */
function asSeconds(value: any): number | undefined {
  return typeof value !== 'object' && /^\d+(\.\d+)?$/.test(String(value))
    ? Math.floor(Math.min(Number(value), 99_999_999_999))
    : undefined;
}
