// 64 processes that begin at the same moment without a token, with the store that a row has, where it has
// one.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createService } from './service.mjs';
import { listen } from './worlds.mjs';

const PROCESSES = 64;
/** Started so many at a time, since each takes a while of a processor. */
const AT_ONCE = 4;

/** Token requests of the fleet, and how its calls were answered. */
export async function processes(row) {
  const folder = mkdtempSync(join(tmpdir(), 'thingspace-auth-fleet-'));
  const service = createService({ latencyMs: 50 });
  const server = await listen(service);
  const members = [];
  try {
    while (members.length < PROCESSES) {
      members.push(
        ...(await Promise.all(Array.from({ length: AT_ONCE }, () => start(row, server.origin, folder)))),
      );
    }
    const statuses = await Promise.all(members.map((member) => member.call()));
    return {
      tokenRequests: service.tokenRequests,
      answered: statuses.filter((status) => status === 200).length,
    };
  } finally {
    for (const { process: child } of members) child.kill();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function start({ file, store }, origin, folder) {
  const args = [{ file, store }, origin, folder].map((each) => JSON.stringify(each));
  const child = spawn(process.execPath, [join(import.meta.dirname, 'processMember.mjs'), ...args], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const lines = createInterface({ input: child.stdout });
  const nextLine = () =>
    Promise.race([
      once(lines, 'line').then(([line]) => JSON.parse(line)),
      once(child, 'exit').then(() => ({})),
    ]);
  const { isReady } = await nextLine();
  if (!isReady) throw new Error(`${file}: a process of the fleet ended at its start`);
  return {
    process: child,
    async call() {
      const answer = nextLine();
      child.stdin.write('\n');
      return (await answer).status;
    },
  };
}
