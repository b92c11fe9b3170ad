// Puts faults into src/, one at a time, and says which of them no test notices.
//   npm run mutate                               all of src
//   npm run mutate -- src/session.ts src/call    all mutants of these files
//   npm run mutate -- --sample 300 --seed 7      so many of all, drawn with this seed
//   --list survivors.json   only the mutants of a list in the form of reviewed.json, such as --draft writes
//   --quick      leaves out tests that take more than a second; what survives is then no verdict
//   --nearest 5  shows a mutant to its five nearest test files only; what survives is then no verdict
//   --without sessionFleet,examples   leaves out these test files, by name or path
//   --only config,call/redirects      only these test files
//   --jobs 2     so many processes at a time; default: one for each core
//   --reviewed   runs the mutants of the reviewed list too, and says which of them a test does notice
//   --draft survivors.json   writes the survivors there, as entries for reviewed.json
//   --told       prints what noticed each mutant
//   --tidy       takes out of reviewed.json what matches no mutant any more, and runs nothing
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { hunt } from './hunt.mjs';
import { readReviewed, tidyReviewed } from './reviewed.mjs';
import { drawSample } from './sample.mjs';
import { explore } from './testRuns.mjs';
import { prepare } from './workplace.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    list: { type: 'string' },
    sample: { type: 'string' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    without: { type: 'string', default: '' },
    nearest: { type: 'string', default: 'Infinity' },
    quick: { type: 'boolean', default: false },
    reviewed: { type: 'boolean', default: false },
    draft: { type: 'string' },
    told: { type: 'boolean', default: false },
    tidy: { type: 'boolean', default: false },
    least: { type: 'string', default: '100' },
  },
});
/** What takes longer comes last, for what all other tests have let pass. */
const QUICK_MS = 1_000;

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    report();
    process.exit(1);
  });
}

const { folder, mutants, testFiles } = await prepare();
const { entries, faults, stale } = readReviewed(mutants);
if (options.tidy) {
  tidyReviewed(mutants);
  console.log(`${stale.length} entries are out of date: what matched nothing is taken out`);
  process.exit();
}
const chosen = choose(mutants);

const runs = [];
const isNamed = (name, list) => list.split(',').some((each) => name === each || name.endsWith(`/${each}`));
const isWanted = (name) => (options.only ? isNamed(name, options.only) : !isNamed(name, options.without));
const wanted = testFiles.filter((name) => isWanted(name.replace('.test.js', '')));
await inParallel(wanted, async (testFile) => void runs.push(await explore(folder, testFile, mutants.length)));
// Beside others a test may fail by chance: such a file gets a second look, by itself.
for (const [index, { testFile, isBroken }] of runs.entries()) {
  if (isBroken) runs[index] = await explore(folder, testFile, mutants.length);
}
for (const { testFile } of runs.filter(({ isBroken }) => isBroken)) {
  console.log(`${testFile} fails without any mutant: what fails in it is left out`);
  process.exitCode = 1;
}
console.log(
  `${chosen.length} of ${mutants.length} mutants, ${runs.length} test files explored (${seconds()})`,
);

const results = [];
const [skipped, hunted] = [true, false].map((isSkipped) =>
  chosen.filter(({ id }) => (entries.has(id) && !options.reviewed) === isSkipped),
);
for (const mutant of skipped) settle(mutant);
const left = await huntAt([0, QUICK_MS], hunted);
if (!options.quick)
  console.log(`${left.length} mutants are left to tests that take longer than a second (${seconds()})`);
const unnoticed = options.quick ? left : await huntAt([QUICK_MS, Infinity], left);
unnoticed.forEach((mutant) => settle(mutant));
report();

/** Brings mutants before the tests of this pace, and returns those that none has noticed. */
async function huntAt(pace, mutants) {
  const unnoticed = [];
  const onSettled = (mutant, noticed) => {
    if (noticed) return settle(mutant, noticed);
    unnoticed.push(mutant);
    // A run over all takes hours: who watches it can begin with the first ones.
    console.log(`not noticed by tests of up to ${pace[1] / 1000} s: ${say(mutant)}`);
  };
  await hunt({
    folder,
    runs,
    mutants,
    pace,
    mostFiles: Number(options.nearest),
    jobs: Number(options.jobs),
    onSettled,
  });
  return unnoticed;
}

