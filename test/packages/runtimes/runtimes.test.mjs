import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { transform } from 'esbuild';
import { RUNTIMES } from './drivers.mjs';
import { failuresOf, runIn, skipsOf, tableOf, writtenTable } from './matrix.mjs';
import { startServers } from './server.mjs';

const PROGRAM = { 'hidden redirects': 4 };
const OLD_NODE = { ...PROGRAM, 'Web Storage': 1, 'key-value store': 1 };
const WORKERD = { ...OLD_NODE, files: 1 };
const BROWSER = { 'visible redirects': 9, 'streamed request bodies': 1, 'key-value store': 1, files: 1 };
const BROWSER_WORKER = { ...BROWSER, 'Web Storage': 1 };

/**
 * What each platform may skip, and how many cases want it. Anything else is a failure, one that is no longer
 * skipped too.
 */
const ALLOWED_SKIPS = {
  'Node 20.0': OLD_NODE,
  'Node 20': OLD_NODE,
  'Node 22': OLD_NODE,
  'Node 24': OLD_NODE,
  'Node 26': { ...PROGRAM, 'key-value store': 1 },
  'Deno 2.0': { ...PROGRAM, 'P-521': 1 },
  'Deno 2': PROGRAM,
  'Bun 1.2': OLD_NODE,
  'Bun 1': OLD_NODE,
  'workerd of 2023': WORKERD,
  'workerd (date 2023-03-01)': WORKERD,
  workerd: WORKERD,
  Miniflare: { ...PROGRAM, 'Web Storage': 1, files: 1 },
  'edge-runtime': WORKERD,
  'Next.js edge': WORKERD,
  'Chromium 119': { ...BROWSER, Ed25519: 1 },
  Chromium: BROWSER,
  'Chromium worker': BROWSER_WORKER,
  Firefox: BROWSER,
  'Firefox worker': BROWSER_WORKER,
  WebKitGTK: BROWSER,
  'WebKitGTK worker': BROWSER_WORKER,
};

const servers = await startServers();
after(() => servers.close());
const runs = [];

/** `programs` or `browsers`: those alone. */
const { RUNTIMES: chosen } = process.env;
const isBrowser = (name) => /^(Chromium|Firefox|WebKit)/.test(name);
const names = Object.keys(RUNTIMES).filter((name) => !chosen || isBrowser(name) === (chosen === 'browsers'));

for (const name of names) {
  test(`${name} passes all that it does not lack the means for`, async (t) => {
    const run = await runIn(name, servers);
    runs.push(run);

    for (const [need, count] of Object.entries(skipsOf(run)))
      t.diagnostic(`skipped ${count}: ${name} has no ${need}`);
    assert.deepEqual(failuresOf(run), []);
    assert.deepEqual(skipsOf(run), ALLOWED_SKIPS[name]);
  });
}

test('README.md of this folder has the results, as npm run matrix writes them', () => {
  const rowsOf = (table) => table.replaceAll(/^(\| [^|]+ \|) [\d., ]+ /gm, '$1 ').split('\n');
  const [written, found] = [writtenTable(), tableOf(runs)].map(rowsOf);

  assert.deepEqual(chosen ? written.filter((row) => found.includes(row)) : written, found);
});

test('the modules have no syntax that is younger than ES2022, and no top-level await', async () => {
  const dist = join(import.meta.dirname, 'node_modules/thingspace-auth/dist');
  const modules = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.js'),
  );

  assert.ok(modules.length > 0);
  for (const path of modules) {
    const code = readFileSync(join(dist, path), 'utf8');
    const [old, asWritten] = await Promise.all(
      ['es2022', 'esnext'].map((target) => transform(code, { target })),
    );
    assert.equal(old.code, asWritten.code, `${path} would have to be rewritten for ES2022`);
    await transform(code, { format: 'iife', supported: { 'top-level-await': false } });
  }
});
