import assert from 'node:assert/strict';
import { createHash, createPrivateKey } from 'node:crypto';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { type ClientConfig, createClient, type OAuthTokenProvider, reviveToken } from 'thingspace-auth';
import { createDpop, type Dpop, type ProofRequest } from 'thingspace-auth/dpop';
import { importKey, privateKeyJwt, type SigningAlgorithm } from 'thingspace-auth/jwt';
import { createSession } from 'thingspace-auth/session';
import { storedToken } from 'thingspace-auth/stores';
import { createMockServer } from 'thingspace-auth/testing';
import { keysFor, readSigned } from '../support/keys.ts';
import {
  fakeClock,
  hold,
  type Received,
  recordEvents,
  rejectionOf,
  START_MS,
  startServer,
  type TestServer,
  tokenAnswer,
} from '../support/server.ts';

type Test = Parameters<typeof startServer>[0];

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
const bringing = (nonce: string, init: ResponseInit = {}) =>
  new Response(null, { ...init, headers: { ...init.headers, 'dpop-nonce': nonce } });
const asking = (nonce: string, challenge = 'DPoP error="use_dpop_nonce"') =>
  bringing(nonce, { status: 401, headers: { 'www-authenticate': challenge } });

describe('a proof', () => {
  test('says for which request it is, signed by a key of its own', async (t) => {
    fakeClock(t);
    const { header, claims } = readProof(await createDpop().createProof(toToken));
    const { jti, ...others } = claims;
    assert.deepEqual(
      [header.typ, header.alg, Object.keys(header.jwk).sort()],
      ['dpop+jwt', 'ES256', ['crv', 'kty', 'x', 'y']],
    );
    assert.deepEqual(others, { htm: 'POST', htu: TOKEN_URL, iat: START_MS / 1000 });
    assert.match(jti, /^[\da-f-]{36}$/);
  });

  test('for a call holds the hash of its token', async () => {
    const { claims } = readProof(await createDpop().createProof(toApi));
    assert.deepEqual([claims.htm, claims.htu, claims.ath], ['GET', API_URL, sha256('token-1')]);
  });

  test('is for the request as it is sent: method as fetch writes it, URL without query and fragment', async () => {
    const dpop = createDpop();
    const targetOf = async (method: string, url: string) => {
      const { htm, htu } = readProof(await dpop.createProof({ method, url, accessToken: 'a' })).claims;
      return `${htm} ${htu}`;
    };
    for (const method of ['get', 'Head', 'post', 'PUT', 'delete', 'options'])
      assert.equal(await targetOf(method, API_URL), `${method.toUpperCase()} ${API_URL}`);
    for (const method of ['patch', 'PATCH', 'Report', 'getx', 'forget'])
      assert.equal(await targetOf(method, API_URL), `${method} ${API_URL}`);
    assert.equal(
      await targetOf('GET', 'HTTPS://API.example.com:443/a/../b c?x=1#y'),
      'GET https://api.example.com/b%20c',
    );
    assert.equal(await targetOf('GET', 'http://127.0.0.1:8080'), 'GET http://127.0.0.1:8080/');
  });

  test('is used once: each has an id of its own, all have one key', async () => {
    const dpop = createDpop();
    const proofs = (await Promise.all(Array.from({ length: 20 }, () => dpop.createProof(toApi)))).map(
      readProof,
    );
    assert.equal(new Set(proofs.map(({ claims }) => claims.jti)).size, 20);
    assert.equal(new Set(proofs.map(({ header }) => header.jwk.x)).size, 1);
  });

  test('costs no key of its own: one is made for all', async (t) => {
    const made = t.mock.method(crypto.subtle, 'generateKey');
    const dpop = createDpop();
    for (let count = 0; count < 3; count++) await dpop.createProof(toApi);
    assert.equal(made.mock.callCount(), 1);
  });

  test('of another object has another key', async () => {
    const [one, other] = await Promise.all([createDpop(), createDpop()].map((dpop) => dpop.getThumbprint()));
    assert.notEqual(one, other);
  });
});

