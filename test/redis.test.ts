// What goes to each Redis client; the real ones and real servers are tested in test/stores.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redisStore } from 'thingspace-auth/stores/redis';

const SCRIPT = 'return redis.call("get",KEYS[1])==ARGV[1] and redis.call("del",KEYS[1])';

/** How each client is told apart, and what it is sent: for a set with and without an end, for a lock and its release. */
const CLIENTS = {
  'node-redis': {
    marks: { sendCommand: () => {} },
    sets: [[{ PX: 5_000, px: 5_000, NX: false, nx: false }], [{ PX: undefined, px: undefined, NX: false, nx: false }]],
    taking: [{ PX: 5_000, px: 5_000, NX: true, nx: true }],
    releasing: (key: string, owner: string) => ['eval', SCRIPT, { keys: [key], arguments: [owner] }],
  },
  'ioredis': {
    marks: { call: () => {}, sendCommand: () => {} },
    sets: [['PX', 5_000], []],
    taking: ['PX', 5_000, 'NX'],
    releasing: (key: string, owner: string) => ['eval', SCRIPT, 1, key, owner],
  },
  'Bun': {
    marks: { send: () => {} },
    sets: [['PX', 5_000], []],
    taking: ['PX', 5_000, 'NX'],
    releasing: (key: string, owner: string) => ['send', 'EVAL', [SCRIPT, '1', key, owner]],
  },
  'Upstash': {
    marks: {},
    sets: [[{ PX: 5_000, px: 5_000, NX: false, nx: false }], [{ PX: undefined, px: undefined, NX: false, nx: false }]],
    taking: [{ PX: 5_000, px: 5_000, NX: true, nx: true }],
    releasing: (key: string, owner: string) => ['eval', SCRIPT, [key], [owner]],
  },
};

for (const [name, { marks, sets, taking, releasing }] of Object.entries(CLIENTS)) {
  test(`speaks to ${name} as it wants to be spoken to`, async () => {
    const { client, calls } = createRedis(marks, 'OK');
    const store = redisStore(client);

    await store.set('key', 'value', 5);
    await store.set('key', 'value', undefined);
    await store.delete('key');
    const release = await store.lock!('key', 5);
    await release!();

    const owner = String(calls[3]![2]);
    assert.match(owner, /^[0-9a-f-]{36}$/);
    assert.deepEqual(calls, [
      ...sets.map((options) => ['set', 'key', 'value', ...options]),
      ['del', 'key'],
      ['set', 'key:lock', owner, ...taking],
      releasing('key:lock', owner),
    ]);
  });
}

test('gives back text, nothing, and as text again what a client has parsed', async () => {
  for (const [held, expected] of [['text', 'text'], ['', ''], [null, null], [{ a: [1] }, '{"a":[1]}'], [7, '7']] as const) {
    const { client } = createRedis({}, held);
    assert.equal(await redisStore(client).get('key'), expected);
  }
});

test('has no lock while another holds it, in whatever form the client says so', async () => {
  for (const nothing of [null, undefined, false]) {
    const { client } = createRedis({}, nothing);
    assert.equal(await redisStore(client).lock!('key', 5), undefined);
  }
});

/** A client that writes down its calls and answers each alike. */
function createRedis(marks: object, answer: unknown) {
  const calls: unknown[][] = [];
  const record = (name: string) => async (...parameters: unknown[]) => {
    calls.push([name, ...parameters]);
    return answer;
  };
  const client = { ...marks, get: record('get'), set: record('set'), del: record('del'), eval: record('eval') };
  return { client: 'send' in marks ? { ...client, send: record('send') } : client, calls };
}
