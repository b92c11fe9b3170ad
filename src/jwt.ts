/**
 * Client authentication by a signed assertion (RFC 7523): with the client's secret, or with a private key, of which the
 * server knows only the public half. WebCrypto signs, or a function of yours.
 * @module
 */
import type { ClientAuthentication, ClientAuthenticationRequest } from './config/clientAuthentication.ts';
import type { Signer, SigningAlgorithm, SigningKey } from './platform/jws.ts';
import { ALGORITHMS, algorithmOf, canSign, signerOf, signToken, toBytes } from './platform/jws.ts';
import { asText } from './platform/token.ts';
import type { Rules } from './config/settings.ts';
import { readOptions } from './config/settings.ts';

export type { Signer, SigningAlgorithm, SigningKey } from './platform/jws.ts';

/** What an assertion says besides who makes it. */
export interface JwtOptions {
  /**
   * Whom the assertion is for, its `aud` (RFC 7523 section 3). Default: the token endpoint's URL, at revocation too. Some
   * servers want their issuer; better-auth and Glewlwyd want the endpoint that is asked: `({ url }) => url`. What a function
   * throws reaches the caller.
   */
  readonly audience?: string | ((request: ClientAuthenticationRequest) => string) | undefined;
  /** Seconds from its making to its end. A whole number, 1 or more. Default 60. */
  readonly lifetime?: number | undefined;
}

/** Signs with a key that this program holds. */
export interface PrivateKeyJwtOptions extends JwtOptions {
  /** A private key that may sign: what {@link importKey} makes of a file's text, or one of WebCrypto's own. */
  readonly key: SigningKey;
  /** The key's name at the server, sent as `kid` (RFC 7515 section 4.1.4). Absent: none is sent. */
  readonly keyId?: string | undefined;
  /** The key's own algorithm. Absent: it is read from the key. */
  readonly algorithm?: SigningAlgorithm | undefined;
}

/** Signs with a key that lies elsewhere: in a KMS, an HSM, an agent. */
export interface SignerJwtOptions extends JwtOptions {
  /**
   * Gets the bytes to be signed, and gives the signature in the form that RFC 7518 section 3.4 has: of ECDSA r and s, not the
   * DER that many KMSs give. What it throws or rejects with reaches the caller; an `ApiError` `network` is retried like any
   * other.
   */
  readonly key: Signer;
  /** The key's name at the server, sent as `kid` (RFC 7515 section 4.1.4). Absent: none is sent. */
  readonly keyId?: string | undefined;
  /** What the function signs with. */
  readonly algorithm: SigningAlgorithm;
}

/**
 * Client authentication by an assertion signed with the client's secret, HS256 (`client_secret_jwt`). The secret itself is
 * never sent. Each request has an assertion of its own. Touches no network.
 *
 * @throws `TypeError` for a bad option
 * @see RFC 7523 section 2.2
 */
export function clientSecretJwt(options?: JwtOptions): ClientAuthentication {
  const authenticate = createMethod(readOptions(options ?? {}, CLAIMS), { alg: 'HS256' }, ({ clientSecret }) => async (input) => {
    const algorithm = { name: 'HMAC', hash: 'SHA-256' };
    const key = await crypto.subtle.importKey('raw', toBytes(clientSecret), algorithm, false, ['sign']);
    return crypto.subtle.sign(algorithm, key, input as BufferSource);
  });
  return Object.assign(authenticate, { needsSecret: true });
}

/**
 * Client authentication by an assertion signed with a private key (`private_key_jwt`): no secret is shared with the server,
 * and none needs to be configured. Each request has an assertion of its own. Touches no network, unless the signer does.
 *
 * @throws `TypeError` for a key that is not private, may not sign, is an RSA key below 2048 bits or one of another algorithm,
 *   and for a bad option
 * @see RFC 7523 section 2.2
 *
 * @example
 * const clientAuthentication = privateKeyJwt({ key: await importKey(pem), keyId: 'key-1' });
 */
