// Fleets of 10 to 10,000 simulated processes with one store: what they ask of the servers, and of the store.
import { runChild } from './children.mjs';

export const FLEETS = [10, 100, 1_000, 10_000];

/** By the number of processes. */
export async function fleet(sizes = FLEETS) {
  const all = {};
  for (const size of sizes) {
    const { values, death } = await runChild('fleetOnFakeClock.mjs', [size]);
    if (death) throw new Error(`${size} processes: ${death}`);
    all[size] = values[0];
  }
  return all;
}
