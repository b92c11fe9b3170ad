import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { instrument } from './instrument.mjs';
import { readReviewed } from './reviewed.mjs';
import { drawSample } from './sample.mjs';
import { readTurns } from './testRuns.mjs';

describe('the mutants of a text', async () => {
  const text = `export async function f(a: string, log: (text: string) => void): Promise<number> {
  log('begins');
  await g((a as string)!.trim());
  return a ? 60 : 0;
}
`;
  const { files, mutants } = await instrument(new Map([['src/f.ts', text]]));
  const has = (from, to) => mutants.some((each) => each.from === from && each.to === to);

  for (const [from, to] of [
    ["log('begins');", 'undefined;'],
    ["'begins'", '""'],
    ['await g(a.trim());', 'undefined;'],
    ['await g(a.trim());', 'g(a.trim());'],
    ['a.trim()', 'a'],
    ['a', 'true'],
    ['a', 'false'],
    ['60', '120'],
    ['0', '1'],
  ]) {
    test(`turn \`${from}\` into \`${to}\``, () => assert.ok(has(from, to), JSON.stringify(mutants, null, 2)));
  }

  test('leave types alone', () => assert.ok(mutants.every(({ from }) => from !== 'string')));
  test('say where they are', () =>
    assert.deepEqual(
      mutants
        .filter(({ from }) => from === '60')
        .map(({ file, line, column }) => `${file}:${line}:${column}`),
      ['src/f.ts:4:14'],
    ));
  test('each have a switch', () =>
    assert.ok(mutants.every(({ id }) => files.get('src/f.ts').includes(`stryMutAct_9fa48("${id}")`))));
});

describe('the reviewed list', () => {
  const mutants = [1, 2].map((id) => ({
    id,
    file: 'src/f.ts',
    line: id,
    in: 'f',
    from: 'a + b',
    to: 'a - b',
  }));
  const entry = { in: 'f', from: 'a + b', to: 'a - b', reason: 'b is 0' };
  const read = (...entries) => readReviewed(mutants, { 'src/f.ts': entries });

  test('takes each mutant that an entry says', () =>
    assert.deepEqual([...read({ ...entry, times: 2 }).entries.keys()], [1, 2]));
  test('tells of an entry that matches nothing', () =>
    assert.match(read({ ...entry, from: 'a * b' }).stale.join(), /matches 0 mutants, not 1/));
  test('tells of an entry that matches more than it says', () =>
    assert.match(read(entry).faults.join(), /matches 2 mutants, not 1/));
  test('takes one of several that look the same', () =>
    assert.deepEqual([...read({ ...entry, which: 2 }).entries.keys()], [2]));
  test('tells of an entry without a reason', () =>
    assert.match(read({ ...entry, reason: '', times: 2 }).faults.join(), /no reason/));
});

test('what a process has written of a batch says who noticed what, who passed which test, and in whose turn it ended', () => {
  const output =
    '.\nbegin 1 0\n\nend\n.\nbegin 2 0\n\nnoticed 2 says who it is\n\nend\n\nbegin 1 3\n\nend\n..\nbegin 3 3\n';
  assert.deepEqual(readTurns(output), {
    outcomes: new Map([[2, 'says who it is']]),
    passed: new Map([[1, [0, 3]]]),
    open: 3,
  });
  assert.equal(readTurns('\nbegin 1 0\n\nend\n').open, undefined);
});

test('a sample is the same for the same seed, another for another, and draws nothing twice', () => {
  const all = Array.from({ length: 1000 }, (_, index) => index);
  assert.deepEqual(drawSample(all, 40, 7), drawSample(all, 40, 7));
  assert.notDeepEqual(drawSample(all, 40, 7), drawSample(all, 40, 8));
  assert.equal(new Set(drawSample(all, 400, 7)).size, 400);
});

test('what no test notices is printed with its line, and fails the command', () => {
  const { status, stdout } = mutate('--only', 'redis', 'src/token/revocation.ts');
  assert.equal(status, 1, stdout);
  assert.match(stdout, /^No test notices:\nsrc\/token\/revocation\.ts:\d+:\d+ .* \(no test reaches it\)$/m);
  assert.match(stdout, /^src\/token\/revocation\.ts +(\d+) +0 +0 +0 +\1 +0\.0 %$/m);
});

const CORE = [
  ...['call/authorizedFetch', 'call/foreignFetch', 'call/origins', 'call/redirects', 'call/rejections'],
  ...['token/concurrency', 'token/lifetime', 'token/outage', 'token/provider', 'token/requestBound'],
  ...['token/revocation', 'core/events', 'core/messages', 'core/secrets', 'core/token'],
  ...['platform/limits', 'platform/waiting', 'config/clientAuthentication', 'entries/dpop'],
].join();

test('the tests notice nearly all of a sample of 24', (t) => {
  // Of the core, by the quick tests of the core: what stores, sessions and papers test takes minutes.
  const { status, stdout } = mutate(
    'src/call',
    'src/token',
    'src/platform',
    '--sample',
    '24',
    '--seed',
    '7',
    '--quick',
    '--only',
    CORE,
    '--least',
    '85',
  );
  t.diagnostic(stdout);
  assert.equal(status, 0, stdout);
  assert.match(stdout, /^all +24 /m);
});

function mutate(...parameters) {
  return spawnSync(process.execPath, [join(import.meta.dirname, 'mutate.mjs'), ...parameters], {
    encoding: 'utf8',
  });
}
