// Runs tests of one file in a process of its own, which ends at the first failure or when nothing has moved for too long.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const here = (name) => pathToFileURL(join(import.meta.dirname, name)).href;
const running = new Set();
process.on('exit', () => running.forEach(killGroup));

/** What a process costs before its first test. */
const START_MS = 300;

/**
 * Runs a test file without a mutant.
 * @returns which tests reach which mutants, how often, how long each takes, how long all are silent at most
 */
export async function explore(folder, testFile, mutantCount) {
  const log = join(folder, `${testFile}.log`);
  const { failed, output, silenceMs } = await runTests(folder, testFile, { MUTATION_LOG: log, MUTATION_COUNT: String(mutantCount) }, 120_000);
  if (failed) throw new Error(`${testFile} fails without any mutant: ${failed}`);
  const durationsMs = new Map([...output.matchAll(/^took (\d+) (.*)$/gm)].map(([, number, ms]) => [Number(number), Number(ms)]));
  const reached = new Map();
  const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n').filter(Boolean) : [];
  for (const line of lines) {
    const [test, id, times] = line.split(' ').map(Number);
    const known = reached.get(id) ?? reached.set(id, { tests: new Set(), times: 0 }).get(id);
    known.tests.add(test);
    known.times += times;
  }
  return { testFile, reached, durationsMs, silenceMs, trusted: new Set(), isWhole: false };
}

/** @returns the tests that reach a mutant: the run, their numbers (none: all of the file), what they cost */
export function selectTests(run, id, mostMs) {
  const found = run.reached.get(id);
  if (!found) return undefined;
  const numbers = [...(found.tests.has(-1) || run.isWhole ? run.durationsMs.keys() : found.tests)].filter((each) => run.durationsMs.get(each) <= mostMs);
  if (!numbers.length) return undefined;
  const costMs = START_MS + numbers.reduce((sum, number) => sum + run.durationsMs.get(number), 0);
  return { run, numbers, costMs, times: found.times };
}

/** @returns what noticed the mutant: a test's name, `exit`, or `silence` */
export async function runWithMutant(folder, { run, numbers, times }, id) {
  const environment = { MUTATION_ACTIVE: String(id), MUTATION_HIT_LIMIT: String(1_000 + 100 * times), MUTATION_TESTS: numbers.join() };
  const { failed, number } = await runTests(folder, run.testFile, environment, 5_000 + 8 * run.silenceMs);
  if (!failed || failed === 'silence' || run.isWhole || run.trusted.has(number)) return failed;
  // A test that leans on those before it fails for want of them. Each is tried alone once, without any mutant.
  const alone = number === undefined ? numbers.join() : String(number);
  const check = await runTests(folder, run.testFile, { MUTATION_TESTS: alone }, 5_000 + 8 * run.silenceMs);
  if (!check.failed) {
    run.trusted.add(number ?? NaN);
    return failed;
  }
  run.isWhole = true;
  console.log(`${run.testFile} can only be run as a whole: "${check.failed}" fails alone`);
  return runWithMutant(folder, { run, numbers: [...run.durationsMs.keys()], times: Infinity }, id);
}

function runTests(folder, testFile, environment, mostSilenceMs) {
  const child = spawn(
    process.execPath,
    [`--test-reporter=${here('firstFailure.mjs')}`, '--test-reporter-destination=stdout', join('.build/test', testFile)],
    {
      cwd: folder,
      // A group of its own, since tests start processes too.
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, NODE_OPTIONS: `--import=${here('inProcess.mjs')} --max-old-space-size=1024`, ...environment },
    },
  );
  running.add(child.pid);
  let output = '';
  let silenceMs = 0;
  let heardAt = performance.now();
  let isSilent = false;
  const onSilence = () => {
    isSilent = true;
    killGroup(child.pid);
  };
  let timer = setTimeout(onSilence, mostSilenceMs);
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
    silenceMs = Math.max(silenceMs, performance.now() - heardAt);
    heardAt = performance.now();
    clearTimeout(timer);
    timer = setTimeout(onSilence, mostSilenceMs);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', () => killGroup(child.pid));
    child.on('close', (code) => {
      clearTimeout(timer);
      running.delete(child.pid);
      const [, number, name] = /^failed (\d+) (.*)$/m.exec(output) ?? /^name ()(.*)$/m.exec(output) ?? [];
      const failed = isSilent ? 'silence' : code === 0 ? undefined : (name ?? 'exit');
      resolve({ failed, number: number ? Number(number) : undefined, output, silenceMs });
    });
  });
}

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}