describe('the key', () => {
  test('is made on first use, and again where that failed', async (t) => {
    const problem = new Error('no entropy');
    const made = t.mock.method(crypto.subtle, 'generateKey', async () => Promise.reject(problem), {
      times: 1,
    });
    const dpop = createDpop();
    assert.equal(made.mock.callCount(), 0);

    await assert.rejects(dpop.createProof(toToken), problem);

    const { header } = readProof(await dpop.createProof(toToken));
    assert.deepEqual(header.jwk, readProof(await dpop.createProof(toApi)).header.jwk);
    assert.equal(made.mock.callCount(), 1);
  });

  test('cannot be read, and nothing of the object shows it', async (t) => {
    const pairs: CryptoKeyPair[] = [];
    const { generateKey } = crypto.subtle;
    t.mock.method(crypto.subtle, 'generateKey', async (...parameters: Parameters<typeof generateKey>) => {
      const pair = (await generateKey.apply(crypto.subtle, parameters)) as CryptoKeyPair;
      pairs.push(pair);
      return pair;
    });
    const dpop = createDpop();
    await dpop.createProof(toToken);
    assert.deepEqual(
      pairs.map(({ privateKey }) => [privateKey.extractable, privateKey.type]),
      [[false, 'private']],
    );
    assert.ok(Object.isFrozen(dpop));
    assert.deepEqual(
      [JSON.stringify(dpop), Object.keys(dpop)],
      ['{}', ['createProof', 'noteNonce', 'getThumbprint']],
    );
    assert.doesNotMatch(inspect(dpop, { showHidden: true, depth: 9 }), /CryptoKey/);
  });

  test('has the thumbprint of RFC 7638', async () => {
    const dpop = createDpop();
    const thumbprint = await dpop.getThumbprint();
    const { crv, kty, x, y } = readProof(await dpop.createProof(toToken)).header.jwk;
    assert.equal(thumbprint, sha256(`{"crv":"${crv}","kty":"${kty}","x":"${x}","y":"${y}"}`));
  });

  for (const algorithm of ['ES256', 'ES384', 'ES512', 'RS256', 'PS384', 'EdDSA'] as const) {
    test(`may be one that is given: ${algorithm}`, async () => {
      const dpop = createDpop({ keyPair: await pairFor(algorithm) });
      const { header } = readProof(await dpop.createProof(toApi));
      const members = {
        ES: ['crv', 'kty', 'x', 'y'],
        Ed: ['crv', 'kty', 'x'],
        RS: ['e', 'kty', 'n'],
        PS: ['e', 'kty', 'n'],
      }[algorithm.slice(0, 2)]!;
      assert.equal(header.alg, algorithm);
      assert.deepEqual(Object.keys(header.jwk).sort(), members);
      assert.equal(
        await dpop.getThumbprint(),
        sha256(JSON.stringify(Object.fromEntries(members.map((name) => [name, header.jwk[name]])))),
      );
    });
  }

  test('must be a private one that may sign and its public one, exportable: else a TypeError at once', async () => {
    const { privateKey, publicKey } = await pairFor('ES256');
    const other = await pairFor('ES384');
    const small = await pairFor('RS256', 1024);
    const hidden = (await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, [
      'sign',
    ])) as CryptoKeyPair;
    const sealed = await pairFor('ES256', 2048, false);
    const bad: any[] = [
      {},
      { privateKey },
      { publicKey },
      { privateKey: publicKey, publicKey },
      { privateKey, publicKey: privateKey },
      { privateKey, publicKey: other.publicKey },
      { privateKey: hidden.publicKey, publicKey: hidden.publicKey },
      small,
      sealed,
      'secret-word',
      1,
      createPrivateKey(keysFor('ES256').privatePem),
      null,
    ];
    for (const keyPair of bad) {
      assert.throws(
        () => createDpop({ keyPair }),
        (error: Error) =>
          error instanceof TypeError &&
          /^keyPair must be /.test(error.message) &&
          !/secret-word/.test(error.message),
      );
    }
    createDpop({ keyPair: hidden });
    createDpop({ keyPair: undefined });
  });

  test('is no option by another name', () => {
    assert.throws(
      () => createDpop({ keys: 'secret-word' } as object),
      (error: Error) => error instanceof TypeError && /^unknown option keys;/.test(error.message),
    );
  });
});

