// Each bundler, with the minifier that it comes with or that its users take, keeps no more of the package
// than esbuild does.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import terser from '@rollup/plugin-terser';
import { build as esbuild } from 'esbuild';
import { rollup } from 'rollup';
import { createMockServer } from 'thingspace-auth/testing';
import { build as vite } from 'vite';
import webpack from 'webpack';

const APPLICATION = join(import.meta.dirname, 'application.mjs');
const LARGEST_RATIO = 1.03;
const ESBUILD = {
  entryPoints: [APPLICATION],
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  logLevel: 'error',
};

const folder = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
after(() => rmSync(folder, { recursive: true }));

/** By name: a function that builds the application into that file of the folder. */
const bundlers = {
  esbuild: (name) => esbuild({ ...ESBUILD, outfile: join(folder, name) }),
  'esbuild for Workers, as wrangler calls it': (name) =>
    esbuild({
      ...ESBUILD,
      outfile: join(folder, name),
      platform: 'neutral',
      mainFields: ['module', 'main'],
      conditions: ['workerd', 'worker', 'browser'],
    }),
  rollup: async (name) => {
    const bundle = await rollup({
      input: APPLICATION,
      plugins: [nodeResolve(), terser({ ecma: 2020, module: true })],
    });
    await bundle.write({ file: join(folder, name), format: 'es' });
  },
  vite: (name) =>
    vite({
      configFile: false,
      logLevel: 'silent',
      root: import.meta.dirname,
      build: {
        outDir: folder,
        emptyOutDir: false,
        target: 'es2022',
        modulePreload: false,
        rollupOptions: { input: APPLICATION, output: { entryFileNames: name } },
      },
    }),
  webpack: (name) =>
    new Promise((resolve, reject) => {
      const options = {
        mode: 'production',
        target: ['web', 'es2022'],
        entry: APPLICATION,
        output: { path: folder, filename: name },
      };
      webpack(options, (error, stats) =>
        error || stats.hasErrors() || stats.hasWarnings()
          ? reject(error ?? new Error(stats.toString()))
          : resolve(),
      );
    }),
};

for (const [bundler, build] of Object.entries(bundlers)) {
  test(`${bundler} builds an application that runs, and is at most 3 % larger than esbuild's`, async (t) => {
    const server = createMockServer();
    globalThis.fetchOfTheTest = server.fetch;
    const name = `${bundler.replaceAll(/\W+/g, '-')}.mjs`;
    await Promise.all([build(name), esbuild({ ...ESBUILD, outfile: join(folder, 'base.mjs') })]);

    await import(pathToFileURL(join(folder, name)));

    assert.match(await globalThis.shown, /mock-region-1/);
    assert.equal(server.requests.length, 2);
    const ratio = weigh(name) / weigh('base.mjs');
    t.diagnostic(`${weigh(name)} bytes, ${ratio.toFixed(3)} of esbuild's`);
    assert.ok(ratio <= LARGEST_RATIO, `${weigh(name)} bytes are ${ratio.toFixed(3)} of esbuild's`);
  });
}

function weigh(name) {
  return gzipSync(readFileSync(join(folder, name)), { level: 9 }).length;
}
