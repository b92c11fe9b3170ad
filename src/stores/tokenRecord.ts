/**
 * The texts of a token in a store: the key's and the value's. Both are read by other versions of this
 * package, so the key has a version. Values are outside data.
 * @module
 */
import type { ProviderContext } from '../config/config.ts';
import { type OAuthToken, reviveToken } from '../core/token.ts';

/** The content of a value, as JSON. */
export interface TokenRecord extends OAuthToken {
  /**
   * The key that it was written under. A store that mixes up its keys must not hand out another client's
   * token.
   */
  readonly key: string;
  /** When the server last gave out this same token again, in seconds of Unix time. */
  readonly repeatedAt?: number | undefined;
}

/**
 * Workers KV takes names of 512 bytes, and other stores more. This leaves room for what comes before and
 * after, such as a prefix of the caller's.
 */
const LONGEST_GRANT_BYTES = 256;

/** The number is a version, which changes with what a value holds. */
const KEY_PREFIX = 'thingspace-auth:1:';

/**
 * The token's key in the store. It is made of everything that decides which token is granted, and of nothing
 * secret; a long one is hashed. Pages without https cannot hash, and their stores have no such limit. Two
 * versions of this package that are deployed side by side share a token only if they make the same key.
 */
export async function tokenKeyOf(context: ProviderContext): Promise<string> {
  const grant = describeGrant(context);
  const bytes = new TextEncoder().encode(grant);
  const { subtle } = crypto as Partial<Crypto>;
  if (bytes.length <= LONGEST_GRANT_BYTES || !subtle) return KEY_PREFIX + grant;
  return KEY_PREFIX + btoa(String.fromCharCode(...new Uint8Array(await subtle.digest('SHA-256', bytes))));
}

function describeGrant({ tokenUrl, clientId, scope, params, binding }: ProviderContext): string {
  const fields = Object.entries(params).map(([name, value]) => [name, value].flat());
  return JSON.stringify([tokenUrl, clientId, scope?.split(' ').sort(), fields.sort(), binding]);
}

/**
 * Reads a stored text. `undefined` for junk: for what the client would refuse, or would never stop using.
 */
export function parseTokenRecord(
  text: string,
  { key, binding }: ProviderContext & Pick<TokenRecord, 'key'>,
): TokenRecord | undefined {
  try {
    const record: TokenRecord = JSON.parse(text);
    const token = reviveToken(record);
    // A client without `dpop` could not use it until its end.
    const isForeign = record.key !== key || (token.tokenType === 'DPoP' && !binding);
    if (isForeign || !isEndBelievable(token)) return undefined;
    return { ...record, ...token };
  } catch {
    return undefined;
  }
}

/** Whether somebody can have meant this end. */
function isEndBelievable({ expiry, expiresIn }: OAuthToken): boolean {
  // A lifetime without an end would start anew at each reading.
  if (expiry === undefined) return expiresIn === undefined;
  // The stated lifetime, or else ten years, and an hour for clocks that differ.
  return expiry - Date.now() / 1000 <= (expiresIn ?? 315_360_000) + 3_600;
}
