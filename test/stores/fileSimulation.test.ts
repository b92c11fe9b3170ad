/**
 * Random schedules of writers and readers of one file store. What runs is the built store; the disk is a
 * model of one, on which each operation waits until the schedule lets it go on. Processes are stalled and
 * killed between any two of them, and a listing is read in two parts, between which others go on: what a file
 * system promises of one, and no more.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { test } from 'node:test';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import type { TokenStore } from 'thingspace-auth/stores';
import { fileStore } from 'thingspace-auth/stores/file';

const SCHEDULES = Number(process.env.SCHEDULES ?? 500);
const FIRST_SEED = Number(process.env.SEED ?? 1);
const MOST_STEPS = 20_000;
const KEYS = ['one key', 'another'];

/** How often what is to be tested has occurred. */
interface Tally {
  steps: number;
  commits: number;
  lost: number;
  killed: number;
}

// In a thread of its own, since the test runner follows each promise.
if (isMainThread) {
  test(`${SCHEDULES} schedules: the highest version never falls, and what a write or a read says is true`, async (t) => {
    const [{ violation, tally }] = (await once(new Worker(import.meta.filename), 'message')) as [
      { violation?: string; tally: Tally },
    ];
    t.diagnostic(JSON.stringify(tally));
    assert.equal(violation, undefined);
    // Schedules in which nothing meets would prove nothing.
    assert.ok(
      tally.commits > 3 * SCHEDULES && tally.lost > SCHEDULES && tally.killed > SCHEDULES / 4,
      JSON.stringify(tally),
    );
  });
} else parentPort!.postMessage(await runAll());

async function runAll(): Promise<{ readonly violation?: string; readonly tally: Tally }> {
  const world = createWorld();
  mockDisk(world);
  const tally = { steps: 0, commits: 0, lost: 0, killed: 0 };
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SCHEDULES; seed++) {
    await runSchedule(world, createRandom(seed), tally);
    if (world.violation) return { violation: `seed ${seed}: ${world.violation}`, tally };
  }
  return { tally };
}

type Random = () => number;

/** What a key has held, one after the other, and from which step on. */
type History = { readonly value: string | undefined; readonly step: number; readonly by: Call | undefined }[];

interface Call {
  readonly firstStep: number;
}

interface Process {
  isKilled: boolean;
  stalledUntil: number;
  call: Call | undefined;
}

/** The disk, what waits on it, and what has been committed there. */
interface World {
  random: Random;
  step: number;
  files: Map<string, { text: string; mtimeMs: number }>;
  waiting: { readonly process: Process; readonly go: () => void }[];
  /** Each looks at the disk by a folder name of its own, which tells whose operation it is. */
  processes: Map<string, Process>;
  histories: Map<string, History>;
  /** The first thing that must not be. */
  violation: string | undefined;
}

function createWorld(): World {
  return {
    random: () => 0,
    step: 0,
    files: new Map(),
    waiting: [],
    processes: new Map(),
    histories: new Map(),
    violation: undefined,
  };
}

async function runSchedule(world: World, random: Random, tally: Tally): Promise<void> {
  Object.assign(world, {
    random,
    step: 0,
    files: new Map(),
    waiting: [],
    processes: new Map(),
    histories: new Map(),
    violation: undefined,
  });
  let running = 2 + Math.floor(random() * 3);
  for (let count = running; count > 0; count--) {
    const { store, process } = startProcess(world);
    work(world, store, process, tally)
      .catch((error) => (world.violation ??= String(error)))
      .finally(() => running--);
  }
  const countKilled = () => [...world.processes.values()].filter(({ isKilled }) => isKilled).length;
  while (!world.violation && running > countKilled()) {
    await settle();
    letOneGo(world, tally);
    if (++tally.steps && world.step > MOST_STEPS) world.violation ??= 'somebody goes on for ever';
  }
  for (const history of world.histories.values()) tally.commits += history.length - 1;
  if (!world.violation) await checkRemains(world);
}

