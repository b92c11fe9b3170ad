// Runs the root tests on a Node that measures coverage, and fails where a line or a branch of the built
// package was never taken. Node's own threshold cannot serve: it counts what follows a loop without end as a
// branch.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

process.chdir(join(import.meta.dirname, '../../..'));

/**
 * Tests of papers, types and bundles run nothing of the package. `uncaught` looks at the frames of the
 * package as it is published. `differential` compares with the `fetch` of Node 20, which takes signals
 * that later ones refuse. Fleets run nothing that the others do not, and a process that is stopped never
 * writes what it has covered.
 */
const WITHOUT =
  /^(types|size|structure|package|readme|pages|examples|uncaught|differential|session(Processes|Fleet))\./;

/** What no root test can take on this Node: file, what stands in the line, and who takes it. */
const ELSEWHERE = [
  [
    'call/send.js',
    'clone.body && await readBody(clone.body',
    'Firefox, which has no body (test/packages/runtimes)',
  ],
  ['platform/runtimes.js', 'Reflect.get(Request.prototype', 'workerd of 2023 (test/packages/runtimes)'],
  [
    'session/belief.js',
    'hasEnded ? take(',
    'a session that ended while its store failed (sessionSimulation)',
  ],
  ['session/belief.js', 'relation === "told"', 'a second lapse with nothing written (sessionSimulation)'],
  ['session/login.js', 'account.belief !== belief', 'news while the bearer was had (sessionSimulation)'],
];
// Fewer schedules reach every line as well.
Object.assign(process.env, { SESSION_SCHEDULES: '60', SCHEDULES: '60' });

run(['build.mjs', '--tests', '--modules']);
// What is published is left behind.
process.on('exit', () => spawnSync(process.execPath, ['build.mjs', '--tests'], { stdio: 'inherit' }));
const scratch = mkdtempSync(join(tmpdir(), 'coverage-'));
const report = join(scratch, 'report.lcov');
const tests = readdirSync('.build/test', { recursive: true }).filter(
  (name) => name.endsWith('.test.js') && !WITHOUT.test(basename(name)),
);
run([
  '--test',
  '--experimental-test-coverage',
  '--test-coverage-include=dist/**',
  ...['--test-reporter=dot', '--test-reporter-destination=stdout'],
  ...['--test-reporter=lcov', `--test-reporter-destination=${report}`],
  ...tests.map((name) => `.build/test/${name}`),
]);
const used = new Set();
const missed = judge(readFileSync(report, 'utf8'));
for (const entry of ELSEWHERE) if (!used.has(entry)) console.log(`taken here too: ${entry[0]}: ${entry[1]}`);
rmSync(scratch, { recursive: true });
if (missed.length) {
  console.error(`\nnever taken:\n${missed.join('\n')}`);
  process.exitCode = 1;
}

function run(parameters) {
  const { status } = spawnSync(process.execPath, parameters, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** Prints what share of each file was run; returns the places that were not. */
function judge(lcov) {
  // What no test loads is in no report.
  const files = readdirSync('dist', { recursive: true })
    .filter((name) => name.endsWith('.js'))
    .map((name) => join('dist', name))
    .filter(hasCode);
  const missed = files.filter((path) => !lcov.includes(`SF:${path}\n`));
  for (const record of lcov.split('end_of_record').filter((text) => text.includes('SF:'))) {
    const [, path] = /^SF:(.*)$/m.exec(record);
    const lines = readFileSync(path, 'utf8').split('\n');
    // A closing brace is no branch of ours: V8 counts what would follow a loop or `try` that is never left
    // that way.
    const places = [...record.matchAll(/^(DA|BRDA):(\d+),(?:.*,)?(\d+)$/gm)]
      .map(([, kind, line, count]) => ({
        kind,
        line: Number(line),
        text: lines[line - 1].trim(),
        count: Number(count),
      }))
      .filter(({ text }) => !/^([})\];]*|} finally {)$/.test(text));
    const share = (kind) => {
      const counted = places.filter((place) => place.kind === kind);
      return ((100 * counted.filter(({ count }) => count > 0).length) / (counted.length || 1))
        .toFixed(2)
        .padStart(7);
    };
    console.log(`${share('DA')} % of lines, ${share('BRDA')} % of branches  ${path}`);
    missed.push(
      ...places
        .filter(({ count, text }) => count === 0 && !isElsewhere(path, text))
        .map(({ kind, line, text }) => `${path}:${line} (${kind === 'DA' ? 'line' : 'branch'}) ${text}`),
    );
  }
  return missed;
}

/** A module of types only has nothing to run. */
function hasCode(path) {
  return /^(?!\/\/|$|export \{\};$)/m.test(readFileSync(path, 'utf8').trim());
}

function isElsewhere(path, text) {
  const entry = ELSEWHERE.find(([file, part]) => path === join('dist', file) && text.includes(part));
  if (entry) used.add(entry);
  return entry !== undefined;
}
