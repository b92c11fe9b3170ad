// Processes that share an M2M session in a Redis which is stopped, and comes back with what it had.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { startMembers, startServer, tellAll, until } from '../fleet.mjs';
import { startRedis } from './servers.mjs';

const PROCESSES = 6;

// At once, since most of the time goes into waiting for a store that does not answer.
describe('a server that is stopped', { concurrency: true }, () => {
  for (const binary of ['redis-server', 'valkey-server']) {
    test(`${binary}: sends no login while it is stopped, and no refused one again when it is back`, async (t) => {
      const { account, redis, members } = await startFleet(t, binary, 'wrong-password');
      const [first, late] = [members.slice(0, 4), members.slice(4)];
      assert.deepEqual(await callAll(first), { session_refused: 4 });

      await redis.stop();
      assert.deepEqual(await callAll(members), { session_failed: PROCESSES });
      await redis.startAgain(members);

      assert.deepEqual(await callAll(late), { session_refused: 2 });
      assert.deepEqual(await callAll(first), { session_refused: 4 });
      assert.equal(account.logins, 1);
    });

    test(`${binary}: goes on with a session while it is stopped, and shares the next one when it is back`, async (t) => {
      const { account, redis, members } = await startFleet(t, binary, 'invented-password');
      const [first, late] = [members.slice(0, 4), members.slice(4)];
      assert.deepEqual(await callAll(first), { ok: 4 });

      await redis.stop();
      assert.deepEqual(await callAll(first), { ok: 4 });
      assert.deepEqual(await callAll(late), { session_failed: 2 });
      account.live = undefined;
      assert.deepEqual(await callAll(first), { session_failed: 4 });
      assert.equal(account.logins, 1);
      await redis.startAgain(members);

      assert.deepEqual(await callAll(members), { ok: PROCESSES });
      assert.equal(account.logins, 2);
    });

    test(`${binary}: has a refusal in it that it could not take while it was stopped`, async (t) => {
      const { account, redis, members } = await startFleet(t, binary, 'wrong-password');
      account.isHeld = true;
      const outcomes = callAll(members);
      await until(() => account.logins > 0);

      await redis.stop();
      account.isHeld = false;
      assert.deepEqual(await outcomes, { session_refused: 1, session_failed: PROCESSES - 1 });
      await redis.startAgain(members);

      assert.deepEqual(await callAll(members), { session_refused: PROCESSES });
      assert.equal(account.logins, 1);
    });
  }
});

/** One account, one Redis with a folder, and processes that have not made a call yet. */
async function startFleet(t, binary, password) {
  const account = { logins: 0, live: undefined, isHeld: false };
  const [server, redis] = [await startServer(t), await startLastingRedis(t, binary)];
  server.handle = (request, response) => answer(account, request, response);
  const members = await startMembers(t, PROCESSES, 'Node');
  await Promise.all(
    members.map(({ tell }, index) =>
      tell('openSession', { kind: 'Redis', port: redis.port, index }, server.origin, password),
    ),
  );
  return { account, redis, members };
}

/** A Redis that still has what was written when it is started again. */
async function startLastingRedis(t, binary) {
  const folder = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
  const { port, stop } = await startRedis(binary, undefined, folder);
  const started = [stop];
  t.after(async () => {
    await Promise.all(started.map((stop) => stop()));
    rmSync(folder, { recursive: true });
  });
  const startAgain = async (members) => {
    started.push((await startRedis(binary, port, folder)).stop);
    await tellAll(members, 'ping');
  };
  return { port, stop, startAgain };
}

async function answer(account, request, response) {
  let body = '';
  for await (const chunk of request) body += chunk;
  const send = (status, answered) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answered));
  if (!request.url.endsWith('/login')) {
    if (request.headers['vz-m2m-token'] === account.live) return send(200, {});
    return send(400, { errorCode: 'UnifiedWebService.REQUEST_FAILED.SessionToken.Expired' });
  }
  account.logins++;
  await until(() => !account.isHeld);
  if (JSON.parse(body).password !== 'invented-password') return send(401, {});
  account.live = `session-${account.logins}`;
  return send(200, { sessionToken: account.live });
}

/** How the calls of all have ended. */
async function callAll(members) {
  const counts = {};
  for (const outcome of await tellAll(members, 'callSession')) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}
