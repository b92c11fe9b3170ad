import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createClient } from 'thingspace-auth';
import { storedToken, type TokenStore } from 'thingspace-auth/stores';
import { startServer, tokenAnswer } from '../support/server.ts';

describe('a stored token of a server that does not say how long it lives', () => {
  test('serves a second process until it is rejected', async (t) => {
    const server = await startServer(t, {
      token: () => ({ body: { access_token: `token-${server.tokenRequests.length}` } }),
    });
    const store = memoryStore();
    const [first, second] = [0, 1].map(() =>
      createClient(server.config({}, { oauthTokenProvider: storedToken(store) })),
    );
    assert.equal((await first!.getToken()).accessToken, 'token-1');
    assert.equal((await second!.getToken()).accessToken, 'token-1');
    assert.equal(server.tokenRequests.length, 1);
    server.revoked.add('token-1');
    assert.equal((await second!.authorizedFetch(`${server.origin}/x`)).status, 200);
    assert.equal(server.tokenRequests.length, 2);
  });

  test('has no end after the server has repeated it either', async (t) => {
    const server = await startServer(t, { token: () => ({ body: { access_token: 'same' } }) });
    const store = memoryStore();
    const [first, second] = [0, 1].map(() =>
      createClient(server.config({}, { oauthTokenProvider: storedToken(store) })),
    );
    await first!.getToken();
    assert.deepEqual(await first!.fetchToken(), { accessToken: 'same', tokenType: 'Bearer' });
    assert.deepEqual(await second!.getToken(), { accessToken: 'same', tokenType: 'Bearer' });
    assert.equal(server.tokenRequests.length, 2);
  });

  test('keeps a known end when the same token comes without one', async (t) => {
    const server = await startServer(t, { token: () => tokenAnswer('same') });
    const store = memoryStore();
    const client = createClient(server.config({}, { oauthTokenProvider: storedToken(store) }));
    const { expiry } = await client.getToken();
    server.token = () => ({ body: { access_token: 'same' } });
    assert.equal((await client.fetchToken()).expiry, expiry);
    const other = createClient(server.config({}, { oauthTokenProvider: storedToken(store) }));
    assert.equal((await other.getToken()).expiry, expiry);
  });
});

function memoryStore(): TokenStore {
  const values = new Map<string, string>();
  return {
    get: (key) => values.get(key),
    set: (key, value) => values.set(key, value),
    delete: (key) => values.delete(key),
  };
}
