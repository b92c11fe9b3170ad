// The keys of the suite, and how the server verifies what is signed with them: by Node's own crypto. A
// runtime that signs is not asked whether its own signature is right.
import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  verify,
} from 'node:crypto';

const PEM = {
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
};
const KINDS = {
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256', ...PEM }),
  ES384: () => generateKeyPairSync('ec', { namedCurve: 'P-384', ...PEM }),
  ES512: () => generateKeyPairSync('ec', { namedCurve: 'P-521', ...PEM }),
  EdDSA: () => generateKeyPairSync('ed25519', PEM),
  RSA: () => generateKeyPairSync('rsa', { modulusLength: 2048, ...PEM }),
};
const made = {};

/** PEM only: on Node 20 a process can hang where a generated RSA key is exported as JWK. */
function pairFor(algorithm) {
  const kind = KINDS[algorithm] ? algorithm : 'RSA';
  return (made[kind] ??= KINDS[kind]());
}

/** A key as text. */
export function formatKey(algorithm, format) {
  const { privateKey, publicKey } = pairFor(algorithm);
  const key = createPrivateKey(privateKey);
  const jwk = () => key.export({ format: 'jwk' });
  switch (format) {
    case 'pem':
      return privateKey;
    case 'jwk':
      return JSON.stringify(jwk());
    case 'jwk-with-alg':
      return JSON.stringify({ ...jwk(), alg: algorithm, use: 'sig', key_ops: ['sign'] });
    case 'public':
      return publicKey;
    case 'public-jwk':
      return JSON.stringify(createPublicKey(publicKey).export({ format: 'jwk' }));
    case 'encrypted':
      return key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'invented' });
    default:
      // PKCS #1 is for RSA, SEC 1 for elliptic curves.
      return key.export({ type: key.asymmetricKeyType === 'rsa' ? 'pkcs1' : 'sec1', format: 'pem' });
  }
}

/** `{ alg }`, or what is wrong with the assertion of a form. */
export function judgeAssertion(form, { id, secret, audience }) {
  const { header, claims, isSigned } = read(form.get('client_assertion'), ({ alg }) =>
    alg === 'HS256' ? secret : pairFor(alg).publicKey,
  );
  const now = Date.now() / 1000;
  const isRight =
    claims.iss === id &&
    claims.sub === id &&
    form.get('client_id') === id &&
    claims.aud === audience &&
    claims.jti;
  const isNow = Math.abs(claims.iat - now) < 30 && claims.exp > now;
  if (!isSigned) return { fault: 'the signature does not hold' };
  return isRight && isNow ? { alg: header.alg } : { fault: `claims ${JSON.stringify(claims)}` };
}

/** `{ thumbprint }`, or what is wrong with a proof: `'nonce'` where that is all. */
export function judgeProof(proof, { method, url, nonce, accessToken }) {
  if (!proof) return { fault: 'no proof' };
  const { header, claims, isSigned } = read(proof, ({ jwk }) => createPublicKey({ key: jwk, format: 'jwk' }));
  const { crv, kty, x, y } = header.jwk;
  const expected = { typ: 'dpop+jwt', htm: method, htu: url, ath: accessToken && sha256(accessToken) };
  const actual = { typ: header.typ, htm: claims.htm, htu: claims.htu, ath: claims.ath };
  if (!isSigned || JSON.stringify(actual) !== JSON.stringify(expected) || !claims.jti)
    return { fault: JSON.stringify({ isSigned, actual }) };
  return claims.nonce === nonce
    ? { thumbprint: sha256(JSON.stringify({ crv, kty, x, y })) }
    : { fault: 'nonce' };
}

function read(token, keyFor) {
  const [header, claims, signature] = token.split('.');
  const parsed = [header, claims].map((part) => JSON.parse(Buffer.from(part, 'base64url')));
  const isSigned = isSignedBy(
    keyFor(parsed[0]),
    parsed[0].alg,
    `${header}.${claims}`,
    Buffer.from(signature, 'base64url'),
  );
  return { header: parsed[0], claims: parsed[1], isSigned };
}

function isSignedBy(key, alg, text, signature) {
  if (alg === 'HS256') return createHmac('sha256', key).update(text).digest().equals(signature);
  const bits = Number(alg.slice(2));
  const padding = alg.startsWith('PS') ? { padding: 6, saltLength: bits / 8 } : {}; // RSA_PKCS1_PSS_PADDING
  return verify(
    alg === 'EdDSA' ? null : `sha${bits}`,
    Buffer.from(text),
    { key, dsaEncoding: 'ieee-p1363', ...padding },
    signature,
  );
}

function sha256(text) {
  return createHash('sha256').update(text).digest('base64url');
}
