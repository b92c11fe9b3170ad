// `node run.mjs <schedules> [first seed]`: the regressions, then random schedules, a thousand for each seed,
// on two threads. Prints how often everything occurred; fails on a violation, and where something occurs too
// seldom to be tested.
import { readFileSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import fc from 'fast-check';
import { LABELS, schedules } from './schedules.mjs';
import { simulate } from './simulate.mjs';

const SCHEDULES_PER_SEED = 1000;
const THREADS = 2;
const LEAST_SHARE = 0.05;
const LEAST_MEDIAN_EVENTS = 30;

if (isMainThread) await main(Number(process.argv[2] ?? 4_000), Number(process.argv[3] ?? 1));
else await runSeeds(workerData);

async function main(count, firstSeed) {
  const startedAtMs = performance.now();
  await replayRegressions();
  const endSeed = firstSeed + Math.ceil(count / SCHEDULES_PER_SEED);
  const tallies = await Promise.all(
    Array.from({ length: THREADS }, (_, thread) => runThread({ firstSeed: firstSeed + thread, endSeed })),
  );
  const total = tallies.reduce(add);
  const seconds = (performance.now() - startedAtMs) / 1000;
  for (const label of LABELS) console.log(`${share(total, label)} %  ${label}`);
  console.log(
    `${total.schedules} schedules, seeds ${firstSeed} to ${endSeed - 1}, median ${medianEvents(total)} events`,
  );
  console.log(
    `no violation; ${seconds.toFixed(0)} s, ${Math.round(total.schedules / seconds)} schedules a second`,
  );
  requireVariety(total);
}

/** Schedules that once found something: each runs first, for ever. */
async function replayRegressions() {
  const regressions = JSON.parse(readFileSync(new URL('regressions.json', import.meta.url), 'utf8'));
  for (const { name, schedule } of regressions) {
    await simulate(schedule).catch((error) => fail(`regression "${name}"`, error.message, schedule));
  }
  console.log(`${regressions.length} regressions hold`);
}

function runThread(seeds) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: seeds });
    worker.on('error', reject);
    worker.on('message', ({ tally, failure }) => {
      if (failure) fail(...failure);
      resolve(tally);
    });
  });
}

async function runSeeds({ firstSeed, endSeed }) {
  const tally = { schedules: 0, occurred: {}, lengths: {} };
  for (let seed = firstSeed; seed < endSeed; seed += THREADS) {
    const failure = await runSeed(seed, tally);
    if (failure) return parentPort.postMessage({ failure });
  }
  parentPort.postMessage({ tally });
}

async function runSeed(seed, tally) {
  const property = fc.asyncProperty(schedules, async (schedule) => {
    const occurred = await simulate(schedule);
    tally.schedules++;
    for (const label of occurred) increment(tally.occurred, label);
    increment(tally.lengths, schedule.events.length);
  });
  const { failed, counterexample, counterexamplePath, errorInstance } = await fc.check(property, {
    seed,
    numRuns: SCHEDULES_PER_SEED,
  });
  return failed
    ? [`seed ${seed}, path ${counterexamplePath}`, errorInstance.message, counterexample[0]]
    : undefined;
}

/** Prints what belongs into regressions.json. */
function fail(where, message, { config, events }) {
  console.error(`VIOLATION (${where})\n${message}\nconfig ${JSON.stringify(config)}`);
  for (const event of events) console.error(`  ${JSON.stringify(event)}`);
  process.exit(1);
}

function requireVariety(total) {
  const rare = LABELS.filter((label) => share(total, label) < LEAST_SHARE * 100);
  if (rare.length) throw new Error(`too seldom to be tested: ${rare.join(', ')}`);
  if (medianEvents(total) < LEAST_MEDIAN_EVENTS) throw new Error('the schedules are too short');
}

function share({ schedules: count, occurred }, label) {
  return ((100 * (occurred[label] ?? 0)) / count).toFixed(1).padStart(5);
}

function medianEvents({ schedules: count, lengths }) {
  let seen = 0;
  return Number(Object.keys(lengths).find((length) => (seen += lengths[length]) >= count / 2));
}

function increment(record, key, by = 1) {
  record[key] = (record[key] ?? 0) + by;
}

function add(one, other) {
  for (const [label, count] of Object.entries(other.occurred)) increment(one.occurred, label, count);
  for (const [length, count] of Object.entries(other.lengths)) increment(one.lengths, length, count);
  return { ...one, schedules: one.schedules + other.schedules };
}
