// Web Storage and Web Locks in Chromium: the contract of a store, and tabs that share a token.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { storeCases } from '../../storeContract.mjs';
import { contend } from '../storeContest.mjs';
import { startTokenServer } from '../tokenServer.mjs';
import { casesOptions } from './casesOptions.mjs';

const QUIET = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

const browser = await launch();
/** Copies of Web Storage in several processes may lag behind a lock, as `webStore` says: here all tabs have one. */
const oneProcess = await launch('--process-per-site', '--renderer-process-limit=1');

async function launch(...more) {
  const launched = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', ...QUIET, ...more] });
  after(() => launched.close());
  return launched;
}

for (const [sentence] of storeCases(casesOptions)) {
  test(`Web Storage: ${sentence}`, async (t) => {
    const { openTab } = await startSite(t, 'page.mjs');

    const tab = await openTab();

    await tab.evaluate((name) => runCase(name), sentence);
  });
}

test('of four tabs of one process with one expectation one wins, round after round', async (t) => {
  const { openTab } = await startSite(t, 'page.mjs', {}, oneProcess);
  const tabs = await Promise.all(Array.from({ length: 4 }, openTab));
  const members = tabs.map((tab) => (...args) =>
    tab.evaluate(([key, expected, value]) => store.compareAndSet(key, expected ?? undefined, value, 60), args));

  t.diagnostic(`wins: ${await contend(members, (key) => tabs[0].evaluate((name) => store.get(name), key))}`);
});

test('two tabs opened at once share one token, and a reloaded one keeps it', async (t) => {
  const { server, openTab, shownBy } = await startSite(t, '../../../examples/web-storage.ts');

  const tabs = await Promise.all([openTab(), openTab()]);
  assert.deepEqual(await Promise.all(tabs.map(shownBy)), ['Bearer invented-token-1', 'Bearer invented-token-1']);
  await tabs[0].reload();

  assert.equal(await shownBy(tabs[0]), 'Bearer invented-token-1');
  assert.equal(server.exchanges, 1);
});

test('a tab closed in the middle of the exchange costs the others one', async (t) => {
  const { server, openTab, shownBy } = await startSite(t, '../../../examples/web-storage.ts', { latencyMs: 60_000 });
  const holder = await openTab();
  while (server.exchanges === 0) await holder.waitForTimeout(20);
  await holder.close();
  server.latencyMs = 100;

  const tabs = await Promise.all([openTab(), openTab(), openTab()]);

  assert.deepEqual(new Set(await Promise.all(tabs.map(shownBy))), new Set(['Bearer invented-token-2']));
  assert.equal(server.exchanges, 2);
});

test('without Web Locks a later tab still finds the token of the first', async (t) => {
  const { server, openTab, shownBy, context } = await startSite(t, '../../../examples/web-storage.ts');
  await context.addInitScript(() => Object.defineProperty(Navigator.prototype, 'locks', { value: undefined }));

  assert.equal(await shownBy(await openTab()), 'Bearer invented-token-1');
  assert.equal(await shownBy(await openTab()), 'Bearer invented-token-1');

  assert.equal(server.exchanges, 1);
});

/** A site whose page runs the script, whose API answers with the header it got, and a browser profile of its own. */
async function startSite(t, script, options = {}, inBrowser = browser) {
  const server = await startTokenServer(options);
  t.after(server.close);
  const code = await bundle(script);
  server.handle = ({ url, headers }, response) => {
    if (url.startsWith('/api/')) return response.end(headers.authorization);
    response.setHeader('content-type', 'text/html');
    response.end(`<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><body><script type="module">${code}</script>`);
  };
  const context = await inBrowser.newContext();
  t.after(() => context.close());
  const openTab = async () => {
    const tab = await context.newPage();
    await tab.goto(server.origin);
    return tab;
  };
  const shownBy = async (tab) => (await tab.waitForFunction(() => document.body.textContent.startsWith('Bearer ') && document.body.textContent)).jsonValue();
  return { server, context, openTab, shownBy };
}

async function bundle(script) {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, script)],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  });
  return outputFiles[0].text;
}
