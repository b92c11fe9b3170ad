// Run by Bun: the stores' contract through its built-in client, and on files; a line of JSON for each case.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RedisClient } from 'bun';
import { fileStore } from 'thingspace-auth/stores/file';
import { redisStore } from 'thingspace-auth/stores/redis';
import { storeCases } from '../../storeContract.mjs';

const clients = [new RedisClient(process.argv[2]), new RedisClient(process.argv[2])];
const folder = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
let handles = 0;
const opened = { RedisClient: () => redisStore(clients[handles++ % 2]), fileStore: () => fileStore(folder) };
for (const [name, open] of Object.entries(opened)) {
  for (const [sentence, run] of storeCases({ open })) {
    const error = await run().then(
      () => undefined,
      (error) => String(error),
    );
    console.log(JSON.stringify({ sentence: `${name}: ${sentence}`, error }));
  }
}
for (const client of clients) client.close();
rmSync(folder, { recursive: true });
