/**
 * The mock server's own reading of signed tokens (RFC 7515): taken apart, and verified by WebCrypto.
 * @module
 */

/** A public key of WebCrypto: a `CryptoKey`, whatever name the platform's types have for it. */
export type VerificationKey = Parameters<typeof crypto.subtle.verify>[1];

/** A public key as JSON (RFC 7517). */
export interface PublicJwk {
  /** The kind of key: `EC`, `RSA` or `OKP`. Absent: no signature is good for this key. */
  readonly kty?: string | undefined;
}

/** A signed token taken apart; its signature is still to be verified. */
export interface Jws {
  readonly header: Readonly<Record<string, any>>;
  readonly claims: Readonly<Record<string, any>>;
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

/** Takes a signed token apart; `undefined` if it is not one in compact form. */
export function parseJws(text: string): Jws | undefined {
  const parts = text.split('.');
  if (parts.length !== 3) return undefined;
  try {
    const [header, claims, signature] = parts.map(fromBase64url) as [Uint8Array, Uint8Array, Uint8Array];
    const [parsedHeader, parsedClaims] = [header, claims].map((bytes) =>
      JSON.parse(new TextDecoder().decode(bytes)),
    );
    const signed = new TextEncoder().encode(text.slice(0, text.lastIndexOf('.')));
    return { header: Object(parsedHeader), claims: Object(parsedClaims), signed, signature };
  } catch {
    return undefined;
  }
}

/** Whether a token is signed with a secret (HS256), or with the private half of a key. Never rejects. */
export async function isSignedWith(
  { header, signed, signature }: Jws,
  key: string | VerificationKey | PublicJwk,
): Promise<boolean> {
  try {
    const algorithm = typeof key === 'string' ? hmac(header.alg) : asymmetric(header.alg);
    if (!algorithm) return false;
    const verifier = await importKey(key, algorithm);
    // A curve is part of its algorithm (RFC 7518 section 3.4).
    const { namedCurve } = verifier.algorithm as { namedCurve?: string };
    return (
      namedCurve === algorithm.namedCurve &&
      (await crypto.subtle.verify(algorithm, verifier, signature as BufferSource, signed as BufferSource))
    );
  } catch {
    return false; // no key, one of another kind, or an algorithm that this platform lacks
  }
}

/**
 * SHA-256 in base64url: of an access token (RFC 9449 section 4.2), or of a key's members (RFC 7638 section
 * 3).
 */
export async function sha256(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  const base64 = btoa(Array.from(digest, (byte) => String.fromCharCode(byte)).join(''));
  // Of 32 bytes it ends with one `=`.
  return base64.replace(/\+/g, '-').replace(/\//g, '_').replace('=', '');
}

interface Algorithm {
  readonly name: string;
  readonly hash?: string;
  readonly namedCurve?: string;
  readonly saltLength?: number;
}

function fromBase64url(text: string): Uint8Array {
  if (!/^[\w-]+$/.test(text)) throw new SyntaxError('no base64url');
  return Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (character) =>
    character.charCodeAt(0),
  );
}

function hmac(alg: unknown): Algorithm | undefined {
  return alg === 'HS256' ? { name: 'HMAC', hash: 'SHA-256' } : undefined;
}

function asymmetric(alg: unknown): Algorithm | undefined {
  if (alg === 'EdDSA' || alg === 'Ed25519') return { name: 'Ed25519' };
  const [, family, bits] = /^(ES|RS|PS)(256|384|512)$/.exec(String(alg)) ?? [];
  const hash = `SHA-${bits}`;
  if (family === 'ES') return { name: 'ECDSA', hash, namedCurve: bits === '512' ? 'P-521' : `P-${bits}` };
  if (family === 'RS') return { name: 'RSASSA-PKCS1-v1_5', hash };
  return family === 'PS' ? { name: 'RSA-PSS', hash, saltLength: Number(bits) / 8 } : undefined;
}

async function importKey(
  key: string | VerificationKey | PublicJwk,
  algorithm: Algorithm,
): Promise<VerificationKey> {
  if (typeof key === 'string')
    return crypto.subtle.importKey('raw', new TextEncoder().encode(key), algorithm, false, ['verify']);
  if (!('kty' in key)) return key as VerificationKey;
  // Only the members of the key itself are taken. What it says of its use is the caller's business.
  const { kty, crv, x, y, n, e } = key as Record<string, string>;
  return crypto.subtle.importKey('jwk', { kty, crv, x, y, n, e } as JsonWebKey, algorithm, false, ['verify']);
}
