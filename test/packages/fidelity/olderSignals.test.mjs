// npm's `abort-controller`: its signals know neither `reason` nor `throwIfAborted`. What fetch makes of them,
// we make.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { AbortController as OlderController } from 'abort-controller';
import { createClient } from 'thingspace-auth';
import { startServer } from './server.mjs';

const server = await startServer();
after(server.close);

const HELD = { accessToken: 'held-token', tokenType: 'Bearer' };
const CLIENTS = {
  warm: () => createClient(server.config({}, HELD)),
  cold: () => createClient(server.config({})),
  'warm, with a time limit': () => createClient(server.config({ timeout: 60_000 }, HELD)),
  'cold, with a time limit': () => createClient(server.config({ timeout: 60_000 })),
};

test('is of older make indeed', () => {
  const { signal } = new OlderController();
  assert.deepEqual(['reason' in signal, 'throwIfAborted' in signal], [false, false]);
});

for (const [name, create] of Object.entries(CLIENTS)) {
  test(`a ${name} client sends a call with such a signal`, async () => {
    const { signal } = new OlderController();
    const answer = await create().authorizedFetch(`${server.origin}/api`, { signal });
    assert.equal((await answer.json()).path, '/api');
    assert.match((await create().getToken({ signal })).accessToken, /token/);
    assert.match((await create().fetchToken({ signal })).accessToken, /new-token/);
  });

  for (const moment of ['before', 'at once', 'later']) {
    test(`a ${name} client's call ends as that of fetch when such a signal aborts: ${moment}`, async () => {
      const end = async (fetch) => {
        const controller = new OlderController();
        if (moment === 'before') controller.abort();
        const call = fetch(`${server.origin}/hang`, { signal: controller.signal });
        if (moment === 'at once') controller.abort();
        if (moment === 'later') setTimeout(() => controller.abort(), 50);
        const error = await call.then(
          () => assert.fail('it was answered'),
          (thrown) => thrown,
        );
        return [error instanceof DOMException, error.name, error.message];
      };
      const expected = await end(fetch);
      assert.deepEqual(expected.slice(0, 2), [true, 'AbortError']);
      assert.deepEqual((await end(create().authorizedFetch)).slice(0, 2), expected.slice(0, 2));
    });
  }

  test(`a ${name} client's waits for a token end so too`, async () => {
    for (const method of ['getToken', 'fetchToken']) {
      const controller = new OlderController();
      controller.abort();
      const client = create();
      const error = await client[method]({ signal: controller.signal }).then(
        (token) => ({ token }),
        (thrown) => thrown,
      );
      // A token that is held needs no wait.
      if (error.token) assert.equal(`${name} ${method}`.includes('warm') && method, 'getToken');
      else assert.deepEqual([error instanceof DOMException, error.name], [true, 'AbortError']);
    }
  });
}
