// The suite in the sandbox of Next.js for edge routes, within one request.
import { runSuite } from './suite.mjs';

const suite = async ({ request }) => ({
  response: new Response(JSON.stringify({ results: await runSuite(JSON.parse(request.headers.setup)) })),
  waitUntil: Promise.resolve(),
});

globalThis._ENTRIES = { middleware_suite: { default: suite } };
