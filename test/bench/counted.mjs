// The tables that are counted, not timed: they come out the same on every machine.
import { runChild } from './children.mjs';

export const DAY_SECONDS = 86_400;
/** Around the first token's end. */
export const FIRST_OUTAGE = [3480, 3720];

/** Token requests of 1,000 calls at once, by scenario; a process that died leaves the later ones out. */
export async function stampede({ file }) {
  const { values, death } = await runChild('stampede.mjs', [file]);
  return { ...Object.fromEntries(values.map(({ name, ...result }) => [name, result])), death };
}

export async function day({ file }, { seconds = DAY_SECONDS, ...options } = {}) {
  const { values, death } = await runChild('day.mjs', [file, { seconds, ...options }]);
  if (death) throw new Error(`${file}: ${death}`);
  return values[0];
}

/** Four minutes with, by default, that moment in their middle at which this very client asks for its second token. */
export async function secondOutage(row, { from = -120, ...options } = {}) {
  const { secondTokenAtS } = await day(row, { ...options, seconds: 2 * 3600 });
  const outage = [secondTokenAtS + from, secondTokenAtS + from + 240];
  return { outage, ...(await day(row, { ...options, seconds: 3 * 3600, outage })) };
}