describe('a nonce', () => {
  const nonceOf = async (dpop: ReturnType<typeof createDpop>, request: ProofRequest) =>
    readProof(await dpop.createProof(request)).claims.nonce;

  test('that an answer brings is in the proofs from then on, the last one', async () => {
    const dpop = createDpop();
    assert.equal(await nonceOf(dpop, toApi), undefined);
    for (const nonce of ['n-1', 'n-2']) {
      dpop.noteNonce(toApi, bringing(nonce));
      assert.equal(await nonceOf(dpop, toApi), nonce);
    }
    dpop.noteNonce(toApi, new Response(null));
    assert.equal(await nonceOf(dpop, toApi), 'n-2');
  });

  test('comes with redirects and errors too', async () => {
    const dpop = createDpop();
    for (const status of [302, 400, 401, 500]) {
      dpop.noteNonce(toApi, bringing(`n-${status}`, { status }));
      assert.equal(await nonceOf(dpop, toApi), `n-${status}`);
    }
  });

  test('is that of its server and origin only', async () => {
    const dpop = createDpop();
    const sameOrigin = { ...toApi, url: TOKEN_URL };
    const otherPort = { ...toApi, url: 'https://api.example.com:8443/orders' };
    dpop.noteNonce(toToken, bringing('of-the-server'));
    dpop.noteNonce(toApi, bringing('of-the-api'));
    assert.deepEqual(
      await Promise.all(
        [
          toToken,
          toApi,
          { ...toApi, method: 'PUT', url: 'https://api.example.com/another?x' },
          sameOrigin,
          otherPort,
        ].map((request) => nonceOf(dpop, request)),
      ),
      ['of-the-server', 'of-the-api', 'of-the-api', undefined, undefined],
    );
  });

  test('that could not stand in a header is not kept: two of them, quotes, spaces', async () => {
    const dpop = createDpop();
    const two = new Response(null, {
      headers: [
        ['dpop-nonce', 'a'],
        ['dpop-nonce', 'b'],
      ],
    });
    for (const answer of [
      two,
      bringing('a"b'),
      bringing('a b'),
      bringing('a\\b'),
      bringing('é'),
      bringing(''),
    ]) {
      assert.equal(dpop.noteNonce(toApi, answer), undefined);
    }
    assert.equal(await nonceOf(dpop, toApi), undefined);
    dpop.noteNonce(toApi, bringing('!#[]~,a'));
    assert.equal(await nonceOf(dpop, toApi), '!#[]~,a');
  });

  test('is asked for by a 401 that says use_dpop_nonce and brings it', () => {
    const { noteNonce } = createDpop();
    const asks = [
      'DPoP error="use_dpop_nonce", error_description="…"'.replace('…', 'a'),
      'DPoP error=use_dpop_nonce',
      'Bearer, DPoP algs="ES256", error="use_dpop_nonce"',
      'dpop ERROR="use_dpop_nonce"',
    ];
    for (const challenge of asks) assert.equal(noteNonce(toApi, asking('n', challenge)), 'nonce', challenge);

    const others = [
      'DPoP error="invalid_token"',
      'DPoP',
      'DPoP error="invalid_dpop_proof", error_description="not use_dpop_nonce"',
      'DPoP error="use_dpop_nonces"',
      'DPoP my_error="use_dpop_nonce"',
    ];
    for (const challenge of others)
      assert.equal(noteNonce(toApi, asking('n', challenge)), undefined, challenge);
    assert.equal(noteNonce(toApi, bringing('n', { status: 401 })), undefined);
    assert.equal(
      noteNonce(
        toApi,
        bringing('n', { status: 403, headers: { 'www-authenticate': 'DPoP error="use_dpop_nonce"' } }),
      ),
      undefined,
    );
    assert.equal(
      noteNonce(
        toApi,
        new Response(null, { status: 401, headers: { 'www-authenticate': 'DPoP error="use_dpop_nonce"' } }),
      ),
      undefined,
    );
  });
});

