// Keys of every kind that signs, made for one run. They stay PEM: on Node 20 a process can hang where a
// generated RSA key is exported as JWK.
import { createPublicKey, generateKeyPairSync } from 'node:crypto';

const PEM = {
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
};
const KINDS = {
  ES: (bits) => generateKeyPairSync('ec', { namedCurve: bits === '512' ? 'P-521' : `P-${bits}`, ...PEM }),
  RS: () => generateKeyPairSync('rsa', { modulusLength: 2048, ...PEM }),
  PS: () => generateKeyPairSync('rsa', { modulusLength: 2048, ...PEM }),
  Ed: () => generateKeyPairSync('ed25519', PEM),
};

export const ALGORITHMS = [
  'ES256',
  'ES384',
  'ES512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'EdDSA',
];

/** `{ privatePem, publicPem, jwk }`: the last one public, as a server registers it. */
export function makeKeys(algorithm) {
  const { privateKey, publicKey } = KINDS[algorithm.slice(0, 2)](algorithm.slice(2));
  const jwk = {
    ...createPublicKey(publicKey).export({ format: 'jwk' }),
    kid: `key-for-${algorithm}`,
    alg: algorithm,
    use: 'sig',
  };
  return { privatePem: privateKey, publicPem: publicKey, jwk };
}
