// Tests your code without a network: the mock ThingSpace is one function that takes the place of fetch.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Client, createClient } from 'thingspace-auth';
import { createMockServer } from 'thingspace-auth/testing';

// Your code: it takes the client's function, so that a test can give it another one.
async function countRegions(authorizedFetch: Client['authorizedFetch']): Promise<number> {
  const response = await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
  if (!response.ok) throw new Error(`regions: ${response.status}`);
  return ((await response.json()) as { regions: unknown[] }).regions.length;
}

const clientCredentialsAuthCredentials = { oauthClientId: 'any-key', oauthClientSecret: 'any-secret' };

test('counts the regions', async () => {
  const mock = createMockServer();
  const { authorizedFetch } = createClient({ clientCredentialsAuthCredentials, fetch: mock.fetch });

  assert.equal(await countRegions(authorizedFetch), 1);
  assert.deepEqual(
    mock.requests.map(({ path }) => path),
    ['/api/ts/v1/oauth2/token', '/api/mec/eds/regions'],
  );
});

test('survives a token that was revoked, and reports an API that is down', async () => {
  const mock = createMockServer();
  const { authorizedFetch } = createClient({ clientCredentialsAuthCredentials, fetch: mock.fetch });

  await countRegions(authorizedFetch);
  mock.revokeAll();
  assert.equal(await countRegions(authorizedFetch), 1);

  mock.failNext('api', 503);
  await assert.rejects(countRegions(authorizedFetch), /regions: 503/);
});
