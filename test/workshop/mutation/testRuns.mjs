// Runs tests of one file in a process of its own: to see what they reach, with one mutant, or with many in
// turn.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const here = (name) => pathToFileURL(join(import.meta.dirname, name)).href;
const running = new Set();
process.on('exit', () => running.forEach(killGroup));

/** What is reached before any test or in a hook is numbered so: by all tests. */
const ALL = -1;
/** What a process costs before its first test, and a mutant beside its tests. */
const START_MS = 300;
const TURN_MS = 10;

/**
 * Runs a test file without a mutant.
 * @returns which tests reach which mutants, how often, how long each takes, how long all are silent at most,
 *   whether any fails
 */
export async function explore(folder, testFile, mutantCount) {
  const log = join(folder, '.build/test', `${testFile}.log`);
  rmSync(log, { force: true });
  const { code, isSilent, output, silenceMs } = await runTests(
    folder,
    testFile,
    { MUTATION_LOG: log, MUTATION_COUNT: String(mutantCount) },
    120_000,
  );
  const durationsMs = new Map(
    [...output.matchAll(/^took (\d+) (.*)$/gm)].map(([, number, ms]) => [Number(number), Number(ms)]),
  );
  const reached = new Map();
  const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n').filter(Boolean) : [];
  for (const line of lines) {
    const [test, id, times] = line.split(' ').map(Number);
    const known = reached.get(id) ?? reached.set(id, { tests: new Set(), times: 0 }).get(id);
    known.tests.add(test);
    known.times += times;
  }
  // Tests that fail already can notice nothing: only those that have passed have a duration.
  const isBroken = code !== 0 || isSilent;
  return { testFile, reached, durationsMs, silenceMs, isBroken, isWhole: false };
}

/**
 * @param {readonly [number, number]} pace only tests that take longer than the first, and no longer than the
 *   second; a file that can only be run as a whole is taken in any case
 * @returns the tests that reach a mutant: the run, their numbers, what they cost
 */
export function selectTests(run, id, [leastMs, mostMs]) {
  const found = run.reached.get(id);
  if (!found) return undefined;
  // What has been settled when the modules were loaded is settled for the process.
  const isAlone = found.tests.has(ALL) || run.isWhole;
  const numbers = [...(isAlone ? run.durationsMs.keys() : found.tests)].filter(
    (each) => run.isWhole || isBetween(run.durationsMs.get(each), leastMs, mostMs),
  );
  if (!numbers.length) return undefined;
  const costMs =
    (isAlone ? START_MS : TURN_MS) + numbers.reduce((sum, number) => sum + run.durationsMs.get(number), 0);
  return { run, numbers, costMs, isAlone, hitLimit: 1_000 + 100 * found.times };
}

function isBetween(ms, leastMs, mostMs) {
  return ms > leastMs && ms <= mostMs;
}

/** One mutant, on from the start. @returns what noticed it: a test's name, `exit`, or `silence` */
export async function runAlone(folder, { run, numbers, hitLimit }, id) {
  const environment = {
    MUTATION_ACTIVE: String(id),
    MUTATION_HIT_LIMIT: String(hitLimit),
    MUTATION_TESTS: numbers.join(),
  };
  const { code, isSilent, output } = await runTests(folder, run.testFile, environment, mostSilenceOf(run));
  if (isSilent) return 'silence';
  if (code === 0) return undefined;
  return /^(?:failed \d+|name) (.*)$/m.exec(output)?.[1] ?? 'exit';
}

/**
 * Many mutants in turn.
 * @param {{ id: number, selection: ReturnType<typeof selectTests> }[]} batch all of one run
 * @returns `outcomes`: by id, what noticed each; undefined where nothing did; what is missing has not been
 *   finished. `passed`: by id, the numbers of the tests that have not noticed it
 */
export async function runBatch(folder, run, batch) {
  const mutants = batch.map(({ id, selection: { numbers, hitLimit } }) => ({
    id: String(id),
    numbers,
    hitLimit: String(hitLimit),
  }));
  const { isSilent, output } = await runTests(
    folder,
    run.testFile,
    { MUTATION_BATCH: JSON.stringify(mutants) },
    mostSilenceOf(run),
  );
  const { outcomes, passed, open } = readTurns(output);
  const leaning = /^leans (\d+)$/m.exec(output);
  if (leaning) {
    run.isWhole = true;
    console.log(`${run.testFile} can only be run as a whole: its test ${leaning[1]} fails alone`);
    return { outcomes, passed: new Map() };
  }
  const isDirty = /^dirty$/m.test(output);
  // It went down with the process.
  if (open !== undefined) outcomes.set(open, isSilent ? 'silence' : 'exit');
  else if (!isDirty) for (const { id } of batch) outcomes.set(id, outcomes.get(id));
  return { outcomes, passed };
}

/**
 * What has come of each turn of a mutant with a test, as the process has written it down; `open`: in the
 * middle of whose turn it ended.
 */
export function readTurns(output) {
  const outcomes = new Map();
  const passed = new Map();
  let turn;
  for (const [, begun, number, noticed, failed] of output.matchAll(
    /^(?:begin (\d+) (\d+)|noticed (\d+) (.*)|end)$/gm,
  )) {
    if (begun) turn = { id: Number(begun), number: Number(number) };
    else if (noticed) outcomes.set(turn.id, failed);
    else {
      if (!outcomes.has(turn.id)) passed.set(turn.id, [...(passed.get(turn.id) ?? []), turn.number]);
      turn = undefined;
    }
  }
  return { outcomes, passed, open: turn?.id };
}

function mostSilenceOf({ silenceMs }) {
  return 5_000 + 8 * silenceMs;
}

function runTests(folder, testFile, environment, mostSilenceMs) {
  const child = spawn(
    process.execPath,
    [
      `--test-reporter=${here('firstFailure.mjs')}`,
      '--test-reporter-destination=stdout',
      join('.build/test', testFile),
    ],
    {
      cwd: folder,
      // A group of its own, since tests start processes too.
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
      env: {
        ...process.env,
        NODE_OPTIONS: `--import=${here('inProcess.mjs')} --max-old-space-size=1024`,
        ...environment,
      },
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
      resolve({ code, isSilent, output, silenceMs });
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
