import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '../..');

/** Every source file; what it imports at run time stands on an earlier line. The last line is imported by nobody. */
const LEVELS: readonly (readonly string[])[] = [
  ['record', 'scopes', 'environments', 'clientAuthentication', 'stores/entry'],
  ['errors', 'environmentVariables'],
  ['events', 'token', 'waiting'],
  ['transport', 'config', 'retry'],
  ['redirects', 'exchange'],
  ['tokenSource'],
  ['authorizedFetch', 'revocation'],
  ['client'],
  ['index', 'session', 'stores', 'stores/durableObject', 'stores/file', 'stores/kv', 'stores/redis', 'stores/web', 'testing'],
];
const levelOf = new Map(LEVELS.flatMap((names, level) => names.map((name) => [name, level] as const)));

describe('the sources', async () => {
  const files = await readGraph();

  it('all have their place in the order of imports', () => {
    assert.deepEqual([...files.keys()].sort(), [...levelOf.keys()].sort());
  });

  for (const [name, { imports }] of files) {
    it(`${name} imports only what stands below it`, () => {
      for (const each of imports.filter((path) => !path.startsWith('node:'))) {
        assert.ok(levelOf.get(each)! < levelOf.get(name)!, `${name} imports ${each}`);
      }
    });
  }

  it('name Node’s modules in the file store only', () => {
    const users = [...files].filter(([, { imports }]) => imports.some((path) => path.startsWith('node:')));
    assert.deepEqual(users.map(([name]) => name), ['stores/file']);
  });

  it('keep no state at module level, but listeners under the caller’s own signals', () => {
    const found: string[] = [];
    for (const [name, { text }] of files) {
      for (const [line, constant] of text.matchAll(/^(?:export )?(?:let|var|const) (\w+).*$/gm)) {
        const changes = new RegExp(`(?<!type )\\b${constant}(?:\\.\\w+|\\[[^\\]]+\\])?(?:\\s*(?:[-+*/|&?]{0,2}=)[^=>]|\\+\\+|\\.(?:push|set|add|delete|clear|splice|sort)\\()`);
        const isVariable = !/^(?:export )?const /.test(line);
        const isCollection = /\bnew (?:Weak)?(?:Map|Set)\b/.test(line);
        if (isVariable || isCollection || changes.test(text.replace(line, ''))) found.push(`${name}: ${constant}`);
      }
    }
    assert.deepEqual(found, ['waiting: followers']);
  });

  it('ask for the clock, randomness and timers at call time only', () => {
    for (const [name, { text }] of files) {
      const topLevel = text.split('\n').filter((line) => /^(?:export )?const \w+[^=]*= (?!\/\* @__PURE__ \*\/)[^(=]*\(/.test(line) && !line.includes('=>'));
      assert.deepEqual(topLevel.filter((line) => !/= new WeakMap\(\);/.test(line)), [], name);
    }
  });
});

interface Source {
  readonly text: string;
  /** Names of our files, and whatever else is imported at run time. */
  readonly imports: readonly string[];
}

/** What esbuild says of each file's imports once the types are gone. */
async function readGraph(): Promise<Map<string, Source>> {
  const entries = Object.keys(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).exports);
  assert.ok(entries.length > 5);
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['src/*.ts', 'src/stores/*.ts'],
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
    Object.entries(metafile.inputs).map(([path, { imports }]) => [
      nameOf(path),
      { text: readFileSync(join(root, path), 'utf8'), imports: imports.map((each) => nameOf(each.path)) },
    ]),
  );
}
