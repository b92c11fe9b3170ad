// The contract of a store in Bun: its built-in client on a real Redis and a real Valkey, and files.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { testStore } from '../../../support/storeContract.mjs';
import { openElsewhere } from '../fleet.mjs';
import { startRedis } from '../redis/servers.mjs';

const folder = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
after(() => rmSync(folder, { recursive: true }));
const stores = { files: await openElsewhere({ after }, 'Bun', { kind: 'files', path: folder }) };
for (const binary of ['redis-server', 'valkey-server']) {
  const { url, stop } = await startRedis(binary);
  after(stop);
  stores[binary] = await openElsewhere({ after }, 'Bun', { kind: "Bun's client of Redis", url });
}

// At once, since most of the time goes into waiting for ends of lifetimes.
describe('Bun', { concurrency: true }, () => {
  for (const [name, open] of Object.entries(stores)) testStore(test, { name, open });
});
