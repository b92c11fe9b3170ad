// Runs in each process of a test, before anything else. It tells which test reaches which mutants and how often; or it turns
// one mutant on, leaves out the tests that do not reach it, and ends the mutant where it runs in a loop.
import { appendFileSync, writeSync } from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const { MUTATION_LOG: log, MUTATION_COUNT: count, MUTATION_TESTS: tests } = process.env;
const { MUTATION_ACTIVE: activeMutant, MUTATION_HIT_LIMIT: hitLimit } = process.env;

/** What happens before any test, or in a hook for several, belongs to all. */
const ALL = '-1';
const selected = tests && new Set(tests.split(',').map(Number));
const recorder = log ? createRecorder() : undefined;

// What the instrumented sources look for.
globalThis.__stryker__ = recorder ? { mutantCoverage: recorder.coverage } : { activeMutant, hitCount: 0, hitLimit: Number(hitLimit) };
numberTests();

/** Each mutant is written down at its first hit, since a process may be killed; how often it was hit follows at the end. */
function createRecorder() {
  const firstHits = {};
  for (let id = 0; id < Number(count); id++) {
    Object.defineProperty(firstHits, id, {
      get: () => 0,
      set(value) {
        Object.defineProperty(this, id, { value, writable: true, enumerable: true });
        appendFileSync(log, `${this.test} ${id} 1\n`);
      },
    });
  }
  const all = [];
  const startHits = (test) => all[all.push(Object.create(firstHits, { test: { value: test } })) - 1];
  // A process that a test starts works for that test.
  let hits = startHits(process.env.MUTATION_TEST ?? ALL);
  if (isMainThread) {
    process.on('exit', () => {
      for (const each of all) appendFileSync(log, Object.entries(each).map(([id, times]) => `${each.test} ${id} ${times}\n`).join(''));
    });
  }
  const coverage = {
    get static() {
      return hits;
    },
  };
  const begin = (test) => {
    process.env.MUTATION_TEST = test;
    hits = startHits(test);
  };
  return { coverage, begin };
}

/** Gives each test of the file a number, in the order in which they are made. */
function numberTests() {
  const testing = createRequire(import.meta.url)('node:test');
  const { test: original, before } = testing;
  let next = 0;
  const numbered = (...given) => {
    const number = next++;
    if (selected && !selected.has(number)) return undefined;
    return original(...given.map((each) => (typeof each === 'function' ? follow(each, number, given[0]) : each)));
  };
  testing.test = testing.it = Object.assign(numbered, original);
  testing.before = (run, ...rest) => before((...given) => (recorder?.begin(ALL), run(...given)), ...rest);
  syncBuiltinESMExports();
}

/** Ends the process at the first failure: reporters hear of it much later. */
function follow(run, number, name) {
  if (run.length > 1) throw new Error('a test with a callback');
  return async (context) => {
    const startedAt = performance.now();
    recorder?.begin(String(number));
    try {
      await run(context);
    } catch (error) {
      if (recorder) throw error;
      writeSync(1, `\nfailed ${number} ${String(name).replaceAll('\n', ' ')}\n`);
      process.exit(1);
    }
    if (recorder) writeSync(1, `\ntook ${number} ${performance.now() - startedAt}\n`);
  };
}
