// Tries each row with a redirect to another origin, the URL of another origin, a token answer that does not
// end, and ten callers who wait for a token, one of whom gives up. Over loopback, a process for each row.
import { createServer } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { childArguments, print, readBody } from './children.mjs';
import { connectRow } from './rows.mjs';
import { createService } from './service.mjs';
import { listen, loopbackWorld } from './worlds.mjs';

const SESSION = { 'VZ-M2M-Token': 'invented-session' };
const ENDLESS_MB = 16;
const [file, takesSession] = childArguments();

print({ ...(await foreignOrigins()), endlessMB: await endlessAnswer(), ...(await oneGivesUp()) });
process.exit();

/** The credentials that another origin gets to see: led there by a redirect, and by a wrong URL. */
async function foreignOrigins() {
  const seen = [];
  const other = await serve((request, response) => {
    seen.push(...['authorization', 'vz-m2m-token'].filter((name) => request.headers[name]));
    response.end('{}');
  });
  const service = createService();
  const own = await listen({
    answer: (path, authorization) =>
      path === '/moved' ? { status: 302, location: `${other}/api` } : service.answer(path, authorization),
  });
  // Ours is given the session as its option, the others as the header that it is.
  const row = await connectRow(file, {
    ...loopbackWorld(own.origin),
    ...(takesSession ? { sessionToken: SESSION['VZ-M2M-Token'] } : {}),
  });
  const init = takesSession ? undefined : { headers: SESSION };
  const sentBy = async (url) => {
    seen.length = 0;
    const status = await row.call(url, init).then(
      (response) => response.status,
      (error) => error.name,
    );
    return { status, credentials: [...seen] };
  };
  return { redirect: await sentBy(`${own.origin}/moved`), wrongUrl: await sentBy(`${other}/api`) };
}

/** Megabytes that were sent until the row had enough; all of them where it has no limit. */
async function endlessAnswer() {
  let written = 0;
  const origin = await serve(async (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    const chunk = Buffer.alloc(1 << 16, ' ');
    let isOpen = true;
    response.once('close', () => (isOpen = false));
    while (isOpen && written < ENDLESS_MB * 1e6) {
      written += chunk.length;
      response.write(chunk);
      // Slow enough that what counts has been read, and does not lie in a buffer.
      await pause(2);
    }
    response.destroy();
  });
  const row = await connectRow(file, loopbackWorld(origin));
  await row.call().catch(() => {});
  return Math.min(ENDLESS_MB, Math.round(written / 1e5) / 10);
}

/** The first of ten gives up after 100 ms, the token comes after 500. */
async function oneGivesUp() {
  const server = await listen(createService({ latencyMs: 500 }));
  const row = await connectRow(file, loopbackWorld(server.origin));
  const caller = new AbortController();
  const startedMs = performance.now();
  const ends = Array.from({ length: 10 }, (_, index) =>
    settled(row.call(undefined, index ? undefined : { signal: caller.signal })),
  );
  await pause(100);
  caller.abort();
  const [{ outcome, atMs }, ...others] = await Promise.all(ends);
  server.close();
  return {
    givesUpAtOnce: outcome !== 200 && atMs < 300,
    gaveUp: outcome,
    othersAnswered: others.filter((each) => each.outcome === 200).length,
  };

  async function settled(promise) {
    const outcome = await promise.then(
      async (response) => (await readBody(response), response.status),
      (error) => error.name,
    );
    return { outcome, atMs: performance.now() - startedMs };
  }
}

async function serve(handle) {
  const server = createServer(handle);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${server.address().port}`;
}
