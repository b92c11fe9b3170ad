// The suite in workerd, within one request.
import { runSuite } from './suite.mjs';

export default {
  async fetch(request, { TOKENS: namespace }) {
    return new Response(
      JSON.stringify({ results: await runSuite({ ...(await request.json()), namespace }) }),
    );
  },
};
