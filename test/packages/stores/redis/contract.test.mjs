// The stores' contract on a real Redis and a real Valkey, through every client for Node that redisStore
// knows.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { encryptedStore } from 'thingspace-auth/stores';
import { redisStore } from 'thingspace-auth/stores/redis';
import { testStore } from '../../../support/storeContract.mjs';
import { inTurn } from '../fleet.mjs';
import { clients } from './clients.mjs';
import { startRedis } from './servers.mjs';

const BINARIES = ['redis-server', 'valkey-server'];
const servers = await Promise.all(BINARIES.map((binary) => startRedis(binary)));
after(() => Promise.all(servers.map(({ stop }) => stop())));

for (const [index, binary] of BINARIES.entries()) {
  const { port } = servers[index];
  const connections = await Promise.all(
    Object.entries(clients).map(async ([name, connect]) => [name, await connect(port), await connect(port)]),
  );

  // At once, since most of the time goes into waiting for ends of lifetimes.
  describe(binary, { concurrency: true }, () => {
    after(() => connections.forEach(([, one, other]) => [one, other].forEach(({ close }) => close())));

    for (const [name, ...handles] of connections) {
      testStore(test, { name, open: inTurn(handles.map(({ client }) => redisStore(client))) });

      test(`${name}: leaves values to end by themselves, however they were written`, async () => {
        const [{ client }] = handles;
        const store = redisStore(client);
        const { client: probe } = connections.at(-1)[1];
        await store.set(`${name} with an end`, '{"a":1}', 1_000);
        await store.set(`${name} without`, '{"a":1}', undefined);
        await store.compareAndSet(`${name} compared`, undefined, '{"a":1}', 1_000);
        await store.compareAndSet(`${name} without`, '{"a":1}', '{"a":2}', undefined);

        const lifetimes = await Promise.all(
          [`${name} with an end`, `${name} without`, `${name} compared`].map((key) => probe.ttl(key)),
        );

        assert.deepEqual(
          lifetimes.map((seconds) => (seconds > 500 && seconds <= 1_000 ? 'as given' : seconds)),
          ['as given', -1, 'as given'],
        );
      });
    }

    const key = crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
    const [, { client }] = connections.find(([name]) => name === 'Upstash, parsing values');
    testStore(test, {
      name: 'sealed, Upstash',
      open: async () => encryptedStore(redisStore(client), await key),
    });
  });
}