describe('a client with dpop', () => {
  test('proves each token request and each call, for itself and its token', async (t) => {
    const server = await startProvenServer(t);
    const dpop = createDpop();
    const { authorizedFetch, fetchToken } = createClient(server.config({ dpop }));

    const token = await fetchToken();
    const response = await authorizedFetch(`${server.origin}/orders?query`, { method: 'post', body: 'text' });
    await authorizedFetch(`${server.origin}/orders`);

    assert.equal(token.tokenType, 'DPoP');
    assert.equal(response.status, 200);
    const [exchange, ...calls] = server.proofs;
    assert.deepEqual(
      [exchange!.claims.htm, exchange!.claims.htu, exchange!.claims.ath],
      ['POST', server.tokenUrl, undefined],
    );
    assert.deepEqual(
      calls.map(({ claims }) => [claims.htm, claims.htu, claims.ath]),
      [
        ['POST', `${server.origin}/orders`, sha256('token-1')],
        ['GET', `${server.origin}/orders`, sha256('token-1')],
      ],
    );
    assert.deepEqual(
      server.apiRequests.map(({ headers }) => headers.authorization),
      ['DPoP token-1', 'DPoP token-1'],
    );
    assert.equal(new Set(server.proofs.map(({ claims }) => claims.jti)).size, 3);
    assert.deepEqual(
      new Set(server.proofs.map(({ thumbprint }) => thumbprint)),
      new Set([await dpop.getThumbprint()]),
    );
  });

  test('without it sends no proof', async (t) => {
    const server = await startServer(t);
    await createClient(server.config()).authorizedFetch(`${server.origin}/x`);
    assert.deepEqual(
      [...server.tokenRequests, ...server.apiRequests].map(({ headers }) => headers.dpop),
      [undefined, undefined],
    );
  });

  test('answers the token endpoint’s question for a nonce, outside retry, with another assertion', async (t) => {
    const server = await startProvenServer(t, { tokenNonce: 'n-1' });
    const { events, onEvent } = recordEvents();
    const clientAuthentication = privateKeyJwt({ key: await importKey(keysFor('ES256').privatePem) });
    const client = createClient(
      server.config({ dpop: createDpop(), retry: { attempts: 1 }, onEvent }, { clientAuthentication }),
    );

    await client.fetchToken();
    await client.fetchToken();

    assert.deepEqual(
      server.proofs.map(({ claims }) => claims.nonce),
      [undefined, 'n-1', 'n-1'],
    );
    const ids = server.tokenRequests.map(
      ({ form }) => readSigned(form.get('client_assertion')!, keysFor('ES256').publicPem).claims.jti,
    );
    assert.equal(new Set(ids).size, 3);
    assert.deepEqual(
      events.map((event) => event.type === 'token_obtained' && event.attempts),
      [2, 1],
    );
  });

  test('answers it once for each attempt: a second question, or one without a nonce, is a refusal', async (t) => {
    for (const [headers, requests] of [
      [{}, 1],
      [{ 'dpop-nonce': 'n-1' }, 2],
    ] as const) {
      const body = { error: 'use_dpop_nonce', error_description: 'a nonce is needed' };
      const server = await startServer(t, { token: () => ({ status: 400, headers, body }) });
      await assert.rejects(createClient(server.config({ dpop: createDpop() })).fetchToken(), {
        code: 'oauth_error',
        error: 'use_dpop_nonce',
        statusCode: 400,
      });
      assert.equal(server.tokenRequests.length, requests);
    }
  });

  test('takes no other refusal for it, nor any without dpop, though a nonce comes along', async (t) => {
    for (const [dpop, error] of [
      [createDpop(), 'invalid_client'],
      [undefined, 'use_dpop_nonce'],
    ] as const) {
      const server = await startServer(t, {
        token: () => ({ status: 400, headers: { 'dpop-nonce': 'n-1' }, body: { error } }),
      });
      await assert.rejects(createClient(server.config({ dpop })).fetchToken(), {
        code: 'oauth_error',
        error,
      });
      assert.equal(server.tokenRequests.length, 1);
    }
  });

  test('answers it in each attempt of an exchange', async (t) => {
    const clock = fakeClock(t);
    const server = await startProvenServer(t, { tokenNonce: 'n-1' });
    const { token } = server;
    server.token = (received, response) => {
      const answer = token(received, response);
      // Each third request is good but meets an overload, and the nonce has changed by the next one.
      if (server.tokenRequests.length % 2 || server.tokenRequests.length > 4) return answer;
      server.nonces.token = `n-${server.tokenRequests.length}`;
      return { status: 503 };
    };
    await createClient(server.config({ dpop: createDpop(), onEvent: clock.skipWaits })).fetchToken();
    assert.deepEqual(
      server.proofs.map(({ claims }) => claims.nonce),
      [undefined, 'n-1', 'n-1', 'n-2', 'n-2', 'n-4'],
    );
  });

  test('answers the API’s question for a nonce once, with the token it has', async (t) => {
    const server = await startProvenServer(t, { apiNonce: 'n-1' });
    const { events, onEvent } = recordEvents();
    const { authorizedFetch } = createClient(server.config({ dpop: createDpop(), onEvent }));

    const first = await authorizedFetch(`${server.origin}/x`, { method: 'POST', body: 'text' });
    const second = await authorizedFetch(
      new Request(`${server.origin}/x`, { method: 'POST', body: 'in a Request' }),
    );
    server.nonces.api = 'n-2';
    const third = await authorizedFetch(
      new Request(`${server.origin}/x`, { method: 'POST', body: 'in a Request' }),
    );

    assert.deepEqual(
      [first.status, second.status, third.status, server.tokenRequests.length],
      [200, 200, 200, 1],
    );
    assert.deepEqual(
      server.apiRequests.map(({ body }) => body),
      ['text', 'text', 'in a Request', 'in a Request', 'in a Request'],
    );
    assert.deepEqual(
      server.proofs.slice(1).map(({ claims }) => claims.nonce),
      [undefined, 'n-1', 'n-1', 'n-1', 'n-2'],
    );
    assert.deepEqual(
      events.flatMap((event) => (event.type === 'request_replayed' ? event.reason : [])),
      ['nonce', 'nonce'],
    );
  });

  test('answers the question with the token that was sent, though there is a newer one by then', async (t) => {
    const server = await startProvenServer(t, { apiNonce: 'n-1' });
    const { authorizedFetch, fetchToken } = createClient(server.config({ dpop: createDpop() }));
    const { api } = server;
    server.api = async (received, response) => {
      if (server.apiRequests.length === 1) await fetchToken();
      return api(received, response);
    };

    assert.equal((await authorizedFetch(`${server.origin}/x`)).status, 200);

    assert.deepEqual(
      server.apiRequests.map(({ headers }) => headers.authorization),
      ['DPoP token-1', 'DPoP token-1'],
    );
  });

  test('hands back the 401 of an API that asks again and again, and goes on with its token', async (t) => {
    const server = await startProvenServer(t);
    let count = 0;
    server.api = () => ({
      status: 401,
      headers: { 'dpop-nonce': `n-${++count}`, 'www-authenticate': 'DPoP error="use_dpop_nonce"' },
    });
    const { authorizedFetch } = createClient(server.config({ dpop: createDpop() }));

    for (let call = 0; call < 3; call++)
      assert.equal((await authorizedFetch(`${server.origin}/x`)).status, 401);

    assert.deepEqual([server.apiRequests.length, server.tokenRequests.length], [6, 1]);
  });

  test('makes no renewal where eight calls meet the question together', async (t) => {
    const server = await startProvenServer(t, { apiNonce: 'n-1' });
    const gate = hold();
    const { api } = server;
    server.api = async (received, response) => {
      if (server.apiRequests.length === 8) gate.open();
      await gate.promise;
      return api(received, response);
    };
    const { authorizedFetch } = createClient(server.config({ dpop: createDpop() }));

    const responses = await Promise.all(
      Array.from({ length: 8 }, () => authorizedFetch(`${server.origin}/x`)),
    );

    assert.deepEqual(
      [responses.map(({ status }) => status), server.tokenRequests.length, server.apiRequests.length],
      [Array(8).fill(200), 1, 16],
    );
  });

  test('renews a rejected token once more behind the question, and the other way round', async (t) => {
    for (const order of ['nonce first', 'token first']) {
      const server = await startProvenServer(t, { apiNonce: 'n-1' });
      const { authorizedFetch, fetchToken } = createClient(server.config({ dpop: createDpop() }));
      if (order === 'token first') {
        await fetchToken();
        await authorizedFetch(`${server.origin}/x`);
      }
      server.revoked.add('token-1');
      const response = await authorizedFetch(`${server.origin}/x`);
      assert.deepEqual([response.status, server.tokenRequests.length], [200, 2], order);
    }
    const server = await startProvenServer(t, { apiNonce: 'n-1' });
    const { authorizedFetch } = createClient(server.config({ dpop: createDpop() }));
    await authorizedFetch(`${server.origin}/x`);
    server.revoked.add('token-1');
    const { token } = server;
    server.token = (received, response) => {
      server.nonces.api = 'n-2'; // changed while the token is renewed
      return token(received, response);
    };
    assert.equal((await authorizedFetch(`${server.origin}/x`)).status, 200);
    assert.deepEqual(server.proofs.map(({ claims }) => claims.nonce).slice(-4), [
      'n-1',
      undefined,
      'n-1',
      'n-2',
    ]);
  });

  test('hands on an answer that brings a nonce, though no proof was sent', async (t) => {
    const server = await startServer(t, { api: () => ({ headers: { 'dpop-nonce': 'n-1' } }) });
    const client = createClient(server.config({ dpop: createDpop() }));

    assert.equal((await client.authorizedFetch(`${server.origin}/x`)).status, 200);
  });

  test('hands back the 401 of a stream that met the question; its token goes on, and the next call has the nonce', async (t) => {
    const server = await startProvenServer(t, { apiNonce: 'n-1' });
    const { authorizedFetch } = createClient(server.config({ dpop: createDpop() }));
    const stream = () =>
      ({ method: 'POST', body: new Blob(['streamed']).stream(), duplex: 'half' }) as RequestInit;

    const first = await authorizedFetch(`${server.origin}/x`, stream());
    const second = await authorizedFetch(`${server.origin}/x`, stream());

    assert.deepEqual(
      [first.status, second.status, server.tokenRequests.length, server.apiRequests.length],
      [401, 200, 1, 2],
    );
  });

  test('proves each hop of a redirect, with the nonce of its origin, which a redirect may bring', async (t) => {
    const target = await startProvenServer(t, { apiNonce: 'of-the-target' });
    const server = await startProvenServer(t, { apiNonce: 'of-the-first' });
    const { api } = server;
    server.api = (received, response) => {
      if (received.url !== '/moved') return api(received, response);
      server.note(received);
      return {
        status: 307,
        headers: { location: received.headers['x-to'] as string, 'dpop-nonce': 'of-the-first' },
      };
    };
    const { authorizedFetch } = createClient(
      server.config({ dpop: createDpop() }, {}, { apiOrigins: [server.origin, target.origin] }),
    );
    const send = (to: string) =>
      authorizedFetch(`${server.origin}/moved`, { method: 'POST', body: 'text', headers: { 'x-to': to } });

    const inside = await send('/inside');
    const there = await send(`${target.origin}/there?query`);

    assert.deepEqual([inside.status, there.status, server.tokenRequests.length], [200, 200, 1]);
    assert.deepEqual(
      server.proofs.map(({ claims }) => [claims.htm, new URL(claims.htu).pathname, claims.nonce]),
      [
        ['POST', '/token', undefined],
        ['POST', '/moved', undefined],
        ['POST', '/inside', 'of-the-first'],
        ['POST', '/moved', 'of-the-first'],
        ['POST', '/moved', 'of-the-first'],
      ],
    );
    assert.deepEqual(
      target.proofs.map(({ claims }) => [claims.htu, claims.nonce]),
      [
        [`${target.origin}/there`, undefined],
        [`${target.origin}/there`, 'of-the-target'],
      ],
    );
  });

  test('changes the method of a proof where a redirect changes that of the request', async (t) => {
    const server = await startProvenServer(t);
    const { api } = server;
    server.api = (received, response) => {
      if (received.url !== '/moved') return api(received, response);
      server.note(received);
      return { status: 303, headers: { location: '/seen' } };
    };
    await createClient(server.config({ dpop: createDpop() })).authorizedFetch(`${server.origin}/moved`, {
      method: 'PUT',
      body: 'text',
    });
    assert.deepEqual(
      server.proofs.slice(1).map(({ claims }) => claims.htm),
      ['PUT', 'GET'],
    );
  });

  test('sends no proof where it sends no token: outside apiOrigins, also where the guard is off', async (t) => {
    const outside = await startServer(t);
    const server = await startProvenServer(t);
    server.api = () => ({ status: 302, headers: { location: `${outside.origin}/x` } });
    for (const apiOrigins of [[server.origin], ['*']]) {
      const { authorizedFetch } = createClient(server.config({ dpop: createDpop() }, {}, { apiOrigins }));
      assert.equal((await authorizedFetch(`${server.origin}/x`)).status, 200);
    }
    assert.deepEqual(
      outside.apiRequests.map(({ headers }) => [headers.authorization, headers.dpop]),
      [
        [undefined, undefined],
        [undefined, undefined],
      ],
    );
    assert.ok(server.apiRequests.every(({ headers }) => headers.dpop));
  });

  test('believes a server that answers Bearer all the same, and proves nothing to the API then', async (t) => {
    const server = await startServer(t);
    const { authorizedFetch, getToken } = createClient(server.config({ dpop: createDpop() }));
    await authorizedFetch(`${server.origin}/x`);
    assert.equal((await getToken()).tokenType, 'Bearer');
    assert.ok(server.tokenRequests[0]!.headers.dpop);
    assert.deepEqual(
      [server.apiRequests[0]!.headers.authorization, server.apiRequests[0]!.headers.dpop],
      ['Bearer token-1', undefined],
    );
  });

  test('sends no proof with the Bearer token that a renewal brings in the place of a bound one', async (t) => {
    const server = await startProvenServer(t);
    const { authorizedFetch, fetchToken } = createClient(server.config({ dpop: createDpop() }));
    await fetchToken();
    server.token = () => tokenAnswer('plain');
    server.api = ({ headers }) => ({ status: headers.authorization === 'Bearer plain' ? 200 : 401 });
    assert.equal((await authorizedFetch(`${server.origin}/x`)).status, 200);
    assert.deepEqual(
      server.apiRequests.map(({ headers }) => typeof headers.dpop),
      ['string', 'undefined'],
    );
  });

  test('starts from a bound token that went through JSON, and hands its key on with withToken', async (t) => {
    const server = await startProvenServer(t);
    const dpop = createDpop();
    const first = createClient(server.config({ dpop }));
    const saved = JSON.parse(JSON.stringify(await first.fetchToken()));

    const clients = [
      first.withToken(saved),
      createClient(server.config({ dpop }, { oauthToken: reviveToken(saved) })),
    ];
    for (const { authorizedFetch } of clients)
      assert.equal((await authorizedFetch(`${server.origin}/x`)).status, 200);

    assert.equal(server.tokenRequests.length, 1);
    assert.deepEqual(new Set(server.proofs.map(({ thumbprint }) => thumbprint)).size, 1);
  });

  test('needs dpop for a bound token: else a TypeError, or an invalid_response', async (t) => {
    const server = await startProvenServer(t);
    const bound = { accessToken: 'bound', tokenType: 'DPoP' } as const;
    assert.throws(() => createClient(server.config({}, { oauthToken: bound })), {
      name: 'TypeError',
      message: /dpop/,
    });
    assert.throws(() => createClient(server.config()).withToken(bound), {
      name: 'TypeError',
      message: /dpop/,
    });
    await assert.rejects(createClient(server.config({}, { oauthTokenProvider: () => bound })).getToken(), {
      code: 'invalid_response',
    });
    server.token = () => ({ body: { access_token: 'bound', token_type: 'DPoP' } });
    await assert.rejects(createClient(server.config()).getToken(), { code: 'invalid_response' });
    assert.equal(
      (
        await createClient(
          server.config({ dpop: createDpop() }, { oauthTokenProvider: () => bound }),
        ).getToken()
      ).tokenType,
      'DPoP',
    );
  });

  test('tells a provider the thumbprint that tokens are bound to', async (t) => {
    const server = await startProvenServer(t);
    const dpop = createDpop();
    const bindings: unknown[] = [];
    const oauthTokenProvider: OAuthTokenProvider = async (_, request) => {
      bindings.push('binding' in request, request.binding);
      return request.fetchToken();
    };
    await createClient(server.config({ dpop }, { oauthTokenProvider })).getToken();
    const plain = await startServer(t);
    await createClient(plain.config({}, { oauthTokenProvider })).getToken();
    assert.deepEqual(bindings, [true, await dpop.getThumbprint(), false, undefined]);
  });

  test('shares a stored token with those who have its key, and with nobody else', async (t) => {
    const server = await startProvenServer(t);
    const values = new Map<string, string>();
    const store = {
      get: (key: string) => values.get(key),
      set: (key: string, value: string) => void values.set(key, value),
      delete: (key: string) => void values.delete(key),
    };
    const [mine, other] = [createDpop(), createDpop()];
    const getToken = (dpop: Dpop) =>
      createClient(server.config({ dpop }, { oauthTokenProvider: storedToken(store) })).getToken();

    const tokens = [await getToken(mine), await getToken(mine), await getToken(other), await getToken(other)];

    assert.deepEqual(
      tokens.map(({ accessToken }) => accessToken),
      ['token-1', 'token-1', 'token-2', 'token-2'],
    );
    assert.deepEqual(
      tokens.map(({ tokenType }) => tokenType),
      Array(4).fill('DPoP'),
    );
  });

  test('is refused beside a session, and where it is none', () => {
    const environment = { tokenUrl: TOKEN_URL, apiOrigins: [] };
    const create = (options: object) =>
      createClient({
        clientCredentialsAuthCredentials: { oauthClientId: 'invented-id' },
        environment,
        ...options,
      } as ClientConfig);
    const session = createSession({ username: 'invented-name', password: 'invented-password' });
    assert.throws(() => create({ dpop: createDpop(), vZM2mToken: session }), {
      name: 'TypeError',
      message: /^dpop must be absent beside createSession/,
    });
    for (const dpop of [null, true, 'secret-word', {}, createDpop]) {
      assert.throws(
        () => create({ dpop }),
        (error: Error) =>
          error instanceof TypeError &&
          /^dpop must be /.test(error.message) &&
          !/secret-word/.test(error.message),
      );
    }
    create({ dpop: createDpop(), vZM2mToken: 'constant' });
  });

  test('fails a call with what making the proof fails with, before anything is sent', async (t) => {
    const server = await startProvenServer(t);
    const problem = new Error('the key is gone');
    const dpop: Dpop = { ...createDpop(), createProof: () => Promise.reject(problem) };
    const { authorizedFetch, getToken } = createClient(server.config({ dpop }));
    assert.equal(await rejectionOf(getToken()), problem);
    const bound = createClient(
      server.config({ dpop }, { oauthToken: { accessToken: 'bound', tokenType: 'DPoP' } }),
    );
    assert.equal(await rejectionOf(bound.authorizedFetch(`${server.origin}/x`)), problem);
    assert.ok(authorizedFetch);
    assert.deepEqual([server.tokenRequests.length, server.apiRequests.length], [0, 0]);
  });

  test('works against the mock server, through a change of its tokens', async () => {
    const { fetch, requests, revokeAll } = createMockServer({
      clients: { 'invented-id': 'invented-secret' },
    });
    const credentials = { oauthClientId: 'invented-id', oauthClientSecret: 'invented-secret' };
    const { authorizedFetch, getToken } = createClient({
      clientCredentialsAuthCredentials: credentials,
      dpop: createDpop(),
      fetch,
    });
    const regions = 'https://5gedge.verizon.com/api/mec/eds/regions';

    assert.equal((await authorizedFetch(regions)).status, 200);
    assert.equal((await getToken()).tokenType, 'DPoP');
    revokeAll();
    assert.equal((await authorizedFetch(regions)).status, 200);
    assert.deepEqual(
      requests.map(({ path, status }) => `${path.split('/').at(-1)} ${status}`),
      ['token 200', 'regions 200', 'regions 401', 'token 200', 'regions 200'],
    );
  });
});

