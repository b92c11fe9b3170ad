// Measures all rows side by side, prints the goals, and writes results.json, charts/*.svg and the tables of
// README.md. `npm run bench -- size heap` measures these parts anew and keeps the others.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeCharts } from './charts.mjs';
import { quartiles, runChild, spread } from './children.mjs';
import { day, FIRST_OUTAGE, secondOutage, situations, stampede } from './counted.mjs';
import { fleet } from './fleet.mjs';
import { goals } from './goals.mjs';
import { mcp } from './mcp.mjs';
import { processes } from './processes.mjs';
import { BARE, BY_HAND, OURS, ROWS, THIRTY_LINES } from './rows.mjs';
import { sizeOf, sizeOfClient } from './size.mjs';

const RESULTS = join(import.meta.dirname, 'results.json');
const COLD_STARTS = 21;
/**
 * Of those that a goal compares: one ratio varies by 0.05 to 0.12, as others use the machine; their median
 * then by 0.002 to 0.005.
 */
const COMPARED_COLD_STARTS = 1001;
const EVERYTHING = [...BARE, ...ROWS];
const HAND_WRITTEN = [BY_HAND, THIRTY_LINES];
/** Those that a goal compares get more processes than the others. */
const COMPARED = [BARE[0], OURS, BY_HAND];
const processesOf = (row) => (COMPARED.includes(row) ? 7 : 3);

const parts = {
  stampede: () => byName(ROWS, stampede),
  day: () => inPairs(ROWS, (row) => day(row)),
  repeatedLeft: () => inPairs(ROWS, (row) => day(row, { repeats: 'left' })),
  repeatedFull: () => inPairs(ROWS, (row) => day(row, { repeats: 'full' })),
  firstOutage: () => inPairs(ROWS, (row) => day(row, { outage: FIRST_OUTAGE })),
  secondOutage: () => inPairs(ROWS, (row) => secondOutage(row)),
  situations: () => byName(ROWS, situations),
  processes: () =>
    byName(
      ROWS.filter(({ store }) => store),
      processes,
    ),
  fleet: () => fleet(),
  mcp: () => mcp(),
  cost: () => byName(EVERYTHING, cost),
  throughput: () => withServer(throughput),
  coldStart: () => withServer(coldStart),
  heap: () =>
    byName(ROWS, (row) => many(row, 'heap.mjs', [row.file, [OURS, BY_HAND].includes(row)], ['--expose-gc'])),
  waiting: () =>
    byName([OURS, ...HAND_WRITTEN], (row) => many(row, 'waiting.mjs', [row.file], ['--expose-gc'], 1)),
  signals: () =>
    withServer((origin) =>
      byName(COMPARED, (row) => many(row, 'signals.mjs', [row.file, origin], ['--expose-gc'])),
    ),
  size: () => byName(EVERYTHING, sizeOf),
  client: sizeOfClient,
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in parts));
if (unknown.length)
  throw new Error(`There is no ${unknown.join(', ')}; the parts are ${Object.keys(parts).join(', ')}`);
const results = existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, 'utf8')) : {};
for (const name of wanted.length ? wanted : Object.keys(parts)) {
  const startedMs = performance.now();
  results[name] = await parts[name]();
  printTable(`${name} (${Math.round((performance.now() - startedMs) / 1000)} s)`, results[name]);
  save();
}
results.versions = versions();
results.quoted = JSON.parse(readFileSync(join(import.meta.dirname, 'quoted.json'), 'utf8'));
save();
writeCharts(results);
execFileSync(process.execPath, [join(import.meta.dirname, '../../support/readmeTables.mjs')], {
  stdio: 'inherit',
});
printGoals();

function save() {
  writeFileSync(RESULTS, `${JSON.stringify(results, null, 1)}\n`);
}

async function byName(rows, measure) {
  const all = {};
  for (const row of rows) all[row.name] = await measure(row);
  return all;
}

/** What is counted on a fake clock comes out the same beside another. */
async function inPairs(rows, measure) {
  const all = {};
  const left = [...rows];
  const work = async () => {
    for (let row = left.shift(); row; row = left.shift()) all[row.name] = await measure(row);
  };
  await Promise.all([work(), work()]);
  return Object.fromEntries(rows.map(({ name }) => [name, all[name]]));
}

