// Weighs each row: in a browser bundle, and on disk with everything that it pulls in.
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { measure, use } from '../../support/size.mjs';

const root = import.meta.dirname;
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;

export async function sizeOf({ file, packages }) {
  const contents = `import { connect } from './rows/${file}.mjs'; globalThis.connect = connect;`;
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    plugins: [{ name: 'builtins', setup: leaveBuiltins }],
    write: false,
    logLevel: 'silent',
  });
  const code = outputFiles[0].contents;
  const folders = closure(packages);
  const bytes = folders.reduce((sum, folder) => sum + bytesIn(join(root, folder)), 0);
  return {
    minified: code.length,
    gzip: gzipSync(code, { level: 9 }).length,
    brotli: brotliCompressSync(code).length,
    packages: folders.length,
    unpackedKB: Math.round(bytes / 1000),
  };
}

/** What `createClient` adds to a bundle, as the table of sizes has it. */
export async function sizeOfClient() {
  const { minified, weight } = await measure(use('createClient'));
  return { minified, gzip: weight };
}

/** A package by the name of a builtin comes first, as in every bundler; what is left stays an import. */
function leaveBuiltins(build) {
  build.onResolve({ filter: /^[a-z:_/]+$/ }, ({ path }) => {
    const isPackage = `node_modules/${path.split('/')[0]}` in lock;
    return isBuiltin(path) && !isPackage ? { path, external: true } : undefined;
  });
}

/** The folders of packages and of all that they depend on, found as Node finds them. */
function closure(packages) {
  const found = new Set();
  const visit = (name, from) => {
    const folder = folderOf(name, from);
    if (!folder || found.has(folder)) return;
    found.add(folder);
    Object.keys(lock[folder]?.dependencies ?? {}).forEach((each) => visit(each, folder));
  };
  packages.forEach((each) => visit(each, ''));
  return [...found];
}

function folderOf(name, from) {
  const path = join(from, 'node_modules', name);
  // The package under test is put there by hand, and in no lock file.
  if (path in lock || (from === '' && name === 'thingspace-auth')) return path;
  return from === '' ? undefined : folderOf(name, from.replace(/\/?node_modules\/(@[^/]+\/)?[^/]+$/, ''));
}

function bytesIn(folder) {
  return readdirSync(folder).reduce((sum, name) => {
    const path = join(folder, name);
    const stat = lstatSync(path);
    if (!stat.isDirectory()) return sum + stat.size;
    return name === 'node_modules' ? sum : sum + bytesIn(path);
  }, 0);
}