interface ProvenServer extends TestServer {
  /** Of each request, verified with the key in it. */
  readonly proofs: { readonly claims: any; readonly thumbprint: string }[];
  /** What the two endpoints ask for; absent: nothing. */
  readonly nonces: { token?: string | undefined; api?: string | undefined };
  /** Keeps the proof of a request. */
  readonly note: (received: Received) => ProvenServer['proofs'][number];
}

/**
 * A server that binds tokens to the key of a proof, and asks for nonces. Its API refuses a proof that is not
 * for the request.
 */
async function startProvenServer(
  t: Test,
  { tokenNonce, apiNonce }: { tokenNonce?: string; apiNonce?: string } = {},
): Promise<ProvenServer> {
  const proofs: ProvenServer['proofs'] = [];
  const nonces: ProvenServer['nonces'] = { token: tokenNonce, api: apiNonce };
  const bound = new Map<string, string>();
  const note: ProvenServer['note'] = ({ headers }) => {
    const { header, claims } = readProof(String(headers.dpop));
    const { crv, kty, x, y } = header.jwk;
    const proof = { claims, thumbprint: sha256(JSON.stringify({ crv, kty, x, y })) };
    proofs.push(proof);
    return proof;
  };
  const server = await startServer(t, {
    token: (received) => {
      const { claims, thumbprint } = note(received);
      const headers: Record<string, string> = nonces.token ? { 'dpop-nonce': nonces.token } : {};
      if (claims.nonce !== nonces.token) return { status: 400, headers, body: { error: 'use_dpop_nonce' } };
      const accessToken = `token-${bound.size + 1}`;
      bound.set(accessToken, thumbprint);
      return { headers, ...tokenAnswer(accessToken, 3600, { token_type: 'dpop' }) };
    },
    api: (received) => {
      const { claims, thumbprint } = note(received);
      const accessToken = String(received.headers.authorization).replace(/^DPoP /, '');
      const headers: Record<string, string> = nonces.api ? { 'dpop-nonce': nonces.api } : {};
      const refuse = (error: string) => ({
        status: 401,
        headers: { ...headers, 'www-authenticate': `DPoP error="${error}"` },
      });
      if (claims.nonce !== nonces.api) return refuse('use_dpop_nonce');
      const isFor =
        claims.htm === received.method &&
        new URL(claims.htu).pathname === received.url.split('?')[0] &&
        claims.ath === sha256(accessToken);
      const isBound =
        !bound.size || (bound.get(accessToken) === thumbprint && !server.revoked.has(accessToken));
      return isFor && isBound ? { headers } : refuse('invalid_token');
    },
  });
  return Object.assign(server, { proofs, nonces, note });
}

