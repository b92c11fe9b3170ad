// The commands that each Redis client gets. Real clients and servers are tested in test/packages/stores.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RedisClient, redisStore } from 'thingspace-auth/stores/redis';

const SCRIPT = `if (redis.call("get",KEYS[1]) or "")~=ARGV[1] then return 0 end
if ARGV[2]=="" then redis.call("del",KEYS[1]) else redis.call("set",KEYS[1],unpack(ARGV,2)) end
return 1`;

/**
 * How each client is told apart, and what it is sent: for a set with and without an end, and for a script.
 */
const CLIENTS = {
  'node-redis': {
    marks: { sendCommand: () => {} },
    sets: [[{ PX: 5_000, px: 5_000 }], [{ PX: undefined, px: undefined }]],
    script: (args: string[]) => ['eval', SCRIPT, { keys: ['key'], arguments: args }],
  },
  ioredis: {
    marks: { call: () => {}, sendCommand: () => {} },
    sets: [['PX', 5_000], []],
    script: (args: string[]) => ['eval', SCRIPT, 1, 'key', ...args],
  },
  Bun: {
    marks: { send: () => {}, eval: undefined },
    sets: [['PX', 5_000], []],
    script: (args: string[]) => ['send', 'EVAL', [SCRIPT, '1', 'key', ...args]],
  },
  Upstash: {
    marks: {},
    sets: [[{ PX: 5_000, px: 5_000 }], [{ PX: undefined, px: undefined }]],
    script: (args: string[]) => ['eval', SCRIPT, ['key'], args],
  },
};

for (const [name, { marks, sets, script }] of Object.entries(CLIENTS)) {
  test(`speaks to ${name} as it wants to be spoken to`, async () => {
    const { client, calls } = createRedis(marks, 1);
    const store = redisStore(client);

    await store.set('key', 'value', 5);
    await store.set('key', 'value', undefined);
    await store.delete('key');
    assert.equal(await store.compareAndSet!('key', undefined, 'value', 0.0015), true);
    assert.equal(await store.compareAndSet!('key', 'value', 'other', undefined), true);
    assert.equal(await store.compareAndSet!('key', 'other', undefined, 5), true);

    assert.deepEqual(calls, [
      ...sets.map((options) => ['set', 'key', 'value', ...options]),
      ['del', 'key'],
      script(['', 'value', 'PX', '2']),
      script(['value', 'other']),
      script(['other', '', 'PX', '5000']),
    ]);
  });
}

test('gives back text, nothing, and as text again what a client has parsed or left as bytes', async () => {
  for (const [held, expected] of [
    ['text', 'text'],
    ['', ''],
    [null, null],
    [{ a: [1] }, '{"a":[1]}'],
    [Buffer.from('{"text":"ü€"}'), '{"text":"ü€"}'],
    [new TextEncoder().encode('{"text":"ü€"}'), '{"text":"ü€"}'],
    [7, '7'],
  ] as const) {
    const { client } = createRedis({}, held);
    assert.equal(await redisStore(client).get('key'), expected);
  }
});

test('has not written unless the script says so, in whatever form the client hands it on', async () => {
  for (const [answer, hasWritten] of [
    [1, true],
    ['1', true],
    [0, false],
    ['0', false],
    [null, false],
    [undefined, false],
    ['OK', false],
  ] as const) {
    const { client } = createRedis({}, answer);
    assert.equal(await redisStore(client).compareAndSet!('key', 'a', 'b', 5), hasWritten);
  }
});

test('is a TypeError at once for what is no client, or lacks what is used', () => {
  const { client } = createRedis({}, 1);
  const without = (name: string) => ({ ...client, [name]: undefined });
  for (const junk of [
    undefined,
    null,
    'redis://localhost',
    {},
    without('get'),
    without('set'),
    without('del'),
    without('eval'),
  ]) {
    assert.throws(() => redisStore(junk as RedisClient), {
      name: 'TypeError',
      message: 'client must have get, set, del, eval',
    });
  }
  assert.throws(() => redisStore({ ...client, send: 'text' } as unknown as RedisClient), {
    name: 'TypeError',
    message: /send$/,
  });
});

/** A client that writes down its calls and answers each alike. */
function createRedis(marks: object, answer: unknown) {
  const calls: unknown[][] = [];
  const record =
    (name: string) =>
    async (...parameters: unknown[]) => {
      calls.push([name, ...parameters]);
      return answer;
    };
  const client = {
    get: record('get'),
    set: record('set'),
    del: record('del'),
    eval: record('eval'),
    ...marks,
  };
  return { client: 'send' in marks ? { ...client, send: record('send') } : client, calls };
}
