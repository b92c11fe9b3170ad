// `Deno.Kv` on disk: the contract of a store, and processes that share one.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { testStore } from '../../../support/storeContract.mjs';
import { openElsewhere, startMembers, testFleet } from '../fleet.mjs';

const folder = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
after(() => rmSync(folder, { recursive: true }));
const startPlace = () => ({ kind: 'Deno.Kv', path: join(mkdtempSync(join(folder, 'store-')), 'kv') });

testStore(test, { name: 'Deno.Kv', open: await openElsewhere({ after }, 'Deno', startPlace()) });
testFleet(test, {
  name: 'Deno.Kv',
  runtime: 'Deno',
  members: await startMembers({ after }, 8, 'Deno'),
  startPlace,
});
