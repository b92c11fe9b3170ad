// Warm calls over loopback to another process: all rows in turns, compared with the bare fetch of the same
// round.
import { childArguments, median, print, readBody, round } from './children.mjs';
import { connectRow } from './rows.mjs';
import { loopbackWorld } from './worlds.mjs';

const [origin, rows, { rounds, calls }] = childArguments();
const CONCURRENCIES = [1, 64];

const connected = [];
for (const { name, file } of rows)
  connected.push({ name, row: await connectRow(file, loopbackWorld(origin)) });
const ratios = Object.fromEntries(
  CONCURRENCIES.map((each) => [each, Object.fromEntries(rows.map(({ name }) => [name, []]))]),
);
for (let index = -1; index < rounds; index++) {
  for (const concurrency of CONCURRENCIES) {
    const rates = {};
    for (const { name, row } of inTurn(connected, index)) rates[name] = await rate(row, concurrency);
    // The first round is for the compiler.
    if (index >= 0)
      for (const name in rates) ratios[concurrency][name].push(rates[name] / rates['bare fetch']);
  }
}
print(rows.map(({ name }) => ({ name, ratios: { at1: ratio(1, name), at64: ratio(64, name) } })));
process.exit();

function ratio(concurrency, name) {
  return round(median(ratios[concurrency][name]), 3);
}

/**
 * Calls a millisecond of this process's own time, which is what bounds it; other work on the machine does not
 * count.
 */
async function rate(row, concurrency) {
  let left = concurrency === 1 ? calls / 4 : calls;
  const total = left;
  // No row pays for what another has left behind. A full collection would age compiled code as well.
  gc({ type: 'minor' });
  const started = process.cpuUsage();
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (left-- > 0) await readBody(await row.call());
    }),
  );
  const { user, system } = process.cpuUsage(started);
  return total / ((user + system) / 1000);
}

/** Each round begins with another one. */
function inTurn(all, index) {
  const at = (index + all.length) % all.length;
  return [...all.slice(at), ...all.slice(0, at)];
}
