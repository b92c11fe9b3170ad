// Puts the recipes of examples/ into .build/, as TypeScript for the compiler and as JavaScript to run.
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
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
}
