// The contract of a store, with all of the store's work done inside a Worker.
import { after, test } from 'node:test';
import { testStore } from '../../../support/storeContract.mjs';
import { contend } from '../storeContest.mjs';
import { startWorkers } from './workers.mjs';

const workers = await startWorkers();
after(workers.dispose);
const older = await startWorkers({ compatibilityDate: '2023-03-01', useSQLite: false });
after(older.dispose);

testStore(test, { name: 'Durable Object', open: () => workers.store('durable-object') });
testStore(test, { name: 'Durable Object of 2023', open: () => older.store('durable-object') });
testStore(test, { name: 'Workers KV', open: () => workers.store('kv'), canCompare: false });

test('Durable Object: of 8 isolates with one expectation one wins, round after round', async (t) => {
  const isolates = await startWorkers({ count: 8 });
  t.after(isolates.dispose);
  const stores = Array.from({ length: 8 }, (_, worker) => isolates.store('durable-object', worker));

  t.diagnostic(`wins: ${await contend(stores)}`);
});
