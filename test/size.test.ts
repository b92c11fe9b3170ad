import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Plugin } from 'esbuild';
import { build } from 'esbuild';

/** `{ createClient }`, minified, gzip -9, in bytes: all that an application pays for, the seam for a session included. */
const MOST_BYTES = 6_300;

/** What of that is the seam for a session: all that {@link SEAM} takes out. */
const MOST_SEAM_BYTES = 100;

/**
 * The seam in the built files, and what stands there in a client that knows only a constant session token. What becomes
 * an unused import the bundler drops.
 */
const SEAM: Readonly<Record<string, readonly (readonly [text: string, without: string])[]>> = {
  'config.js': [
    [' || isCallable(value.getSessionToken)', ''],
    [', or from createSession', ''],
  ],
  'authorizedFetch.js': [
    ['const session = (given', 'const sessionToken = (given'],
    ['let sessionToken;', ''],
    ['sessionToken = session?.getSessionToken ? await session.getSessionToken(source, signal, getToken, renewToken, post, readText) : session;', ''],
    ['let reason;', ''],
    ['let replayed = "";', 'let replayed;'],
    ['limit || count || reason', 'limit || count || replayed'],
    ['if (reason) report(settings, { type: "request_replayed", reason });', 'if (replayed) report(settings, { type: "request_replayed", reason: "token" });'],
    ['const lapse = await session?.noteLapse?.(response, sessionToken);', ''],
    ['if (!lapse && response.status', 'if (response.status'],
    ['reason = lapse || "token";', ''],
    ['replayed.includes(reason)', 'replayed'],
    ['if (!lapse) markRejected', 'markRejected'],
    ['replayed += reason;', 'replayed = true;'],
    ['token = lapse ? void 0 : await', 'token = await'],
    ['if (!lapse && !token) break;', 'if (!token) break;'],
  ],
};

const root = join(import.meta.dirname, '../..');
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
  const { measure, use } = (await import(pathToFileURL(join(root, 'test/size.mjs')).href)) as {
    readonly measure: (contents: string, plugins?: readonly Plugin[]) => Promise<Bundle>;
    readonly use: (names: string, entry?: string) => string;
  };

  it(`of { createClient } weighs at most ${MOST_BYTES} bytes`, async () => {
    const { weight } = await measure(use('createClient'));
    assert.ok(weight > 1000, 'nothing was bundled');
    assert.ok(weight <= MOST_BYTES, `it weighs ${weight} bytes`);
  });

  it(`of { createClient } weighs at most ${MOST_SEAM_BYTES} bytes more than one that knows only a constant session token`, async () => {
    const whole = await measure(use('createClient'));
    const stripped = await measure(use('createClient'), [withoutSeam]);
    const seam = whole.weight - stripped.weight;
    assert.ok(seam > 50 && seam <= MOST_SEAM_BYTES, `the seam weighs ${seam} bytes`);

    assert.doesNotMatch(stripped.code, /getSessionToken|noteLapse|readText/);
    await import(`data:text/javascript,${encodeURIComponent(stripped.code)}`);
    const [createClient] = (globalThis as unknown as { readonly used: readonly [typeof import('thingspace-auth').createClient] }).used;
    const sent: (string | null)[] = [];
    const { authorizedFetch } = createClient({
      clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthClientSecret: 'invented-secret' },
      vZM2mToken: 'invented-session',
      fetch: async (input, init) => {
        if (String(input).endsWith('/token')) return Response.json({ access_token: `token-${sent.length}`, token_type: 'bearer' });
        const headers = new Headers(init?.headers);
        sent.push(headers.get('authorization'), headers.get('vz-m2m-token'));
        return new Response(null, { status: 401 });
      },
    });
    assert.equal((await authorizedFetch('https://thingspace.verizon.com/api')).status, 401);
    assert.deepEqual(sent, ['Bearer token-0', 'invented-session', 'Bearer token-2', 'invented-session']);
  });

  it('of { createSession } weighs at most 2,900 bytes (this may only fall)', async () => {
    const { weight } = await measure(use('createSession', 'thingspace-auth/session'));
    assert.ok(weight > 1000 && weight <= 2_900, `it weighs ${weight} bytes`);
  });

  it('of storedToken on Redis weighs at most 1,500 bytes', async () => {
    const { weight } = await measure(use('storedToken', 'thingspace-auth/stores') + use('redisStore', 'thingspace-auth/stores/redis'));
    assert.ok(weight > 500 && weight <= 1_500, `it weighs ${weight} bytes`);
  });

  it('of { createClient } holds nothing of sessions, stores, testing, revocation or other ways to authenticate', async () => {
    const { code, parts } = await measure(use('createClient'));
    const paths = parts.filter(({ bytes }) => bytes > 0).map(({ path }) => path);
    assert.ok(paths.some((path) => path.endsWith('dist/client.js')));
    assert.deepEqual(paths.filter((path) => /session|stores|testing|revocation|environmentVariables|scopes/.test(path)), []);
    for (const word of ['node:', 'session/login', 'createMockServer', 'client_secret', 'THINGSPACE_', 'AES-GCM', 'discovery:read']) {
      // The name of a reserved form field is all that may remain of it.
      const text = word === 'client_secret' ? code.replace(/client_\(id\|secret[^/]*/, '') : code;
      assert.ok(!text.includes(word), word);
    }
  });

  for (const path of Object.keys(manifest.exports)) {
    const entry = manifest.name + path.slice(1);
    it(`of a bare import of '${entry}' is empty, whatever package.json says of side effects`, async () => {
      assert.equal(await bundle(`import '${entry}';`), '');
      // The check itself can fail: what is used stays.
      assert.notEqual(await bundle(`import * as all from '${entry}'; globalThis.all = all;`), '');
    });
  }
});

/** Takes the seam for a session out of the built files, each place of which must be found once. */
const withoutSeam: Plugin = {
  name: 'without-seam',
  setup(builder) {
    builder.onLoad({ filter: /\bdist[\\/]\w+\.js$/ }, ({ path }) => {
      let contents = readFileSync(path, 'utf8');
      for (const [text, without] of SEAM[basename(path)] ?? []) {
        assert.equal(contents.split(text).length, 2, text);
        contents = contents.replace(text, without);
      }
      return { contents };
    });
  },
};

/** Bundles with a plugin that says of every file that it has side effects, so that none is dropped for its promise. */
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
            const file = path.startsWith('.') ? join(dirname(importer), path) : join(root, manifest.exports[subpath]!.default);
            return { path: file, sideEffects: true };
          });
        },
      },
    ],
  });
  return outputFiles[0]!.text.trim();
}
