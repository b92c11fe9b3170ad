// Puts the recipes of examples/ into .build/, as TypeScript for the compiler and as JavaScript to run.
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

const EXAMPLES = join(import.meta.dirname, '../../../examples');
const BUILD = join(import.meta.dirname, '.build');

/** The recipes that need what this package has installed. */
export const RECIPES = [
  'axios',
  'changing-credentials',
  'express',
  'graceful-shutdown',
  'graphql',
  'grpc',
  'hono',
  'ky',
  'large-download',
  'mcp-client',
  'mutual-tls',
  'openapi-fetch',
  'opentelemetry',
  'prometheus',
  'proxy',
  'server-sent-events',
  'several-accounts',
  'upload',
  'vendor-sdk',
  'vendor-sdk-5',
  'vendor-sdk-strategy',
];

if (process.argv[1] === import.meta.filename) {
  rmSync(BUILD, { recursive: true, force: true });
  mkdirSync(BUILD);
  for (const name of RECIPES) cpSync(join(EXAMPLES, `${name}.ts`), join(BUILD, `${name}.ts`));
  await build({
    entryPoints: RECIPES.map((name) => join(BUILD, `${name}.ts`)),
    outdir: BUILD,
    format: 'esm',
    target: 'es2022',
  });
  const { VERIZON_SDK, VERIZONLIB } = process.env;
  installVendorSdk('verizon', 'verizon.mjs', VERIZON_SDK);
  installVendorSdk('verizonlib', '../migration/generatedSdk.mjs', VERIZONLIB);
}

/**
 * One of the vendor's SDKs, which are not on npm, where the recipes find it: the built one in `folder`, or
 * what stands in for it.
 */
function installVendorSdk(name, standIn, folder) {
  const modules = join(BUILD, 'node_modules');
  mkdirSync(modules, { recursive: true });
  if (folder) return symlinkSync(resolve(folder), join(modules, name), 'junction');
  const vendor = join(import.meta.dirname, 'vendor');
  const write = (file, text) => writeFileSync(join(modules, name, file), text);
  mkdirSync(join(modules, name));
  write('package.json', JSON.stringify({ name, type: 'module', exports: './index.mjs' }));
  write('index.mjs', `export * from ${JSON.stringify(join(vendor, standIn))};\n`);
  cpSync(join(vendor, `${name}.d.mts`), join(modules, name, 'index.d.mts'));
}
