// 1,000 concurrent calls of one row over loopback; the token endpoint takes 50 ms. Counts token requests.
import { mock } from 'node:test';
import { childArguments, print, readBody } from './children.mjs';
import { connectRow } from './rows.mjs';
import { createService } from './service.mjs';
import { listen, loopbackWorld } from './worlds.mjs';

const CALLS = 1000;
const [file] = childArguments();

await scenario('cold', (row) => together(row));
await scenario('warm', together, (row) => settle(row));
await scenario('revoked', together, async (row, service) => {
  await settle(row);
  service.revokeAll();
});
await scenario('expired', together, async (row) => {
  await settle(row);
  mock.timers.setTime(Date.now() + 3_700_000);
});
process.exit();

async function scenario(name, run, prepare) {
  const service = createService({ latencyMs: 50 });
  const server = await listen(service);
  mock.timers.enable({ apis: ['Date'], now: Date.now() });
  const row = await connectRow(file, loopbackWorld(server.origin));
  await prepare?.(row, service);
  const before = service.tokenRequests;
  const result = await run(row);
  print({ name, tokenRequests: service.tokenRequests - before, ...result });
  mock.timers.reset();
  server.close();
}

async function together(row) {
  const statuses = await Promise.all(Array.from({ length: CALLS }, () => settle(row)));
  return { outcomes: tally(statuses) };
}

async function settle(row) {
  try {
    const response = await row.call();
    await readBody(response);
    return response.status;
  } catch (error) {
    return error.code ?? error.name;
  }
}

function tally(statuses) {
  const counts = {};
  for (const status of statuses) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}
