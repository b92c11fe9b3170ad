// Each platform's example, unchanged, on that platform; a mock answers in place of the vendor's hosts.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { transform } from 'esbuild';
import { Miniflare, Response as MiniflareResponse } from 'miniflare';
import { createMockServer } from 'thingspace-auth/testing';
import { bundle } from '../../support/bundle.mjs';
import { freePort } from '../../support/freePort.mjs';
import { openBrowser } from '../../support/openBrowser.mjs';
import { serveEdgeRuntime } from './serve.mjs';

const HERE = import.meta.dirname;
const EXAMPLES = join(HERE, '../../../examples');
const COPIES = join(HERE, '.build'); // beside the packed package, where imports find it
const CREDENTIALS = { THINGSPACE_CLIENT_ID: 'invented-key', THINGSPACE_CLIENT_SECRET: 'invented-secret' };

mkdirSync(COPIES, { recursive: true });

test('deno.ts serves the regions, and starts the second time with the token of the first', async (t) => {
  const { mock, preload } = await startStandIn(t);
  const env = { DENO_DIR: scratchFolder(t), NO_COLOR: '1' };
  const start = () =>
    startProgram(
      t,
      process.execPath,
      [
        join(HERE, 'node_modules/deno/bin.cjs'),
        'run',
        '--unstable-kv',
        '--allow-all',
        '--preload',
        preload,
        copyOf('deno.ts'),
      ],
      { env },
    );

  for (const count of [1, 2]) {
    const { origin, stop } = await start();
    assert.match(await (await fetch(origin)).text(), /mock-region-1/);
    assert.deepEqual(seen(mock), ['token 200', ...Array(count).fill('regions 200')]);
    await stop();
  }
});

test('bun-server.ts serves the regions, and starts the second time with the token of the first', async (t) => {
  const { mock, preload } = await startStandIn(t);
  const cwd = scratchFolder(t);
  const start = () =>
    startProgram(
      t,
      join(HERE, 'node_modules/bun/bin/bun.exe'),
      ['--preload', preload, copyOf('bun-server.ts')],
      { cwd },
    );

  for (const count of [1, 2]) {
    const { origin, stop } = await start();
    assert.match(await (await fetch(origin)).text(), /mock-region-1/);
    assert.deepEqual(seen(mock), ['token 200', ...Array(count).fill('regions 200')]);
    await stop();
  }
});

test('cloudflare-worker.ts keeps one token for its requests, and leaves it in Workers KV', async (t) => {
  const mock = createMockServer();
  const miniflare = new Miniflare({
    host: '127.0.0.1',
    cf: false,
    modules: true,
    script: await bundle(copyOf('cloudflare-worker.ts'), { external: ['cloudflare:*'] }),
    compatibilityDate: '2026-07-01',
    kvNamespaces: ['TOKENS'],
    bindings: CREDENTIALS,
    outboundService: async (request) => {
      const answer = await mock.fetch(request);
      return new MiniflareResponse(await answer.text(), {
        status: answer.status,
        headers: Object.fromEntries(answer.headers),
      });
    },
  });
  t.after(() => miniflare.dispose());

  for (let request = 0; request < 2; request++)
    assert.match(await (await miniflare.dispatchFetch('http://worker/')).text(), /mock-region-1/);

  assert.deepEqual(seen(mock), ['token 200', 'regions 200', 'regions 200']);
  assert.equal((await (await miniflare.getKVNamespace('TOKENS')).list()).keys.length, 1);
});

