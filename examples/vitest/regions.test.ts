import { createClient } from 'thingspace-auth';
import { createMockServer } from 'thingspace-auth/testing';
import { afterEach, expect, test, vi } from 'vitest';

const REGIONS = 'https://5gedge.verizon.com/api/mec/eds/regions';
const clientCredentialsAuthCredentials = { oauthClientId: 'any-key', oauthClientSecret: 'any-secret' };

afterEach(() => vi.useRealTimers());

test('an hour later there is another token', async () => {
  vi.useFakeTimers();
  const mock = createMockServer(); // reads the clock that Vitest moves
  const { authorizedFetch } = createClient({ clientCredentialsAuthCredentials, fetch: mock.fetch });

  await authorizedFetch(REGIONS);
  vi.advanceTimersByTime(3_600_000);
  await authorizedFetch(REGIONS);

  expect(mock.requests.filter(({ path }) => path.endsWith('/token'))).toHaveLength(2);
});
