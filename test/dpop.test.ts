import assert from 'node:assert/strict';
import { createHash, createPrivateKey } from 'node:crypto';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import type { ProofRequest } from 'thingspace-auth/dpop';
import { createDpop } from 'thingspace-auth/dpop';
import type { SigningAlgorithm } from 'thingspace-auth/jwt';
import { importKey } from 'thingspace-auth/jwt';
import { keysFor, readSigned } from './keys.ts';
import { fakeClock, START_MS } from './server.ts';

const TOKEN_URL = 'https://auth.example.com/oauth2/token';
const API_URL = 'https://api.example.com/orders';
const toToken: ProofRequest = { method: 'POST', url: TOKEN_URL };
const toApi: ProofRequest = { method: 'GET', url: API_URL, accessToken: 'token-1' };

/** A proof's header and claims; its signature is verified with the key in it. */
function readProof(proof: string): { readonly header: any; readonly claims: any } {
  const [header = ''] = proof.split('.');
  return readSigned(proof, JSON.parse(Buffer.from(header, 'base64url').toString()).jwk);
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('base64url');
const bringing = (nonce: string, init: ResponseInit = {}) => new Response(null, { ...init, headers: { ...init.headers, 'dpop-nonce': nonce } });
const asking = (nonce: string, challenge = 'DPoP error="use_dpop_nonce"') => bringing(nonce, { status: 401, headers: { 'www-authenticate': challenge } });

describe('a proof', () => {
  it('says for which request it is, signed by a key of its own', async (t) => {
    fakeClock(t);
    const { header, claims } = readProof(await createDpop().createProof(toToken));
    const { jti, ...others } = claims;
    assert.deepEqual([header.typ, header.alg, Object.keys(header.jwk).sort()], ['dpop+jwt', 'ES256', ['crv', 'kty', 'x', 'y']]);
    assert.deepEqual(others, { htm: 'POST', htu: TOKEN_URL, iat: START_MS / 1000 });
    assert.match(jti, /^[\da-f-]{36}$/);
  });

  it('for a call holds the hash of its token', async () => {
    const { claims } = readProof(await createDpop().createProof(toApi));
    assert.deepEqual([claims.htm, claims.htu, claims.ath], ['GET', API_URL, sha256('token-1')]);
  });

  it('is for the request as it is sent: method as fetch writes it, URL without query and fragment', async () => {
    const dpop = createDpop();
    const targetOf = async (method: string, url: string) => {
      const { htm, htu } = readProof(await dpop.createProof({ method, url, accessToken: 'a' })).claims;
      return `${htm} ${htu}`;
    };
    for (const method of ['get', 'Head', 'post', 'PUT', 'delete', 'options']) assert.equal(await targetOf(method, API_URL), `${method.toUpperCase()} ${API_URL}`);
    for (const method of ['patch', 'PATCH', 'Report', 'getx']) assert.equal(await targetOf(method, API_URL), `${method} ${API_URL}`);
    assert.equal(await targetOf('GET', 'HTTPS://API.example.com:443/a/../b c?x=1#y'), 'GET https://api.example.com/b%20c');
    assert.equal(await targetOf('GET', 'http://127.0.0.1:8080'), 'GET http://127.0.0.1:8080/');
  });

  it('is used once: each has an id of its own, all have one key', async () => {
    const dpop = createDpop();
    const proofs = (await Promise.all(Array.from({ length: 20 }, () => dpop.createProof(toApi)))).map(readProof);
    assert.equal(new Set(proofs.map(({ claims }) => claims.jti)).size, 20);
    assert.equal(new Set(proofs.map(({ header }) => header.jwk.x)).size, 1);
  });

  it('of another object has another key', async () => {
    const [one, other] = await Promise.all([createDpop(), createDpop()].map((dpop) => dpop.getThumbprint()));
    assert.notEqual(one, other);
  });
});

describe('the key', () => {
  it('is made on first use, and again where that failed', async (t) => {
    const problem = new Error('no entropy');
    const made = t.mock.method(crypto.subtle, 'generateKey', async () => Promise.reject(problem), { times: 1 });
    const dpop = createDpop();
    assert.equal(made.mock.callCount(), 0);

    await assert.rejects(dpop.createProof(toToken), problem);

    const { header } = readProof(await dpop.createProof(toToken));
    assert.deepEqual(header.jwk, readProof(await dpop.createProof(toApi)).header.jwk);
    assert.equal(made.mock.callCount(), 1);
  });

  it('cannot be read, and nothing of the object shows it', async (t) => {
    const pairs: CryptoKeyPair[] = [];
    const { generateKey } = crypto.subtle;
    t.mock.method(crypto.subtle, 'generateKey', async (...parameters: Parameters<typeof generateKey>) => {
      const pair = (await generateKey.apply(crypto.subtle, parameters)) as CryptoKeyPair;
      pairs.push(pair);
      return pair;
    });
    const dpop = createDpop();
    await dpop.createProof(toToken);
    assert.deepEqual(pairs.map(({ privateKey }) => [privateKey.extractable, privateKey.type]), [[false, 'private']]);
    assert.ok(Object.isFrozen(dpop));
    assert.deepEqual([JSON.stringify(dpop), Object.keys(dpop)], ['{}', ['createProof', 'noteNonce', 'getThumbprint']]);
    assert.doesNotMatch(inspect(dpop, { showHidden: true, depth: 9 }), /CryptoKey/);
  });

  it('has the thumbprint of RFC 7638', async () => {
    const dpop = createDpop();
    const thumbprint = await dpop.getThumbprint();
    const { crv, kty, x, y } = readProof(await dpop.createProof(toToken)).header.jwk;
    assert.equal(thumbprint, sha256(`{"crv":"${crv}","kty":"${kty}","x":"${x}","y":"${y}"}`));
  });

  for (const algorithm of ['ES256', 'ES384', 'ES512', 'RS256', 'PS384', 'EdDSA'] as const) {
    it(`may be one that is given: ${algorithm}`, async () => {
      const dpop = createDpop({ keyPair: await pairFor(algorithm) });
      const { header } = readProof(await dpop.createProof(toApi));
      const members = { ES: ['crv', 'kty', 'x', 'y'], Ed: ['crv', 'kty', 'x'], RS: ['e', 'kty', 'n'], PS: ['e', 'kty', 'n'] }[algorithm.slice(0, 2)]!;
      assert.equal(header.alg, algorithm);
      assert.deepEqual(Object.keys(header.jwk).sort(), members);
      assert.equal(await dpop.getThumbprint(), sha256(JSON.stringify(Object.fromEntries(members.map((name) => [name, header.jwk[name]])))));
    });
  }

  it('must be a private one that may sign and its public one, exportable: else a TypeError at once', async () => {
    const { privateKey, publicKey } = await pairFor('ES256');
    const other = await pairFor('ES384');
    const small = await pairFor('RS256', 1024);
    const hidden = (await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])) as CryptoKeyPair;
    const sealed = await pairFor('ES256', 2048, false);
    const bad: any[] = [
      {}, { privateKey }, { publicKey }, { privateKey: publicKey, publicKey }, { privateKey, publicKey: privateKey }, { privateKey, publicKey: other.publicKey },
      { privateKey: hidden.publicKey, publicKey: hidden.publicKey }, small, sealed, 'secret-word', 1, createPrivateKey(keysFor('ES256').privatePem), null,
    ];
    for (const keyPair of bad) {
      assert.throws(() => createDpop({ keyPair }), (error: Error) => error instanceof TypeError && /^keyPair must be /.test(error.message) && !/secret-word/.test(error.message));
    }
    createDpop({ keyPair: hidden });
    createDpop({ keyPair: undefined });
  });

  it('is no option by another name', () => {
    assert.throws(() => createDpop({ keys: 'secret-word' } as object), (error: Error) => error instanceof TypeError && /^keys is no option/.test(error.message));
  });
});

