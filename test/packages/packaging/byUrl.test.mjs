// The single file, imported by its URL from another origin as from a CDN.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { openBrowser } from '../../support/openBrowser.mjs';

const HERE = import.meta.dirname;
const FILE = 'thingspace-auth.min.js';

const program = (url) => `
import { createClient } from '${url}';
const fetch = async (input) =>
  Response.json(input.endsWith('/token') ? { access_token: 'invented-token' } : { answer: 'from the API' });
const { authorizedFetch } = createClient({
  clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthClientSecret: 'invented-secret' },
  environment: { tokenUrl: 'https://auth.example.com/token', apiOrigins: ['https://api.example.com'] },
  fetch,
});
const { answer } = await (await authorizedFetch('https://api.example.com/')).json();
`;

test('Deno imports the single file by its URL', async (t) => {
  const cdn = await serve(t, () => ({
    type: 'text/javascript',
    body: readFileSync(`${HERE}/node_modules/thingspace-auth/dist/${FILE}`),
  }));
  const args = [
    'run',
    '--no-config',
    `--allow-import=${new URL(cdn).host}`,
    `data:text/javascript,${encodeURIComponent(`${program(`${cdn}/${FILE}`)}console.log(answer);`)}`,
  ];

  const { stdout } = await promisify(execFile)(`${HERE}/node_modules/.bin/deno`, args);

  assert.equal(stdout, 'from the API\n');
});

test('a page imports the single file by its URL', async (t) => {
  const cdn = await serve(t, () => ({
    type: 'text/javascript',
    body: readFileSync(`${HERE}/node_modules/thingspace-auth/dist/${FILE}`),
  }));
  let show;
  const shown = new Promise((resolve) => (show = resolve));
  const site = await serve(t, (path, body) => {
    if (path === '/shown') show(body);
    const showing = "await globalThis.fetch('/shown', { method: 'POST', body: answer });";
    const script = program(`${cdn}/${FILE}`) + showing;
    return { type: 'text/html', body: `<!doctype html><script type="module">${script}</script>` };
  });

  t.after(openBrowser('chromium', site));

  assert.equal(await shown, 'from the API');
});

/** A server on the loopback interface that answers every origin; returns its own. */
async function serve(t, answer) {
  const server = createServer(async (request, response) => {
    let received = '';
    for await (const chunk of request) received += chunk;
    const { type, body } = answer(request.url, received);
    response.writeHead(200, { 'content-type': type, 'access-control-allow-origin': '*' }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => void server.close().closeAllConnections());
  return `http://127.0.0.1:${server.address().port}`;
}
