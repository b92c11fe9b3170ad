// Runs the root tests on a Node that counts what is run, and fails where a part of the built package was
// never taken. Node's own report cannot serve: where several processes have run a file, what it says of a
// part depends on the order in which it reads their counts.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mergeProcessCovs } from '@bcoe/v8-coverage';

process.chdir(join(import.meta.dirname, '../../..'));

/**
 * Tests of papers, types and bundles run nothing of the package. `uncaught` looks at the frames of the
 * package as it is published. `differential` compares with the `fetch` of Node 20, which takes signals
 * that later ones refuse. Fleets run nothing that the others do not, and a process that is stopped never
 * writes what it has counted.
 */
const WITHOUT =
  /^(types|size|structure|package|readme|pages|examples|uncaught|differential|session(Processes|Fleet))\./;

/** What no root test can take on this Node: the file, the part, and who takes it. */
const ELSEWHERE = [
  ['call/send.js', '?? clone.blob()', 'Firefox, whose clone has no body (test/packages/runtimes)'],
  ['platform/runtimes.js', '?? request.url', 'workerd of 2023 (test/packages/runtimes)'],
  ['session/belief.js', ': relation', 'a second lapse with nothing written (sessionSimulation)'],
];
// Fewer schedules take every part as well.
Object.assign(process.env, { SESSION_SCHEDULES: '60', SCHEDULES: '60' });

run(['build.mjs', '--tests', '--modules']);
// What is published is left behind.
process.on('exit', () => spawnSync(process.execPath, ['build.mjs', '--tests'], { stdio: 'inherit' }));
const counts = mkdtempSync(join(tmpdir(), 'coverage-'));
const tests = readdirSync('.build/test', { recursive: true }).filter(
  (name) => name.endsWith('.test.js') && !WITHOUT.test(basename(name)),
);
run(['--test', '--test-reporter=dot', ...tests.map((name) => `.build/test/${name}`)], {
  NODE_V8_COVERAGE: counts,
});
const scripts = readCounts(counts);
rmSync(counts, { recursive: true });
const missed = [...findUnloaded(scripts), ...scripts.flatMap(findUntaken)];
const isOf = ([path, text], part) => part.path === path && part.text === text;
const failed = missed.filter((part) => !ELSEWHERE.some((entry) => isOf(entry, part)));
for (const entry of ELSEWHERE)
  if (!missed.some((part) => isOf(entry, part))) console.log(`taken here too: ${entry[0]}: ${entry[1]}`);
const elsewhere = missed.length - failed.length;
console.log(`${scripts.length} files; ${elsewhere} parts are taken elsewhere, ${failed.length} nowhere`);
if (failed.length) {
  const lines = failed.map(({ path, line, text }) => `${path}:${line} ${text.replace(/\s+/g, ' ')}`);
  console.error(`\nnever taken:\n${lines.join('\n')}`);
  process.exitCode = 1;
}

function run(parameters, variables) {
  const env = { ...process.env, ...variables };
  const { status } = spawnSync(process.execPath, parameters, { stdio: 'inherit', env });
  if (status !== 0) process.exit(status ?? 1);
}

/** What all processes have counted in the built package, by file. */
function readCounts(folder) {
  const root = join(process.cwd(), 'dist/');
  const processes = readdirSync(folder).map((name) => {
    const { result } = JSON.parse(readFileSync(join(folder, name), 'utf8'));
    const files = result.filter(({ url }) => url.startsWith('file:'));
    // A test that wants a module of its own imports it with a query.
    for (const script of files) script.url = fileURLToPath(script.url);
    return { result: files.filter(({ url }) => url.startsWith(root)) };
  });
  return mergeProcessCovs(processes).result.map(({ url, functions }) => ({
    path: url.slice(root.length),
    ranges: functions.flatMap(({ ranges }) => ranges),
  }));
}

/** What no test loads is in no count. A module of types only has nothing to run. */
function findUnloaded(scripts) {
  return readdirSync('dist', { recursive: true })
    .filter((path) => path.endsWith('.js') && !scripts.some((script) => script.path === path))
    .filter((path) => /^(?!\/\/|$|export \{\};$)/m.test(textOf(path).trim()))
    .map((path) => ({ path, line: 1, text: 'no test loads this file' }));
}

/**
 * What was never run of one file. A closing brace is no part of ours: V8 counts what would follow a loop or
 * `try` that is never left that way.
 */
function findUntaken({ path, ranges }) {
  const code = textOf(path);
  return ranges
    .filter(({ count }) => count === 0)
    .map(({ startOffset, endOffset }) => ({
      path,
      line: code.slice(0, startOffset).split('\n').length,
      text: code.slice(startOffset, endOffset).trim(),
    }))
    .filter(({ text }) => !/^[})\];\s]*$/.test(text));
}

function textOf(path) {
  return readFileSync(join('dist', path), 'utf8');
}