/** Lets one operation of those that wait be carried out; now and then stalls or kills its process instead. */
function letOneGo(world: World, tally: { killed: number }): void {
  const alive = world.waiting.filter(({ process }) => !process.isKilled);
  const able = alive.filter(({ process }) => process.stalledUntil <= world.step);
  world.step++;
  const chosen = able[Math.floor(world.random() * able.length)];
  if (!chosen) return;
  if (world.random() < 0.05) return void (chosen.process.stalledUntil = world.step + world.random() * 200);
  if (world.random() < 0.003) {
    chosen.process.isKilled = true;
    tally.killed++;
    return;
  }
  world.waiting.splice(world.waiting.indexOf(chosen), 1);
  chosen.go();
}

function startProcess(world: World): { readonly store: TokenStore; readonly process: Process } {
  const folder = `process-${world.processes.size}`;
  const process: Process = { isKilled: false, stalledUntil: 0, call: undefined };
  world.processes.set(folder, process);
  return { store: fileStore(folder), process };
}

/** Some operations of one process, each judged by what the disk has held meanwhile. */
async function work(
  world: World,
  store: TokenStore,
  process: Process,
  tally: { lost: number },
): Promise<void> {
  let read: string | undefined;
  const operations = {
    async compareAndSet(key: string, call: Call, value: string) {
      const expected = world.random() < 0.8 ? read : undefined;
      const next = world.random() < 0.15 ? undefined : value;
      const isWritten = await store.compareAndSet!(key, expected, next, undefined);
      if (!isWritten) tally.lost++;
      judgeWrite(world, key, call, isWritten, expected);
      read = isWritten ? next : await get(world, store, process, key);
    },
    async set(key: string, call: Call, value: string) {
      await store.set(key, value, undefined);
      judgeWrite(world, key, call, true);
      read = value;
    },
    async delete(key: string, call: Call) {
      await store.delete(key);
      const isWritten = historyOf(world, key).some(({ by }) => by === call);
      if (!isWritten) judgeRead(world, key, call, undefined);
    },
    async get(key: string) {
      read = await get(world, store, process, key);
    },
  };
  for (let count = 3 + Math.floor(world.random() * 5); count > 0; count--) {
    const key = KEYS[world.random() < 0.8 ? 0 : 1]!;
    const call = (process.call = { firstStep: world.step });
    const value = `value ${call.firstStep} ${world.random()}`;
    await operations[drawOperation(world)](key, call, value);
  }
}

function drawOperation({ random }: World): 'compareAndSet' | 'set' | 'delete' | 'get' {
  const kind = random();
  if (kind < 0.4) return 'compareAndSet';
  if (kind < 0.55) return 'set';
  return kind < 0.65 ? 'delete' : 'get';
}

async function get(
  world: World,
  store: TokenStore,
  process: Process,
  key: string,
): Promise<string | undefined> {
  const call = (process.call = { firstStep: world.step });
  const value = (await store.get(key)) ?? undefined;
  judgeRead(world, key, call, value);
  return value;
}

function judgeRead(world: World, key: string, { firstStep }: Call, value: string | undefined): void {
  const held = heldSince(historyOf(world, key), firstStep);
  if (!held.includes(value))
    world.violation ??= `${value} was read since ${firstStep}, which held ${held.join()}`;
}

function judgeWrite(
  world: World,
  key: string,
  call: Call,
  isWritten: boolean,
  ...expected: (string | undefined)[]
): void {
  const history = historyOf(world, key);
  const at = history.findIndex(({ by }) => by === call);
  if (at >= 0 !== isWritten)
    world.violation ??= isWritten
      ? 'a write is said to have been made'
      : 'a write that was said to be lost shows';
  if (at >= 0 && expected.length && history[at - 1]!.value !== expected[0])
    world.violation ??= 'another value than expected was replaced';
  if (at < 0 && heldSince(history, call.firstStep).every((value) => value === expected[0]))
    world.violation ??= 'lost to nobody';
}

/** The values that have been there at some moment since a step. */
function heldSince(history: History, step: number): (string | undefined)[] {
  return history
    .filter((_, index) => (history[index + 1]?.step ?? Infinity) >= step)
    .map(({ value }) => value);
}

function historyOf({ histories }: World, key: string): History {
  return histories.get(key) ?? histories.set(key, [{ value: undefined, step: 0, by: undefined }]).get(key)!;
}

/**
 * A minute after the last write the next one leaves one version of each key, and the empty file of those that
 * had others.
 */
