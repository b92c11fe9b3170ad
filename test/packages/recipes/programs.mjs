// Runs a recipe as a process of its own, and the servers that it talks to.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

const HERE = import.meta.dirname;

export const CREDENTIALS = {
  THINGSPACE_CLIENT_ID: 'invented-key',
  THINGSPACE_CLIENT_SECRET: 'invented-secret',
  CLIENT_SECRET: 'invented-secret',
};

/** Hands each request to `answer`, a function from Request to Response, and sends its answer as it comes. */
export function handlerOf(answer) {
  return async (incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const body = method === 'GET' || method === 'HEAD' ? null : await buffer(incoming);
    const response = await answer(new Request(`https://${headers.host}${url}`, { method, headers, body }));
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    if (response.body)
      Readable.fromWeb(response.body)
        .on('error', () => outgoing.destroy())
        .pipe(outgoing);
    else outgoing.end();
  };
}

/** Listens on the loopback interface until the test has ended; returns the port. */
export async function listen(t, server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => void server.close().closeAllConnections?.());
  return server.address().port;
}

/**
 * A server for every host that a recipe with the preload names; returns what the recipe needs in its
 * environment.
 */
export async function startStandIn(t, answer) {
  const port = await listen(t, createServer(handlerOf(answer)));
  return { STAND_IN: `http://127.0.0.1:${port}`, NODE_OPTIONS: `--import=${join(HERE, 'preload.mjs')}` };
}

/** Nothing of this process's environment but the path gets into the program's. */
export function run(command, args, env = {}, cwd = join(HERE, '.build')) {
  return new Promise((resolve) => {
    execFile(
      command,
      args,
      { cwd, env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env }, timeout: 60_000 },
      (error, stdout, stderr) => resolve({ stdout, stderr, exitCode: error ? Number(error.code ?? 1) : 0 }),
    );
  });
}

export function runRecipe(name, env, cwd) {
  return run(process.execPath, [join(HERE, '.build', `${name}.js`)], { ...CREDENTIALS, ...env }, cwd);
}

/** Starts a recipe that goes on; resolves once it has printed something, which is `printed`. */
export async function startRecipe(t, name, env, cwd = join(HERE, '.build')) {
  return startProgram(t, [copyOf(t, name)], { ...CREDENTIALS, ...env }, cwd);
}

/** A recipe in a folder of its own, since some keep files beside themselves. */
export function copyOf(t, name) {
  const folder = mkdtempSync(join(HERE, '.build/copy-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const copy = join(folder, `${name}.js`);
  copyFileSync(join(HERE, '.build', `${name}.js`), copy);
  return copy;
}

/** The same of any program of Node's. */
export async function startProgram(t, args, env, cwd = join(HERE, '.build')) {
  const child = spawn(process.execPath, args, {
    cwd,
    env: { PATH: process.env.PATH, PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  child.stdout.setEncoding('utf8');
  const [printed] = await once(child.stdout, 'data');
  return { child, printed };
}
