// Starts the runtimes on loopback with a worker bundled from the packed package.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { EdgeRuntime, runServer } from 'edge-runtime';
import { build } from 'esbuild';
import { SCENARIOS } from './scenarios.mjs';

const require = createRequire(import.meta.url);

/** Starts `workerd serve`; `binary` is the name of a package of it. */
export async function startWorkerd({ binary, date, flags = [] }, origin) {
  const folder = mkdtempSync(join(tmpdir(), 'workerd-'));
  const quote = (texts) => texts.map((text) => JSON.stringify(text)).join(', ');
  writeFileSync(join(folder, 'worker.js'), await bundle('worker.mjs', origin, { format: 'esm', external: ['cloudflare:*'] }));
  writeFileSync(
    join(folder, 'config.capnp'),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker), (name = "internet", network = (allow = ["local", "private"]))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = ${quote([date])},
  compatibilityFlags = [${quote(flags)}],
);
`,
  );
  // The control pipe says which port was taken; the log holds the runtime's remarks on requests that have gone.
  const process = spawn(require(binary).default, ['serve', '--control-fd=3', 'config.capnp'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  let log = '';
  process.stderr.on('data', (chunk) => (log += chunk));
  const stop = async () => {
    const ended = once(process, 'exit');
    // Told to terminate, it would wait for requests that hang.
    if (process.kill('SIGKILL')) await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  for await (const line of createInterface(process.stdio[3])) {
    const { event, port } = JSON.parse(line);
    if (event === 'listen') return { origin: `http://127.0.0.1:${port}`, stop };
  }
  await stop();
  throw new Error(`workerd did not start: ${log}`);
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