async function only(script, args, flags) {
  const { values, death } = await runChild(script, args, flags);
  if (death) throw new Error(`${script} ${args[0]}: ${death}`);
  return values[0];
}

/** Each figure of several processes: its median and its spread. */
async function many(row, script, args, flags, digits = 0) {
  const samples = [];
  for (let index = 0; index < processesOf(row); index++) samples.push(await only(script, args, flags));
  return spreads(samples, digits);
}

function spreads(samples, digits) {
  return Object.fromEntries(
    Object.keys(samples[0]).map((name) => [
      name,
      spread(
        samples.map((each) => each[name]),
        digits,
      ),
    ]),
  );
}

async function withServer(measure) {
  const server = spawn(process.execPath, [join(import.meta.dirname, 'loopbackServer.mjs')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [origin] = await once(server.stdout.setEncoding('utf8'), 'data');
  try {
    return await measure(origin.trim());
  } finally {
    server.stdin.end();
    await once(server, 'close');
  }
}

async function cost(row) {
  const samples = [];
  for (let index = 0; index < processesOf(row); index++)
    samples.push(await only('cost.mjs', [row.file, row === OURS]));
  const growth =
    row === OURS
      ? {
          growth: spread(
            samples.map((each) => each.growth),
            2,
          ),
        }
      : {};
  return {
    overStubUs: spreads(
      samples.map(({ overStubUs }) => overStubUs),
      2,
    ),
    ...growth,
  };
}

/** In each process all rows take turns; those that a goal compares have longer and more of them. */
async function throughput(origin) {
  const others = EVERYTHING.filter((row) => !COMPARED.includes(row));
  return {
    ...(await rates(origin, COMPARED, 7, { rounds: 11, calls: 1600 })),
    ...(await rates(origin, [BARE[0], ...others], 3, { rounds: 5, calls: 960 })),
  };
}

async function rates(origin, rows, processes, size) {
  const samples = [];
  const args = [origin, rows.map(({ name, file }) => ({ name, file })), size];
  for (let index = 0; index < processes; index++)
    samples.push(await only('throughput.mjs', args, ['--expose-gc']));
  return Object.fromEntries(
    rows.map(({ name }, at) => [
      name,
      spreads(
        samples.map((each) => each[at].ratios),
        3,
      ),
    ]),
  );
}

/** Processor time, as others use this machine too. */
async function coldStart(origin) {
  const others = EVERYTHING.filter((row) => row !== OURS);
  const all = {
    ...(await coldRatios(origin, others, COLD_STARTS)),
    ...(await coldRatios(origin, [OURS, BY_HAND], COMPARED_COLD_STARTS)),
  };
  return Object.fromEntries(EVERYTHING.map(({ name }) => [name, all[name]]));
}

/**
 * One process of each row in turn; the ratio to the one by hand of the same round, with the quartiles of all
 * rounds.
 */
async function coldRatios(origin, rows, rounds) {
  const samples = Object.fromEntries(rows.map(({ name }) => [name, []]));
  for (let index = 0; index < rounds; index++) {
    for (const { name, file } of rows) samples[name].push(await only('coldStart.mjs', [file, origin]));
  }
  const ratio = (name, key) =>
    quartiles(
      samples[name].map((each, index) => each[key] / samples[BY_HAND.name][index][key]),
      3,
    );
  return Object.fromEntries(
    rows.map(({ name }) => [name, { cpu: ratio(name, 'cpuMs'), wall: ratio(name, 'wallMs') }]),
  );
}

function versions() {
  const names = [...EVERYTHING.flatMap(({ packages }) => packages), '@modelcontextprotocol/sdk'];
  const versionOf = (name) =>
    JSON.parse(readFileSync(join(import.meta.dirname, 'node_modules', name, 'package.json'), 'utf8')).version;
  return { node: process.version, ...Object.fromEntries(names.map((name) => [name, versionOf(name)])) };
}

function printTable(title, table) {
  console.log(`\n${title}`);
  for (const [row, values] of Object.entries(table))
    console.log(`  ${row.padEnd(26)} ${JSON.stringify(values)}`);
}

function printGoals() {
  console.log('\ngoals');
  for (const { goal, value, isMet } of goals(results))
    console.log(`  ${isMet ? 'pass' : 'FAIL'}  ${goal}: ${value}`);
}
