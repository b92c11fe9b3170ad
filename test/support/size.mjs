// Prints what each entry and each exported function weighs in a bundle, and what each source file adds to
// `createClient`. `measure` is what the size gate in the tests uses.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '../..');

/** Bundles a line of imports as an application would; `weight` is min + gzip -9 in bytes. */
export async function measure(contents) {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    external: ['node:*'],
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  const code = outputFiles[0].contents;
  const inputs = Object.values(metafile.outputs)[0].inputs;
  const parts = Object.entries(inputs).map(([path, { bytesInOutput }]) => ({ path, bytes: bytesInOutput }));
  return {
    code: outputFiles[0].text,
    minified: code.length,
    weight: gzipSync(code, { level: 9 }).length,
    parts,
  };
}

export const use = (names, entry = 'thingspace-auth') =>
  `import { ${names} } from '${entry}'; globalThis.used = [${names}];`;

async function main() {
  const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const rows = [];
  for (const path of Object.keys(exports).filter((each) => each !== './testing/global')) {
    const entry = name + path.slice(1);
    const names = Object.keys(await import(entry));
    for (const each of names) rows.push([`{ ${each} } from '${entry}'`, await measure(use(each, entry))]);
  }
  console.log('minified   gzip -9');
  for (const [label, { minified, weight }] of rows) {
    console.log(`${String(minified).padStart(8)} ${String(weight).padStart(9)}  ${label}`);
  }
  // From the sources, since the built core is one file.
  const whole = await measure(use('createClient', './src/index.ts'));
  console.log('\nwhat each file adds to { createClient }, minified');
  for (const { path, bytes } of whole.parts.sort((a, b) => b.bytes - a.bytes))
    console.log(`${String(bytes).padStart(8)}  ${path}`);
}

if (process.argv[1] === import.meta.filename) await main();