test('durable-object.ts deploys its class by its wrangler file, and keeps one token in it', async (t) => {
  const mock = createMockServer();
  const file = readFileSync(join(EXAMPLES, 'durable-object.wrangler.jsonc'), 'utf8');
  const wrangler = JSON.parse(file.replace(/^\/\/.*$/gm, ''));
  const [{ name, class_name: className }] = wrangler.durable_objects.bindings;
  assert.equal(wrangler.main, 'durable-object.ts');
  const miniflare = new Miniflare({
    host: '127.0.0.1',
    cf: false,
    modules: true,
    script: await bundle(copyOf(wrangler.main), { external: ['cloudflare:*'] }),
    compatibilityDate: wrangler.compatibility_date,
    durableObjects: {
      [name]: { className, useSQLite: wrangler.migrations[0].new_sqlite_classes.includes(className) },
    },
    bindings: CREDENTIALS,
    outboundService: async (request) => {
      const answer = await mock.fetch(request);
      return new MiniflareResponse(await answer.text(), {
        status: answer.status,
        headers: Object.fromEntries(answer.headers),
      });
    },
  });
  t.after(() => miniflare.dispose());

  for (let request = 0; request < 2; request++)
    assert.match(await (await miniflare.dispatchFetch('http://worker/')).text(), /mock-region-1/);

  assert.deepEqual(seen(mock), ['token 200', 'regions 200', 'regions 200']);
});

test('aws-lambda.ts asks for a token when it is cold, and keeps it while it is warm', async (t) => {
  const { mock, preload } = await startStandIn(t);
  const module = join(COPIES, 'aws-lambda.mjs');
  writeFileSync(module, await bundle(copyOf('aws-lambda.ts')));
  const instance = `
    const { handler } = await import(${JSON.stringify(module)});
    for (const event of [1, 2]) console.log(JSON.stringify(await handler({ event })));`;

  for (const cold of [1, 2]) {
    const { output } = await runToEnd(process.execPath, [
      '--import',
      preload,
      '--input-type=module',
      '--eval',
      instance,
    ]);
    const answers = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      answers.map(({ statusCode, body }) => [statusCode, JSON.parse(body).regions.length]),
      [
        [200, 1],
        [200, 1],
      ],
    );
    assert.deepEqual(seen(mock), Array(cold).fill(['token 200', 'regions 200', 'regions 200']).flat());
  }
});

test('next-edge-route.ts answers on the edge runtime', async (t) => {
  const { mock, preamble } = await startStandIn(t);
  const route = await bundle(copyOf('next-edge-route.ts'), { format: 'iife', globalName: 'route' });
  const environment = `globalThis.process = { env: ${JSON.stringify(CREDENTIALS)} };`; // as Next.js gives it
  const listen =
    'addEventListener("fetch", (event) => event.respondWith(route[event.request.method](event.request)));';
  const server = await serveEdgeRuntime(`${environment}${preamble}${route}${listen}`);
  t.after(server.stop);

  for (let request = 0; request < 2; request++)
    assert.match(await (await fetch(server.origin)).text(), /mock-region-1/);

  assert.deepEqual(seen(mock), ['token 200', 'regions 200', 'regions 200']);
});

