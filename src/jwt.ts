/**
 * Client authentication by a signed assertion (RFC 7523). It is signed with the client's secret, or with a
 * private key of which the server knows only the public half: by WebCrypto or by a function of yours. Or
 * somebody else has signed it, and it is passed on.
 * @module
 */
import type { ClientAuthentication, ClientAuthenticationRequest } from './config/clientAuthentication.ts';
import { COUNT, checkOptions, type Rules, TEXT } from './config/settings.ts';
import { ApiError, isApiError } from './core/errors.ts';
import { asText } from './core/token.ts';
import {
  ALGORITHMS,
  algorithmOf,
  canSign,
  type Signer,
  type SigningAlgorithm,
  type SigningKey,
  signerOf,
  signToken,
  toBytes,
} from './platform/jws.ts';

export type { Signer, SigningAlgorithm, SigningKey } from './platform/jws.ts';

/** The claims and header of an assertion that you can choose. */
export interface JwtOptions {
  /**
   * Whom the assertion is for: its `aud` (RFC 7523 section 3). Default: the environment's `issuer`, which
   * `discover` brings, since FAPI 2.0 and RFC 7523bis accept nothing else, and no server can then use the
   * assertion at another one. Without an `issuer`, it is the token endpoint's URL, for revocation too.
   * Glewlwyd wants the URL that the request goes to: `({ url }) => url`. What such a function throws reaches
   * the caller.
   */
  readonly audience?: string | ((request: ClientAuthenticationRequest) => string) | undefined;
  /** For how many seconds an assertion is valid. A whole number, 1 or more. Default 60. */
  readonly lifetime?: number | undefined;
  /**
   * The assertion's media type, sent as `typ` (RFC 7515 section 4.1.9). RFC 7523bis defines
   * `client-authentication+jwt`. Absent: none is sent.
   */
  readonly type?: string | undefined;
}

/** Signs with a key that this program holds. */
export interface PrivateKeyJwtOptions extends JwtOptions {
  /**
   * A private key that may sign: what {@link importKey} makes of a file's text, or another `CryptoKey` of
   * yours.
   */
  readonly key: SigningKey;
  /** The key's name at the server, sent as `kid` (RFC 7515 section 4.1.4). Absent: none is sent. */
  readonly keyId?: string | undefined;
  /** The algorithm that the key signs with, which must be the key's own. Absent: it is read from the key. */
  readonly algorithm?: SigningAlgorithm | undefined;
}

/** Signs with a key that lies elsewhere: in a KMS, an HSM, an agent. */
export interface SignerJwtOptions extends JwtOptions {
  /**
   * A function that gets the bytes to be signed and returns the signature, in the form of RFC 7518 section
   * 3.4. For ECDSA this is r and s. Many KMSs return DER instead, which is refused with a `TypeError`. What
   * the function throws or rejects with reaches the caller. An `ApiError` `network` is retried, like a
   * network error of the request itself.
   */
  readonly key: Signer;
  /** The key's name at the server, sent as `kid` (RFC 7515 section 4.1.4). Absent: none is sent. */
  readonly keyId?: string | undefined;
  /** The algorithm that the function signs with. */
  readonly algorithm: SigningAlgorithm;
}

/**
 * Gives the assertion of one request, a text: a file's content, or what the platform's own endpoint
 * answers. White space around it is cut off. It is asked anew for each attempt, since such assertions rotate,
 * and within the time limit of the token request. What it throws or rejects with fails that request.
 */
export type AssertionSource = (request: ClientAuthenticationRequest) => string | Promise<string>;

/** Options for sending somebody else's assertion. */
export interface ClientAssertionOptions {
  /**
   * The `client_assertion_type` (RFC 7521 section 4.2). Default
   * `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`. Servers that follow the draft for SPIFFE want
   * `urn:ietf:params:oauth:client-assertion-type:jwt-spiffe`.
   */
  readonly type?: string | undefined;
}

/**
 * Client authentication by an assertion that somebody else has signed, so that the program needs no secret
 * and no key: a projected service account token of Kubernetes, the OIDC token of a GitHub Actions job, a
 * JWT-SVID of SPIFFE. The server must trust that issuer. The `client_id` is sent beside the assertion.
 * Touches no network, unless the source does.
 *
 * If the source fails, the caller gets an `ApiError`, and `cause` is what the source rejected with:
 * `no_credentials` if a file is not there, else `network`, which is retried like a network error of the
 * request itself. So is an empty text, since a file may be empty while it is being written. An `ApiError` of
 * the source's own is passed on as it is. A source that hangs ends with the request's time limit (`timeout`).
 * What is not a text is a `TypeError`.
 *
 * @throws `TypeError` if the source is not a function, and for a bad option
 * @see RFC 7521 section 4.2, RFC 7523 section 2.2
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { clientAssertion } from 'thingspace-auth/jwt';
 *
 * const clientAuthentication = clientAssertion(() => readFile('/var/run/secrets/tokens/auth', 'utf8'));
 * ```
 */
