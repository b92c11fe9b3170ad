// The tables that are counted, not timed: they come out the same on every machine.
import { runChild } from './children.mjs';
import { OURS } from './rows.mjs';

export const DAY_SECONDS = 86_400;
/** Around the first token's end. */
export const FIRST_OUTAGE = [3480, 3720];

const STAMPEDES = 3;

/** Token requests of 1,000 calls at once, by scenario: the fewest and the most of some processes. */
export async function stampede({ file }, processes = STAMPEDES) {
  const runs = await Promise.all(Array.from({ length: processes }, () => runChild('stampede.mjs', [file])));
  const death = runs.find((run) => run.death)?.death;
  if (death) throw new Error(`${file}: ${death}`);
  return Object.fromEntries(
    runs[0].values.map(({ name }, at) => [name, summaryOf(runs.map(({ values }) => values[at]))]),
  );
}

function summaryOf(runs) {
  const counts = runs.map(({ tokenRequests }) => tokenRequests);
  const answered = runs.map(({ outcomes }) => outcomes[200] ?? 0);
  return { from: Math.min(...counts), to: Math.max(...counts), answered: Math.min(...answered) };
}

/** What a row does at foreign origins, with an endless answer, and when one of ten callers gives up. */
export async function situations(row) {
  const { values, death } = await runChild('situations.mjs', [row.file, row === OURS]);
  if (death) throw new Error(`${row.file}: ${death}`);
  return values[0];
}

export async function day({ file }, { seconds = DAY_SECONDS, ...options } = {}) {
  const { values, death } = await runChild('day.mjs', [file, { seconds, ...options }]);
  if (death) throw new Error(`${file}: ${death}`);
  return values[0];
}

/**
 * Four minutes with, by default, that moment in their middle at which this very client asks for its second
 * token.
 */
export async function secondOutage(row, { from = -120, ...options } = {}) {
  const { secondTokenAtS } = await day(row, { ...options, seconds: 2 * 3600 });
  const outage = [secondTokenAtS + from, secondTokenAtS + from + 240];
  return { outage, ...(await day(row, { ...options, seconds: 3 * 3600, outage })) };
}
