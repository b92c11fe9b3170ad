// Web Storage and Web Locks in Chromium: the contract of a store, and tabs that share a token.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { chromium } from 'playwright-core';
import { createClient } from 'thingspace-auth';
import { bundle } from '../../../support/bundle.mjs';
import { QUIET_CHROMIUM } from '../../../support/quietBrowsers.mjs';
import { testStore } from '../../../support/storeContract.mjs';
import { startServer, until } from '../fleet.mjs';
import { remoteStore } from '../remoteStore.mjs';
import { contend } from '../storeContest.mjs';

const browser = await launch();
/**
 * Copies of Web Storage in several processes may lag behind a lock, as `webStore` says: here all tabs have
 * one.
 */
const oneProcess = await launch('--process-per-site', '--renderer-process-limit=1');

async function launch(...more) {
  const launched = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', ...QUIET_CHROMIUM, ...more],
  });
  after(() => launched.close());
  return launched;
}

const { openTab: openPage } = await startSite({ after }, 'page.mjs');
const page = storeIn(await openPage());
// Web Storage leaves ends to its readers.
testStore(test, { name: 'Web Storage', open: () => page, ttlSeconds: undefined });

test('of four tabs of one process with one expectation one wins, round after round', async (t) => {
  const { openTab } = await startSite(t, 'page.mjs', {}, oneProcess);
  const tabs = await Promise.all(Array.from({ length: 4 }, openTab));

  t.diagnostic(`wins: ${await contend(tabs.map(storeIn))}`);
});

test('two tabs opened at once share one token, and a reloaded one keeps it', async (t) => {
  const { server, openTab, shownBy } = await startSite(t, '../../../../examples/web-storage.ts');

  const tabs = await Promise.all([openTab(), openTab()]);
  assert.deepEqual(await Promise.all(tabs.map(shownBy)), [
    'Bearer invented-token-1',
    'Bearer invented-token-1',
  ]);
  await tabs[0].reload();

  assert.equal(await shownBy(tabs[0]), 'Bearer invented-token-1');
  assert.equal(server.exchanges, 1);
});

test('a tab closed in the middle of the exchange costs the others one', async (t) => {
  const { server, openTab, shownBy } = await startSite(t, '../../../../examples/web-storage.ts', {
    latencyMs: 60_000,
  });
  const holder = await openTab();
  await until(() => server.exchanges > 0);
  await holder.close();
  server.latencyMs = 100;

  const tabs = await Promise.all([openTab(), openTab(), openTab()]);

  assert.deepEqual(new Set(await Promise.all(tabs.map(shownBy))), new Set(['Bearer invented-token-2']));
  assert.equal(server.exchanges, 2);
});

test('without Web Locks a later tab still finds the token of the first', async (t) => {
  const { server, openTab, shownBy, context } = await startSite(t, '../../../../examples/web-storage.ts');
  await context.addInitScript(() =>
    Object.defineProperty(Navigator.prototype, 'locks', { value: undefined }),
  );

  assert.equal(await shownBy(await openTab()), 'Bearer invented-token-1');
  assert.equal(await shownBy(await openTab()), 'Bearer invented-token-1');

  assert.equal(server.exchanges, 1);
});

/** What a backend does for a page: it gets a token with the secret. Each time anew, to be counted. */
async function giveToken(origin, response) {
  const { fetchToken } = createClient({
    clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthClientSecret: 'invented-secret' },
    environment: { tokenUrl: `${origin}/token`, apiOrigins: [] },
    retry: { attempts: 1 },
    timeout: 120_000,
  });
  const token = await fetchToken().catch(() => undefined);
  if (!token) response.statusCode = 502;
  response.end(JSON.stringify(token));
}

/**
 * A site whose page runs the script, whose API answers with the header it got, and a browser profile of its
 * own.
 */
async function startSite(t, script, options = {}, inBrowser = browser) {
  const server = await startServer(t, options);
  const code = await bundle(join(import.meta.dirname, script));
  server.handle = ({ url, headers }, response) => {
    if (url === '/thingspace-token') return giveToken(server.origin, response);
    if (url.startsWith('/api/')) return response.end(headers.authorization);
    response.setHeader('content-type', 'text/html');
    response.end(
      `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><body><script type="module">${code}</script>`,
    );
  };
  const context = await inBrowser.newContext();
  t.after(() => context.close());
  const openTab = async () => {
    const tab = await context.newPage();
    await tab.goto(server.origin);
    return tab;
  };
  const shownBy = async (tab) =>
    (
      await tab.waitForFunction(
        () => document.body.textContent.startsWith('Bearer ') && document.body.textContent,
      )
    ).jsonValue();
  return { server, context, openTab, shownBy };
}

/** The store that `page.mjs` has in a tab. */
function storeIn(tab) {
  return remoteStore((method, args) =>
    tab.evaluate(([method, args]) => callStore(method, args), [method, args]),
  );
}
