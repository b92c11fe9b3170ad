// Builds dist/ from src/: `core.js` with every source that the main entry needs or that several entries
// share, one file that imports it for each entry of package.json and for the command, declarations, and one
// self-contained file of the main entry for import by URL. Only that one is minified: a minifier drops the
// notes that tell bundlers what they may leave out, and what has no source map must be readable as it is.
//   --tests     also transpiles test/ and examples/ into .build/, since Node 20 runs no TypeScript
//   --modules   makes dist/ one module for each source instead, for tools that look at them one by one
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';

if (!import.meta.dirname) stop(`This needs Node 20.11 or later, and ${process.version} runs it.`);
const { build } = await import('esbuild').catch(() => stop('Its tools are not installed: run npm ci first.'));

process.chdir(import.meta.dirname);

const ESM = { bundle: true, format: 'esm', target: 'es2022' };
const CORE = 'dist/core.js';

const { name, version, license, exports, bin } = JSON.parse(readFileSync('package.json', 'utf8'));
const targets = [...Object.values(exports).map((entry) => entry.default), ...Object.values(bin)];
/** The sources of what package.json names. The main entry is the first. */
const entries = targets.map((target) => join(target).replace(/^dist(.*)js$/, 'src$1ts'));

rmSync('dist', { recursive: true, force: true });
if (process.argv.includes('--modules')) await buildModules('dist', 'src', filesOf('src'));
else await buildEntries();
await assertLinked();
emitDeclarations();

if (process.argv.includes('--tests')) {
  // Only its own: the playground, the site and the reference lie there, too.
  for (const folder of ['.build/test', '.build/examples']) rmSync(folder, { recursive: true, force: true });
  await buildModules('.build', '.', [
    ...filesOf('test', ['packages', 'types', 'workshop']),
    ...filesOf('examples'),
  ]);
}

function stop(reason) {
  console.error(reason);
  process.exit(1);
}

async function buildEntries() {
  const shared = await findShared();
  await buildShared(shared);
  await Promise.all(entries.map((entry) => buildEntry(entry, shared)));
  await buildForUrl();
}

function buildShared(shared) {
  const contents = shared.map((source) => `export * from './${source}';`).join('\n');
  return build({ ...ESM, stdin: { contents, resolveDir: '.' }, outfile: CORE });
}

/** Who finds a copy on a server of their own reads in its first line what it is and may be used for. */
function buildForUrl() {
  const banner = { js: `/*! ${name} ${version} | ${license} */` };
  const outfile = 'dist/thingspace-auth.min.js';
  return build({ ...ESM, entryPoints: [entries[0]], outfile, banner, minify: true });
}

/** One file, which imports what is shared, and other entries. */
function buildEntry(entry, shared) {
  const outfile = builtFrom(entry);
  const leaveSharedAndEntries = leaveImports((path, folder) => {
    const source = relative('.', join(folder, path));
    const file = shared.includes(source) ? CORE : entries.includes(source) && builtFrom(source);
    return file && relative(dirname(outfile), file).replace(/^(?!\.)/, './');
  });
  const plugins = [leaveSharedAndEntries];
  return build({ ...ESM, entryPoints: [entry], outfile, external: ['node:*'], plugins });
}

/** The sources that the main entry or several entries need. */
async function findShared() {
  const { metafile } = await buildModules('unused', '.', filesOf('src'), { write: false, metafile: true });
  const modules = new Map(Object.values(metafile.outputs).map((module) => [module.entryPoint, module]));
  const [byMain, ...byOthers] = entries.map((entry) => needsOf(entry));
  const isShared = (source) => byMain.has(source) || byOthers.filter((needs) => needs.has(source)).length > 1;
  const sources = [...modules.keys()].filter(isShared);
  assertUniqueNames(sources.map((each) => modules.get(each)));
  return sources;

  /** What a source imports at run time, and what that imports, up to other entries. */
  function needsOf(source, found = new Set()) {
    for (const { path } of modules.get(source).imports.filter((each) => each.path.startsWith('.'))) {
      const imported = join(dirname(source), path).replace(/js$/, 'ts');
      if (!entries.includes(imported) && !found.has(imported)) needsOf(imported, found.add(imported));
    }
    return found;
  }
}

/** `export *` would drop a name that two of them export, without a word. */
function assertUniqueNames(modules) {
  const exporters = new Map();
  for (const { entryPoint, exports: names } of modules) {
    for (const name of names) {
      if (exporters.has(name))
        throw new Error(`${exporters.get(name)} and ${entryPoint} both export ${name}.`);
      exporters.set(name, entryPoint);
    }
  }
}

function buildModules(outdir, outbase, entryPoints, options) {
  const plugins = [leaveImports((path) => path.replace(/^(\..*)ts$/, '$1js'))];
  return build({ ...ESM, entryPoints, outdir, outbase, plugins, ...options });
}

/** Leaves an import as it is, under the name that `nameOf` has for it, if any. */
function leaveImports(nameOf) {
  const resolve = ({ kind, path, resolveDir }) => {
    const name = kind !== 'entry-point' && nameOf(path, resolveDir);
    return name ? { path: name, external: true } : undefined;
  };
  return { name: 'leave-imports', setup: ({ onResolve }) => onResolve({ filter: /./ }, resolve) };
}

/** Every file that package.json names is there, and every name that it imports. Nothing is run. */
async function assertLinked() {
  await build({ ...ESM, entryPoints: targets, outdir: 'unused', write: false, external: ['node:*'] });
}

/** The declarations that entries lead to. */
function emitDeclarations() {
  const typescript = createRequire(import.meta.url).resolve('typescript/package.json');
  execFileSync(process.execPath, [join(typescript, '../bin/tsc'), '-p', '.'], { stdio: 'inherit' });
  const kept = new Set();
  for (const { types } of Object.values(exports)) keep(join(types));
  for (const path of filesOf('dist')) if (!kept.has(path)) rmSync(path);

  function keep(path) {
    if (kept.has(path)) return;
    kept.add(path);
    // TypeScript leaves `./x.ts` in declarations; consumers before 5.0 cannot resolve it.
    const text = readFileSync(path, 'utf8').replace(/(["'])(\.{1,2}\/[^"']+)\.ts\1/g, '$1$2.js$1');
    writeFileSync(path, text);
    for (const [, module] of text.matchAll(/["'](\.{1,2}\/[^"']+)\.js["']/g))
      keep(join(dirname(path), `${module}.d.ts`));
  }
}

/** The TypeScript files of a folder; private packages bring their own tools and are left to them. */
function filesOf(folder, without = []) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return without.includes(entry.name) ? [] : filesOf(path);
    return path.endsWith('.ts') ? [path] : [];
  });
}

function builtFrom(source) {
  return source.replace(/^src(.*)ts$/, 'dist$1js');
}
