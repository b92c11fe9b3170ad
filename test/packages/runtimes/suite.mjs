// A user's program, run in every runtime: no import but the package's, nothing but the web platform.
import {
  ApiError,
  clientSecretPost,
  createClient,
  isExpired,
  OAuthProviderError,
  reviveToken,
  revokeToken,
} from 'thingspace-auth';
import { createClient as createPageClient } from 'thingspace-auth/browser';
import { discover } from 'thingspace-auth/discover';
import { createDpop } from 'thingspace-auth/dpop';
import { clientSecretJwt, importKey, privateKeyJwt } from 'thingspace-auth/jwt';
import { createSession } from 'thingspace-auth/session';
import { encryptedStore, storedToken } from 'thingspace-auth/stores';
import { kvStore } from 'thingspace-auth/stores/kv';
import { webStore } from 'thingspace-auth/stores/web';
import { createMockServer } from 'thingspace-auth/testing';

/**
 * Runs every case, one after the other; a skipped one names what the platform lacks. Results are plain data.
 * `platform` has what only the driver can tell or give: `isBrowser`, a key-value `namespace`,
 * `openFileStore`.
 */
export async function runSuite({ origin, other, run, ...platform }) {
  const results = [];
  for (const [index, [name, test, need]] of CASES.entries()) {
    const lacking = need && !(await NEEDS[need](platform)) ? need : undefined;
    const result = lacking
      ? { lacking }
      : await runCase(test, createPlace(origin, other, `${run}-${index}`), platform);
    results.push({ name, ...result });
  }
  return results;
}

/** What a case may need, and how to tell that it is there. */
const NEEDS = {
  'Web Storage': () => typeof sessionStorage !== 'undefined',
  'key-value store': ({ namespace }) => namespace !== undefined,
  files: ({ openFileStore }) => openFileStore !== undefined,
  // Firefox and WebKit have none, Chromium only over HTTP/2.
  'streamed request bodies': ({ isBrowser }) => !isBrowser,
  'visible redirects': ({ isBrowser }) => !isBrowser,
  'hidden redirects': ({ isBrowser }) => isBrowser === true,
  Ed25519: () => canSign({ name: 'Ed25519' }),
  'P-521': () => canSign({ name: 'ECDSA', namedCurve: 'P-521' }),
};

/** Whether a platform has keys of a kind, and signs with them: Deno 2.0 has keys of P-521 and does not. */
async function canSign(algorithm) {
  try {
    const { privateKey } = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);
    await crypto.subtle.sign({ ...algorithm, hash: 'SHA-512' }, privateKey, new Uint8Array(1));
    return true;
  } catch {
    return false;
  }
}

