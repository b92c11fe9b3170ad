// Starts the runtimes with a worker bundled from the packed package.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { bundle } from '../../../support/bundle.mjs';
import { serveEdgeRuntime, serveWorkerd } from '../serve.mjs';
import { SCENARIOS } from './scenarios.mjs';

const require = createRequire(import.meta.url);

/** Starts `workerd serve`; `binary` is the name of a package of it. */
export async function startWorkerd({ binary, date, flags }, origin) {
  const script = await bundleFor(origin, 'worker.mjs', { external: ['cloudflare:*'] });
  return serveWorkerd(require(binary).default, script, date, flags);
}

/** Starts an edge-runtime server. */
export async function startEdgeRuntime(origin) {
  return serveEdgeRuntime(await bundleFor(origin, 'edgeWorker.mjs', { format: 'iife' }));
}

function bundleFor(origin, entry, options) {
  const scenarios = Object.fromEntries(
    Object.entries(SCENARIOS).map(([name, { setup = {} }]) => [name, setup]),
  );
  const setup = { origin, nowSeconds: Math.floor(Date.now() / 1000), scenarios };
  return bundle(join(import.meta.dirname, entry), { ...options, define: { SETUP: JSON.stringify(setup) } });
}
