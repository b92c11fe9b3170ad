import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from 'thingspace-auth';
import { sessionFromEnvironment } from 'thingspace-auth/session';
import { createMockServer } from 'thingspace-auth/testing';

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