test('next-edge-route.ts answers in an application that next has built and serves', async (t) => {
  const { mock, preamble } = await startStandIn(t);
  const folder = scratchFolder(t, HERE); // below the packed package and next, where imports find them
  mkdirSync(join(folder, 'app/regions'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  const { code } = await transform(readFileSync(join(EXAMPLES, 'next-edge-route.ts')), {
    loader: 'ts',
    target: 'es2022',
  });
  writeFileSync(
    join(folder, 'app/regions/route.js'),
    code.replace(/^import .*\n/m, (imports) => imports + preamble),
  );
  const next = join(HERE, 'node_modules/next/dist/bin/next');
  const env = { NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production', CI: 'true' };
  await runToEnd(process.execPath, [next, 'build'], { cwd: folder, env });
  const { origin } = await startProgram(
    t,
    process.execPath,
    [next, 'start', '--hostname', '127.0.0.1', '--port', `${await freePort()}`],
    { cwd: folder, env },
  );

  for (let request = 0; request < 2; request++) {
    const response = await fetch(`${origin}/regions`);
    assert.match(await response.text(), /mock-region-1/);
  }

  assert.deepEqual(seen(mock), ['token 200', 'regions 200', 'regions 200']);
});

test('browser-page.ts shows the regions with a token from browser-backend.ts, and the secret stays there', async (t) => {
  const { mock, preload, preamble } = await startStandIn(t);
  const backend = await startBackend(t, preload);
  const site = await startSite(t, backend, {
    '/': '<!doctype html><link rel="icon" href="data:,"><body><script type="module" src="/page.js"></script>',
    '/page.js': `${preamble}${await bundle(copyOf('browser-page.ts'))}; fetch('/shown', { method: 'POST', body: document.body.textContent });`,
  });

  t.after(openBrowser('chromium', site.origin));

  assert.match(await site.shown, /mock-region-1/);
  assert.deepEqual(seen(mock), ['token 200', 'regions 200']);
  assert.match(site.sent.join(), /mock-access-token-\w+-1/);
  assert.doesNotMatch(site.sent.join(), /invented-secret/);
});

test('browser-page.ts recovers from a token that was revoked while browser-backend.ts held it', async (t) => {
  const { mock, preload, preamble } = await startStandIn(t);
  const backend = await startBackend(t, preload);
  await askBackend(`${backend}/thingspace-token`, 'GET', SIGNED_IN);
  mock.revokeAll();
  const site = await startSite(t, backend, {
    '/': '<!doctype html><link rel="icon" href="data:,"><body><script type="module" src="/page.js"></script>',
    '/page.js': `${preamble}${await bundle(copyOf('browser-page.ts'))}; fetch('/shown', { method: 'POST', body: document.body.textContent });`,
  });

  t.after(openBrowser('chromium', site.origin));

  assert.match(await site.shown, /mock-region-1/);
  assert.deepEqual(seen(mock), ['token 200', 'regions 401', 'token 200', 'regions 200']);
});

test('browser-backend.ts renews its token once in ten seconds, however many have one that will not do', async (t) => {
  const { mock, preload } = await startStandIn(t);
  const backend = await startBackend(t, preload);
  const ask = async (method) =>
    JSON.parse((await askBackend(`${backend}/thingspace-token`, method, SIGNED_IN)).text);
  const { accessToken: revoked } = await ask('GET');
  mock.revokeAll();

  const renewed = await Promise.all(Array.from({ length: 5 }, () => ask('POST')));

  assert.deepEqual(seen(mock), ['token 200', 'token 200']);
  assert.equal(new Set(renewed.map(({ accessToken }) => accessToken)).size, 1);
  assert.notEqual(renewed[0].accessToken, revoked);
  assert.deepEqual(await ask('GET'), renewed[0]);
});

test('browser-backend.ts gives no token to a stranger', async (t) => {
  const { mock, preload } = await startStandIn(t);
  const backend = await startBackend(t, preload);

  for (const method of ['GET', 'POST'])
    assert.equal((await fetch(`${backend}/thingspace-token`, { method })).status, 401);

  assert.deepEqual(seen(mock), []);
});

test('service-worker.ts gives a page the regions, after a revocation too, and keeps the token from it', async (t) => {
  const { mock, preload, preamble } = await startStandIn(t);
  const backend = await startBackend(t, preload);
  await askBackend(`${backend}/thingspace-token`, 'GET', SIGNED_IN);
  mock.revokeAll();
  const page = `
    await navigator.serviceWorker.register('/service-worker.js', { type: 'module' });
    const isInControl = new Promise((resolve) => {
      navigator.serviceWorker.addEventListener('controllerchange', resolve);
    });
    if (!navigator.serviceWorker.controller) await isInControl;
    const response = await fetch('https://5gedge.verizon.com/api/mec/eds/regions');
    await fetch('/shown', { method: 'POST', body: await response.text() });`;
  const site = await startSite(t, backend, {
    '/': `<!doctype html><link rel="icon" href="data:,"><body><script type="module">${page}</script>`,
    '/service-worker.js': `${preamble}${await bundle(copyOf('service-worker.ts'))}`,
  });

  t.after(openBrowser('chromium', site.origin));

  assert.match(await site.shown, /mock-region-1/);
  assert.deepEqual(seen(mock), ['token 200', 'regions 401', 'token 200', 'regions 200']);
});

/** Last part of the path and status of each request that the mock saw. */
function seen({ requests }) {
  return requests.map(({ path, status }) => `${path.split('/').at(-1)} ${status}`);
}

/** The mock behind a server; code put before a program, or preloaded, leads its https requests there. */
async function startStandIn(t) {
  const mock = createMockServer();
  const cors = {
    'access-control-allow-origin': '*',
    'access-control-allow-headers': 'authorization, content-type',
  };
  const origin = await listen(t, async ({ method, url, headers }, response, body) => {
    if (method === 'OPTIONS') return response.writeHead(204, cors).end();
    const answer = await mock.fetch(
      new Request(`https://vendor.example${url}`, { method, headers, body: body || null }),
    );
    return response
      .writeHead(answer.status, { ...Object.fromEntries(answer.headers), ...cors })
      .end(await answer.text());
  });
  const preamble = `{
    const send = globalThis.fetch;
    globalThis.fetch = (input, init) => {
      const { protocol, pathname, search } = new URL(input.url ?? input, globalThis.location?.href);
      if (protocol !== 'https:') return send(input, init);
      const { method, headers } = input;
      return send('${origin}' + pathname + search, { ...(headers && { method, headers }), ...init });
    };
  }\n`;
  const preload = join(scratchFolder(t), 'preload.mjs');
  writeFileSync(preload, preamble);
  return { mock, preamble, preload };
}

async function startBackend(t, preload) {
  const program = join(COPIES, 'browser-backend.mjs');
  writeFileSync(program, await bundle(copyOf('browser-backend.ts'), { platform: 'node' }));
  const { port } = await startProgram(t, process.execPath, ['--import', preload, program]);
  return `http://127.0.0.1:${port}`;
}

/**
 * The origin that a browser sees: files of the test, the backend's token, and `/shown` for what the page
 * shows.
 */
async function startSite(t, backend, files) {
  const sent = [];
  let show;
  const shown = new Promise((resolve) => (show = resolve));
  const origin = await listen(t, async ({ method, url, headers }, response, body) => {
    if (url === '/shown') show(body);
    const { status, text } =
      url === '/thingspace-token'
        ? await askBackend(`${backend}${url}`, method, headers.cookie)
        : { status: 200, text: files[url] ?? '' };
    sent.push(text);
    const type = { '/': 'text/html', '/thingspace-token': 'application/json' }[url] ?? 'text/javascript';
    response.writeHead(status, { 'content-type': type, 'set-cookie': `${SIGNED_IN}; HttpOnly` }).end(text);
  });
  return { origin, shown, sent };
}

/** The cookie by which the backend knows a user. */
const SIGNED_IN = 'user=signed-in';

async function askBackend(url, method, cookie) {
  const response = await fetch(url, { method, headers: { cookie } });
  return { status: response.status, text: await response.text() };
}

/** A program that says on which port it listens. */
async function startProgram(t, command, args, { env, cwd } = {}) {
  const program = spawn(command, args, {
    cwd,
    env: { PATH: process.env.PATH, HOME: tmpdir(), ...CREDENTIALS, PORT: '0', ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(program, 'close');
  const stop = async () => {
    // With what a launcher has started.
    if (program.exitCode === null && program.signalCode === null) process.kill(-program.pid, 'SIGKILL');
    await ended;
  };
  t.after(stop);
  let said = '';
  const port = await new Promise((resolve, reject) => {
    const read = (chunk) => {
      said += chunk;
      const found = /127\.0\.0\.1:(\d+)|port: (\d+)/.exec(said);
      if (found) resolve(found[1] ?? found[2]);
    };
    program.stdout.on('data', read);
    program.stderr.on('data', read);
    program.on('exit', () => reject(new Error(said)));
  });
  return { port, origin: `http://127.0.0.1:${port}`, stop };
}

async function runToEnd(command, args, { env, cwd } = {}) {
  const program = spawn(command, args, {
    cwd,
    env: { PATH: process.env.PATH, ...CREDENTIALS, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  program.stdout.on('data', (chunk) => (output += chunk));
  const [exitCode] = await once(program, 'close');
  assert.equal(exitCode, 0, output);
  return { output };
}

async function listen(t, answer) {
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    await answer(request, response, body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => void server.close().closeAllConnections());
  return `http://127.0.0.1:${server.address().port}`;
}

function copyOf(name) {
  const copy = join(COPIES, name);
  copyFileSync(join(EXAMPLES, name), copy);
  return copy;
}

function scratchFolder(t, parent = tmpdir()) {
  const folder = mkdtempSync(join(parent, 'thingspace-auth-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