/** [what the client does, the test, what it needs]. */
const CASES = [
  [
    'exchanges the credentials and sends the bearer',
    async (place) => {
      const { fetchToken, authorizedFetch } = place.createClient({}, { oauthScopes: ['read', 'write'] });

      const token = await fetchToken();
      const response = await authorizedFetch(place.url('api/echo'), {
        headers: { 'vz-m2m-token': 'invented' },
      });

      const [exchange, call] = await place.seen();
      equal(exchange.authorization, `Basic ${btoa('invented-id:invented%2Fsecret')}`);
      equal(exchange.body, 'grant_type=client_credentials&scope=read+write');
      equal([call.authorization, call.session], ['Bearer invented-token-1', 'invented']);
      equal(
        [response.status, response.redirected, token.accessToken, isExpired(token)],
        [200, false, 'invented-token-1', false],
      );
    },
  ],
  [
    'sends id and secret in the form, with further fields',
    async (place) => {
      const { getToken } = place.createClient(
        {},
        { clientAuthentication: clientSecretPost, oauthParams: { audience: 'ü' } },
      );

      await getToken();

      const [{ authorization, body }] = await place.seen();
      equal(
        [authorization, new URLSearchParams(body).get('client_secret'), body.includes('audience=%C3%BC')],
        [undefined, 'invented/secret', true],
      );
    },
  ],
  [
    'takes an URL and a Request, and calls the global fetch unbound',
    async (place) => {
      const { authorizedFetch } = place.createClient();

      await authorizedFetch(new URL(place.url('api/echo')));
      await authorizedFetch(new Request(place.url('api/echo'), { method: 'POST', body: 'text' }));

      equal((await place.seen()).map(({ method, body }) => `${method} ${body}`).slice(1), [
        'GET ',
        'POST text',
      ]);
    },
  ],
  [
    'calls another origin that is among apiOrigins',
    async (place) => {
      const { authorizedFetch } = place.createClient(
        { vZM2mToken: 'invented' },
        {},
        { apiOrigins: [place.other] },
      );

      const response = await authorizedFetch(place.otherUrl('api/echo'), {
        method: 'PUT',
        body: '{}',
        headers: { 'content-type': 'application/json' },
      });

      const { place: where, authorization, session } = await response.json();
      equal([where, authorization, session], ['outside', 'Bearer invented-token-1', 'invented']);
    },
  ],
  [
    'shares one exchange among twenty calls',
    async (place) => {
      const { authorizedFetch, getToken, fetchToken } = place.createClient(
        {},
        {},
        { tokenUrl: place.url('token/slow') },
      );

      await Promise.all([
        fetchToken(),
        getToken(),
        ...Array.from({ length: 18 }, () => authorizedFetch(place.url('api/echo')).then(drain)),
      ]);

      equal(await place.count('token/slow'), 1);
    },
  ],
  [
    'starts from a token that went through JSON',
    async (place) => {
      const first = place.createClient();
      const saved = JSON.stringify(await first.fetchToken());

      await drain(
        await place
          .createClient()
          .withToken(reviveToken(JSON.parse(saved)))
          .authorizedFetch(place.url('api/echo')),
      );

      equal(await place.count('token'), 1);
    },
  ],
  [
    'rejects with the reason of a caller that waits for a token, and goes on for the others',
    async (place) => {
      const { getToken } = place.createClient({}, {}, { tokenUrl: place.url('token/slow') });
      const controller = new AbortController();
      const reason = { of: 'the caller' };
      const waiting = getToken({ signal: controller.signal });
      const others = getToken();

      controller.abort(reason);

      same(await rejection(waiting), reason);
      equal((await others).accessToken, 'invented-token-1');
    },
  ],
  ...['an object', 'a string', 'none'].map((kind) => [
    `rejects with the reason of a caller that aborts its call: ${kind}`,
    async (place) => {
      const { authorizedFetch, getToken } = place.createClient();
      await getToken();
      const controller = new AbortController();
      const call = authorizedFetch(place.url('api/hung'), { signal: controller.signal });
      await place.arrival('api/hung');

      controller.abort({ 'an object': { of: 'the caller' }, 'a string': 'stop', none: undefined }[kind]);

      same(await rejection(call), controller.signal.reason);
    },
  ]),
  [
    'makes no request for a caller that had given up before',
    async (place) => {
      const { authorizedFetch } = place.createClient();
      const reason = new Error('before');

      same(
        await rejection(authorizedFetch(place.url('api/echo'), { signal: AbortSignal.abort(reason) })),
        reason,
      );

      equal(await place.count('api/echo'), 0);
    },
  ],
  [
    'ends a call and an exchange that take too long with code timeout',
    async (place) => {
      const call = place.createClient({ timeout: 300 });
      const exchange = place.createClient({ timeout: 300 }, {}, { tokenUrl: place.url('token/hung') });

      equal(await failure(call.authorizedFetch(place.url('api/hung'))), 'ApiError timeout');
      equal(await failure(exchange.getToken()), 'ApiError timeout');
    },
  ],
  [
    'ends the reading of a body that takes too long',
    async (place) => {
      const { authorizedFetch } = place.createClient({ timeout: 500 });

      const response = await authorizedFetch(place.url('api/body-hung'));

      equal(response.status, 200);
      await rejection(response.text());
    },
  ],
  [
    'says network when the connection is cut',
    async (place) => {
      const { getToken } = place.createClient(
        { retry: { attempts: 1 } },
        {},
        { tokenUrl: place.url('token/cut') },
      );

      equal(await failure(getToken()), 'ApiError network');
    },
  ],
  [
    'says gateway_fault when a page answers, after its retries',
    async (place) => {
      const { getToken } = place.createClient(
        { retry: { attempts: 2, baseDelay: 1 } },
        {},
        { tokenUrl: place.url('token/gateway') },
      );

      equal(await failure(getToken()), 'ApiError gateway_fault');
      equal(await place.count('token/gateway'), 2);
    },
  ],
  [
    'says what the server refused, also where the platform would ask for a password',
    async (place) => {
      const { getToken } = place.createClient({}, {}, { tokenUrl: place.url('token/refused') });

      const error = await rejection(getToken());

      equal(
        [error instanceof OAuthProviderError, error.name, error.code, error.error, error.statusCode],
        [true, 'OAuthProviderError', 'oauth_error', 'invalid_client', 401],
      );
      equal(`${error.stack} ${JSON.stringify(error)}`.includes('invented/secret'), false);
    },
  ],
  [
    'revokes a token',
    async (place) => {
      const config = place.config({}, {}, { revocationUrl: place.url('revoke') });

      await revokeToken(config, { accessToken: 'invented-token-1', tokenType: 'Bearer' });

      equal((await place.seen())[0].body, 'token=invented-token-1');
    },
  ],
  // Each body with what the server must get of it, a character for each byte: whole, or the parts of a form.
  ...Object.entries({
    'no body': [() => undefined, ''],
    text: [() => 'text with ü', 'text with \u00c3\u00bc'],
    bytes: [() => Uint8Array.of(0, 255, 10), '\u0000\u00ff\n'],
    'an ArrayBuffer': [() => Uint8Array.of(1, 2, 3).buffer, '\u0001\u0002\u0003'],
    'a Blob': [() => new Blob(['blob'], { type: 'text/x-invented' }), 'blob'],
    'a form': [() => new URLSearchParams({ a: 'ü' }), 'a=%C3%BC'],
    'a FormData': [
      () => {
        const data = new FormData();
        data.append('field', 'ü');
        data.append('file', new Blob(['content']), 'file.txt');
        return data;
      },
      [
        'name="field"\r\n\r\n\u00c3\u00bc\r\n--boundary\r\n',
        'name="file"; filename="file.txt"',
        '\r\n\r\ncontent\r\n--boundary--',
      ],
    ],
  }).map(([kind, [makeBody, expected]]) => [
    `renews after 401 and sends the call again: ${kind}`,
    async (place) => {
      const { authorizedFetch } = place.createClient();
      const body = makeBody();

      const response = await authorizedFetch(place.url('api/first-token-revoked'), {
        ...(body && { method: 'POST', body }),
      });

      await assertReplay(place, response, expected);
    },
  ]),
  [
    'renews after 401 and sends the call again: a Request',
    async (place) => {
      const { authorizedFetch } = place.createClient();

      const response = await authorizedFetch(
        new Request(place.url('api/first-token-revoked'), { method: 'POST', body: 'in a Request' }),
      );

      await assertReplay(place, response, 'in a Request');
    },
  ],
  [
    'hands back the 401 of a stream, and renews for the next call',
    async (place) => {
      const { authorizedFetch } = place.createClient();
      const body = new Blob(['streamed']).stream();

      const response = await authorizedFetch(place.url('api/first-token-revoked'), {
        method: 'POST',
        body,
        duplex: 'half',
      });
      await drain(response);
      await drain(await authorizedFetch(place.url('api/first-token-revoked')));

      equal(response.status, 401);
      equal(
        (await place.seen()).map(({ path, body: text }) => `${path} ${path === 'token' ? '' : text}`),
        ['token ', 'api/first-token-revoked streamed', 'token ', 'api/first-token-revoked '],
      );
    },
    'streamed request bodies',
  ],
  [
    'refuses an origin that is not among apiOrigins, before it asks for a token',
    async (place) => {
      const { authorizedFetch } = place.createClient();

      equal(await failure(authorizedFetch(place.otherUrl('api/echo'))), 'TypeError undefined');

      equal(await place.seen(), []);
    },
  ],
  ...[301, 302, 303, 307, 308].map((status) => [
    `follows a ${status} inside apiOrigins with both headers`,
    async (place) => {
      const { authorizedFetch } = place.createClient({ vZM2mToken: 'invented' });

      const response = await authorizedFetch(place.moved(status, place.url('api/echo')), {
        method: 'POST',
        body: 'text',
      });

      const { method, authorization, session, body } = await response.json();
      const [expectedMethod, expectedBody] = status < 304 ? ['GET', ''] : ['POST', 'text'];
      equal(
        [method, body, authorization, session],
        [expectedMethod, expectedBody, 'Bearer invented-token-1', 'invented'],
      );
      equal([response.url, response.redirected], [place.url('api/echo'), true]);
    },
    'visible redirects',
  ]),
  [
    'takes neither header along to another origin',
    async (place) => {
      const { authorizedFetch } = place.createClient({ vZM2mToken: 'invented' });

      const response = await authorizedFetch(place.moved(302, place.otherUrl('api/echo')));

      const { place: where, authorization, session } = await response.json();
      equal([where, authorization, session], ['outside', undefined, undefined]);
    },
    'visible redirects',
  ],
  [
    'hands back the redirect when asked for manual',
    async (place) => {
      const { authorizedFetch } = place.createClient();

      const response = await authorizedFetch(place.moved(302, place.url('api/echo')), { redirect: 'manual' });

      equal([response.status, response.headers.get('location')], [302, place.url('api/echo')]);
    },
    'visible redirects',
  ],
  [
    'refuses every redirect that a browser hides, and names the entry for pages',
    async (place) => {
      const { authorizedFetch } = place.createClient();
      const error = await rejection(authorizedFetch(place.moved(302, place.url('api/echo'))));

      equal([error instanceof TypeError, /thingspace-auth\/browser/.test(error.message)], [true, true]);
      equal([await place.count('api/echo'), await place.count('api/moved')], [0, 1]);
    },
    'hidden redirects',
  ],
  [
    'in a page gets tokens from its provider only, renews after 401 and sends the call again',
    async (place) => {
      const { authorizedFetch, asked } = createPage(place);

      const response = await authorizedFetch(place.url('api/first-token-revoked'), {
        method: 'POST',
        body: 'text',
      });

      const { method, authorization, body } = await response.json();
      equal([method, authorization, body], ['POST', 'Bearer invented-token-2', 'text']);
      equal([asked.length, await place.count('token')], [2, 0]);
    },
  ],
  [
    'in a page refuses a secret, and has no token without a provider',
    async (place) => {
      let error;
      try {
        createPageClient(place.config());
      } catch (thrown) {
        error = thrown;
      }
      const { authorizedFetch } = createPage(place, { oauthTokenProvider: undefined });

      equal(`${error}`, 'TypeError: oauthClientSecret must be absent: everybody can read a page');
      equal(await failure(authorizedFetch(place.url('api/echo'))), 'ApiError no_credentials');
      equal(await place.seen(), []);
    },
  ],
  [
    'in a page hands back a redirect that shows, and goes nowhere',
    async (place) => {
      const { authorizedFetch } = createPage(place);

      const response = await authorizedFetch(place.moved(302, place.otherUrl('api/echo')));

      equal([response.status, response.headers.get('location')], [302, place.otherUrl('api/echo')]);
      equal(await place.count('api/echo'), 0);
    },
    'visible redirects',
  ],
  [
    'in a page lets the browser follow a GET, without the bearer at another origin, and refuses a POST',
    async (place) => {
      const { authorizedFetch } = createPage(place);
      const moved = place.moved(307, place.otherUrl('api/echo'));

      const inside = await authorizedFetch(place.moved(302, place.url('api/echo')));
      const outside = await authorizedFetch(moved);

      equal((await inside.json()).authorization, 'Bearer invented-token-1');
      const { place: where, authorization } = await outside.json();
      equal([where, authorization], ['outside', undefined]);
      equal(await failure(authorizedFetch(moved, { method: 'POST', body: 'text' })), 'TypeError undefined');
    },
    'hidden redirects',
  ],
  [
    'refuses a redirect of a POST and of a call with a session, which go nowhere else',
    async (place) => {
      const { authorizedFetch } = place.createClient();
      const withSession = place.createClient({ vZM2mToken: 'invented' });
      const moved = place.moved(307, place.otherUrl('api/echo'));

      equal(await failure(authorizedFetch(moved, { method: 'POST', body: 'text' })), 'TypeError undefined');
      equal(await failure(withSession.authorizedFetch(moved)), 'TypeError undefined');

      equal([await place.count('api/echo'), await place.count('api/moved')], [0, 2]);
    },
    'hidden redirects',
  ],
  [
    'never follows a redirect of the token endpoint',
    async (place) => {
      const { getToken } = place.createClient(
        {},
        {},
        { tokenUrl: `${place.url('token/moved')}?to=${encodeURIComponent(place.otherUrl('token'))}` },
      );

      const error = await rejection(getToken());

      equal([error instanceof ApiError, await place.count('token')], [true, 0]);
    },
  ],
  [
    'keeps its token in Web Storage for the next client',
    async (place) => {
      await assertShared(place, webStore(sessionStorage, { locks: globalThis.navigator?.locks }));
    },
    'Web Storage',
  ],
  [
    'keeps its token in a key-value store for the next client',
    async (place, { namespace }) => {
      await assertShared(place, kvStore(namespace));
    },
    'key-value store',
  ],
  [
    'keeps its token in a file for the next client',
    async (place, { openFileStore }) => {
      await assertShared(place, await openFileStore());
    },
    'files',
  ],
  [
    'keeps its token sealed',
    async (place) => {
      const values = new Map();
      const store = {
        get: (key) => values.get(key),
        set: (key, value) => values.set(key, value),
        delete: (key) => values.delete(key),
      };
      const key = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, [
        'encrypt',
        'decrypt',
      ]);

      await assertShared(place, encryptedStore(store, key));

      equal([values.size, [...values.values()].join().includes('invented-token')], [1, false]);
    },
  ],
  [
    'logs in once, again when the session has lapsed, and out',
    async (place) => {
      const session = createSession({ username: 'invented-name', password: 'invented-password' });
      const { authorizedFetch } = place.createClient(
        { vZM2mToken: session },
        {},
        { sessionUrl: place.url('session') },
      );

      const response = await authorizedFetch(place.url('api/first-session-lapsed'), {
        method: 'POST',
        body: 'text',
      });
      await Promise.all([1, 2].map(() => authorizedFetch(place.url('api/echo')).then(drain)));
      await session.logout();

      const { session: sent, body } = await response.json();
      equal([sent, body], ['invented-session-2', 'text']);
      equal(
        [await place.count('session/login'), await place.count('session/logout'), session.current()],
        [2, 1, undefined],
      );
    },
  ],
  [
    'never repeats a refused login',
    async (place) => {
      const session = createSession({ username: 'invented-name', password: 'invented-password' });
      const { authorizedFetch } = place.createClient(
        { vZM2mToken: session },
        {},
        { sessionUrl: place.url('refused') },
      );

      for (let call = 0; call < 3; call++)
        equal(await failure(authorizedFetch(place.url('api/echo'))), 'ApiError session_refused');

      equal([await place.count('refused/login'), await place.count('api/echo')], [1, 0]);
    },
  ],
  // Assertions, proofs and metadata; what is signed here the server verifies, by Node's own crypto.
  ...['ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'EdDSA'].map(
    (algorithm) => [
      `signs an assertion: ${algorithm}`,
      async (place) => {
        const [pem, jwk] = await Promise.all(['pem', 'jwk'].map((format) => place.key(algorithm, format)));
        for (const key of [await importKey(pem, algorithm), await importKey(jwk, algorithm)]) {
          const clientAuthentication = privateKeyJwt({ key, keyId: algorithm });
          const { getToken } = place.createClient(
            {},
            { clientAuthentication },
            { tokenUrl: place.url('token/asserted') },
          );
          equal((await getToken()).scope, `asserted with ${algorithm}`);
        }
      },
      { ES512: 'P-521', EdDSA: 'Ed25519' }[algorithm],
    ],
  ),
  [
    'knows the kind of a key, and refuses all but private ones',
    async (place) => {
      for (const algorithm of ['ES256', 'ES384', 'RS256'])
        privateKeyJwt({ key: await importKey(await place.key(algorithm, 'pem')), algorithm });
      privateKeyJwt({ key: await importKey(await place.key('PS512', 'jwk-with-alg')), algorithm: 'PS512' });

      for (const format of ['public', 'public-jwk', 'encrypted', 'pkcs1', 'sec1']) {
        const [ec, rsa] = await Promise.all(
          ['ES256', 'RS256'].map((algorithm) => place.key(algorithm, format)),
        );
        for (const text of [ec, rsa]) equal(await failure(importKey(text)), 'TypeError undefined');
      }
      equal(await failure(importKey(await place.key('ES256', 'pem'), 'ES384')), 'TypeError undefined');
      equal(await failure(importKey(await place.key('ES256', 'pem'), 'RS256')), 'TypeError undefined');
    },
  ],
  [
    'signs an assertion with the client’s secret',
    async (place) => {
      const { getToken } = place.createClient(
        {},
        { clientAuthentication: clientSecretJwt() },
        { tokenUrl: place.url('token/asserted') },
      );
      equal((await getToken()).scope, 'asserted with HS256');
    },
  ],
  [
    'proves that it holds the key of its token, with the nonce that each server asks for',
    async (place) => {
      const options = { dpop: createDpop() };
      const { authorizedFetch, getToken } = place.createClient(
        options,
        {},
        { tokenUrl: place.url('token/proven') },
      );

      const responses = await Promise.all(
        [1, 2, 3].map(() =>
          authorizedFetch(`${place.url('api/proven')}?query`, { method: 'POST', body: 'text' }),
        ),
      );

      equal(
        responses.map(({ status }) => status),
        [200, 200, 200],
      );
      equal(
        [(await getToken()).tokenType, await place.count('token/proven'), await place.count('api/proven')],
        ['DPoP', 2, 6],
      );
    },
  ],
  [
    'takes no proof along to another origin',
    async (place) => {
      const { authorizedFetch, fetchToken } = place.createClient(
        { dpop: createDpop() },
        {},
        { tokenUrl: place.url('token/proven') },
      );
      await fetchToken();

      const response = await authorizedFetch(place.moved(302, place.otherUrl('api/echo')));

      const { place: where, authorization, proof } = await response.json();
      equal([where, authorization, proof], ['outside', undefined, undefined]);
    },
    'visible redirects',
  ],
  [
    'refuses a redirect of a call with a proof',
    async (place) => {
      const { authorizedFetch } = place.createClient(
        { dpop: createDpop() },
        {},
        { tokenUrl: place.url('token/proven') },
      );

      equal(await failure(authorizedFetch(place.moved(302, place.url('api/echo')))), 'TypeError undefined');

      equal(await place.count('api/echo'), 0);
    },
    'hidden redirects',
  ],
  [
    'finds the endpoints of an issuer',
    async (place) => {
      const environment = await discover(place.url('issuer'), { apiOrigins: [place.other] });

      equal(environment, {
        tokenUrl: place.url('token'),
        apiOrigins: [place.other],
        revocationUrl: place.url('revoke'),
        issuer: place.url('issuer'),
      });
      equal(await failure(discover(place.url('nobody'), { apiOrigins: [] })), 'ApiError invalid_response');
      equal(
        await failure(discover(place.url('moved-issuer'), { apiOrigins: [] })),
        'ApiError invalid_response',
      );
    },
  ],
  [
    'works against the mock server, which takes an assertion and proofs unread',
    async (place) => {
      const { fetch, requests, revokeAll } = createMockServer({ clients: { 'invented-id': 'none' } });
      const clientAuthentication = privateKeyJwt({ key: await importKey(await place.key('ES256', 'pem')) });
      const { authorizedFetch } = createClient({
        clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', clientAuthentication },
        dpop: createDpop(),
        fetch,
      });
      const regions = 'https://5gedge.verizon.com/api/mec/eds/regions';

      await authorizedFetch(regions).then(drain);
      revokeAll();
      await authorizedFetch(regions).then(drain);

      equal(
        requests.map(({ path, status }) => `${path.split('/').at(-1)} ${status}`),
        ['token 200', 'regions 200', 'regions 401', 'token 200', 'regions 200'],
      );
    },
  ],
  [
    'works against the mock server as its fetch',
    async () => {
      const { fetch, requests, revokeAll, failNext } = createMockServer({
        clients: { 'invented-id': 'invented-secret' },
      });
      const { authorizedFetch } = createClient({
        clientCredentialsAuthCredentials: {
          oauthClientId: 'invented-id',
          oauthClientSecret: 'invented-secret',
        },
        vZM2mToken: createSession({ username: 'invented-name', password: 'invented-password' }),
        retry: { baseDelay: 1 },
        fetch,
      });
      failNext('token', 503);
      const regions = 'https://5gedge.verizon.com/api/mec/eds/regions';

      await authorizedFetch(regions).then(drain);
      revokeAll();
      const response = await authorizedFetch(regions);

      equal([response.status, (await response.json()).regions[0].regionId], [200, 'mock-region-1']);
      equal(
        requests.map(({ path, status }) => `${path.split('/').at(-1)} ${status}`),
        ['token 503', 'token 200', 'login 200', 'regions 200', 'regions 401', 'token 200', 'regions 200'],
      );
    },
  ],
];

