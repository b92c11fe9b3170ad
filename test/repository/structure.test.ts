import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '../../..');

/**
 * The folders in the order of imports: a file imports from its own folder and from later ones. The entries
 * and the client have none, and stand above all but the command, which is a user of them.
 */
const FOLDERS = [
  'command',
  '',
  'testing',
  'call',
  'session',
  'stores',
  'token',
  'config',
  'platform',
  'core',
];

const MOST_COLUMNS = 110;

/** Texts as they must be printed, one in a line. */
const TABLES = ['test/command/situations.test.ts', 'test/core/messages.test.ts', 'test/types/errors.ts'];

describe('the sources', async () => {
  const files = await readGraph();
  const entries = Object.values<any>(readManifest().exports).map(({ default: code }) =>
    code.replace(/^\.\/dist\/|\.js$/g, ''),
  );

  test('all lie in a folder that has its place in the order of imports', () => {
    assert.deepEqual(
      [...files.keys()].map(folderOf).filter((folder) => !FOLDERS.includes(folder)),
      [],
    );
  });

  test('import only from their own folder and those below it, types included', () => {
    const rankOf = (name: string) => FOLDERS.indexOf(folderOf(name));
    const upwards = [...files].flatMap(([name, { imports, types }]) =>
      [...imports, ...types]
        .filter((path) => !path.startsWith('node:') && rankOf(path) < rankOf(name))
        .map((path) => `${name}: ${path}`),
    );
    assert.deepEqual(upwards, []);
  });

  test('leave the mock server to itself, so that neither it nor the client hides mistakes of the other', () => {
    const mock = [...files].filter(([name]) => /^testing\b/.test(name));
    assert.ok(mock.length > 2);
    for (const [name, { imports, types }] of mock) {
      assert.deepEqual(
        [...imports, ...types].filter((path) => folderOf(path) !== 'testing'),
        [],
        name,
      );
    }
    for (const [name, { imports, types }] of files) {
      const isUser = folderOf(name) === 'command' || mock.some(([each]) => each === name);
      if (!isUser)
        assert.deepEqual(
          [...imports, ...types].filter((path) => /^testing\b/.test(path)),
          [],
          name,
        );
    }
  });

  test('import nothing in a circle, types included', () => {
    const below = new Map(
      [...files].map(([name, { imports, types }]) => [name, new Set([...imports, ...types])]),
    );
    for (let found = true; found; ) {
      found = false;
      for (const [name, names] of below) {
        if ([...names].some((each) => below.has(each))) continue;
        below.delete(name);
        found = true;
      }
    }
    assert.deepEqual([...below.keys()], []);
  });

  test('name Node’s modules in the file store and the command only', () => {
    const users = [...files].filter(([, { imports }]) => imports.some((path) => path.startsWith('node:')));
    const others = users.map(([name]) => name).filter((name) => folderOf(name) !== 'command');
    assert.deepEqual(others, ['stores/file']);
  });

  test('of the command import entries only, beside each other', () => {
    const command = [...files].filter(([name]) => folderOf(name) === 'command');
    assert.ok(command.length > 0);
    for (const [name, { imports }] of command) {
      const others = imports.filter((path) => !path.startsWith('node:') && folderOf(path) !== 'command');
      assert.deepEqual(
        others.filter((path) => !entries.includes(path)),
        [],
        name,
      );
    }
  });

  test('give a name of module level to one thing only, the mock apart', () => {
    const filesOf = new Map<string, string[]>();
    for (const [file, { text }] of files) {
      if (folderOf(file) === 'testing') continue;
      for (const name of new Set(namesOf(text))) filesOf.set(name, [...(filesOf.get(name) ?? []), file]);
    }
    const repeated = [...filesOf].filter(([, { length }]) => length > 1);
    assert.deepEqual(
      repeated.map(([name, where]) => `${name}: ${where.join(', ')}`),
      [],
    );
  });

  test('keep no state at module level, but what belongs to an object of the caller’s', () => {
    const found: string[] = [];
    for (const [name, { text }] of files) {
      for (const [line, constant] of text.matchAll(/^(?:export )?(?:let|var|const) (\w+).*$/gm)) {
        const member = String.raw`(?:\.\w+|\[[^\]]+\])?`;
        const method = String.raw`\.(?:push|set|add|delete|clear|splice|sort)\(`;
        const change = String.raw`(?:\s*[-+*/|&?]{0,2}=[^=>]|\+\+|${method})`;
        const changes = new RegExp(String.raw`(?<!type )\b${constant}${member}${change}`);
        const isVariable = !/^(?:export )?const /.test(line);
        const isCollection = /\bnew (?:Weak)?(?:Map|Set)\b/.test(line);
        if (isVariable || isCollection || changes.test(text.replace(line, '')))
          found.push(`${name}: ${constant}`);
      }
    }
    // Each belongs to a session, a body, a signal or a store.
    assert.deepEqual(found, [
      'config/attachment: sessions',
      'platform/waiting: openBodies',
      'platform/waiting: followed',
      'stores/storeAccess: hanging',
    ]);
  });

  test('ask for the clock, randomness and timers at call time only', () => {
    for (const [name, { text }] of files) {
      const topLevel = text
        .split('\n')
        .filter(
          (line) => /^(?:export )?const \w+[^=]*= (?![/`(])[^(=]*\(/.test(line) && !line.includes('=>'),
        );
      assert.deepEqual(
        topLevel.filter((line) => !/= new WeakMap\(\);/.test(line)),
        [],
        name,
      );
    }
  });
});

function readManifest(): any {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
}

test('no line of code, comment or text is too long; a title of a test is one line, and so is one of data', () => {
  const wide = sources().flatMap((path) =>
    readFileSync(join(root, path), 'utf8')
      .split('\n')
      .flatMap((line, index) => (isTooLong(line, path) ? [`${path}:${index + 1}`] : [])),
  );
  assert.deepEqual(wide, []);
});

test('a file imports from another in one statement', () => {
  const doubled = sources().flatMap((path) => {
    const text = readFileSync(join(root, path), 'utf8');
    const from = [...text.matchAll(/^import [^;]*?(?<=from )('[^']+');$/gm)].map(([, module]) => module!);
    return from
      .filter((module, index) => from.indexOf(module) !== index)
      .map((module) => `${path}: ${module}`);
  });
  assert.deepEqual(doubled, []);
});

test('nothing reads as translated, in sources and pages', () => {
  const translated =
    /\bbe[ ]had\b|\bhas[ ]just[ ]come\b|\*\* (?:Who the client is|What is believed|One call)\. \*/;
  const pages = [
    '.',
    '.github',
    'examples',
    'examples/servers',
    'examples/migration',
    'test/workshop/bench',
  ].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name)),
  );
  const found = [...sources(), ...pages].filter((path) =>
    translated.test(readFileSync(join(root, path), 'utf8')),
  );

  assert.ok(pages.length > 10);
  assert.deepEqual(found, []);
});

test('CONTRIBUTING.md names each private package once, and .ci/run runs them all', () => {
  const map = readFileSync(join(root, '.github/CONTRIBUTING.md'), 'utf8').split('Private packages')[1]!;
  const named = [...map.matchAll(/^\| `(\w+)` \| .+ \|.*\|$/gm)].map(([, name]) => name!);
  const folders = ['packages', 'workshop'].flatMap((each) => readdirSync(join(root, 'test', each)));
  const script = readFileSync(join(root, '.ci/run'), 'utf8');
  const run = [...script.matchAll(/^ .*\b(?:package|tool) (\w+)|\bfor name in (.*); do$/gm)].flatMap(
    ([, one = '', several]) => several?.split(' ') ?? one,
  );

  assert.deepEqual(named.sort(), folders.sort());
  // `npm run check` runs the linter.
  assert.deepEqual([...new Set([...run, 'lint'])].sort(), folders.sort());
});

/** What somebody writes by hand: all but what is built, and what belongs to other packages. */
function sources(): string[] {
  const below = ['src', 'test', 'examples'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path)),
  );
  return ['build.mjs', ...below].filter(
    (path) => /\.(ts|mjs)$/.test(path) && !/(^|\/)(node_modules|dist|\.build)\//.test(path),
  );
}

/**
 * An address, a pattern and the row of a table cannot be broken. Beside the sources, a line that begins with
 * a text is data, or a title.
 */
function isTooLong(line: string, path: string): boolean {
  if (line.length <= MOST_COLUMNS || /https?:\/\/\S{60}/.test(line)) return false;
  if (TABLES.includes(path)) return false;
  if (path.startsWith('src/')) return !/^ \* \||^ {2}\/\^/.test(line);
  return !/^\s*(?:test\(|describe\(|\[|\w+: |const [A-Z_]+ = )?(?:['"`]|\/(?![/*]))/.test(line);
}

interface Source {
  readonly text: string;
  /** Names of our files, and whatever else is imported at run time. */
  readonly imports: readonly string[];
  /** Names of our files of which types are imported. */
  readonly types: readonly string[];
}

/** The faces of command and mock lie beside the other entries, but are parts of these. */
function folderOf(name: string): string {
  if (name === 'command' || name === 'testing') return name;
  return name.includes('/') ? name.split('/')[0]! : '';
}

/** What a module declares for itself or for others, overloads once. */
function namesOf(text: string): string[] {
  const declared = /^(?:export )?(?:async )?(?:function\*?|class|const|let|interface|type|enum) (\w+)/gm;
  return [...text.matchAll(declared)].map(([, name]) => name!);
}

/** What esbuild says of each file's imports once the types are gone. */
async function readGraph(): Promise<Map<string, Source>> {
  assert.ok(Object.keys(readManifest().exports).length > 5);
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['src/**/*.ts'],
    outdir: 'unused',
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    external: ['node:*'],
    logLevel: 'silent',
  });
  const nameOf = (path: string) => path.replace(/^src\/|\.ts$/g, '');
  return new Map(
    Object.entries(metafile.inputs).map(([path, { imports }]) => {
      const text = readFileSync(join(root, path), 'utf8');
      const types = [...text.matchAll(/^import type [^;]*? from '(\.[^']+)';$/gm)].map(([, from]) =>
        nameOf(join(dirname(path), from!)),
      );
      return [nameOf(path), { text, types, imports: imports.map((each) => nameOf(each.path)) }];
    }),
  );
}
