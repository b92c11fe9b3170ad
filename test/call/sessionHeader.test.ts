// The vendor's ETX wants the session token in another header than all its other APIs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from 'thingspace-auth';
import { createSession } from 'thingspace-auth/session';
import { createMockServer } from 'thingspace-auth/testing';

const API = 'https://thingspace.verizon.com/api/m2m/v1/devices';
const ETX = 'https://imp.thingspace.verizon.com/api/etx/v1/clients';
const STAGING = 'https://imp-staging.thingspace.verizon.com/api/etx/v1/clients';
const OUTSIDE = 'https://imp.example.com/etx';

/** A network in which each URL answers, or leads on to another one; and what came to each. */
function createNetwork(redirects: Readonly<Record<string, string>> = {}) {
  const seen: [url: string, names: Record<string, string>][] = [];
  const clientOf = (vZM2mToken: Parameters<typeof createClient>[0]['vZM2mToken'] = 'invented-session') =>
    createClient({
      clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthToken: HELD },
      environment: {
        tokenUrl: 'https://thingspace.verizon.com/token',
        apiOrigins: [API, ETX, STAGING].map((url) => new URL(url).origin),
      },
      vZM2mToken,
      fetch: async (input, init) => {
        const url = String(input);
        if (url.endsWith('/login')) return Response.json({ sessionToken: 'invented-session' });
        const sent = [...new Headers(init?.headers)].filter(([name]) => /token/.test(name));
        seen.push([url, Object.fromEntries(sent)]);
        const location = redirects[url];
        return new Response(null, location ? { status: 307, headers: { location } } : {});
      },
    });
  return { seen, clientOf };
}

const HELD = { accessToken: 'held-token', tokenType: 'Bearer' } as const;
const M2M = { 'vz-m2m-token': 'invented-session' };
const IMP = { sessiontoken: 'invented-session' };

for (const [name, source] of [
  ['a constant token', () => 'invented-session'],
  ['a session', () => createSession({ username: 'invented-user', password: 'invented-password' })],
] as const) {
  test(`sends ${name} under the name that each origin wants`, async () => {
    const { seen, clientOf } = createNetwork();
    const { authorizedFetch } = clientOf(source());

    for (const url of [API, ETX, STAGING, API]) await authorizedFetch(url);

    assert.deepEqual(seen, [
      [API, M2M],
      [ETX, IMP],
      [STAGING, IMP],
      [API, M2M],
    ]);
  });

  test(`renames ${name} at redirects, both ways, and sends neither name outside`, async () => {
    for (const [from, to, first, second] of [
      [API, ETX, M2M, IMP],
      [ETX, API, IMP, M2M],
      [ETX, OUTSIDE, IMP, {}],
      [API, OUTSIDE, M2M, {}],
    ] as const) {
      const { seen, clientOf } = createNetwork({ [from]: to });

      await clientOf(source()).authorizedFetch(from);

      assert.deepEqual(seen, [
        [from, first],
        [to, second],
      ]);
    }
  });
}

test('does not add the session again where a redirect comes back from outside', async () => {
  const { seen, clientOf } = createNetwork({ [API]: OUTSIDE, [OUTSIDE]: ETX });

  await clientOf().authorizedFetch(API);

  assert.deepEqual(seen, [
    [API, M2M],
    [OUTSIDE, {}],
    [ETX, {}],
  ]);
});

for (const name of ['vz-m2m-token', 'sessiontoken']) {
  test(`leaves a call with its own ${name} alone, and sends that to no origin outside`, async () => {
    for (const [from, to] of [
      [API, ETX],
      [ETX, API],
      [ETX, OUTSIDE],
    ] as const) {
      const { seen, clientOf } = createNetwork({ [from]: to });

      await clientOf().authorizedFetch(from, { headers: { [name]: 'own-token' } });

      const own = { [name]: 'own-token' };
      assert.deepEqual(seen, [
        [from, own],
        [to, to === OUTSIDE ? {} : own],
      ]);
    }
  });

  test(`sends no session where a call has an empty ${name}`, async () => {
    const { seen, clientOf } = createNetwork();

    for (const url of [API, ETX]) await clientOf().authorizedFetch(url, { headers: { [name]: '' } });

    assert.deepEqual(seen, [
      [API, {}],
      [ETX, {}],
    ]);
  });
}

test('logs in again for a session that ETX finds lapsed', async () => {
  const mock = createMockServer();
  const { authorizedFetch } = createClient({
    clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthClientSecret: 'invented-secret' },
    vZM2mToken: createSession({ username: 'invented-user', password: 'invented-password' }),
    fetch: mock.fetch,
  });
  const url = 'https://imp.thingspace.verizon.com/api/m2m/v1/clients';
  assert.equal((await authorizedFetch(url)).status, 200);
  mock.lapseSessions();

  assert.equal((await authorizedFetch(url)).status, 200);
  assert.equal(mock.requests.filter(({ path }) => path.endsWith('/login')).length, 2);
});
