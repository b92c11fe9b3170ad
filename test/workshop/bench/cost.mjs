// The cost of a warm call beside its `fetch`, which is a stub, so that nothing else is measured.
// Blocks of calls take turns with blocks of the bare stub; medians, so that other work on the machine does
// not count.
import { childArguments, median, print, round } from './children.mjs';
import { connectRow } from './rows.mjs';
import { createService } from './service.mjs';
import { memoryWorld } from './worlds.mjs';

const BLOCK_CALLS = 200;
const ROUNDS = 120;
const [file, isOurs] = childArguments();

const world = await warmableWorld();
const headers = { authorization: 'Bearer invented' };
const rows = { stub: () => world.fetch(world.apiUrl, { headers }), call: await warm(world) };
if (isOurs) Object.assign(rows, await variants());
const samples = {};
for (const name in rows) samples[name] = [];
for (let index = 0; index < ROUNDS; index++) {
  for (const name in rows) samples[name].push(await block(rows[name]));
}
// The first blocks are for the compiler.
const costs = Object.entries(samples).map(([name, all]) => [name, median(all.slice(ROUNDS / 4))]);
const { stub, ...others } = Object.fromEntries(costs);
const result = { overStubUs: {} };
for (const name in others) result.overStubUs[name] = round(others[name] - stub, 2);
if (isOurs) result.growth = median([await growth(), await growth(), await growth()]);
print(result);
process.exit();

/** Microseconds a call. */
async function block(call, calls = BLOCK_CALLS) {
  const startedMs = performance.now();
  for (let index = 0; index < calls; index++) await call();
  return ((performance.now() - startedMs) / calls) * 1000;
}

/** Answers from the service until it is warm, with one and the same response from then on. */
async function warmableWorld() {
  const memory = await memoryWorld(createService());
  const answer = new Response('{}');
  const axiosAnswer = { status: 200, data: {}, headers: {}, config: {} };
  const warmable = { ...memory, isWarm: false };
  warmable.fetch = async (input, init) => (warmable.isWarm ? answer : memory.fetch(input, init));
  warmable.axiosOptions = {
    adapter: async (config) => (warmable.isWarm ? axiosAnswer : memory.axiosOptions.adapter(config)),
  };
  return warmable;
}

async function warm(target, call = (row) => () => row.call()) {
  const row = await connectRow(file, target);
  target.isWarm = false;
  await row.call();
  target.isWarm = true;
  return call(row);
}

/**
 * The ways to call ours; one request, one options object and one signal serve all calls, as in a long-lived
 * program. Beside them what the platform's own time limit costs.
 */
async function variants() {
  const { apiUrl } = world;
  const url = new URL(apiUrl);
  const request = new Request(apiUrl);
  const others = { accept: 'application/json', 'x-trace': 'invented' };
  const { signal } = new AbortController();
  return {
    string: await warm(world, (row) => () => row.call(apiUrl)),
    URL: await warm(world, (row) => () => row.call(url)),
    Request: await warm(world, (row) => () => row.call(request)),
    headers: await warm(world, (row) => () => row.call(apiUrl, { headers: others })),
    'session token': await warm(withOption({ sessionToken: 'invented-session' })),
    signal: await warm(world, (row) => () => row.call(apiUrl, { signal })),
    timeout: await warm(withOption({ timeout: 30_000 })),
    'fetch with AbortSignal.timeout': () =>
      world.fetch(apiUrl, { headers, signal: AbortSignal.timeout(30_000) }),
    'timeout and signal': await warm(
      withOption({ timeout: 30_000 }),
      (row) => () => row.call(apiUrl, { signal }),
    ),
  };
}

/** The world with another option; what it answers is still the first one's to say. */
function withOption(option) {
  return Object.defineProperty({ ...world, ...option }, 'isWarm', { set: (value) => (world.isWarm = value) });
}

/**
 * 10,000 calls on one signal: the last 2,000 compared with 2,000 of the first after 1,000 to warm up.
 * Collections make it vary.
 */
async function growth() {
  const { signal } = new AbortController();
  const call = await warm(withOption({ timeout: 30_000 }), (row) => () => row.call(world.apiUrl, { signal }));
  const blocks = [];
  for (let index = 0; index < 50; index++) blocks.push(await block(call, 200));
  return round(median(blocks.slice(-10)) / median(blocks.slice(5, 15)), 2);
}
