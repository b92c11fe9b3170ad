import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from 'thingspace-auth';
import { sessionFromEnvironment } from 'thingspace-auth/session';
import { createMockServer } from 'thingspace-auth/testing';
import { DEVICES_PATH, startSessionServer } from '../support/sessionServer.ts';

const env = { THINGSPACE_USERNAME: 'invented-name', THINGSPACE_PASSWORD: 'invented-password' };

test('logs in with the variables, and keeps the session in the store that it is given', async () => {
  const values = new Map<string, string>();
  const store = {
    get: (key: string) => values.get(key),
    set: (key: string, value: string) => values.set(key, value),
    delete: (key: string) => values.delete(key),
    compareAndSet(key: string, expected: string | undefined, value: string | undefined) {
      if (values.get(key) !== expected) return false;
      value === undefined ? values.delete(key) : values.set(key, value);
      return true;
    },
  };
  const { fetch, requests } = createMockServer();
  const clientOf = () =>
    createClient({
      clientCredentialsAuthCredentials: {
        oauthClientId: 'invented-key',
        oauthClientSecret: 'invented-secret',
      },
      vZM2mToken: sessionFromEnvironment({ env, store }),
      fetch,
    });

  for (const { authorizedFetch } of [clientOf(), clientOf()]) {
    const { status } = await authorizedFetch('https://thingspace.verizon.com/api/m2m/v1/accounts');
    assert.equal(status, 200);
  }

  const logins = requests.filter(({ url }) => url.endsWith('/session/login'));
  assert.equal(logins.length, 1);
});

test('reads the variables of the process, and none where there is no process', (t) => {
  const { process: platform } = globalThis;
  t.after(() => {
    globalThis.process = platform;
  });
  Reflect.deleteProperty(globalThis, 'process');

  assert.throws(() => sessionFromEnvironment(), {
    name: 'TypeError',
    message: 'THINGSPACE_USERNAME must be set and not empty',
  });
});

test('names an unknown option', () => {
  assert.throws(() => sessionFromEnvironment({ env, stor: undefined } as object), {
    name: 'TypeError',
    message: 'stor is not store or env',
  });
});

test('makes a session from variables, without the white space around them', async (t) => {
  const server = await startSessionServer(t);
  const env = { THINGSPACE_USERNAME: ' invented-user', THINGSPACE_PASSWORD: 'invented-password\n' };
  const session = sessionFromEnvironment({ env });

  await server.client(session).authorizedFetch(server.origin + DEVICES_PATH);

  assert.deepEqual(JSON.parse(server.logins[0]?.body ?? ''), {
    username: 'invented-user',
    password: 'invented-password',
  });
});

for (const [name, options, message] of [
  ['a user name that is missing', { env: { THINGSPACE_PASSWORD: 'x' } }, /THINGSPACE_USERNAME/],
  [
    'a password that is empty',
    { env: { THINGSPACE_USERNAME: 'x', THINGSPACE_PASSWORD: '' } },
    /THINGSPACE_PASSWORD/,
  ],
  ['an unknown option', { stor: {} }, /^stor is not store or env$/],
  [
    'no store',
    { env: { THINGSPACE_USERNAME: 'x', THINGSPACE_PASSWORD: 'y' }, store: null },
    /^store must have/,
  ],
] as const) {
  test(`refuses at once ${name} for a session from variables`, () => {
    assert.throws(() => sessionFromEnvironment(options as never), { name: 'TypeError', message });
  });
}
