// Needs --expose-gc. What a client with a token holds; what a finished call with a time limit still holds.
import { childArguments, print, usedHeap } from './children.mjs';
import { connectRow } from './rows.mjs';
import { createService } from './service.mjs';
import { memoryWorld } from './worlds.mjs';

const CLIENTS = 1000;
const TIMED_CALLS = 5000;
const [file, takesTimeout] = childArguments();

const world = await memoryWorld(createService());
await clients(2 * CLIENTS); // for the compiler, whose code counts as heap, too
const perClient = await heldBy(CLIENTS, () => clients(CLIENTS));
const perTimedCall = takesTimeout ? await timedCalls() : undefined;
print({ perClient, perTimedCall });
process.exit();

async function clients(count) {
  const all = [];
  for (let index = 0; index < count; index++) {
    const row = await connectRow(file, world);
    await (await row.call()).arrayBuffer?.();
    all.push(row);
  }
  return all;
}

/** An hour to go: only what every finished call leaves behind counts. */
async function timedCalls() {
  const row = await connectRow(file, { ...world, timeout: 3_600_000 });
  const call = async (count) => {
    for (let index = 0; index < count; index++) await (await row.call()).arrayBuffer();
  };
  await call(1000);
  return heldBy(TIMED_CALLS, () => call(TIMED_CALLS));
}

async function heldBy(count, make) {
  const before = await usedHeap();
  const kept = await make();
  const bytes = (await usedHeap()) - before;
  // Used here, so that it lives until here.
  return kept === null ? undefined : Math.round(bytes / count);
}
