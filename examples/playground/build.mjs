// Makes the playground one self-contained file: .build/playground/index.html. Wants dist/ to be built.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const source = import.meta.dirname;
const folder = join(source, '../../.build/playground');
const read = (name) => readFileSync(join(source, name), 'utf8');
const { outputFiles } = await build({
  entryPoints: [join(source, 'main.ts')],
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  write: false,
});
const page = read('index.html')
  .replace(/<link rel="stylesheet" href="(.*)">/g, (_link, name) => `<style>\n${read(name)}</style>`)
  .replace(
    '<script type="module" src="main.ts"></script>',
    () => `<script type="module">${outputFiles[0].text}</script>`,
  );
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, 'index.html'), page);
console.log(join(folder, 'index.html'));