function settle(mutant, noticed) {
  results.push({ mutant, noticed, reviewed: entries.get(mutant.id) });
  if (results.length % 100 === 0) console.log(`${results.length} mutants are settled (${seconds()})`);
}

function choose(all) {
  const known = positionals.map((path) => path.replace(/^\.\//, ''));
  for (const path of known) {
    if (!all.some(({ file }) => file.startsWith(path))) throw new Error(`No mutant is in ${path}.`);
  }
  const named = known.length ? all.filter(({ file }) => known.some((path) => file.startsWith(path))) : all;
  if (options.list) {
    const { entries: listed } = readReviewed(named, JSON.parse(readFileSync(options.list, 'utf8')));
    return named.filter(({ id }) => listed.has(id));
  }
  return options.sample ? drawSample(named, Number(options.sample), Number(options.seed)) : named;
}

function report() {
  // It may have been interrupted.
  if (results.length < chosen.length)
    console.log(`\n${chosen.length - results.length} mutants have not been settled`);
  results.sort((one, other) => one.mutant.id - other.mutant.id);
  const files = [...new Set(results.map(({ mutant }) => mutant.file))];
  console.log(`\n${row('', 'mutants', 'noticed', 'of these silent', 'reviewed', 'survive', 'score')}`);
  for (const file of files)
    console.log(
      summarize(
        file,
        results.filter(({ mutant }) => mutant.file === file),
      ),
    );
  console.log(summarize('all', results));

  if (options.told) {
    results.forEach(
      ({ mutant, noticed }) =>
        noticed && console.log(`${say(mutant)}: ${noticed.testFile}, ${noticed.failed}`),
    );
  }
  const survivors = results
    .filter(({ noticed, reviewed }) => !noticed && !reviewed)
    .map(({ mutant }) => mutant);
  if (survivors.length) console.log(`\nNo test notices:\n${survivors.map(sayWithReach).join('\n')}`);
  if (options.draft) writeFileSync(options.draft, draft(survivors));
  const wronged = results.filter(({ noticed, reviewed }) => noticed && reviewed);
  wronged.forEach(({ mutant, noticed }) =>
    faults.push(`${say(mutant)} is noticed by ${noticed.testFile}: ${noticed.failed}`),
  );
  if (faults.length) console.log(`\nWrong in reviewed.json:\n${faults.join('\n')}`);
  if (stale.length) console.log(`\nOut of date in reviewed.json:\n${stale.join('\n')}`);
  if (faults.length || scoreOf(results) < Number(options.least)) process.exitCode = 1;
}

function summarize(title, ofFile) {
  const count = (isMeant) => String(ofFile.filter(isMeant).length);
  return row(
    title,
    String(ofFile.length),
    count(({ noticed }) => noticed),
    count(({ noticed }) => noticed?.failed === 'silence'),
    count(({ reviewed }) => reviewed),
    count(({ noticed, reviewed }) => !noticed && !reviewed),
    `${scoreOf(ofFile).toFixed(1)} %`,
  );
}

function row(title, ...columns) {
  return title.padEnd(36) + columns.map((text) => text.padStart(text.length > 9 ? 17 : 9)).join('');
}

/** What is noticed, of all that can matter. */
function scoreOf(some) {
  const counted = some.filter(({ reviewed }) => !reviewed);
  return counted.length ? (100 * counted.filter(({ noticed }) => noticed).length) / counted.length : 100;
}

function say({ file, line, column, from, to }) {
  return `${file}:${line}:${column}  ${from}  →  ${to}`;
}

function sayWithReach(mutant) {
  return `${say(mutant)}${isReached(mutant) ? '' : ' (no test reaches it)'}`;
}

function isReached({ id }) {
  return runs.some(({ reached }) => reached.has(id));
}

function draft(survivors) {
  const list = {};
  for (const { file, in: name, from, to } of survivors) {
    list[file] ??= [];
    list[file].push({ in: name, from, to, reason: '' });
  }
  return JSON.stringify(list, null, 2);
}

async function inParallel(items, run) {
  const queue = [...items];
  const work = async () => {
    while (queue.length) await run(queue.shift());
  };
  await Promise.all(Array.from({ length: Number(options.jobs) }, work));
}

function seconds() {
  return `${Math.round(process.uptime())} s`;
}