/** The paths of one case, clients that use them, and what the servers saw there. */
function createPlace(origin, other, folder) {
  const url = (path) => `${origin}/${folder}/${path}`;
  const otherUrl = (path) => `${other}/${folder}/${path}`;
  const seen = async () => (await fetch(url('seen'))).json();
  const count = async (path) => (await seen()).filter((request) => request.path === path).length;
  const config = (options, credentials, environment) => ({
    clientCredentialsAuthCredentials: {
      oauthClientId: 'invented-id',
      oauthClientSecret: 'invented/secret',
      ...credentials,
    },
    environment: { tokenUrl: url('token'), apiOrigins: [origin], ...environment },
    ...options,
  });
  return {
    other,
    url,
    otherUrl,
    seen,
    count,
    config,
    createClient: (options, credentials, environment) =>
      createClient(config(options, credentials, environment)),
    key: async (algorithm, format) =>
      (await fetch(url(`keys?algorithm=${algorithm}&format=${format}`))).text(),
    moved: (status, to) => `${url('api/moved')}?status=${status}&to=${encodeURIComponent(to)}`,
    arrival: async (path) => {
      while ((await count(path)) === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    },
  };
}

/** A client of the browser entry, whose provider gives numbered tokens. */
function createPage(place, credentials) {
  const asked = [];
  const oauthTokenProvider = (lastToken) => {
    asked.push(lastToken);
    return { accessToken: `invented-token-${asked.length}`, tokenType: 'Bearer' };
  };
  const client = createPageClient({
    clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthTokenProvider, ...credentials },
    environment: place.config().environment,
  });
  return { ...client, asked };
}

