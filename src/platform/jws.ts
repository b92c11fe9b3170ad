/**
 * Signed JSON Web Tokens: which keys sign them, and their compact form (RFC 7515), by WebCrypto.
 * @module
 */

/** A key of WebCrypto: a `CryptoKey`, whatever name the platform's types have for it. */
export type SigningKey = Parameters<typeof crypto.subtle.sign>[1];

/** The signature algorithm of a token (RFC 7518 section 3.1; `EdDSA` with Ed25519, RFC 8037 section 3.1). */
export type SigningAlgorithm =
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'PS256'
  | 'PS384'
  | 'PS512'
  | 'EdDSA';

/**
 * Signs bytes and returns the signature, in the form of RFC 7518 section 3 for the algorithm. For ECDSA that
 * is r and s, not DER. What it throws or rejects with reaches the caller.
 */
export type Signer = (input: Uint8Array) => ArrayBuffer | Uint8Array | Promise<ArrayBuffer | Uint8Array>;

/** WebCrypto's parameters to import a key, and to sign. */
interface CryptoAlgorithm {
  readonly name: string;
  readonly namedCurve?: string;
  readonly hash?: string;
  /** In bytes. */
  readonly saltLength?: number;
}

export const ALGORITHMS: Readonly<Record<SigningAlgorithm, CryptoAlgorithm>> = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  ES384: { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  ES512: { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' },
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  RS384: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-384' },
  RS512: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-512' },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256', saltLength: 32 },
  PS384: { name: 'RSA-PSS', hash: 'SHA-384', saltLength: 48 },
  PS512: { name: 'RSA-PSS', hash: 'SHA-512', saltLength: 64 },
  EdDSA: { name: 'Ed25519' },
};

/** The one algorithm that a key is for; `undefined` if it is for none of these. */
export function algorithmOf(key: any): SigningAlgorithm | undefined {
  const { name, namedCurve, hash } = Object(key.algorithm);
  return (Object.keys(ALGORITHMS) as SigningAlgorithm[]).find((each) => {
    const known = ALGORITHMS[each];
    return (
      known.name === name && known.namedCurve === namedCurve && (namedCurve || known.hash === hash?.name)
    );
  });
}

/**
 * Whether a key may sign (only private keys may) and is no RSA key below 2048 bits (RFC 7518 section 3.3).
 */
export function canSign(key: any): boolean {
  return !!key?.usages?.includes('sign') && !!algorithmOf(key) && !(key.algorithm.modulusLength < 2048);
}

/** A function that signs with a key that may sign. */
export function signerOf(key: SigningKey): Signer {
  // biome-ignore lint/style/noNonNullAssertion: `canSign` has looked
  const algorithm = ALGORITHMS[algorithmOf(key)!];
  return (input) => crypto.subtle.sign(algorithm, key, input as BufferSource);
}

/** A signed token (RFC 7515 section 3.1). */
export async function signToken(header: object, claims: object, sign: Signer): Promise<string> {
  const input = [header, claims].map((part) => base64url(toBytes(JSON.stringify(part)))).join('.');
  return `${input}.${base64url(await sign(toBytes(input)))}`;
}

/** Bytes as text (RFC 7515 section 2). */
export function base64url(bytes: ArrayBuffer | Uint8Array): string {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

/** A text's bytes, in UTF-8. */
export function toBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