export function clientAssertion(
  source: AssertionSource,
  options?: ClientAssertionOptions,
): ClientAuthentication {
  if (typeof source !== 'function')
    throw new TypeError('source must be a function, so that each request has the latest assertion');
  const { type } = checkOptions<ClientAssertionOptions>(options, { type: [asText, TEXT] });
  return async (request) => setAssertion(request, await askSource(source, request), type);
}

/**
 * Client authentication by an assertion that is signed with the client's secret, by HS256
 * (`client_secret_jwt`). The secret itself is never sent. Each request has an assertion of its own. Touches
 * no network.
 *
 * @throws `TypeError` for a bad option
 * @see RFC 7523 section 2.2
 */
export function clientSecretJwt(options?: JwtOptions): ClientAuthentication {
  const authenticate = createMethod(
    checkOptions<JwtOptions>(options, CLAIMS),
    { alg: 'HS256' },
    ({ clientSecret }) =>
      async (input) => {
        const algorithm = { name: 'HMAC', hash: 'SHA-256' };
        const key = await crypto.subtle.importKey(
          'raw',
          toBytes(clientSecret) as BufferSource,
          algorithm,
          false,
          ['sign'],
        );
        return crypto.subtle.sign(algorithm, key, input as BufferSource);
      },
  );
  return Object.assign(authenticate, { needsSecret: true });
}

/**
 * Client authentication by an assertion that is signed with a private key (`private_key_jwt`). The server
 * does not know that key, and no secret needs to be configured. Each request has an assertion of its own.
 * Touches no network, unless the signer does.
 *
 * @throws `TypeError` for a key that is not private, may not sign, is an RSA key below 2048 bits or has
 *   another algorithm, and for a bad option
 * @see RFC 7523 section 2.2
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { importKey, privateKeyJwt } from 'thingspace-auth/jwt';
 *
 * const pem = await readFile('client-key.pem', 'utf8');
 * const clientAuthentication = privateKeyJwt({ key: await importKey(pem), keyId: 'key-1' });
 * ```
 */
export function privateKeyJwt(options: PrivateKeyJwtOptions | SignerJwtOptions): ClientAuthentication {
  const { key, keyId, algorithm, ...claims } = checkOptions<PrivateKeyJwtOptions | SignerJwtOptions, 'key'>(
    options,
    {
      ...CLAIMS,
      key: [
        (value: unknown) => typeof value === 'function' || canSign(value),
        'a function or a private CryptoKey that may sign, RSA from 2048 bits on',
        null,
      ],
      keyId: [asText, TEXT],
      algorithm: [asText, TEXT],
    },
  );
  const own = algorithmOf(key);
  const alg = algorithm ?? own;
  if (!alg || !Object.keys(ALGORITHMS).includes(alg) || alg !== (own ?? alg))
    throw new TypeError('algorithm must be that of the key');
  const sign = typeof key === 'function' ? refuseDer(key, alg) : signerOf(key);
  return createMethod(claims, { alg, kid: keyId }, () => sign);
}

/**
 * Makes a key for {@link privateKeyJwt} from the text of a private key: PEM (PKCS #8, `BEGIN PRIVATE KEY`),
 * or a JWK. The key cannot be exported. Touches no network.
 *
 * @param algorithm what the key signs with. Absent: the JWK's `alg`, or without one `RS256` for an RSA key;
 *   other keys have only one algorithm
 * @throws `TypeError` for anything else: a public or encrypted key, PKCS #1 and SEC 1, a key of another
 *   algorithm, or one that the platform does not know. The message shows nothing of the text. A PEM from an
 *   `.env` file may have `\n` where its line breaks were: give `text.replaceAll('\\n', '\n')`
 * @see RFC 5958 section 2, RFC 7517 section 4
 */
export async function importKey(text: string, algorithm?: SigningAlgorithm): Promise<SigningKey> {
  try {
    const [format, key, curve, alg] = readKey(text);
    // RSA has no curve.
    const usual = CURVES[curve ?? '']?.[1] ?? 'RS256';
    const chosen = algorithm ?? alg ?? usual;
    // No platform is asked to import a key for an algorithm with another curve: workerd takes it for a key of
    // that curve, and Deno 2.0 crashes.
    const fits = ALGORITHMS[chosen].namedCurve === ALGORITHMS[usual].namedCurve;
    if (fits)
      return await crypto.subtle.importKey(format as 'jwk', key as JsonWebKey, ALGORITHMS[chosen], false, [
        'sign',
      ]);
  } catch {
    // What the platform says may quote the key.
  }
  // In an .env file a PEM may stand in one line.
  const rule = /-\\n/.test(text) ? 'JWK, or PEM without \\n' : 'JWK, or PEM of openssl pkcs8 -topk8 -nocrypt';
  throw new TypeError(`importKey takes a private key: ${rule}`);
}