async function assertReplay(place, response, expected) {
  const [, first, , second] = await place.seen();
  const plain = ({ type = '', body }) => {
    const boundary = /boundary="?([^"]+)/.exec(type)?.[1];
    return boundary ? body.replaceAll(boundary, 'boundary') : body;
  };
  equal(
    [response.status, (await response.json()).authorization, await place.count('token')],
    [200, 'Bearer invented-token-2', 2],
  );
  equal(
    [second.method, plain(second), second.type?.split(';')[0]],
    [first.method, plain(first), first.type?.split(';')[0]],
  );
  if (typeof expected === 'string') equal(plain(second), expected);
  else for (const part of expected) equal([part, plain(second).includes(part)], [part, true]);
}

async function assertShared(place, store) {
  const create = () => place.createClient({}, { oauthTokenProvider: storedToken(store) });

  const [first, second] = [await create().getToken(), await create().getToken()];

  equal(
    [first.accessToken, second.accessToken, await place.count('token')],
    ['invented-token-1', 'invented-token-1', 1],
  );
}

async function runCase(test, place, platform) {
  try {
    await test(place, platform);
    return {};
  } catch (error) {
    return { error: String(error?.stack ?? error) };
  }
}

const drain = (response) => response.text();

const rejection = (promise) =>
  promise.then(
    (value) => {
      throw new Error(`resolved: ${value}`);
    },
    (error) => error,
  );

async function failure(promise) {
  const error = await rejection(promise);
  return `${error?.name} ${error?.code}`;
}

function equal(actual, expected) {
  const [got, wanted] = [actual, expected].map((value) =>
    JSON.stringify(value, (_, each) => (each === undefined ? 'undefined' : each)),
  );
  if (got !== wanted) throw new Error(`${got} is not ${wanted}`);
}

function same(actual, expected) {
  if (!Object.is(actual, expected))
    throw new Error(`not the same: ${String(actual?.stack ?? actual)} and ${String(expected)}`);
}
