// Starts the runtimes on loopback with a worker bundled from the packed package.
import { createRequire } from 'node:module';
import { EdgeRuntime, runServer } from 'edge-runtime';
import { build } from 'esbuild';
import { serveWorkerd } from '../serveWorkerd.mjs';
import { SCENARIOS } from './scenarios.mjs';

const require = createRequire(import.meta.url);

/** Starts `workerd serve`; `binary` is the name of a package of it. */
export async function startWorkerd({ binary, date, flags }, origin) {
  const script = await bundle('worker.mjs', origin, { format: 'esm', external: ['cloudflare:*'] });
  return serveWorkerd(require(binary).default, script, date, flags);
}

/** Starts an edge-runtime server. */
export async function startEdgeRuntime(origin) {
  const initialCode = await bundle('edgeWorker.mjs', origin, { format: 'iife' });
  const server = await runServer({ runtime: new EdgeRuntime({ initialCode }), host: '127.0.0.1' });
  return { origin: new URL(server.url).origin, stop: () => server.close() };
}

async function bundle(entry, origin, options) {
  const scenarios = Object.fromEntries(Object.entries(SCENARIOS).map(([name, { setup = {} }]) => [name, setup]));
  const setup = { origin, nowSeconds: Math.floor(Date.now() / 1000), scenarios };
  const { outputFiles } = await build({
    ...options,
    absWorkingDir: import.meta.dirname,
    entryPoints: [entry],
    bundle: true,
    write: false,
    define: { SETUP: JSON.stringify(setup) },
  });
  return outputFiles[0].text;
}