async function checkRemains(world: World): Promise<void> {
  for (const file of world.files.values()) file.mtimeMs = 0;
  const { store } = startProcess(world);
  let isDone = false;
  const writes = async () => {
    for (const key of KEYS) await store.set(key, 'last', undefined);
  };
  void writes().finally(() => (isDone = true));
  world.waiting = world.waiting.slice(-1);
  for (; !isDone; await settle()) world.waiting.pop()?.go();
  const names = [...world.files.keys()].filter((name) => !/^[^.]+\.0$/.test(name));
  if (names.length !== KEYS.length) world.violation ??= `${names.join()} remain`;
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await undefined;
}

/** Puts the model in the place of the file system, for the built package too. */
function mockDisk(world: World): void {
  const fail = (code: string) => Object.assign(new Error(code), { code });
  const find = (name: string) => {
    const file = world.files.get(name);
    if (!file) throw fail('ENOENT');
    return file;
  };
  const wait = (process: Process): Promise<void> =>
    new Promise((go) => void world.waiting.push({ process, go }));
  /**
   * An operation that is carried out when the schedule lets it: by the process and on the file that its path
   * names.
   */
  const later =
    <Rest extends unknown[], Result>(act: (name: string, process: Process, ...rest: Rest) => Result) =>
    async (path: string, ...rest: Rest): Promise<Awaited<Result>> => {
      const [folder, name = ''] = path.split('/');
      const process = world.processes.get(folder!)!;
      await wait(process);
      return await act(name, process, ...rest);
    };
  const fsyncs: Process[] = [];
  const mocks = {
    mkdir: later(() => undefined),
    open: later((name, process) => {
      if (world.files.has(name)) throw fail('EEXIST');
      // Now and then older than a minute, as one whose writer has been stopped.
      const file = { text: 'half a', mtimeMs: world.random() < 0.03 ? 0 : Date.now() };
      world.files.set(name, file);
      const writeFile = async (text: string) => {
        await wait(process);
        file.text = text;
      };
      return { fd: fsyncs.push(process) - 1, writeFile, close: () => wait(process) };
    }),
    readdir: later(async (_, process) => {
      const isFirst = splitNames(world.random);
      const first = [...world.files.keys()].filter(isFirst);
      await wait(process);
      return [...first, ...[...world.files.keys()].filter((name) => !isFirst(name))];
    }),
    readFile: later((name) => find(name).text),
    stat: later((name) => ({ mtimeMs: find(name).mtimeMs, isFile: () => true })),
    rename: later((from, _process, to: string) => {
      const file = find(from);
      world.files.delete(from);
      world.files.set(to.split('/')[1]!, file);
    }),
    link: later((from, process, path: string) => {
      const [, to = ''] = path.split('/');
      const file = find(from);
      if (world.files.has(to)) throw fail('EEXIST');
      world.files.set(to, file);
      commit(world, to, file.text, process.call);
    }),
    writeFile: later(
      (name) => void (world.files.has(name) || world.files.set(name, { text: '', mtimeMs: Date.now() })),
    ),
    unlink: later((name) => {
      find(name);
      world.files.delete(name);
    }),
  };
  Object.assign(fs.promises, mocks);
  fs.fsync = ((fd: number, callback: (error: null) => void) =>
    void wait(fsyncs[fd]!).then(() => callback(null))) as typeof fs.fsync;
  syncBuiltinESMExports();
}

/** Which names a listing reads first. */
function splitNames(random: Random): (path: string) => boolean {
  const salt = Math.floor(random() * 7) + 3;
  return (path) =>
    [...path].reduce((sum, character) => (sum * 31 + character.charCodeAt(0)) % 1_009, salt) % 2 === 0;
}

/** Notes what a link has brought, which must be the version after the highest that there has ever been. */
function commit(world: World, name: string, text: string, by: Call | undefined): void {
  const [digest, version] = name.split('.');
  const history = historyOf(
    world,
    KEYS.find((key) => createHash('sha256').update(key, 'utf16le').digest('hex') === digest)!,
  );
  if (Number(version) !== history.length)
    world.violation ??= `version ${version} was made after ${history.length - 1}`;
  // A deleted key is an empty file.
  history.push({ value: text ? JSON.parse(text).value : undefined, step: world.step, by });
}

function createRandom(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