describe('a nonce', () => {
  const nonceOf = async (dpop: ReturnType<typeof createDpop>, request: ProofRequest) => readProof(await dpop.createProof(request)).claims.nonce;

  it('that an answer brings is in the proofs from then on, the last one', async () => {
    const dpop = createDpop();
    assert.equal(await nonceOf(dpop, toApi), undefined);
    for (const nonce of ['n-1', 'n-2']) {
      dpop.noteNonce(toApi, bringing(nonce));
      assert.equal(await nonceOf(dpop, toApi), nonce);
    }
    dpop.noteNonce(toApi, new Response(null));
    assert.equal(await nonceOf(dpop, toApi), 'n-2');
  });

  it('comes with redirects and errors too', async () => {
    const dpop = createDpop();
    for (const status of [302, 400, 401, 500]) {
      dpop.noteNonce(toApi, bringing(`n-${status}`, { status }));
      assert.equal(await nonceOf(dpop, toApi), `n-${status}`);
    }
  });

  it('is that of its server and origin only', async () => {
    const dpop = createDpop();
    const sameOrigin = { ...toApi, url: TOKEN_URL };
    const otherPort = { ...toApi, url: 'https://api.example.com:8443/orders' };
    dpop.noteNonce(toToken, bringing('of-the-server'));
    dpop.noteNonce(toApi, bringing('of-the-api'));
    assert.deepEqual(await Promise.all([toToken, toApi, { ...toApi, method: 'PUT', url: 'https://api.example.com/another?x' }, sameOrigin, otherPort].map((request) => nonceOf(dpop, request))), [
      'of-the-server', 'of-the-api', 'of-the-api', undefined, undefined,
    ]);
  });

  it('that could not stand in a header is not kept: two of them, quotes, spaces', async () => {
    const dpop = createDpop();
    const two = new Response(null, { headers: [['dpop-nonce', 'a'], ['dpop-nonce', 'b']] });
    for (const answer of [two, bringing('a"b'), bringing('a b'), bringing('a\\b'), bringing('é'), bringing('')]) {
      assert.equal(dpop.noteNonce(toApi, answer), undefined);
    }
    assert.equal(await nonceOf(dpop, toApi), undefined);
    dpop.noteNonce(toApi, bringing('!#[]~,a'));
    assert.equal(await nonceOf(dpop, toApi), '!#[]~,a');
  });

  it('is asked for by a 401 that says use_dpop_nonce and brings it', () => {
    const { noteNonce } = createDpop();
    const asks = ['DPoP error="use_dpop_nonce", error_description="…"'.replace('…', 'a'), 'DPoP error=use_dpop_nonce', 'Bearer, DPoP algs="ES256", error="use_dpop_nonce"', 'dpop ERROR="use_dpop_nonce"'];
    for (const challenge of asks) assert.equal(noteNonce(toApi, asking('n', challenge)), 'nonce', challenge);

    const others = ['DPoP error="invalid_token"', 'DPoP', 'DPoP error="invalid_dpop_proof", error_description="not use_dpop_nonce"', 'DPoP error="use_dpop_nonces"', 'DPoP my_error="use_dpop_nonce"'];
    for (const challenge of others) assert.equal(noteNonce(toApi, asking('n', challenge)), undefined, challenge);
    assert.equal(noteNonce(toApi, bringing('n', { status: 401 })), undefined);
    assert.equal(noteNonce(toApi, bringing('n', { status: 403, headers: { 'www-authenticate': 'DPoP error="use_dpop_nonce"' } })), undefined);
    assert.equal(noteNonce(toApi, new Response(null, { status: 401, headers: { 'www-authenticate': 'DPoP error="use_dpop_nonce"' } })), undefined);
  });
});

async function pairFor(algorithm: SigningAlgorithm, modulusLength?: number, extractable = true): Promise<{ privateKey: CryptoKey; publicKey: CryptoKey }> {
  const { privatePem, publicPem } = keysFor(algorithm, modulusLength);
  const privateKey = (await importKey(privatePem, algorithm)) as CryptoKey;
  const der = new Uint8Array(Buffer.from(publicPem.replaceAll(/-.*-/g, ''), 'base64'));
  return { privateKey, publicKey: await crypto.subtle.importKey('spki', der, privateKey.algorithm, extractable, ['verify']) };
}
