/** The words and options of the command line; colours. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { preloading, runCommand, startCommand } from '../support/runCommand.ts';

const root = join(import.meta.dirname, '../../..');

for (const args of [['--help'], ['-h'], ['help'], ['--help', '--json']]) {
  test(`${args.join(' ')} prints the help for all commands`, async () => {
    const { stdout, stderr, exitCode } = await startCommand(args, {});

    assert.match(stdout, /^Usage:\n {2}thingspace-auth token [^]*\n {2}--env FILE [^]*\nExit status: /);
    assert.deepEqual(stdout.match(/(?<=^ {2}thingspace-auth )\w+/gm), ['token', 'session', 'check', 'mock']);
    assert.deepEqual([stderr, exitCode], ['', 0]);
  });
}

for (const args of [
  ['help', 'token'],
  ['token', '--help'],
  ['session', '-h', '--store', 'folder'],
  ['check', 'https://api.example.com/', '--help'],
  ['help', 'mock'],
]) {
  test(`${args.join(' ')} prints the help for that command alone`, async () => {
    const about = args.find((each) => /^(token|session|check|mock)$/.test(each));
    const { stdout, stderr, exitCode } = await startCommand(args, {});

    assert.deepEqual(stdout.match(/(?<=^ {2}thingspace-auth )\w+/gm), [about]);
    assert.equal(/^ {2}--env FILE /m.test(stdout), about !== 'mock');
    assert.equal(stdout.includes('Variables: THINGSPACE_CLIENT_ID'), about !== 'mock');
    assert.match(stdout, /\n\nExit status: 0; .*\n$/);
    assert.deepEqual([stderr, exitCode], ['', 0]);
  });
}

test('no line of the help is wider than a terminal', async () => {
  const { stdout } = await startCommand(['--help'], {});

  assert.deepEqual(
    stdout.split('\n').filter((line) => line.length > 100),
    [],
  );
});

test('--version prints that of the package', async () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

  assert.deepEqual(await startCommand(['--version'], {}), {
    stdout: `${version}\n`,
    stderr: '',
    exitCode: 0,
  });
});

const HELP = 'For help: npx thingspace-auth --help';

const MISTAKES: readonly (readonly [message: string, ...args: string[]])[] = [
  ['A command is missing: token, session, check, mock'],
  ['Unknown command tokn; did you mean token?', 'tokn'],
  ['Unknown command something', 'something'],
  ['Unknown command \\u{1b}[2J\\u{a}', '\u001b[2J\n'],
  [`Unknown command ${'x'.repeat(60)}…`, 'x'.repeat(61)],
  ['Unknown command tokn; did you mean token?', 'help', 'tokn'],
  ['Unknown command tokn; did you mean token?', 'tokn', '--help'],
  ['Unknown option --jsno; did you mean --json?', 'check', '--jsno'],
  ['Unknown option --client-secret', 'token', '--client-secret=not-to-be-repeated'],
  ['Unknown option --nope', 'check', '--nope'],
  ['Unknown option -j', 'token', '-j'],
  ['token does not take --login', 'token', '--login'],
  ['check does not take --store', 'check', '--store', 'folder'],
  ['mock does not take --env', 'mock', '--env', 'file'],
  ['token does not take https://api.example.com/', 'token', 'https://api.example.com/'],
  ['mock does not take 8080', 'mock', '8080'],
  ['session needs --store FOLDER', 'session'],
  ['session takes --reset or --logout, not both', 'session', '--store', 'x', '--reset', '--logout'],
  ['check takes one URL, so more is too much', 'check', 'https://api.example.com/', 'more'],
  ['api.example.com/orders is not a whole URL: write https://…', 'check', 'api.example.com/orders?key=1'],
  ['localhost:8080/orders is not a whole URL: write https://…', 'check', 'localhost:8080/orders'],
  ['https:// is not a whole URL: write https://…', 'check', 'https://'],
  ['--method and --data belong to a URL: check URL', 'check', '-X', 'POST'],
  ['--method and --data belong to a URL: check URL', 'check', '-d', '{}'],
  [
    '--method must be a method that fetch sends: GET, POST, PUT, …',
    'check',
    '-X',
    'TRACE',
    'https://a.example/',
  ],
  [
    '--method must be a method that fetch sends: GET, POST, PUT, …',
    'check',
    '-X',
    'a b',
    'https://a.example/',
  ],
  ['GET takes no --data', 'check', '-X', 'get', '-d', '{}', 'https://a.example/'],
  ['-X needs a value: -X METHOD', 'check', 'https://a.example/', '-X'],
  ['token does not take -d', 'token', '-d', '{}'],
  ['--json takes no value', 'token', '--json=yes'],
  ['--env needs a value: --env FILE', 'token', '--env'],
  ['--store needs a value: --store FOLDER', 'token', '--store', '--json'],
  ['--port must be a whole number from 0 to 65535', 'mock', '--port', '65536'],
  ['--port must be a whole number from 0 to 65535', 'mock', '--port', '80.5'],
];

for (const [message, ...args] of MISTAKES) {
  test(`a wrong use is told in one line: ${JSON.stringify(args.join(' '))}`, async () => {
    const outcome = await startCommand(args, {});

    if (!args.includes('--json'))
      assert.deepEqual(outcome, { stdout: '', stderr: `${message}\n${HELP}\n`, exitCode: 2 });
    else assert.deepEqual([JSON.parse(outcome.stdout).error.message, outcome.exitCode], [message, 2]);
  });
}

test('a wrong use of --json is told as an object, with steps but for token', async () => {
  const of = async (...args: string[]) => JSON.parse((await startCommand(args, {})).stdout);
  const error = { message: 'Unknown option --x', next: HELP };

  assert.deepEqual(await of('token', '--json', '--x'), { ok: false, error });
  assert.deepEqual(await of('check', '--json', '--x'), { ok: false, steps: [], error });
});

const TERMINAL = preloading("Object.defineProperty(process.stdout, 'isTTY', { value: true });");

for (const [what, env, isColoured] of [
  ['a stream that is no terminal', {}, false],
  ['FORCE_COLOR', { FORCE_COLOR: '1' }, true],
  ['an empty FORCE_COLOR', { FORCE_COLOR: '' }, true],
  ['FORCE_COLOR=0', { FORCE_COLOR: '0' }, false],
  ['FORCE_COLOR beside NO_COLOR', { FORCE_COLOR: '1', NO_COLOR: '1' }, true],
  ['a terminal', TERMINAL, true],
  ['a terminal and NO_COLOR', { ...TERMINAL, NO_COLOR: '1' }, false],
  ['a terminal and an empty NO_COLOR', { ...TERMINAL, NO_COLOR: '' }, true],
  ['a terminal that has none', { ...TERMINAL, TERM: 'dumb' }, false],
] as const) {
  test(`check has ${isColoured ? '' : 'no '}colours with ${what}`, async (t) => {
    const { stdout } = await runCommand(t, ['check'], { env: { ...env, THINGSPACE_X: '1' } });
    const failed = await runCommand(t, ['check'], { env, mock: { clients: {} } });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    const codes = /\u001b\[\d+m/g;

    assert.deepEqual(
      stdout.match(codes)?.slice(0, 4),
      isColoured ? ['\u001b[32m', '\u001b[39m', '\u001b[33m', '\u001b[39m'] : undefined,
    );
    assert.equal(failed.stdout.includes('\u001b[31mFAIL\u001b[39m'), isColoured);
    const object = await runCommand(t, ['check', '--json'], { env });
    assert.doesNotMatch(object.stdout, codes);
  });
}
