// Prints what each entry and each exported function weighs in a bundle, and what each source file adds to
// `createClient`. The size gate in the tests uses the rest: `test/repository/sizes.json` holds the ceilings,
// and what each entry weighed when somebody last said what it pays for.
import { readFileSync, writeFileSync } from 'node:fs';
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

/** What an entry may gain without a word. */
const UNSAID_BYTES = 100;
const RECORD = join(root, 'test/repository/sizes.json');

/** The rows of the record, each with its `weight` now: of the main functions alone, of others beside them. */
export async function weighAll() {
  const rows = JSON.parse(readFileSync(RECORD, 'utf8'));
  const { weight: alone } = await measure(use('createClient'));
  return Promise.all(
    rows.map(async (row) => {
      const isMain = row.names === 'createClient';
      const { weight } = await measure((isMain ? '' : use('createClient')) + use(row.names, row.entry));
      return { ...row, weight: isMain ? weight : weight - alone };
    }),
  );
}

/** What is wrong with a row; `undefined` if nothing is. */
export function judgeSize({ names, entry, ceiling, bytes, weight }) {
  const what = `{ ${names} } of ${entry} weighs ${weight} bytes`;
  if (weight > ceiling) return `${what}; its ceiling is ${ceiling}`;
  if (weight <= bytes + UNSAID_BYTES) return undefined;
  return `${what}, ${weight - bytes} more than recorded: npm run test:update -- "what the bytes are for"`;
}

/** Records what has changed by more than goes without a word. What has grown needs the word. */
export async function recordSizes(what) {
  const rows = await weighAll();
  const grown = rows.filter(({ bytes, weight }) => weight > bytes + UNSAID_BYTES);
  if (grown.length && !what) throw new Error(grown.map(judgeSize).join('\n'));
  const record = rows.map(({ weight, ...row }) => {
    if (Math.abs(weight - row.bytes) <= UNSAID_BYTES) return row;
    return { ...row, bytes: weight, for: weight > row.bytes ? what : row.for };
  });
  writeFileSync(RECORD, `${JSON.stringify(record, null, 2)}\n`);
}

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
