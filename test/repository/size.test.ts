import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

/** What each import may add to an application, minified, gzip -9, in bytes. Ceilings, not places to fill. */
const MOST_BYTES = {
  // About 1,000 bytes are messages that say what to do, 1,400 what keeps secrets, redirects and settings as
  // `fetch` has them.
  createClient: 10_000,
  // The same for a page, which makes no token request.
  'createClient of thingspace-auth/browser': 7_400,
  createSession: 5_000,
  storedToken: 1_350,
  redisStore: 458,
  // Nobody downloads it: it runs in Node, Deno and Bun only.
  fileStore: 1_465,
  'clientSecretJwt, privateKeyJwt, importKey': 1_380,
  clientAssertion: 450,
  createDpop: 1_200,
  discover: 600,
};

const root = join(import.meta.dirname, '../../..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly name: string;
  readonly exports: Readonly<Record<string, { readonly default: string }>>;
};

interface Bundle {
  readonly code: string;
  readonly weight: number;
  readonly parts: readonly { readonly path: string; readonly bytes: number }[];
}

describe('a bundle', async () => {
  const { measure, use } = (await import(pathToFileURL(join(root, 'test/support/size.mjs')).href)) as {
    readonly measure: (contents: string) => Promise<Bundle>;
    readonly use: (names: string, entry?: string) => string;
  };

  test(`of { createClient } weighs at most ${MOST_BYTES.createClient} bytes`, async () => {
    const { weight } = await measure(use('createClient'));
    assert.ok(weight > 1000, 'nothing was bundled');
    assert.ok(weight <= MOST_BYTES.createClient, `it weighs ${weight} bytes`);
  });

  test(`of { createClient } of the browser entry weighs at most ${MOST_BYTES['createClient of thingspace-auth/browser']} bytes, and can make no token request`, async () => {
    const { weight, code } = await measure(use('createClient', 'thingspace-auth/browser'));
    const main = await measure(use('createClient'));

    assert.ok(weight <= MOST_BYTES['createClient of thingspace-auth/browser'], `it weighs ${weight} bytes`);
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

  for (const [name, entry] of [
    ['createSession', 'thingspace-auth/session'],
    ['storedToken', 'thingspace-auth/stores'],
    ['redisStore', 'thingspace-auth/stores/redis'],
    ['fileStore', 'thingspace-auth/stores/file'],
    ['clientSecretJwt, privateKeyJwt, importKey', 'thingspace-auth/jwt'],
    ['clientAssertion', 'thingspace-auth/jwt'],
    ['createDpop', 'thingspace-auth/dpop'],
    ['discover', 'thingspace-auth/discover'],
  ] as const) {
    test(`of { createClient, ${name} } weighs at most ${MOST_BYTES[name]} bytes more than one of { createClient }`, async () => {
      const alone = await measure(use('createClient'));
      const both = await measure(use('createClient') + use(name, entry));
      const added = both.weight - alone.weight;
      assert.ok(added > 100 && added <= MOST_BYTES[name], `it adds ${added} bytes`);
    });
  }

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
