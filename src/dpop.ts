/**
 * Tokens that are bound to a key (DPoP, RFC 9449): the key, the proofs, and the nonces that servers ask for.
 * The client decides when a proof is sent.
 * @module
 */
import type { Dpop, ProofRequest } from './config/config.ts';
import { checkOptions } from './config/settings.ts';
import {
  ALGORITHMS,
  algorithmOf,
  base64url,
  canSign,
  type SigningKey,
  signerOf,
  signToken,
  toBytes,
} from './platform/jws.ts';

export type { Dpop, ProofRequest } from './config/config.ts';

/** A private and a public key of WebCrypto. */
export interface DpopKeyPair {
  /**
   * A private key that may sign, for ES256, ES384, ES512 or EdDSA (Ed25519), or an RSA key of 2048 bits or
   * more for RS256 or PS256 and their longer hashes.
   */
  readonly privateKey: SigningKey;
  /** The public half of that key. It must be extractable. */
  readonly publicKey: SigningKey;
}

/** Options of {@link createDpop}; all of them are optional. */
export interface DpopOptions {
  /**
   * The keys to use. Give them if tokens are kept in a store and outlive this process. Absent: a key pair for
   * ES256 is made on first use, and nobody can read its private half.
   */
  readonly keyPair?: DpopKeyPair | undefined;
}

/**
 * Makes the object for the option `dpop`. The client's tokens are then bound to a key: a thief who has only
 * the token cannot use it. The key and the servers' nonces belong to this object, and clients that are given
 * the same object share them. It remembers the nonces of at most 1,000 servers. Touches no network, and makes
 * no key before it is needed.
 *
 * @throws `TypeError` for an unknown option, and for a `keyPair` whose private key may not sign, or whose
 *   public key is of another kind or cannot be exported
 * @see RFC 9449 section 4
 *
 * @example
 * ```ts
 * import { createClient } from 'thingspace-auth';
 * import { createDpop } from 'thingspace-auth/dpop';
 *
 * const client = createClient({
 *   clientCredentialsAuthCredentials: { oauthClientId: 'my-id', oauthClientSecret: 'my-secret' },
 *   dpop: createDpop(),
 * });
 * ```
 */
export function createDpop(options?: DpopOptions): Dpop {
  const { keyPair } = checkOptions<DpopOptions>(options, {
    keyPair: [
      isUsableKeyPair,
      'a private CryptoKey that may sign (RSA from 2048 bits on), and its public one, extractable',
    ],
  });
  const state: ProofState = { keyPair, nonces: new Map(), key: undefined };
  return Object.freeze<Dpop>({
    createProof: (request) => createProof(state, request),
    noteNonce: (request, answer) => noteNonce(state, request, answer),
    getThumbprint: () => getThumbprint(state),
  });
}

/** The state of one object. */
interface ProofState {
  readonly keyPair: DpopKeyPair | undefined;
  /** The last nonce of each server, by its kind and origin. */
  readonly nonces: Map<string, string>;
  key: ProofKey | undefined;
}

async function createProof(state: ProofState, request: ProofRequest): Promise<string> {
  const { accessToken } = request;
  const { jwk, pair } = await getKey(state);
  const { origin, pathname } = new URL(request.url);
  const header = { alg: algorithmOf(pair.privateKey), typ: 'dpop+jwt', jwk };
  const claims = {
    jti: crypto.randomUUID(),
    htm: methodAsSent(request.method),
    htu: origin + pathname,
    iat: Math.floor(Date.now() / 1000),
    ath: accessToken && (await sha256(accessToken)),
    nonce: state.nonces.get(serverOf(request)),
  };
  return signToken(header, claims, signerOf(pair.privateKey));
}

function noteNonce(
  { nonces }: ProofState,
  request: ProofRequest,
  { status, headers }: Response,
): 'nonce' | undefined {
  const nonce = headers.get('dpop-nonce');
  // These characters are the ones that RFC 9449 section 8.1 allows. If there are two headers, the platform
  // joins them with a space, which is not allowed.
  if (!nonce || !/^[!#-[\]-~]+$/.test(nonce)) return undefined;
  keepNonce(nonces, serverOf(request), nonce);
  const isAsked = status === 401 && /\berror="?use_dpop_nonce\b/i.test(headers.get('www-authenticate') ?? '');
  return isAsked ? 'nonce' : undefined;
}

/** A client may call any number of origins, so the nonce that is oldest makes room for a new one. */
const MOST_NONCES = 1_000;

function keepNonce(nonces: Map<string, string>, server: string, nonce: string): void {
  // A map keeps the order in which its keys came.
  nonces.delete(server);
  nonces.set(server, nonce);
  const [oldest] = nonces.keys();
  if (nonces.size > MOST_NONCES && oldest !== undefined) nonces.delete(oldest);
}

async function getThumbprint(state: ProofState): Promise<string> {
  const { jwk } = await getKey(state);
  return sha256(JSON.stringify(jwk));
}

/**
 * Calls share no promise, since one that was begun in one request may never settle in another. If several
 * calls make a key at the same time, the first key stays.
 */
async function getKey(state: ProofState): Promise<ProofKey> {
  if (state.key) return state.key;
  const made = await createKey(state.keyPair);
  return (state.key ??= made);
}

interface ProofKey {
  readonly pair: DpopKeyPair;
  /** The members that RFC 7638 section 3.2 wants for a thumbprint, in its order. */
  readonly jwk: object;
}

async function createKey(given: DpopKeyPair | undefined): Promise<ProofKey> {
  const pair =
    given ?? ((await crypto.subtle.generateKey(ALGORITHMS.ES256, false, ['sign', 'verify'])) as DpopKeyPair);
  const { crv, e, kty, n, x, y } = await crypto.subtle.exportKey('jwk', pair.publicKey);
  // JSON leaves out what is absent.
  return { pair, jwk: { crv, e, kty, n, x, y } };
}

function isUsableKeyPair(pair: any): boolean {
  const { privateKey, publicKey } = Object(pair);
  const isPublic = publicKey?.type === 'public' && publicKey.extractable;
  return canSign(privateKey) && isPublic && algorithmOf(publicKey) === algorithmOf(privateKey);
}

async function sha256(text: string): Promise<string> {
  return base64url(await crypto.subtle.digest('SHA-256', toBytes(text) as BufferSource));
}

/**
 * Authorization server and resource have nonces of their own, even if they share an origin (RFC 9449 section
 * 8.2).
 */
function serverOf({ url, accessToken }: ProofRequest): string {
  return `${accessToken ? 'resource' : 'authorization server'} ${new URL(url).origin}`;
}

/** `fetch` writes these methods in upper case, and leaves all others as they are. */
function methodAsSent(method: string): string {
  return /^(delete|get|head|options|post|put)$/i.test(method) ? method.toUpperCase() : method;
}
