// Runs in each process of a test, before anything else. It does one of three things, which the environment
// tells: it notes which test reaches which mutants (MUTATION_LOG); it runs the tests with one mutant that is
// on from the start (MUTATION_ACTIVE); or it runs each test once for each of many mutants (MUTATION_BATCH),
// which saves starting a process.
import { appendFileSync, writeSync } from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const {
  MUTATION_LOG: log,
  MUTATION_COUNT: count,
  MUTATION_BATCH: batchText,
  MUTATION_TESTS: tests,
} = process.env;
const { MUTATION_ACTIVE: active, MUTATION_HIT_LIMIT: hitLimit } = process.env;

/** What happens before any test, or in a hook for several, belongs to all. */
const ALL = '-1';
/** A test that takes longer is not run again to see whether a noticed mutant has left anything behind. */
const MOST_CHECK_MS = 2_000;

const { setTimeout: startTimer, clearTimeout: stopTimer } = globalThis;
const testing = createRequire(import.meta.url)('node:test');

// What the instrumented sources look for.
const space = (globalThis.__stryker__ = {});
if (log) {
  const recorder = createRecorder();
  space.mutantCoverage = recorder.coverage;
  numberTests((run, number) => recordTest(recorder, run, number));
  const { before } = testing;
  testing.before = (run, ...rest) => before((...given) => (recorder.begin(ALL), run(...given)), ...rest);
} else if (batchText) {
  const batch = JSON.parse(batchText);
  // The processes that a test starts have one mutant on.
  delete process.env.MUTATION_BATCH;
  numberTests((run, number) => runForEach(batch, run, number));
} else {
  turnOn(active, hitLimit);
  const selected = tests && new Set(tests.split(',').map(Number));
  numberTests((run, number, name) =>
    selected && !selected.has(number) ? undefined : endAtFailure(run, number, name),
  );
}
syncBuiltinESMExports();
handOn();

/** Also to the processes that a test gives an environment of its own. */
function handOn() {
  const { ChildProcess } = createRequire(import.meta.url)('node:child_process');
  const { spawn } = ChildProcess.prototype;
  ChildProcess.prototype.spawn = function (options) {
    const ours = Object.entries(process.env).filter(
      ([name]) => name === 'NODE_OPTIONS' || name.startsWith('MUTATION_'),
    );
    const isGiven = (name) => options.envPairs.some((pair) => pair.startsWith(`${name}=`));
    options.envPairs.push(...ours.filter(([name]) => !isGiven(name)).map((pair) => pair.join('=')));
    return spawn.call(this, options);
  };
}

function turnOn(id, limit) {
  Object.assign(space, { activeMutant: id, hitCount: 0, hitLimit: Number(limit) });
}

/**
 * Gives each test of the file a number, in the order in which they are made. What `follow` has no function
 * for is left out.
 */
function numberTests(follow) {
  const { test } = testing;
  let next = 0;
  const numbered = (name, ...given) => {
    const run = given.find((each) => typeof each === 'function');
    if (run.length > 1) throw new Error('a test with a callback');
    const followed = follow(run, next++, name);
    const isSkipped = given.some((each) => each.skip);
    return followed && test(name, { skip: isSkipped }, followed);
  };
  testing.test = testing.it = Object.assign(numbered, test);
}

// Which test reaches what

function createRecorder() {
  const firstHits = {};
  for (let id = 0; id < Number(count); id++) {
    Object.defineProperty(firstHits, id, {
      get: () => 0,
      // Written down at once, since a process may be killed; how often it was hit follows at the end.
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
      for (const each of all)
        appendFileSync(
          log,
          Object.entries(each)
            .map(([id, times]) => `${each.test} ${id} ${times}\n`)
            .join(''),
        );
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

function recordTest(recorder, run, number) {
  return async (context) => {
    const startedAt = performance.now();
    recorder.begin(String(number));
    await run(context);
    writeSync(1, `\ntook ${number} ${performance.now() - startedAt}\n`);
  };
}

// One mutant

/** Reporters hear of a failure much later. */
function endAtFailure(run, number, name) {
  return async (context) => {
    try {
      await run(context);
    } catch {
      writeSync(1, `\nfailed ${number} ${inOneLine(name)}\n`);
      process.exit(1);
    }
  };
}

// Many mutants

function runForEach(batch, run, number) {
  const reaching = batch.filter(({ numbers }) => numbers.includes(number));
  if (!reaching.length) return undefined;
  return async (context) => {
    const left = reaching.filter(({ isNoticed }) => !isNoticed);
    if (!left.length) return;
    const startedAt = performance.now();
    // Without any mutant: a test that leans on those before it can only be run in a file as a whole.
    if (await fails(context, run, undefined)) endProcess(`\nleans ${number}\n`);
    const tookMs = performance.now() - startedAt;
    for (const mutant of left) await takeTurn(mutant, { context, run, number, tookMs });
  };
}

async function takeTurn(mutant, { context, run, number, tookMs }) {
  writeSync(1, `\nbegin ${mutant.id} ${number}\n`);
  const failure = await failsWith(mutant, context, run, 2_000 + 10 * tookMs);
  const noticed = failure === 'silence' ? failure : inOneLine(context.name);
  if (failure) writeSync(1, `\nnoticed ${mutant.id} ${noticed}\n`);
  writeSync(1, '\nend\n');
  if (failure && (await isLeftDirty(failure, context, run, tookMs))) endProcess('\ndirty\n');
}

async function failsWith(mutant, context, run, limitMs) {
  turnOn(mutant.id, mutant.hitLimit);
  Object.assign(process.env, { MUTATION_ACTIVE: mutant.id, MUTATION_HIT_LIMIT: mutant.hitLimit });
  const failure = await fails(context, run, limitMs);
  turnOn(undefined);
  delete process.env.MUTATION_ACTIVE;
  mutant.isNoticed = Boolean(failure);
  return failure;
}

/** Whether a noticed mutant may have left something behind, so that the process cannot go on. */
async function isLeftDirty(failure, context, run, tookMs) {
  if (failure === 'silence' || tookMs > MOST_CHECK_MS) return true;
  return Boolean(await fails(context, run, undefined));
}

/** Whether a test fails, in a context of its own, which its servers and clocks end with. */
async function fails(context, run, limitMs) {
  let failure;
  const fail = () => void (failure ??= 'failure');
  const watch = (follow) => async (inner) => {
    const { test } = inner;
    inner.test = (...given) =>
      test.apply(
        inner,
        given.map((each) => (typeof each === 'function' ? watch(each) : each)),
      );
    try {
      return await follow(inner);
    } catch {
      fail();
    }
  };
  process.on('uncaughtException', fail).on('unhandledRejection', fail);
  const running = context.test('once', watch(run));
  let timer;
  if (limitMs) {
    const silence = new Promise((resolve) => (timer = startTimer(resolve, limitMs, 'silence')));
    if ((await Promise.race([running, silence])) === 'silence') failure = 'silence';
    stopTimer(timer);
  } else await running;
  // What the test has left behind has a turn to fail in.
  await new Promise(setImmediate);
  process.off('uncaughtException', fail).off('unhandledRejection', fail);
  return failure;
}

function endProcess(text) {
  writeSync(1, text);
  process.exit(3);
}

function inOneLine(text) {
  return String(text).replaceAll('\n', ' ');
}
