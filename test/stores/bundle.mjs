// One file of a module and all that it imports, as a Worker or a page takes it.
import { build } from 'esbuild';

export async function bundle(path) {
  const { outputFiles } = await build({ entryPoints: [path], bundle: true, format: 'esm', target: 'es2022', write: false });
  return outputFiles[0].text;
}
