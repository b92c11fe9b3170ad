// A copy of the repository whose dist/ holds every mutant, each asleep until a test's process turns it on.
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { instrument } from './instrument.mjs';

const root = join(import.meta.dirname, '../../..');
const LEFT_OUT = /(^|\/)(node_modules|\.git|dist|\.build)$/;

/**
 * Tests of papers, types and bundles run nothing of the instrumented modules, or fail over them: pages
 * measure sizes, and an uncaught error shows the frames of the package as it is published.
 */
const WITHOUT = /^(types|size|structure|package|pages|readme|uncaught)\./;

/** @returns the folder, its mutants and its test files; `remove()` when done */
export async function prepare() {
  const folder = mkdtempSync(join(tmpdir(), 'mutation-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  cpSync(root, folder, { recursive: true, filter: (path) => !LEFT_OUT.test(relative(root, path)) });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  execFileSync(process.execPath, ['build.mjs', '--tests', '--modules'], { cwd: folder, stdio: 'inherit' });

  const names = readdirSync(join(root, 'src'), { recursive: true }).filter((name) => name.endsWith('.ts'));
  const sources = new Map(
    names.sort().map((name) => [`src/${name}`, readFileSync(join(root, 'src', name), 'utf8')]),
  );
  const { files, mutants } = await instrument(sources);
  const { transformSync } = createRequire(join(root, 'package.json'))('esbuild');
  for (const [name, text] of files) {
    const { code } = transformSync(text, { loader: 'ts', format: 'esm', target: 'es2022' });
    const path = join(folder, name.replace(/^src/, 'dist').replace(/ts$/, 'js'));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, code.replace(/\b(from |import\(|import )"(\.[^"]+)\.ts"/g, '$1"$2.js"'));
  }
  const testFiles = readdirSync(join(folder, '.build/test'), { recursive: true }).filter(
    (name) => name.endsWith('.test.js') && !WITHOUT.test(basename(name)),
  );
  return { folder, mutants, testFiles };
}
