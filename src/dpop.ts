/**
 * Tokens bound to a key (DPoP, RFC 9449): the key, the proofs, and the nonces that servers ask for. When a proof is sent is
 * the client's business.
 * @module
 */
import type { Dpop, ProofRequest } from './config/config.ts';
import type { SigningKey } from './platform/jws.ts';
import { check } from './config/settings.ts';
import { ALGORITHMS, algorithmOf, base64url, canSign, signerOf, signToken, toBytes } from './platform/jws.ts';

export type { Dpop, ProofRequest } from './config/config.ts';

/** A private and a public key of WebCrypto's. */
export interface DpopKeyPair {
  /** A private key that may sign: ES256 and so on, RS256 and so on with 2048 bits or more, PS256 and so on, or Ed25519. */
  readonly privateKey: SigningKey;
  /** Its public half, which can be exported. */
  readonly publicKey: SigningKey;
}

/** All optional. */
export interface DpopOptions {
  /**
   * The keys to use, for tokens that outlive this process in a store. Absent: a key pair for ES256, made on first use, whose
   * private half nobody can read.
   */
  readonly keyPair?: DpopKeyPair | undefined;
}

/**
 * Makes what the option `dpop` takes: the client's tokens are then bound to a key, and of no use to whoever steals them alone.
 * The key belongs to this object, and so do the nonces; clients that are given the same object share them. Touches no network,
 * makes no key before it is needed.
 *
 * @throws `TypeError` for another option, and for a `keyPair` that is not a private key that may sign and a public one of its kind
 *   that can be exported
 * @see RFC 9449 section 4
 *
 * @example
 * const client = createClient({ …, dpop: createDpop() });
 */
export function createDpop(options?: DpopOptions): Dpop {
  const { keyPair } = check<DpopOptions>(options, {
    keyPair: [isUsable, 'a private CryptoKey that may sign (RSA from 2048 bits on), and its public one, extractable'],
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
  /** By the kind of server and its origin. */
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

function noteNonce({ nonces }: ProofState, request: ProofRequest, { status, headers }: Response): 'nonce' | undefined {
  const nonce = headers.get('dpop-nonce');
  // RFC 9449 section 8.1. Of two headers the platform makes one with a space in it.
  if (!nonce || !/^[!#-[\]-~]+$/.test(nonce)) return undefined;
  nonces.set(serverOf(request), nonce);
  const isAsked = status === 401 && /\berror="?use_dpop_nonce\b/i.test(headers.get('www-authenticate') ?? '');
  return isAsked ? 'nonce' : undefined;
}

async function getThumbprint(state: ProofState): Promise<string> {
  const { jwk } = await getKey(state);
  return sha256(JSON.stringify(jwk));
}

/** No promise is shared, since one begun in a request may never settle in another: of keys made at once the first stays. */
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
  const pair = given ?? ((await crypto.subtle.generateKey(ALGORITHMS.ES256, false, ['sign', 'verify'])) as DpopKeyPair);
  const { crv, e, kty, n, x, y } = await crypto.subtle.exportKey('jwk', pair.publicKey);
  // JSON leaves out what is absent.
  return { pair, jwk: { crv, e, kty, n, x, y } };
}

function isUsable(pair: any): boolean {
  const { privateKey, publicKey } = Object(pair);
  const isPublic = publicKey?.type === 'public' && publicKey.extractable;
  return canSign(privateKey) && isPublic && algorithmOf(publicKey) === algorithmOf(privateKey);
}

async function sha256(text: string): Promise<string> {
  return base64url(await crypto.subtle.digest('SHA-256', toBytes(text) as BufferSource));
}

/** Authorization server and resource have nonces of their own, also where they share an origin (RFC 9449 section 8.2). */
function serverOf({ url, accessToken }: ProofRequest): string {
  return `${accessToken ? 'resource' : 'authorization server'} ${new URL(url).origin}`;
}

/** `fetch` writes these methods in upper case, and leaves all others as they are. */
function methodAsSent(method: string): string {
  return /^(delete|get|head|options|post|put)$/i.test(method) ? method.toUpperCase() : method;
}
