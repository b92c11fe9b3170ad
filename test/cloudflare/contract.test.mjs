// The contract of a store, with all of the store's work done inside a Worker.
import { after, test } from 'node:test';
import { testStore } from '../storeContract.mjs';
import { remoteStore, startWorkers } from './fleet.mjs';

const workers = await startWorkers();
after(workers.dispose);

testStore(test, { name: 'Durable Object', open: () => remoteStore(workers, 'durable-object', true) });
testStore(test, { name: 'Workers KV', open: () => remoteStore(workers, 'kv', false), canLock: false });
