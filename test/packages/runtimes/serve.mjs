// Starts runtimes of workers on loopback: `{ origin, stop }`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { EdgeRuntime, runServer } from 'edge-runtime';

/** Serves the text of a module with `workerd serve`, for a compatibility date and flags. */
export async function serveWorkerd(program, script, date, flags = []) {
  const folder = mkdtempSync(join(tmpdir(), 'thingspace-auth-workerd-'));
  const quote = (texts) => texts.map((text) => JSON.stringify(text)).join(', ');
  writeFileSync(join(folder, 'worker.js'), script);
  writeFileSync(
    join(folder, 'config.capnp'),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["local", "private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = ${quote([date])},
  compatibilityFlags = [${quote(flags)}],
);
`,
  );
  // The control pipe says which port was taken; the log holds the runtime's remarks on requests that have
  // gone.
  const server = spawn(program, ['serve', '--control-fd=3', 'config.capnp'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  let log = '';
  server.stderr.on('data', (chunk) => (log += chunk));
  const stop = async () => {
    const ended = once(server, 'exit');
    // Told to terminate, it would wait for requests that hang.
    if (server.kill('SIGKILL')) await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  for await (const line of createInterface(server.stdio[3])) {
    const { event, port } = JSON.parse(line);
    if (event === 'listen') return { origin: `http://127.0.0.1:${port}`, stop };
  }
  await stop();
  throw new Error(`workerd did not start: ${log}`);
}

/** Serves a script that listens to `fetch` events with edge-runtime. */
export async function serveEdgeRuntime(initialCode) {
  const server = await runServer({ runtime: new EdgeRuntime({ initialCode }), host: '127.0.0.1' });
  return { origin: new URL(server.url).origin, stop: () => server.close() };
}
