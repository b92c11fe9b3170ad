// One file of a module and all that it imports, as a Worker, an edge function or a page takes it. The esbuild
// is the root's, which `installPacked.mjs` needs, too.
import { build } from 'esbuild';

export async function bundle(path, options) {
  const { outputFiles } = await build({
    entryPoints: [path],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    ...options,
  });
  return outputFiles[0].text;
}
