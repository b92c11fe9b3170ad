// Builds dist/ from src/: one unbundled ES module for each source file with its source map, the declarations,
// the same entries in one file each for Node, Deno and Bun (dist/node/), and one self-contained minified file
// of the main entry for pasting and for import by URL. `--tests` also transpiles test/ and examples/ into
// .build/, since Node 20 runs no TypeScript.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';

process.chdir(import.meta.dirname);

/** Relative `.ts` specifiers name the built files; everything else is left as it stands. */
const keepModules = {
  name: 'keep-modules',
  setup(build) {
    build.onResolve({ filter: /./ }, ({ kind, path }) =>
      kind === 'entry-point'
        ? undefined
        : { path: path.startsWith('.') ? path.replace(/\.ts$/, '.js') : path, external: true },
    );
  },
};

/** `instanceof` must hold for the errors of all entries: there is one class of each, that of the main one. */
const errorsOfMain = {
  name: 'errors-of-main',
  setup(build) {
    build.onResolve({ filter: /\/errors\.ts$/ }, () => ({ path: './index.mjs', external: true }));
  },
};

const esm = { bundle: true, format: 'esm', target: 'es2022' };
const maps = { sourcemap: true, sourcesContent: false };
const unbundled = { ...esm, ...maps, plugins: [keepModules] };
// Node prints the line of an uncaught error: in one line that would be the whole file, before the message.
const sparse = {
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 120,
  outExtension: { '.js': '.mjs' },
};
const forNode = { ...esm, ...maps, ...sparse, outdir: 'dist/node', outbase: 'src', external: ['node:*'] };

const { exports, bin } = JSON.parse(readFileSync('package.json', 'utf8'));

rmSync('dist', { recursive: true, force: true });
await build({ ...unbundled, entryPoints: filesOf('src'), outdir: 'dist', outbase: 'src' });
// A fresh process pays half a millisecond for each module that it loads, as much for a name that does not
// tell the format (Node looks for package.json in each folder above), and a third for white space. Names
// stay, for stack traces.
const [main, ...others] = Object.values(exports).map(({ default: code }) =>
  code.replace('./dist/', 'src/').replace(/js$/, 'ts'),
);
await build({ ...forNode, entryPoints: [main] });
await build({ ...forNode, entryPoints: others, plugins: [errorsOfMain] });
await build({ ...esm, entryPoints: [main], outfile: 'dist/thingspace-auth.min.js', minify: true });
emitDeclarations();
checkEntries();

if (process.argv.includes('--tests')) {
  rmSync('.build', { recursive: true, force: true });
  await build({
    ...unbundled,
    entryPoints: [...filesOf('test', ['packages', 'types']), ...filesOf('examples')],
    outdir: '.build',
    outbase: '.',
  });
}

/**
 * The TypeScript files of a folder; private packages bring their own tools and are left to them.
 */
function filesOf(folder, without = []) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return without.includes(entry.name) ? [] : filesOf(path);
    return path.endsWith('.ts') ? [path] : [];
  });
}

function emitDeclarations() {
  const typescript = createRequire(import.meta.url).resolve('typescript/package.json');
  execFileSync(process.execPath, [join(typescript, '../bin/tsc'), '-p', '.'], { stdio: 'inherit' });
  // TypeScript leaves `./x.ts` in declarations; consumers before 5.0 cannot resolve it.
  for (const source of filesOf('src')) {
    const path = source.replace(/^src/, 'dist').replace(/\.ts$/, '.d.ts');
    writeFileSync(path, readFileSync(path, 'utf8').replace(/(["'])(\.{1,2}\/[^"']+)\.ts\1/g, '$1$2.js$1'));
  }
}

/** package.json is what users see: every file it names must have been built. */
function checkEntries() {
  for (const target of Object.values({ exports, bin }))
    filesNamedIn(target).forEach((path) => readFileSync(path));

  function filesNamedIn(target) {
    return typeof target === 'string' ? [target] : Object.values(target).flatMap(filesNamedIn);
  }
}
