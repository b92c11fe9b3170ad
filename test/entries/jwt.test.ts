import assert from 'node:assert/strict';
import { createHmac, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { describe, test } from 'node:test';
import { ApiError, type ClientAuthentication, createClient, revokeToken } from 'thingspace-auth';
import {
  clientSecretJwt,
  importKey,
  privateKeyJwt,
  type SigningAlgorithm,
  type SigningKey,
} from 'thingspace-auth/jwt';
import { createMockServer } from 'thingspace-auth/testing';
import { jwkOf, keysFor, readSigned } from '../support/keys.ts';
import {
  fakeClock,
  type Received,
  recordEvents,
  rejectionOf,
  START_MS,
  startServer,
} from '../support/server.ts';

type Test = Parameters<typeof startServer>[0];

const ALGORITHMS: readonly SigningAlgorithm[] = [
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
const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

describe('privateKeyJwt', () => {
  for (const algorithm of ALGORITHMS) {
    test(`signs with ${algorithm}`, async (t) => {
      const { privatePem, publicPem } = keysFor(algorithm);
      const { form } = await exchangeWith(t, privateKeyJwt({ key: await importKey(privatePem, algorithm) }));
      const { header } = readSigned(form.get('client_assertion')!, publicPem);
      assert.deepEqual(header, { alg: algorithm });
    });
  }

  test('says who the client is, for whom and until when, and sends the id beside it and no secret', async (t) => {
    fakeClock(t);
    const { privatePem, publicPem } = keysFor('ES256');
    const server = await startServer(t);
    const clientAuthentication = privateKeyJwt({ key: await importKey(privatePem), keyId: 'key-1' });

    await createClient(server.config({}, { clientAuthentication, oauthScopes: ['a'] })).fetchToken();

    const [{ form, headers }] = server.tokenRequests as [Received];
    const { header, claims } = readSigned(form.get('client_assertion')!, publicPem);
    const { jti, ...others } = claims;
    const iat = START_MS / 1000;
    assert.deepEqual(header, { alg: 'ES256', kid: 'key-1' });
    assert.match(jti, /^[\da-f-]{36}$/);
    assert.deepEqual(others, {
      iss: 'invented-id',
      sub: 'invented-id',
      aud: server.tokenUrl,
      iat,
      exp: iat + 60,
    });
    assert.equal(headers.authorization, undefined);
    assert.deepEqual(
      [...form.keys()],
      ['grant_type', 'scope', 'client_id', 'client_assertion_type', 'client_assertion'],
    );
    assert.deepEqual([form.get('client_id'), form.get('client_assertion_type')], ['invented-id', TYPE]);
  });

  test('needs no secret', async (t) => {
    const server = await startServer(t);
    const clientAuthentication = privateKeyJwt({ key: await es256() });
    await createClient(
      server.config({}, { clientAuthentication, oauthClientSecret: undefined }),
    ).fetchToken();
    assert.equal(server.tokenRequests.length, 1);
  });

  test('is for whom it is told, for as long as it is told', async (t) => {
    const { privatePem, publicPem } = keysFor('ES256');
    const key = await importKey(privatePem);
    const claimsOf = ({ form }: Received) => readSigned(form.get('client_assertion')!, publicPem).claims;

    const fixed = claimsOf(
      await exchangeWith(t, privateKeyJwt({ key, audience: 'https://issuer.example', lifetime: 1 })),
    );
    const computed = claimsOf(
      await exchangeWith(
        t,
        privateKeyJwt({ key, audience: ({ clientId, tokenUrl }) => `${clientId} ${tokenUrl.slice(-6)}` }),
      ),
    );

    assert.deepEqual([fixed.aud, fixed.exp - fixed.iat], ['https://issuer.example', 1]);
    assert.equal(computed.aud, 'invented-id /token');
  });

  test('makes an assertion of its own for each attempt', async (t) => {
    const clock = fakeClock(t);
    const { privatePem, publicPem } = keysFor('ES256');
    const server = await startServer(t, {
      token: () =>
        server.tokenRequests.length < 3
          ? { status: 503 }
          : { body: { access_token: 'a', token_type: 'bearer' } },
    });
    const clientAuthentication = privateKeyJwt({ key: await importKey(privatePem) });

    await createClient(server.config({ onEvent: clock.skipWaits }, { clientAuthentication })).fetchToken();

    const claims = server.tokenRequests.map(
      ({ form }) => readSigned(form.get('client_assertion')!, publicPem).claims,
    );
    assert.equal(new Set(claims.map(({ jti }) => jti)).size, 3);
  });

  test('is for the token endpoint at revocation too, or for the endpoint asked where that is wanted', async (t) => {
    const { privatePem, publicPem } = keysFor('ES256');
    const key = await importKey(privatePem);
    const server = await startServer(t);
    for (const clientAuthentication of [
      privateKeyJwt({ key }),
      privateKeyJwt({ key, audience: ({ url }) => url }),
    ]) {
      await revokeToken(server.config({}, { clientAuthentication }), {
        accessToken: 'a',
        tokenType: 'Bearer',
      });
    }
    const audiences = server.revocations.map(
      ({ form }) => readSigned(form.get('client_assertion')!, publicPem).claims.aud,
    );
    assert.deepEqual(audiences, [server.tokenUrl, `${server.origin}/revoke`]);
  });

  test("is for the environment's issuer where there is one, at revocation too, unless it is told otherwise", async (t) => {
    const { privatePem, publicPem } = keysFor('ES256');
    const key = await importKey(privatePem);
    const server = await startServer(t);
    const issuer = 'https://issuer.example/';
    for (const clientAuthentication of [
      privateKeyJwt({ key }),
      privateKeyJwt({ key, audience: 'another' }),
    ]) {
      const config = server.config({}, { clientAuthentication }, { issuer });
      await revokeToken(config, await createClient(config).fetchToken());
    }
    const audiences = [server.tokenRequests, server.revocations].map((requests) =>
      requests.map(({ form }) => readSigned(form.get('client_assertion')!, publicPem).claims.aud),
    );
    assert.deepEqual(audiences, [
      [issuer, 'another'],
      [issuer, 'another'],
    ]);
  });

  test('says of which type it is, if it is told', async (t) => {
    const { privatePem, publicPem } = keysFor('ES256');
    const key = await importKey(privatePem);
    const type = 'client-authentication+jwt';
    const { form } = await exchangeWith(t, privateKeyJwt({ key, type }));
    const { header } = readSigned(form.get('client_assertion')!, publicPem);
    assert.deepEqual(header, { typ: type, alg: 'ES256' });
  });

  test('has another program sign, with what it is told', async (t) => {
    const { privatePem, publicPem } = keysFor('ES256');
    const inputs: Uint8Array[] = [];
    const kms = async (input: Uint8Array): Promise<Uint8Array> => {
      inputs.push(input);
      return sign('sha256', input, { key: createPrivateKey(privatePem), dsaEncoding: 'ieee-p1363' });
    };

    const { form } = await exchangeWith(
      t,
      privateKeyJwt({ key: kms, algorithm: 'ES256', keyId: 'in-a-kms' }),
    );

    const assertion = form.get('client_assertion')!;
    assert.deepEqual(readSigned(assertion, publicPem).header, { alg: 'ES256', kid: 'in-a-kms' });
    assert.deepEqual(
      inputs.map((input) => Buffer.from(input).toString()),
      [assertion.slice(0, assertion.lastIndexOf('.'))],
    );
  });

  test('takes r and s of a signer on each curve', async (t) => {
    for (const algorithm of ['ES256', 'ES384', 'ES512'] as const) {
      const { privatePem, publicPem } = keysFor(algorithm);
      const key = (input: Uint8Array) =>
        sign(`sha${algorithm.slice(2)}`, input, { key: privatePem, dsaEncoding: 'ieee-p1363' });
      const { form } = await exchangeWith(t, privateKeyJwt({ key, algorithm }));
      readSigned(form.get('client_assertion')!, publicPem);
    }
  });

  test('takes an ArrayBuffer of a signer, and a part of a larger buffer', async (t) => {
    const { privatePem, publicPem } = keysFor('EdDSA');
    const signed = (input: Uint8Array) => sign(null, input, privatePem);
    const asBuffer = (input: Uint8Array) => new Uint8Array(signed(input)).buffer;
    const asPart = (input: Uint8Array) => new Uint8Array([0, ...signed(input), 0]).subarray(1, 65);
    for (const key of [asBuffer, asPart]) {
      const { form } = await exchangeWith(t, privateKeyJwt({ key, algorithm: 'EdDSA' }));
      readSigned(form.get('client_assertion')!, publicPem);
    }
  });

  test('refuses the DER that many KMSs return', async (t) => {
    const server = await startServer(t);
    for (const algorithm of ['ES256', 'ES384', 'ES512'] as const) {
      const key = (input: Uint8Array) =>
        sign(`sha${algorithm.slice(2)}`, input, keysFor(algorithm).privatePem);
      const client = createClient(
        server.config({}, { clientAuthentication: privateKeyJwt({ key, algorithm }) }),
      );
      await assert.rejects(client.fetchToken(), {
        name: 'TypeError',
        message: 'key must return r and s, not DER',
      });
    }
    assert.equal(server.tokenRequests.length, 0);
  });

  test('takes signatures of any length of a signer with RSA', async (t) => {
    const { privatePem, publicPem } = keysFor('RS256', 3072);
    const { form } = await exchangeWith(
      t,
      privateKeyJwt({ key: (input) => sign('sha256', input, privatePem), algorithm: 'RS256' }),
    );
    assert.equal(Buffer.from(form.get('client_assertion')!.split('.')[2]!, 'base64url').length, 384);
    readSigned(form.get('client_assertion')!, publicPem);
  });

  test('retries a signer that fails with network, and hands on any other error', async (t) => {
    const clock = fakeClock(t);
    const { privatePem, publicPem } = keysFor('EdDSA');
    const server = await startServer(t);
    const { events, onEvent } = recordEvents();
    const problem = new RangeError('no such key');
    let asked = 0;
    const flaky = (input: Uint8Array): Uint8Array => {
      if (++asked < 3) throw new ApiError('No answer from the KMS', { code: 'network' });
      return sign(null, input, privatePem);
    };
    const watch = (event: Parameters<typeof onEvent>[0]): void => {
      onEvent(event);
      clock.skipWaits(event);
    };

    await createClient(
      server.config(
        { onEvent: watch },
        { clientAuthentication: privateKeyJwt({ key: flaky, algorithm: 'EdDSA' }) },
      ),
    ).fetchToken();
    const failing = createClient(
      server.config(
        {},
        { clientAuthentication: privateKeyJwt({ key: () => Promise.reject(problem), algorithm: 'EdDSA' }) },
      ),
    );

    assert.deepEqual([asked, server.tokenRequests.length], [3, 1]);
    readSigned(server.tokenRequests[0]!.form.get('client_assertion')!, publicPem);
    assert.deepEqual(
      events.filter(({ type }) => type === 'retry_waiting').map((event) => (event as { code?: string }).code),
      ['network', 'network'],
    );
    assert.equal(await rejectionOf(failing.fetchToken()), problem);
  });

  test('refuses a key that cannot sign, at once', async () => {
    const ecdsa = { name: 'ECDSA', namedCurve: 'P-256' };
    const ecdh = { name: 'ECDH', namedCurve: 'P-256' };
    const small = await importKey(keysFor('RS256', 1024).privatePem);
    const keys = [
      undefined,
      null,
      '',
      keysFor('ES256').privatePem,
      {},
      createPrivateKey(keysFor('ES256').privatePem),
      await crypto.subtle.importKey('spki', der(keysFor('ES256').publicPem), ecdsa, true, ['verify']),
      (await crypto.subtle.generateKey(ecdh, false, ['deriveBits'])).privateKey,
      await crypto.subtle.importKey('raw', new Uint8Array(32), { name: 'HMAC', hash: 'SHA-256' }, false, [
        'sign',
      ]),
      await crypto.subtle.importKey(
        'pkcs8',
        der(keysFor('RS256').privatePem),
        { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-1' },
        false,
        ['sign'],
      ),
      small,
    ];
    for (const key of keys as SigningKey[]) {
      assert.throws(() => privateKeyJwt({ key }), {
        name: 'TypeError',
        message: /^key must be .*private CryptoKey/,
      });
      assert.throws(() => privateKeyJwt({ key, algorithm: 'ES256' }), {
        name: 'TypeError',
        message: /^key must be /,
      });
    }
    assert.throws(() => (privateKeyJwt as any)(), { name: 'TypeError', message: /^key must be / });
  });

  test('refuses options that break their rules, at once, and never shows them', async () => {
    const key = await es256();
    const signer = () => new Uint8Array(64);
    const bad: [options: any, name: string][] = [
      [{ key, algorithm: 'ES384' }, 'algorithm'],
      [{ key, algorithm: 'RS256' }, 'algorithm'],
      [{ key: signer }, 'algorithm'],
      [{ key: signer, algorithm: 'HS256' }, 'algorithm'],
      [{ key: signer, algorithm: 'constructor' }, 'algorithm'],
      [{ key: signer, algorithm: 'none' }, 'algorithm'],
      ...[0, -1, 0.5, NaN, Infinity, '60', null].map((lifetime): [object, string] => [
        { key, lifetime },
        'lifetime',
      ]),
      ...['', 1, null, {}].map((audience): [object, string] => [{ key, audience }, 'audience']),
      ...['', 1, null].map((type): [object, string] => [{ key, type }, 'type']),
      ...['', 1, null].map((keyId): [object, string] => [{ key, keyId }, 'keyId']),
      [{ key, kid: 'secret-word' }, 'kid'],
    ];
    for (const [options, name] of bad) {
      assert.throws(
        () => privateKeyJwt(options),
        (error: Error) =>
          error instanceof TypeError &&
          error.message.replace('unknown option ', '').startsWith(name) &&
          !error.message.includes('secret-word'),
        name,
      );
    }
  });
});

describe('clientSecretJwt', () => {
  test('signs with the secret, which is not sent', async (t) => {
    const server = await startServer(t);
    const clientAuthentication = clientSecretJwt({ lifetime: 30, audience: 'someone' });

    await createClient(
      server.config({}, { clientAuthentication, oauthClientSecret: 'sécret +:%' }),
    ).fetchToken();

    const [{ form, headers, body }] = server.tokenRequests as [Received];
    const [header, claims, signature] = form.get('client_assertion')!.split('.') as [string, string, string];
    const parse = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString());
    const expected = createHmac('sha256', 'sécret +:%').update(`${header}.${claims}`).digest('base64url');
    const { iss, sub, aud, exp, iat } = parse(claims);
    assert.equal(signature, expected);
    assert.deepEqual(parse(header), { alg: 'HS256' });
    assert.deepEqual([iss, sub, aud, exp - iat], ['invented-id', 'invented-id', 'someone', 30]);
    assert.equal(headers.authorization, undefined);
    assert.doesNotMatch(decodeURIComponent(body), /sécret/);
  });

  test('makes no exchange without a secret', async (t) => {
    const server = await startServer(t);
    const client = createClient(
      server.config({}, { clientAuthentication: clientSecretJwt(), oauthClientSecret: undefined }),
    );
    await assert.rejects(client.fetchToken(), { code: 'no_credentials' });
    assert.equal(server.tokenRequests.length, 0);
  });

  test('refuses bad options at once', () => {
    for (const options of [{ lifetime: 0 }, { audience: '' }, { key: 'none' }] as object[])
      assert.throws(() => clientSecretJwt(options), TypeError);
  });
});

describe('importKey', () => {
  test('tells the algorithm of a PEM: that of the curve, and for RSA RS256', async () => {
    for (const algorithm of ['ES256', 'ES384', 'ES512', 'EdDSA', 'RS256'] as const) {
      const key = await importKey(keysFor(algorithm).privatePem);
      assert.doesNotThrow(() => privateKeyJwt({ key, algorithm }));
      assert.deepEqual([key.type, key.extractable, key.usages], ['private', false, ['sign']]);
    }
  });

  test('takes a PEM as files have it: with other words around it, and with other line breaks', async () => {
    const { privatePem } = keysFor('ES256');
    await importKey(
      `Bag Attributes\n  friendlyName: invented\n${privatePem.replaceAll('\n', '\r\n')}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
    );
  });

  test('takes a JWK, for what its alg says', async () => {
    const jwk = (algorithm: SigningAlgorithm) =>
      createPrivateKey(keysFor(algorithm).privatePem).export({ format: 'jwk' });
    const cases: [jwk: object, algorithm: SigningAlgorithm][] = [
      [jwk('ES256'), 'ES256'],
      [
        { ...jwk('ES384'), alg: 'ES384', use: 'sig', kid: 'invented', key_ops: ['sign'], ext: false },
        'ES384',
      ],
      [jwk('EdDSA'), 'EdDSA'],
      [{ ...jwk('EdDSA'), alg: 'EdDSA' }, 'EdDSA'],
      [{ ...jwk('EdDSA'), alg: 'Ed25519' }, 'EdDSA'],
      [jwk('RS256'), 'RS256'],
      [{ ...jwk('PS384'), alg: 'PS384' }, 'PS384'],
    ];
    for (const [each, algorithm] of cases) {
      const key = await importKey(JSON.stringify(each));
      assert.doesNotThrow(() => privateKeyJwt({ key, algorithm }), JSON.stringify(algorithm));
      assert.equal(key.extractable, false);
    }
    privateKeyJwt({ key: await importKey(JSON.stringify(jwk('RS256')), 'PS512'), algorithm: 'PS512' });
  });

  test('refuses all else, and shows nothing of it', async () => {
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { privatePem, publicPem } = keysFor('RS256');
    const privateKey = createPrivateKey(privatePem);
    const privateJwk = createPrivateKey(keysFor('ES256').privatePem).export({ format: 'jwk' });
    const texts: [text: any, algorithm?: SigningAlgorithm][] = [
      [publicPem],
      [JSON.stringify(jwkOf(keysFor('ES256').publicPem))],
      [
        String(
          privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'invented' }),
        ),
      ],
      [String(privateKey.export({ type: 'pkcs1', format: 'pem' }))],
      [String(ec.privateKey.export({ type: 'sec1', format: 'pem' }))],
      [privatePem, 'ES256'],
      [keysFor('ES256').privatePem, 'ES384'],
      [JSON.stringify(privateJwk), 'RS256'],
      [JSON.stringify({ ...privateJwk, alg: 'ES384' })],
      [JSON.stringify({ ...privateJwk, alg: 'ES256' }), 'ES384'],
      [JSON.stringify({ ...privateJwk, crv: 'secp256k1' })],
      [JSON.stringify({ ...privateJwk, kty: 'RSA' })],
      [JSON.stringify({ ...privateJwk, key_ops: ['verify'] })],
      [JSON.stringify({ ...privateJwk, use: 'enc' })],
      [JSON.stringify({ kty: 'oct', k: 'c2VjcmV0LXdvcmQ' })],
      [privatePem.replace(/\n.{10}/, '\nsecret-wor')],
      ['-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----'],
      ['{"secret-word'],
      ['null'],
      ['[]'],
      ['7'],
      [''],
      [undefined],
      [null],
      [privateJwk],
      [privatePem, 'none' as SigningAlgorithm],
    ];
    for (const [text, algorithm] of texts) {
      const error: Error = await rejectionOf(importKey(text, algorithm));
      assert.equal(error.name, 'TypeError', String(text));
      assert.match(error.message, /^importKey takes a private key: JWK, or PEM of openssl/);
      assert.equal(error.cause, undefined);
      assert.doesNotMatch(error.message, /secret-wor|c2Vj/);
    }
  });
});

test('importKey says what is wrong with a PEM whose line breaks are written out, as in an .env file', async () => {
  for (const { privatePem } of [keysFor('RS256'), keysFor('ES256')]) {
    const text = privatePem.replaceAll('\n', '\\n');
    const { name, message }: Error = await rejectionOf(importKey(text));
    assert.deepEqual(
      [name, message],
      ['TypeError', 'importKey takes a private key: JWK, or PEM without \\n'],
    );
    await importKey(text.replaceAll('\\n', '\n'));
  }
});

describe('importKey on a platform that takes any key for any curve, as workerd does', () => {
  test('asks for what the key is, once', async (t) => {
    const asked = t.mock.method(crypto.subtle, 'importKey', async () => ({}));
    const algorithms = () =>
      asked.mock.calls
        .splice(0)
        .map(({ arguments: [, , { name, namedCurve = '' }] }: any) => `${name} ${namedCurve}`);
    const rsa = Buffer.from(der(keysFor('RS256').privatePem));
    rsa.write('2b6570', 40, 'hex'); // its modulus holds what names Ed25519
    const texts = [
      ...(['ES256', 'ES384', 'ES512', 'EdDSA'] as const).map((algorithm) => keysFor(algorithm).privatePem),
      `-----BEGIN PRIVATE KEY-----\n${rsa.toString('base64')}\n-----END PRIVATE KEY-----`,
    ];

    for (const text of texts) await importKey(text);

    assert.deepEqual(algorithms(), [
      'ECDSA P-256',
      'ECDSA P-384',
      'ECDSA P-521',
      'Ed25519 ',
      'RSASSA-PKCS1-v1_5 ',
    ]);
  });

  test('does not ask for a curve that is not that of the key', async (t) => {
    const asked = t.mock.method(crypto.subtle, 'importKey', async () => ({}));
    const jwk = createPrivateKey(keysFor('ES384').privatePem).export({ format: 'jwk' });
    for (const text of [keysFor('ES384').privatePem, JSON.stringify(jwk)]) {
      for (const algorithm of ['ES256', 'ES512', 'RS256', 'EdDSA'] as const)
        await assert.rejects(importKey(text, algorithm), TypeError);
    }
    assert.equal(asked.mock.callCount(), 0);
  });
});

describe('the mock server', () => {
  const HOST = 'https://auth.example.com';
  const environment = {
    tokenUrl: `${HOST}/oauth2/token`,
    revocationUrl: `${HOST}/oauth2/revoke`,
    apiOrigins: [HOST],
  };

  test('takes an assertion at revocation too', async () => {
    const { fetch, requests } = createMockServer();
    const clientAuthentication = privateKeyJwt({ key: await es256() });
    const config = {
      clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', clientAuthentication },
      environment,
      fetch,
    };
    await revokeToken(config, await createClient(config).fetchToken());
    assert.deepEqual(
      requests.map(({ path, status }) => `${path} ${status}`),
      ['/oauth2/token 200', '/oauth2/revoke 200'],
    );
  });
});

function es256(): Promise<SigningKey> {
  return importKey(keysFor('ES256').privatePem);
}

/** What stands between the lines of a PEM. */
function der(pem: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(pem.replaceAll(/-.*-/g, ''), 'base64'));
}

async function exchangeWith(t: Test, clientAuthentication: ClientAuthentication): Promise<Received> {
  const server = await startServer(t);
  await createClient(server.config({}, { clientAuthentication })).fetchToken();
  return server.tokenRequests[0]!;
}
