import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '../../..');

/**
 * The folders in the order of imports: a file imports from its own folder and from those on a later line. The
 * entries and the client stand above all folders but the command's, which uses them as anybody does.
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

  for (const [name, { imports, types }] of files) {
    test(`${name} imports only from its own folder and those below it, types included`, () => {
      for (const each of [...imports, ...types].filter((path) => !path.startsWith('node:'))) {
        assert.ok(
          FOLDERS.indexOf(folderOf(each)) >= FOLDERS.indexOf(folderOf(name)),
          `${name} imports ${each}`,
        );
      }
    });
  }

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

  test('import the command nowhere, and the command imports entries and itself only', () => {
    for (const [name, { imports, types }] of files) {
      const isCommand = folderOf(name) === 'command';
      const ours = [...imports, ...types].filter((path) => !path.startsWith('node:'));
      const foreign = ours.filter((path) => isCommand !== (folderOf(path) === 'command'));
      const allowed = isCommand ? entries : [];
      assert.deepEqual(
        foreign.filter((path) => !allowed.includes(path)),
        [],
        name,
      );
    }
  });

  test('keep no state at module level, but listeners under the caller’s own signals', () => {
    const found: string[] = [];
    for (const [name, { text }] of files) {
      for (const [line, constant] of text.matchAll(/^(?:export )?(?:let|var|const) (\w+).*$/gm)) {
        const changes = new RegExp(
          `(?<!type )\\b${constant}(?:\\.\\w+|\\[[^\\]]+\\])?(?:\\s*(?:[-+*/|&?]{0,2}=)[^=>]|\\+\\+|\\.(?:push|set|add|delete|clear|splice|sort)\\()`,
        );
        const isVariable = !/^(?:export )?const /.test(line);
        const isCollection = /\bnew (?:Weak)?(?:Map|Set)\b/.test(line);
        if (isVariable || isCollection || changes.test(text.replace(line, '')))
          found.push(`${name}: ${constant}`);
      }
    }
    assert.deepEqual(found, ['platform/waiting: followed']);
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

describe('the map in CONTRIBUTING.md', () => {
  const map =
    readFileSync(join(root, '.github/CONTRIBUTING.md'), 'utf8')
      .split('\n## What is tested where\n')[1]
      ?.split('\n## ')[0] ?? '';
  const [subjects = '', packages = ''] = map.split('Private packages');
  const paths = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' });

  test('names each file of tests once, and no other', () => {
    const named = [...subjects.matchAll(/^\|.*\| (`.*`) \|$/gm)].flatMap(([, cell]) =>
      cell!.replaceAll('`', '').split(', '),
    );
    const files = paths
      .filter((path) => /^(?!packages).*\.test\.ts$/.test(path))
      .map((path) => basename(path, '.test.ts'));
    assert.deepEqual(named.sort(), files.sort());
  });

  test('names each private package once, and no other', () => {
    const named = [...packages.matchAll(/^\| `(\w+)` \| .+ \|.*\|$/gm)].map(([, name]) => name!);
    const folders = readdirSync(join(root, 'test/packages')).filter((name) => name !== 'lint');
    assert.deepEqual(named.sort(), folders.sort());
  });

  test('names packages that CI runs, each of them', () => {
    const [, list] = /^for package in (.*); do$/m.exec(readFileSync(join(root, '.ci/run'), 'utf8'))!;
    const named = [...packages.matchAll(/^\| `(\w+)` /gm)].map(([, name]) => name!);
    assert.deepEqual(list!.split(' ').sort(), named.sort());
  });
});

interface Source {
  readonly text: string;
  /** Names of our files, and whatever else is imported at run time. */
  readonly imports: readonly string[];
  /** Names of our files of which types are imported. */
  readonly types: readonly string[];
}

/** The command and the mock are a file and a folder each. */
function folderOf(name: string): string {
  if (name === 'command' || name === 'testing') return name;
  return name.includes('/') ? name.split('/')[0]! : '';
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
