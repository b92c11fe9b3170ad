import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '../../..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly name: string;
  readonly exports: Readonly<Record<string, { readonly default: string }>>;
};

/** One line of `sizes.json`, and what it weighs now: minified, gzip -9. */
interface Row {
  readonly names: string;
  readonly entry: string;
  /** A ceiling, not a place to fill. */
  readonly ceiling: number;
  readonly bytes: number;
  /** What the last bytes recorded were for. */
  readonly for: string;
  readonly weight: number;
}

interface Bundle {
  readonly code: string;
  readonly parts: readonly { readonly path: string; readonly bytes: number }[];
}

describe('a bundle', async () => {
  const { judgeSize, measure, use, weighAll } = (await import(
    pathToFileURL(join(root, 'test/support/size.mjs')).href
  )) as {
    readonly judgeSize: (row: Row) => string | undefined;
    readonly measure: (contents: string) => Promise<Bundle>;
    readonly use: (names: string, entry?: string) => string;
    readonly weighAll: () => Promise<readonly Row[]>;
  };

  for (const row of await weighAll()) {
    test(`of { ${row.names} } of ${row.entry} weighs at most ${row.ceiling} bytes, and has said what for`, () => {
      assert.ok(row.weight > 100, `nothing was bundled: ${row.weight}`);
      assert.equal(judgeSize(row), undefined);
    });
  }

  test('is refused above its ceiling, and where it gained more than 100 bytes without a word', () => {
    const row = { names: 'a', entry: 'b', ceiling: 1_000, bytes: 850, for: 'a test' };
    assert.equal(judgeSize({ ...row, weight: 950 }), undefined);
    assert.match(judgeSize({ ...row, weight: 951 }) ?? '', /101 more than recorded/);
    assert.match(judgeSize({ ...row, bytes: 1_000, weight: 1_001 }) ?? '', /its ceiling is 1000/);
  });

  test('is weighed of each entry', async () => {
    const entries = new Set((await weighAll()).map(({ entry }) => entry));
    const paths = Object.keys(manifest.exports).filter((path) => path !== './testing/global');
    assert.deepEqual(
      paths.filter((path) => !entries.has(manifest.name + path.slice(1))),
      [],
    );
  });

  test('of the browser entry can make no token request', async () => {
    const { code } = await measure(use('createClient', 'thingspace-auth/browser'));
    const main = await measure(use('createClient'));
    for (const word of [
      'grant_type',
      'client_credentials',
      'invalid_client',
      'baseDelay',
      'location',
      'Basic ',
    ]) {
      assert.ok(main.code.includes(word), `the main entry has no ${word} either`);
      assert.ok(!code.includes(word), word);
    }
  });

  test('of { createClient } holds nothing of sessions, stores, testing, revocation, discovery, signed tokens or other ways to authenticate', async () => {
    const { code } = await measure(use('createClient'));
    // The built core is one file; what of it is kept is the same as of the sources.
    const { parts } = await measure(use('createClient', './src/index.ts'));
    const paths = parts.filter(({ bytes }) => bytes > 0).map(({ path }) => path);
    assert.ok(paths.some((path) => path.endsWith('src/client.ts')));
    assert.deepEqual(
      paths.filter((path) =>
        /session|stores|testing|revocation|environmentVariables|scopes|jwt|jws|src\/dpop|discover/.test(path),
      ),
      [],
    );
    for (const word of [
      'node:',
      'session/login',
      'createMockServer',
      'client_secret',
      'THINGSPACE_',
      'AES-GCM',
      'discovery:read',
      'jwt',
      'crypto.',
      'PRIVATE KEY',
      'htu',
      'well-known',
    ]) {
      // The name of a reserved form field is all that may remain of it.
      const text = word === 'client_secret' ? code.replace(/client_\(id\|secret[^/]*/, '') : code;
      assert.ok(!text.includes(word), word);
    }
  });

  for (const path of Object.keys(manifest.exports).filter((each) => each !== './testing/global')) {
    const entry = manifest.name + path.slice(1);
    test(`of a bare import of '${entry}' is empty, whatever package.json says of side effects`, async () => {
      assert.equal(await bundle(`import '${entry}';`), '');
      // The check itself can fail: what is used stays.
      assert.notEqual(await bundle(`import * as all from '${entry}'; globalThis.all = all;`), '');
    });
  }
});

/**
 * Bundles with a plugin that says of every file that it has side effects, so that none is dropped for its
 * promise.
 */
async function bundle(contents: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    minify: true,
    format: 'esm',
    write: false,
    plugins: [
      {
        name: 'side-effects',
        setup(builder) {
          builder.onResolve({ filter: /./ }, ({ path, importer }) => {
            if (path.startsWith('node:')) return { path, external: true, sideEffects: false };
            const subpath = path.replace(manifest.name, '.');
            const file = path.startsWith('.')
              ? join(dirname(importer), path)
              : join(root, manifest.exports[subpath]!.default);
            return { path: file, sideEffects: true };
          });
        },
      },
    ],
  });
  return outputFiles[0]!.text.trim();
}
