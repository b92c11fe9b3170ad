import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { createClient } from 'thingspace-auth';
import {
  fakeClock,
  hold,
  recordEvents,
  setGlobal,
  startServer,
  tokenAnswer,
  turn,
  turns,
} from '../support/server.ts';

/** What such runtimes say of themselves: Vercel's, and workerd, which is also tried for real elsewhere. */
const MARKS = [
  ['EdgeRuntime', 'invented-runtime'],
  ['WebSocketPair', class {}],
] as const;

describe('where a promise may die with the request that began it', () => {
  test('callers wait 5 s for an exchange of another, then elect one among themselves', async (t) => {
    enterEdgeRuntime(t);
    const clock = fakeClock(t);
    const gate = hold();
    const server = await startServer(t);
    server.token = async () => {
      if (server.tokenRequests.length > 1) return tokenAnswer('second');
      await gate.promise;
      return tokenAnswer('first');
    };
    const updates: string[] = [];
    const client = createClient(
      server.config({}, { oauthOnTokenUpdate: ({ accessToken }) => updates.push(accessToken) }),
    );
    const beginner = client.getToken();
    await clock.until(() => server.tokenRequests.length === 1);
    clock.advance(1_000);
    const joiners = Array.from({ length: 100 }, () => client.getToken());
    clock.advance(3_999);
    await turn();
    assert.equal(server.tokenRequests.length, 1);
    clock.advance(1);
    for (const joiner of joiners) assert.equal((await joiner).accessToken, 'second');
    assert.equal(server.tokenRequests.length, 2);

    // The first exchange was not lost, only slow: it serves its beginner and replaces nothing.
    gate.open();
    assert.equal((await beginner).accessToken, 'first');
    assert.equal((await client.getToken()).accessToken, 'second');
    assert.deepEqual(updates, ['second']);
  });

  test('of two late exchanges the second is held, whichever answers last', async (t) => {
    enterEdgeRuntime(t);
    const clock = fakeClock(t);
    const gates = [hold(), hold(), hold()];
    const server = await startServer(t);
    server.token = async () => {
      const { length } = server.tokenRequests;
      await gates[length - 1]?.promise;
      return tokenAnswer(`token-${length}`);
    };
    const client = createClient(server.config());
    const first = client.getToken();
    await clock.until(() => server.tokenRequests.length === 1);
    clock.advance(5_000);
    const second = client.getToken();
    clock.advance(1);
    await clock.until(() => server.tokenRequests.length === 2);
    // Both count as lost when the third begins, and nothing is held yet.
    clock.advance(5_000);
    const third = client.getToken();
    clock.advance(1);
    await clock.until(() => server.tokenRequests.length === 3);

    gates[1]!.open();
    assert.equal((await second).accessToken, 'token-2');
    gates[0]!.open();
    assert.equal((await first).accessToken, 'token-1');
    assert.equal((await client.getToken()).accessToken, 'token-2');

    gates[2]!.open();
    assert.equal((await third).accessToken, 'token-3');
    assert.equal((await client.getToken()).accessToken, 'token-3');
    assert.equal(server.tokenRequests.length, 3);
  });

  test('one that comes when those 5 s are over waits no longer', async (t) => {
    enterEdgeRuntime(t);
    const clock = fakeClock(t);
    const server = await startServer(t);
    server.token = () => (server.tokenRequests.length > 1 ? tokenAnswer('second') : undefined);
    const client = createClient(server.config());
    const controller = new AbortController();
    const beginner = client.getToken({ signal: controller.signal }).catch((reason: unknown) => reason);
    await clock.until(() => server.tokenRequests.length === 1);
    clock.advance(8_000);
    const joiner = client.getToken();
    clock.advance(1);
    assert.equal((await joiner).accessToken, 'second');
    controller.abort('gone');
    assert.equal(await beginner, 'gone');
  });

  test('a caller of its own exchange waits for as long as that has', async (t) => {
    enterEdgeRuntime(t);
    const clock = fakeClock(t);
    const gate = hold();
    const server = await startServer(t, { token: async () => (await gate.promise, tokenAnswer('slow')) });
    const client = createClient(server.config());
    const beginner = client.getToken();
    await clock.until(() => server.tokenRequests.length === 1);
    clock.advance(20_000);
    gate.open();
    assert.equal((await beginner).accessToken, 'slow');
    assert.equal(server.tokenRequests.length, 1);
  });

  for (const [name, mark] of MARKS) {
    test(`each caller has a wait of its own, since another one might die with its request, and keeps no timer of that (${name})`, async (t) => {
      setGlobal(t, name, mark);
      const clock = fakeClock(t);
      const server = await startServer(t);
      const { getToken } = createClient(server.config());
      const waits = [getToken(), getToken(), getToken()];
      assert.equal(new Set(waits).size, 3);
      assert.equal(clock.pendingMs().filter((ms) => ms === 5_000).length, 2);
      await Promise.all(waits);
      assert.ok(!clock.pendingMs().includes(5_000));
    });
  }

  for (const withWaitUntil of [false, true]) {
    test(`a token is ${withWaitUntil ? '' : 'not '}refreshed ahead with${withWaitUntil ? '' : 'out'} waitUntil`, async (t) => {
      enterEdgeRuntime(t);
      const clock = fakeClock(t);
      const server = await startServer(t);
      const { events, onEvent } = recordEvents();
      const waitUntil = (promise: Promise<unknown>) => void promise;
      const client = createClient(server.config({ onEvent, ...(withWaitUntil && { waitUntil }) }));
      await client.getToken();
      clock.advance(3_400_000);
      assert.equal((await client.getToken()).accessToken, 'token-1');
      if (withWaitUntil) await clock.until(() => events.length === 2);
      await turns();
      assert.equal(server.tokenRequests.length, withWaitUntil ? 2 : 1);
      // At the end of its validity it is renewed all the same.
      clock.advance(190_000);
      assert.equal((await client.getToken()).accessToken, 'token-2');
    });
  }
});

function enterEdgeRuntime(t: TestContext): void {
  setGlobal(t, ...MARKS[0]);
}