async function pairFor(
  algorithm: SigningAlgorithm,
  modulusLength?: number,
  extractable = true,
): Promise<{ privateKey: CryptoKey; publicKey: CryptoKey }> {
  const { privatePem, publicPem } = keysFor(algorithm, modulusLength);
  const privateKey = (await importKey(privatePem, algorithm)) as CryptoKey;
  const der = new Uint8Array(Buffer.from(publicPem.replaceAll(/-.*-/g, ''), 'base64'));
  return {
    privateKey,
    publicKey: await crypto.subtle.importKey('spki', der, privateKey.algorithm, extractable, ['verify']),
  };
}

test('keeps the nonces of the last thousand servers, and of those it heard from again', async () => {
  const dpop = createDpop();
  const requestTo = (count: number): ProofRequest => ({
    method: 'GET',
    url: `https://${count}.example`,
    accessToken: 'a',
  });
  const note = (count: number) =>
    dpop.noteNonce(requestTo(count), new Response(null, { headers: { 'dpop-nonce': `nonce-${count}` } }));
  const nonceFor = async (count: number) => readProof(await dpop.createProof(requestTo(count))).claims.nonce;

  for (let count = 0; count < 1_000; count++) note(count);
  assert.equal(await nonceFor(0), 'nonce-0');
  note(0);
  note(1_000);

  const kept = [await nonceFor(0), await nonceFor(1), await nonceFor(2), await nonceFor(1_000)];
  assert.deepEqual(kept, ['nonce-0', undefined, 'nonce-2', 'nonce-1000']);
});
