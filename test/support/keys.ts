/**
 * Keys of every kind that signs, made for one test run, as PEM; and what a signed token says, verified by
 * Node's own crypto.
 */
import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import type { SigningAlgorithm } from 'thingspace-auth/jwt';

export interface Keys {
  readonly privatePem: string;
  readonly publicPem: string;
}

const PRIVATE = { type: 'pkcs8', format: 'pem' } as const;
const PUBLIC = { type: 'spki', format: 'pem' } as const;
const CURVES = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' } as const;
const made = new Map<string, Keys>();

/**
 * Keys that an algorithm can use; those of a kind are made once. Never exported from a generated key: Node 20
 * can hang there.
 */
export function keysFor(algorithm: SigningAlgorithm, modulusLength: number = 2048): Keys {
  const isRsa = /^[RP]S/.test(algorithm);
  const kind = isRsa ? `RSA ${modulusLength}` : algorithm;
  if (!made.has(kind)) made.set(kind, makeKeys(algorithm, isRsa, modulusLength));
  return made.get(kind)!;
}

function makeKeys(algorithm: SigningAlgorithm, isRsa: boolean, modulusLength: number): Keys {
  const { privateKey, publicKey } = generate(algorithm, isRsa, modulusLength);
  return { privatePem: privateKey, publicPem: publicKey };
}

function generate(
  algorithm: SigningAlgorithm,
  isRsa: boolean,
  modulusLength: number,
): { privateKey: string; publicKey: string } {
  // Complete: TypeScript takes the overload that gives text only where no option is left out.
  const [privateKeyEncoding, publicKeyEncoding] = [
    { ...PRIVATE, cipher: undefined, passphrase: undefined },
    PUBLIC,
  ];
  if (isRsa) return generateKeyPairSync('rsa', { privateKeyEncoding, publicKeyEncoding, modulusLength });
  if (algorithm === 'EdDSA') return generateKeyPairSync('ed25519', { privateKeyEncoding, publicKeyEncoding });
  return generateKeyPairSync('ec', {
    privateKeyEncoding,
    publicKeyEncoding,
    namedCurve: CURVES[algorithm as keyof typeof CURVES],
  });
}

/** A key of Node's own made of a PEM can be exported safely. */
export function jwkOf(pem: string): Readonly<Record<string, string>> {
  return createPublicKey(pem).export({ format: 'jwk' }) as Record<string, string>;
}

export interface Token {
  readonly header: any;
  readonly claims: any;
}

/**
 * Takes a signed token apart; fails unless it was signed by `publicKey` (PEM, or a JWK) with the algorithm of
 * its header.
 */
export function readSigned(text: string, publicKey: string | object): Token {
  const [header, claims, signature] = text.split('.') as [string, string, string];
  const parse = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString());
  const { alg } = parse(header);
  const key =
    typeof publicKey === 'string'
      ? createPublicKey(publicKey)
      : createPublicKey({ key: publicKey as any, format: 'jwk' });
  const hash = alg === 'EdDSA' ? null : `sha${alg.slice(2)}`;
  // 6: RSA_PKCS1_PSS_PADDING; its salt is as long as the hash (RFC 7518 section 3.5).
  const options = {
    key,
    dsaEncoding: 'ieee-p1363',
    ...(alg.startsWith('PS') && { padding: 6, saltLength: Number(alg.slice(2)) / 8 }),
  } as const;
  assert.ok(
    verify(hash, Buffer.from(`${header}.${claims}`), options, Buffer.from(signature, 'base64url')),
    'the signature does not hold',
  );
  return { header: parse(header), claims: parse(claims) };
}

/**
 * A token signed by Node's own crypto, whatever its header says: ECDSA with SHA-256, RSA as PKCS #1, or
 * Ed25519.
 */
export function signToken(
  header: object,
  claims: object,
  privatePem: string,
  hash: 'sha256' | null = 'sha256',
): string {
  const input = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const signature = sign(hash, Buffer.from(input), { key: privatePem, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}
