// Every scenario in every runtime whose promises are bound to requests: seven kinds of workerd, and
// edge-runtime.
import { test } from 'node:test';
import { startEndpoint } from './endpoint.mjs';
import { startEdgeRuntime, startWorkerd } from './runtimes.mjs';
import { SCENARIOS } from './scenarios.mjs';

const newest = { binary: 'workerd' };
const RUNTIMES = [
  { ...newest, date: '2023-03-01' },
  { ...newest, date: '2023-03-01', flags: ['no_global_navigator'] },
  { ...newest, date: '2024-09-01' },
  { ...newest, date: '2026-11-01' },
  { ...newest, date: '2026-11-01', flags: ['no_handle_cross_request_promise_resolution'] },
  { ...newest, date: '2023-03-01', flags: ['handle_cross_request_promise_resolution'] },
  { binary: 'workerd-2026-07', date: '2026-07-01' },
];

// Scenarios mostly wait, so all run side by side.
test('keeps a client alive where promises are bound to requests', { concurrency: true }, async (t) => {
  const started = RUNTIMES.map((runtime) => {
    const { binary, date, flags = [] } = runtime;
    return testAll(t, [binary, date, ...flags].join(' '), (origin) => startWorkerd(runtime, origin));
  });
  await Promise.all([...started, testAll(t, 'edge-runtime', startEdgeRuntime, false)]);
});

/** `endsWithCaller`: whether the work for a request ends when its caller has gone, as on workerd. */
function testAll(suite, name, start, endsWithCaller = true) {
  return suite.test(name, { concurrency: true }, async (t) => {
    const endpoint = await startEndpoint();
    t.after(endpoint.close);
    const { origin, stop } = await start(endpoint.origin);
    t.after(stop);
    await Promise.all(
      Object.entries(SCENARIOS).map(([key, { title, run }]) =>
        t.test(title, () => run(`${origin}/${key}`, endpoint.clientOf(key), endsWithCaller)),
      ),
    );
  });
}
