// Starts the suite in each runtime. A driver resolves with `{ version, results }`, or rejects when the
// runtime gave none.
import { execFile } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliDecompressSync } from 'node:zlib';
import { Miniflare } from 'miniflare';
import { bundle } from '../../support/bundle.mjs';
import { openBrowser, WEBKIT } from '../../support/openBrowser.mjs';
import { serveEdgeRuntime, serveWorkerd } from './serve.mjs';

const HERE = import.meta.dirname;
const LIMIT_MS = 90_000;
const require = createRequire(import.meta.url);

/** By name; first of each kind the oldest that is promised, where npm or Debian has it. */
export const RUNTIMES = {
  'Node 20.0': inProcess('node-20.0/bin/node'),
  'Node 20': inProcess('node-20/bin/node'),
  'Node 22': inProcess('node-22/bin/node'),
  'Node 24': inProcess('node-24/bin/node'),
  'Node 26': inProcess('node-26/bin/node'),
  'Deno 2.0': inProcess('deno-2.0/deno', 'run', '--quiet', '--unstable-kv', '--allow-all'),
  'Deno 2': inProcess('deno/bin.cjs', 'run', '--quiet', '--unstable-kv', '--allow-all'),
  'Bun 1.2': inProcess('bun-1.2/bin/bun'),
  'Bun 1': inProcess('bun/bin/bun.exe'),
  'workerd of 2023': inWorkerd('workerd-2023', '2023-05-18', () =>
    join(HERE, 'node_modules/workerd-2023/bin/workerd'),
  ),
  'workerd (date 2023-03-01)': inWorkerd('workerd', '2023-03-01'),
  workerd: inWorkerd('workerd', '2026-11-01'),
  'edge-runtime': inEdgeRuntime(),
  'Next.js edge': inNext(),
  Miniflare: inMiniflare('2026-07-01'),
  'Chromium 119': inBrowser(openOldChromium),
  Chromium: inBrowser((url) => openBrowser('chromium', url)),
  Firefox: inBrowser((url) => openBrowser('firefox', url)),
  WebKitGTK: inWebKit(),
  'Chromium worker': inBrowser((url) => openBrowser('chromium', url), 'worker'),
  'Firefox worker': inBrowser((url) => openBrowser('firefox', url), 'worker'),
  'WebKitGTK worker': inWebKit('worker'),
};

/** A JavaScript runtime that is a program; Deno's package is a script that starts it. */
function inProcess(path, ...flags) {
  return async ({ origin, other, run }) => {
    const program = join(HERE, 'node_modules', path);
    chmodSync(program, 0o755); // Deno's binary comes without
    const args = [...flags, join(HERE, 'inProcess.mjs'), JSON.stringify({ origin, other, run })];
    const command = path.endsWith('.cjs') ? [process.execPath, [program, ...args]] : [program, args];
    const { stdout } = await promisify(execFile)(...command, {
      cwd: HERE,
      timeout: LIMIT_MS,
      maxBuffer: 2 ** 24,
    });
    return JSON.parse(stdout);
  };
}

/** Bare `workerd serve`; `binary` is the name of a package of it, `findProgram` says where its program is. */
function inWorkerd(binary, date, findProgram = () => require(binary).default) {
  return async (setup) => {
    const server = await serveWorkerd(findProgram(), await bundle(join(HERE, 'inWorker.mjs')), date);
    try {
      return { version: require(`${binary}/package.json`).version, ...(await ask(server.origin, setup)) };
    } finally {
      await server.stop();
    }
  };
}

function inMiniflare(compatibilityDate) {
  return async (setup) => {
    const script = await bundle(join(HERE, 'inWorker.mjs'));
    const miniflare = new Miniflare({
      host: '127.0.0.1',
      cf: false,
      modules: true,
      script,
      compatibilityDate,
      kvNamespaces: ['TOKENS'],
    });
    try {
      return {
        version: require('miniflare/package.json').version,
        ...(await ask(await miniflare.ready, setup)),
      };
    } finally {
      await miniflare.dispose();
    }
  };
}

function inEdgeRuntime() {
  return async (setup) => {
    const server = await serveEdgeRuntime(await bundle(join(HERE, 'inEdgeRuntime.mjs'), { format: 'iife' }));
    try {
      return { version: require('edge-runtime/package.json').version, ...(await ask(server.origin, setup)) };
    } finally {
      await server.stop();
    }
  };
}

/**
 * The sandbox that `next start` runs edge routes in: functions that throw stand in the place of some that
 * edge-runtime has.
 */
function inNext() {
  return async ({ origin, other, run }) => {
    require('next/dist/server/node-environment-baseline');
    const { run: runInSandbox } = require('next/dist/server/web/sandbox');
    const file = join(HERE, 'node_modules/.next-suite.js');
    writeFileSync(file, await bundle(join(HERE, 'inNext.mjs'), { format: 'iife' }));
    const { response } = await runInSandbox({
      name: 'suite',
      paths: [file],
      distDir: HERE,
      useCache: false,
      edgeFunctionEntry: { env: {}, assets: [], wasm: [] },
      request: {
        url: 'http://127.0.0.1/suite',
        method: 'GET',
        headers: { setup: JSON.stringify({ origin, other, run }) },
      },
    });
    return { version: require('next/package.json').version, ...(await response.json()) };
  };
}

/** A browser whose page, from the first server, runs the suite in its window or in a worker. */
function inBrowser(open, place = 'window') {
  return async ({ origin, other, run, servers }) => {
    const start =
      place === 'worker'
        ? `<script>new Worker('/suite.js' + location.search, { type: 'module' })</script>`
        : '<script type="module" src="/suite.js"></script>';
    servers.files.set('/suite.js', await bundle(join(HERE, 'inBrowser.mjs')));
    servers.files.set(`/${place}`, `<!doctype html><link rel="icon" href="data:,">${start}`);
    const posted = servers.postedTo(`/results/${run}`);
    const close = await open(`${origin}/${place}?${new URLSearchParams({ other, run })}`);
    try {
      return JSON.parse(await withLimit(posted));
    } finally {
      await close();
    }
  };
}

/** Its user agent names a version of Safari instead of its own. */
function inWebKit(place) {
  const run = inBrowser((url) => openBrowser('webkit', url), place);
  return async (setup) => {
    const { stdout } = await promisify(execFile)('xvfb-run', ['-a', WEBKIT, '--version']);
    return { ...(await run(setup)), version: /[\d.]+/.exec(stdout)[0] };
  };
}

/** Unpacked from the package that ships it for AWS Lambda. */
async function openOldChromium(url) {
  const program = join(HERE, 'node_modules/.chromium-119');
  if (!existsSync(program)) {
    writeFileSync(
      program,
      brotliDecompressSync(readFileSync(join(HERE, 'node_modules/@sparticuz/chromium-119/bin/chromium.br'))),
    );
    chmodSync(program, 0o755);
  }
  return openBrowser('chromium', url, program);
}

async function ask(url, { origin, other, run }) {
  const response = await fetch(url, {
    method: 'POST',
    body: JSON.stringify({ origin, other, run }),
    signal: AbortSignal.timeout(LIMIT_MS),
  });
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

function withLimit(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(reject, LIMIT_MS, new Error('no results in time'));
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
