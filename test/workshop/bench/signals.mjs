// Needs --expose-gc. What a finished call leaves behind that had a time limit of an hour and a signal of its
// own, which follows one that lives as long as the program. Over loopback, with the platform's own fetch.
import { childArguments, print, readBody, usedHeap } from './children.mjs';
import { connectRow } from './rows.mjs';
import { loopbackWorld } from './worlds.mjs';

const CALLS = 5000;
const [file, origin] = childArguments();

const row = await connectRow(file, { ...loopbackWorld(origin), timeout: 3_600_000 });
const longLived = new AbortController();
await call(1000);
const before = await usedHeap();
await call(CALLS);
print({ bytes: Math.round(((await usedHeap()) - before) / CALLS) });
process.exit(longLived.signal.aborted ? 1 : 0);

async function call(count) {
  for (let index = 0; index < count; index++) {
    await readBody(await row.call(undefined, { signal: AbortSignal.any([longLived.signal]) }));
  }
}
