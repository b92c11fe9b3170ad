// Measures all rows side by side, prints the goals, and writes results.json, charts/*.svg and the README's table.
// `npm run bench -- size heap` measures these parts anew and keeps the others.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeCharts } from './charts.mjs';
import { median, round, runChild } from './children.mjs';
import { day, FIRST_OUTAGE, secondOutage, stampede } from './counted.mjs';
import { goals } from './goals.mjs';
import { BARE, BY_HAND, OURS, ROWS } from './rows.mjs';
import { sizeOf } from './size.mjs';

const RESULTS = join(import.meta.dirname, 'results.json');
const COLD_STARTS = 21;
/** Of those that a goal compares: one ratio varies by 0.05 to 0.12, as others use the machine; their median then by 0.002 to 0.005. */
const COMPARED_COLD_STARTS = 1001;
const EVERYTHING = [...BARE, ...ROWS];

const parts = {
  stampede: () => byName(ROWS, stampede),
  day: () => byName(ROWS, (row) => day(row)),
  firstOutage: () => byName(ROWS, (row) => day(row, { outage: FIRST_OUTAGE })),
  secondOutage: () => byName(ROWS, (row) => secondOutage(row)),
  cost: () => byName(EVERYTHING, (row) => only('cost.mjs', [row.file, row === OURS])),
  throughput: () => withServer(throughput),
  coldStart: () => withServer(coldStart),
  heap: () => byName(ROWS, (row) => only('heap.mjs', [row.file, [OURS, BY_HAND].includes(row)], ['--expose-gc'])),
  size: () => byName(EVERYTHING, sizeOf),
};

const results = existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, 'utf8')) : {};
const wanted = process.argv.slice(2);
for (const name of Object.keys(parts)) {
  if (wanted.length && !wanted.includes(name)) continue;
  results[name] = await parts[name]();
  printTable(name, results[name]);
  save();
}
results.versions = versions();
results.quoted = JSON.parse(readFileSync(join(import.meta.dirname, 'quoted.json'), 'utf8'));
save();
writeCharts(results);
execFileSync(process.execPath, [join(import.meta.dirname, '../readmeTables.mjs')], { stdio: 'inherit' });
printGoals();

function save() {
  writeFileSync(RESULTS, `${JSON.stringify(results, null, 1)}\n`);
}

async function byName(rows, measure) {
  const all = {};
  for (const row of rows) all[row.name] = await measure(row);
  return all;
}

async function only(script, args, flags) {
  const { values, death } = await runChild(script, args, flags);
  if (death) throw new Error(`${script} ${args[0]}: ${death}`);
  return values[0];
}

async function withServer(measure) {
  const server = spawn(process.execPath, [join(import.meta.dirname, 'loopbackServer.mjs')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [origin] = await once(server.stdout.setEncoding('utf8'), 'data');
  try {
    return await measure(origin.trim());
  } finally {
    server.stdin.end();
    await once(server, 'close');
  }
}

/** Those that a goal compares get a long run of their own, the others one together. */
async function throughput(origin) {
  const rowsOf = (rows) => rows.map(({ name, file }) => ({ name, file }));
  const compared = [BARE[0], OURS, BY_HAND];
  const close = await only('throughput.mjs', [origin, rowsOf(compared), { rounds: 61, calls: 2000 }], ['--expose-gc']);
  const rest = EVERYTHING.filter((row) => !compared.includes(row));
  const others = await only('throughput.mjs', [origin, rowsOf([BARE[0], ...rest]), { rounds: 11, calls: 1280 }], ['--expose-gc']);
  return Object.fromEntries([...close, ...others.slice(1)].map(({ name, ...ratios }) => [name, ratios]));
}

/** Those that a goal compares get a long run of their own. Processor time, as others use this machine too. */
async function coldStart(origin) {
  const others = EVERYTHING.filter((row) => row !== OURS);
  const all = { ...(await coldRatios(origin, others, COLD_STARTS)), ...(await coldRatios(origin, [OURS, BY_HAND], COMPARED_COLD_STARTS)) };
  return Object.fromEntries(EVERYTHING.map(({ name }) => [name, all[name]]));
}

/** One process of each row in turn; the ratio to the one by hand of the same round. */
async function coldRatios(origin, rows, rounds) {
  const samples = Object.fromEntries(rows.map(({ name }) => [name, []]));
  for (let index = 0; index < rounds; index++) {
    for (const { name, file } of rows) samples[name].push(await only('coldStart.mjs', [file, origin]));
  }
  const ratio = (name, key) => round(median(samples[name].map((each, index) => each[key] / samples[BY_HAND.name][index][key])), 3);
  return Object.fromEntries(rows.map(({ name }) => [name, { ratio: ratio(name, 'cpuMs'), wallRatio: ratio(name, 'wallMs') }]));
}

function versions() {
  const names = EVERYTHING.flatMap(({ packages }) => packages);
  const versionOf = (name) => JSON.parse(readFileSync(join(import.meta.dirname, 'node_modules', name, 'package.json'), 'utf8')).version;
  return { node: process.version, ...Object.fromEntries(names.map((name) => [name, versionOf(name)])) };
}

function printTable(name, table) {
  console.log(`\n${name}`);
  for (const [row, values] of Object.entries(table)) console.log(`  ${row.padEnd(26)} ${JSON.stringify(values)}`);
}

function printGoals() {
  console.log('\ngoals');
  for (const { goal, value, isMet } of goals(results)) console.log(`  ${isMet ? 'pass' : 'FAIL'}  ${goal}: ${value}`);
}