/**
 * What a text holds: its form, the key, the name of its curve as in a JWK (absent: RSA), and the `alg` of a
 * JWK.
 */
type KeyText = readonly [
  format: 'pkcs8' | 'jwk',
  key: object,
  curve?: string | undefined,
  alg?: SigningAlgorithm,
];

/** Throws for what is neither PEM nor JWK. */
function readKey(text: string): KeyText {
  const pem = /BEGIN PRIVATE KEY-----([^-]+)/.exec(text)?.[1];
  if (!pem) {
    const { alg, ...jwk } = JSON.parse(text);
    // `Ed25519` is the newer name of `EdDSA` (RFC 9864). Not every platform knows it.
    return ['jwk', jwk, jwk.crv, alg === 'Ed25519' ? 'EdDSA' : alg];
  }
  const der = atob(pem);
  const bytes = Uint8Array.from(der, (character) => character.charCodeAt(0));
  // The first bytes say what kind of key it is; the key itself comes behind them.
  const kind = der.slice(0, 30);
  const [curve] = Object.entries(CURVES).find(([, [objectId]]) => kind.includes(objectId)) ?? [];
  return ['pkcs8', bytes, curve];
}

/**
 * The curves: the ends of their object identifiers in DER (RFC 8410 section 3, RFC 5480 section 2.1.1.1), in
 * which they differ, and what signs with them.
 */
const CURVES: Readonly<Record<string, readonly [objectId: string, algorithm: SigningAlgorithm]>> = {
  Ed25519: ['\x65\x70', 'EdDSA'],
  'P-256': ['\x03\x01\x07', 'ES256'],
  'P-384': ['\x04\x00\x22', 'ES384'],
  'P-521': ['\x04\x00\x23', 'ES512'],
};

const CLAIMS: Rules<JwtOptions> = {
  audience: [(value) => asText(value) || typeof value === 'function', 'a non-empty string or a function'],
  lifetime: COUNT,
  type: [asText, TEXT],
};

/** A method that signs an assertion for each request (RFC 7523 section 3). */
function createMethod(
  { audience, lifetime = 60, type: typ }: JwtOptions,
  header: object,
  signerFor: (request: ClientAuthenticationRequest) => Signer,
): (request: ClientAuthenticationRequest) => Promise<void> {
  return async (request) => {
    const { clientId, tokenUrl, issuer } = request;
    const iat = Math.floor(Date.now() / 1000);
    const claims = {
      iss: clientId,
      sub: clientId,
      aud: typeof audience === 'function' ? audience(request) : (audience ?? issuer ?? tokenUrl),
      // Servers refuse an assertion that they have seen before.
      jti: crypto.randomUUID(),
      iat,
      exp: iat + lifetime,
    };
    setAssertion(request, await signToken({ typ, ...header }, claims, signerFor(request)));
  };
}

function setAssertion(
  { body, clientId }: ClientAuthenticationRequest,
  assertion: string,
  type: string = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
): void {
  // Optional by RFC 7521 section 4.2; LemonLDAP::NG refuses a request without it.
  body.set('client_id', clientId);
  body.set('client_assertion_type', type);
  body.set('client_assertion', assertion);
}

async function askSource(source: AssertionSource, request: ClientAuthenticationRequest): Promise<string> {
  let given: unknown;
  try {
    given = await source(request);
  } catch (cause) {
    throw isApiError(cause) ? cause : createSourceError(cause);
  }
  if (typeof given !== 'string')
    throw new TypeError(`the source of clientAssertion must give a text, not ${given && typeof given}`);
  const assertion = given.trim();
  // A file may be empty while somebody writes it.
  if (!assertion)
    throw new ApiError('The source of clientAssertion gave an empty text: try again later', {
      code: 'network',
    });
  return assertion;
}

function createSourceError(cause: unknown): ApiError {
  const { code, name, message, cause: inner } = Object(cause);
  // The platform's words for bad JSON quote what was read.
  const words = cause instanceof SyntaxError ? name : message;
  // Of a `fetch` that failed, the words alone say nothing.
  const reason = [words ?? typeof cause, Object(inner).code].filter(Boolean).join(', ');
  const isMissing = /^(ENOENT|EISDIR|ENOTDIR)$/.test(code);
  const advice = isMissing ? 'check its path' : 'check what it reads, or try again later';
  return new ApiError(`The source of clientAssertion failed (${reason}): ${advice}`, {
    code: isMissing ? 'no_credentials' : 'network',
    cause,
  });
}

/** Many KMSs return DER. To that, a server would only answer that it does not know the client. */
function refuseDer(sign: Signer, algorithm: SigningAlgorithm): Signer {
  const expected = { ES256: 64, ES384: 96, ES512: 132 }[algorithm as string];
  return async (input) => {
    const signature = await sign(input);
    if (expected && signature.byteLength !== expected)
      throw new TypeError('key must return r and s, not DER');
    return signature;
  };
}
