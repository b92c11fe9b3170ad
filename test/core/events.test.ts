import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ClientEvent, createClient } from 'thingspace-auth';
import { fakeClock, recordEvents, rejectionOf, startServer, tokenAnswer } from '../support/server.ts';

describe('onEvent', () => {
  test('is told of a token and where it came from', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    const { events, onEvent } = recordEvents();
    server.token = () => (clock.advance(250), tokenAnswer('a', 3600));
    await createClient(server.config({ onEvent })).getToken();
    server.token = () => ({ body: { access_token: 'a' } });
    await createClient(server.config({ onEvent })).fetchToken();
    const oauthTokenProvider = () => ({
      accessToken: 'brokered',
      tokenType: 'Bearer' as const,
      expiresIn: 5,
    });
    await createClient(server.config({ onEvent }, { oauthTokenProvider })).getToken();
    expect(events, [
      { type: 'token_obtained', source: 'exchange', durationMs: 250, attempts: 1, expiresIn: 3600 },
      { type: 'token_obtained', source: 'exchange', durationMs: 0, attempts: 1 },
      { type: 'token_obtained', source: 'provider', durationMs: 0, attempts: 0, expiresIn: 5 },
    ]);
  });

  test('is told of exchanges that fail and of each wait for another try', async (t) => {
    const clock = fakeClock(t);
    t.mock.method(Math, 'random', () => 0.5);
    const server = await startServer(t);
    const { events, onEvent } = recordEvents();
    const client = createClient(
      server.config({ onEvent: (event) => (onEvent(event), clock.skipWaits(event)) }),
    );
    server.token = (_, response) =>
      server.tokenRequests.length === 1 ? { status: 503 } : void response.socket?.destroy();
    await rejectionOf(client.fetchToken());
    server.token = () => ({ status: 401, body: { error: 'invalid_client' } });
    await rejectionOf(client.fetchToken());
    await rejectionOf(client.getToken());
    expect(events, [
      { type: 'retry_waiting', attempt: 1, delayMs: 250, code: 'gateway_fault', statusCode: 503 },
      { type: 'retry_waiting', attempt: 2, delayMs: 500, code: 'network' },
      // The clock went on one millisecond further at each wait.
      { type: 'token_failed', code: 'network', durationMs: 752, attempts: 3 },
      { type: 'token_failed', code: 'oauth_error', statusCode: 401, durationMs: 0, attempts: 1 },
    ]);
  });

  test('is told of errors that are none of ours as other', async (t) => {
    fakeClock(t);
    const server = await startServer(t);
    const { events, onEvent } = recordEvents();
    const oauthTokenProvider = () => Promise.reject(new Error('own'));
    await rejectionOf(createClient(server.config({ onEvent }, { oauthTokenProvider })).getToken());
    expect(events, [{ type: 'token_failed', code: 'other', durationMs: 0, attempts: 0 }]);
  });

  test('is told of a failed refresh ahead', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    const { events, onEvent } = recordEvents();
    const client = createClient(server.config({ onEvent }));
    await client.getToken();
    server.token = () => ({ status: 404 });
    clock.advance(3_400_000);
    await client.getToken();
    await clock.until(() => events.length === 2);
    expect(events.slice(1), [
      { type: 'refresh_ahead_failed', code: 'gateway_fault', statusCode: 404, durationMs: 0, attempts: 1 },
    ]);
  });

  test('is told of an oauthOnTokenUpdate that fails', async (t) => {
    const clock = fakeClock(t);
    const server = await startServer(t);
    const { events, onEvent } = recordEvents();
    const client = createClient(
      server.config({ onEvent }, { oauthOnTokenUpdate: () => Promise.reject(new Error('own')) }),
    );
    await client.getToken();
    await clock.until(() => events.length === 2);
    expect(
      events.filter(({ type }) => type === 'token_update_failed'),
      [{ type: 'token_update_failed', code: 'other' }],
    );
  });

  test('is told of a replay', async (t) => {
    fakeClock(t);
    const server = await startServer(t);
    const { events, onEvent } = recordEvents();
    const client = createClient(server.config({ onEvent }));
    server.revoked.add('token-1');
    await client.authorizedFetch(`${server.origin}/x`);
    expect(events, [
      { type: 'token_obtained', source: 'exchange', durationMs: 0, attempts: 1, expiresIn: 3600 },
      { type: 'token_obtained', source: 'exchange', durationMs: 0, attempts: 1, expiresIn: 3600 },
      { type: 'request_replayed', reason: 'token' },
    ]);
  });

  test('is told nothing of calls that need nothing', async (t) => {
    const server = await startServer(t);
    const { events, onEvent } = recordEvents();
    const client = createClient(server.config({ onEvent }));
    await client.getToken();
    for (let count = 0; count < 5; count++) await client.authorizedFetch(`${server.origin}/x`);
    await rejectionOf(client.authorizedFetch('https://example.com/'));
    assert.equal(events.length, 1);
  });
});

/** Exactly these records, with no member more, each frozen and fit for JSON. */
function expect(events: readonly ClientEvent[], expected: readonly ClientEvent[]): void {
  assert.deepEqual(events, expected);
  for (const event of events) {
    assert.ok(Object.isFrozen(event));
    assert.deepEqual(JSON.parse(JSON.stringify(event)), event);
  }
}
