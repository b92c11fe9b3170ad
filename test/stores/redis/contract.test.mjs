// The stores' contract on a real Redis and a real Valkey, through every client that redisStore knows.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, describe, test } from 'node:test';
import { encryptedStore } from 'thingspace-auth/stores';
import { redisStore } from 'thingspace-auth/stores/redis';
import { testStore } from '../../storeContract.mjs';
import { clients } from './clients.mjs';
import { startRedis } from './servers.mjs';

for (const binary of ['redis-server', 'valkey-server']) {
  const server = await startRedis(binary);
  const connections = await Promise.all(
    Object.entries(clients).map(async ([name, connect]) => [name, await connect(server.port), await connect(server.port)]),
  );

  // At once, since most of the time goes into waiting for ends of lifetimes.
  describe(binary, { concurrency: true }, () => {
    after(async () => {
      for (const [, one, other] of connections) [one, other].forEach(({ close }) => close());
      await server.stop();
    });

    for (const [name, ...handles] of connections) {
      testStore(test, { name, open: alternate(handles.map(({ client }) => redisStore(client))) });

      test(`${name}: leaves values to end by themselves, however they were written`, async () => {
        const [{ client }] = handles;
        const store = redisStore(client);
        const { client: probe } = connections.at(-1)[1];
        await store.set(`${name} with an end`, '{"a":1}', 100);
        await store.set(`${name} without`, '{"a":1}', undefined);
        await store.compareAndSet(`${name} compared`, undefined, '{"a":1}', 100);
        await store.compareAndSet(`${name} without`, '{"a":1}', '{"a":2}', undefined);

        const lifetimes = await Promise.all([`${name} with an end`, `${name} without`, `${name} compared`].map((key) => probe.ttl(key)));

        assert.deepEqual(lifetimes.map((seconds) => (seconds > 90 ? 'about 100' : seconds)), ['about 100', -1, 'about 100']);
      });
    }

    const key = crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
    const [, { client }] = connections.find(([name]) => name === 'Upstash, parsing values');
    testStore(test, { name: 'sealed, Upstash', open: async () => encryptedStore(redisStore(client), await key) });

    test("Bun: its built-in client, and files", async (t) => {
      const path = '../node_modules/.bin/bun';
      const bun = spawn(path, ['bunContract.mjs', server.url], { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'inherit'] });
      const exit = once(bun, 'exit');
      let cases = 0;
      for await (const line of createInterface(bun.stdout)) {
        const { sentence, error } = JSON.parse(line);
        await t.test(sentence, () => assert.equal(error, undefined));
        cases++;
      }
      assert.deepEqual(await exit, [0, null]);
      assert.ok(cases === 34, `${cases} cases ran`);
    });
  });
}

function alternate(stores) {
  let opened = 0;
  return () => stores[opened++ % stores.length];
}
