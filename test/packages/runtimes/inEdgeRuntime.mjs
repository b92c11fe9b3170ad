// The suite in edge-runtime, within one request.
import { runSuite } from './suite.mjs';

addEventListener('fetch', (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  return new Response(JSON.stringify({ results: await runSuite(await request.json()) }));
}
