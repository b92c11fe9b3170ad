/**
 * Judges a proof of possession for the mock server (RFC 9449 section 4.3).
 * @module
 */
import { isSignedWith, type Jws, parseJws, sha256 } from './jws.ts';

/** A proof that came with a request. */
export interface Proof {
  readonly jws: Jws | undefined;
  readonly isSigned: boolean;
  /** The thumbprint of the key in the proof (RFC 7638). */
  readonly thumbprint: string;
  /** What `ath` must be. */
  readonly tokenHash: string;
}

/** Reads a proof, and does what takes time: verifies the signature, and hashes key and token. */
export async function readProof(header: string | undefined, accessToken: string): Promise<Proof | undefined> {
  if (header === undefined) return undefined;
  const jws = parseJws(header);
  const jwk = Object(jws?.header.jwk);
  const isSigned = jws !== undefined && (await isSignedWith(jws, jwk));
  const { crv, e, kty, n, x, y } = jwk;
  return {
    jws,
    isSigned,
    thumbprint: await sha256(JSON.stringify({ crv, e, kty, n, x, y })),
    tokenHash: await sha256(accessToken),
  };
}

/** The request that a proof must fit. */
export interface ProofTarget {
  readonly method: string;
  readonly url: string;
  readonly nonce: string;
  /** Whether the request carries a token. */
  readonly hasToken: boolean;
}

/** What is wrong with a proof, as error code and text; `undefined`: nothing. `seen` as for assertions. */
export function proofFault(
  proof: Proof | undefined,
  target: ProofTarget,
  seen: Set<string>,
): readonly [code: string, text: string] | undefined {
  const fault = formFault(proof, target, seen);
  if (fault) return ['invalid_dpop_proof', fault];
  const { nonce, jti } = Object(proof?.jws?.claims);
  if (nonce !== target.nonce)
    return ['use_dpop_nonce', 'The proof must hold the nonce that comes with this answer.'];
  seen.add(jti);
  return undefined;
}

function formFault(
  proof: Proof | undefined,
  { method, url, hasToken }: ProofTarget,
  seen: Set<string>,
): string | undefined {
  if (!proof) return 'The DPoP header is missing.';
  const { jws, isSigned, tokenHash } = proof;
  if (!jws) return 'The proof is not a signed JWT.';
  const { header, claims } = jws;
  if (header.typ !== 'dpop+jwt') return 'The proof must be of typ dpop+jwt.';
  if (Object(header.jwk).d !== undefined) return 'The proof holds a private key.';
  if (!isSigned) return 'The proof is not signed with the key in it.';
  if (claims.htm !== method) return `The proof must be for the method ${method}.`;
  if (withoutQuery(claims.htu) !== withoutQuery(url))
    return `The proof must be for the URL ${withoutQuery(url)}.`;
  if (!Number.isFinite(claims.iat)) return 'The proof does not say when it was made.';
  if (claims.ath !== (hasToken ? tokenHash : undefined)) return 'ath must be the hash of the access token.';
  if (typeof claims.jti !== 'string' || seen.has(claims.jti))
    return 'The proof has been used before, or has no jti.';
  return undefined;
}

function withoutQuery(url: unknown): string | undefined {
  try {
    const { origin, pathname } = new URL(String(url));
    return origin + pathname;
  } catch {
    return undefined;
  }
}