export function privateKeyJwt(options: PrivateKeyJwtOptions | SignerJwtOptions): ClientAuthentication {
  const { key, keyId, algorithm, ...claims } = readOptions(options ?? {}, {
    ...CLAIMS,
    key: [(value) => typeof value === 'function' || canSign(value), 'a function, or a private CryptoKey that may sign, RSA from 2048 bits on', ''],
    keyId: [asText, 'a non-empty string'],
    algorithm: [(value, { key }) => Object.hasOwn(ALGORITHMS, value) && value === (algorithmOf(key) ?? value), 'what the key signs with', algorithmOf(options?.key) ?? ''],
  });
  const sign = typeof key === 'function' ? checkSignatures(key, algorithm) : signerOf(key);
  return createMethod(claims, { alg: algorithm, kid: keyId }, () => sign);
}

/**
 * Makes a key for {@link privateKeyJwt} of a private key's text: PEM (PKCS #8, `BEGIN PRIVATE KEY`), or a JWK. The key cannot
 * be exported. Touches no network.
 *
 * @param algorithm what the key signs with. Absent: what the JWK's `alg` says; for RSA `RS256`; for other keys their only one
 * @throws `TypeError` for all else: a public or encrypted key, PKCS #1 and SEC 1, a key of another algorithm, or one that the
 *   platform does not know. The message shows nothing of the text
 * @see RFC 5958 section 2, RFC 7517 section 4
 */
export async function importKey(text: string, algorithm?: SigningAlgorithm): Promise<SigningKey> {
  const { format, data, named } = readKey(text);
  for (const each of [algorithm ?? named ?? USUAL].flat()) {
    try {
      if (!named || named === each) return await crypto.subtle.importKey(format as 'jwk', data as JsonWebKey, ALGORITHMS[each], false, ['sign']);
    } catch {
      // A key of another kind, or none: what the platform says of it may quote it.
    }
  }
  throw new TypeError('importKey takes a private key as JWK or as PEM with BEGIN PRIVATE KEY (openssl pkcs8 -topk8 -nocrypt makes one of others)');
}

/** What is tried where a text does not say what its key is for. */
const USUAL: readonly SigningAlgorithm[] = ['ES256', 'ES384', 'ES512', 'EdDSA', 'RS256'];

interface KeyText {
  readonly format?: 'pkcs8' | 'jwk';
  readonly data?: unknown;
  /** What a JWK says that it is for. */
  readonly named?: SigningAlgorithm;
}

function readKey(text: string): KeyText {
  try {
    const pem = /-----BEGIN PRIVATE KEY-----([^-]+)-----END/.exec(text)?.[1];
    if (pem) return { format: 'pkcs8', data: Uint8Array.from(atob(pem), (character) => character.charCodeAt(0)) };
    // `EdDSA` has a younger name (RFC 9864), which not every platform knows.
    const { alg, ...data } = JSON.parse(text);
    return { format: 'jwk', data, named: alg === 'Ed25519' ? 'EdDSA' : alg };
  } catch {
    return {};
  }
}

const CLAIMS: Rules = {
  audience: [(value) => asText(value) || typeof value === 'function', 'a non-empty string or a function'],
  lifetime: [(value) => Number.isInteger(value) && value > 0, 'a whole number, 1 or more', 60],
};

/** A method that signs an assertion for each request (RFC 7523 section 3). */
function createMethod(
  { audience, lifetime }: any,
  header: object,
  signerFor: (request: ClientAuthenticationRequest) => Signer,
): (request: ClientAuthenticationRequest) => Promise<void> {
  return async (request) => {
    const { clientId, tokenUrl, body } = request;
    const iat = Math.floor(Date.now() / 1000);
    const claims = {
      iss: clientId,
      sub: clientId,
      aud: typeof audience === 'function' ? audience(request) : (audience ?? tokenUrl),
      // Servers refuse an assertion that they have seen before.
      jti: crypto.randomUUID(),
      iat,
      exp: iat + lifetime,
    };
    const assertion = await signToken({ ...header, typ: 'JWT' }, claims, signerFor(request));
    // Optional by RFC 7521 section 4.2; LemonLDAP::NG refuses a request without it.
    body.set('client_id', clientId);
    body.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
    body.set('client_assertion', assertion);
  };
}

/** A signer whose result is looked at: a server would only say that it does not know the client. */
function checkSignatures(sign: Signer, algorithm: SigningAlgorithm): Signer {
  const expected = { ES256: 64, ES384: 96, ES512: 132 }[algorithm as string];
  return async (input) => {
    const signature = await sign(input);
    const length = signature?.byteLength;
    if (!length || length !== (expected ?? length)) throw new TypeError(`key must return the bytes of a signature as ${algorithm} has it, not DER`);
    return signature;
  };
}
