// A process that is stopped, thawed or killed at each step of a login and of a write, on a real file store; and a slow disk.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { createClient } from 'thingspace-auth';
import { createSession } from 'thingspace-auth/session';
import type { TokenStore } from 'thingspace-auth/stores';
import { fileStore } from 'thingspace-auth/stores/file';
import { listen, readBody, send, tokenAnswer } from './server.ts';
import { wrongPassword } from './sessionServer.ts';

/** Of a login. Others wait for it, and 10 s more. */
const TIMEOUT_MS = 5_000;

/** A ThingSpace for one account, and a folder for its record. */
async function startServices(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const state = { folder, logins: 0, counts: 0, password: 'invented-password' };
  const origin = await listen(t, async (request, response) => {
    const url = request.url ?? '';
    const body = await readBody(request);
    if (url === '/token') return send(response, tokenAnswer('token-1'));
    if (!url.endsWith('/login')) return send(response, { body: { reached: true } });
    state.logins++;
    const isRight = JSON.parse(body).password === state.password;
    return send(response, isRight ? { body: { sessionToken: `session-${state.logins}` } } : wrongPassword);
  });
  return Object.assign(state, { origin });
}

type Services = Awaited<ReturnType<typeof startServices>>;

/** A process of its own, which stops itself at a step. */
async function startProcess(
  t: TestContext,
  { origin, folder }: Services,
  password: string,
  env: Record<string, string>,
): Promise<ChildProcess> {
  const path = join(import.meta.dirname, 'sessionFleetMember.js');
  const child = fork(path, [origin, password, String(TIMEOUT_MS), '0', folder], { env: { ...process.env, ...env } });
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'message');
  return child;
}

/** A session that lives in this process, and shares nothing with others but the folder. */
function startMember(services: Services, password: string) {
  const file = fileStore(services.folder);
  const store: TokenStore = {
    ...file,
    compareAndSet: async (key, expected, value, ttlSeconds) => {
      const isWritten = await file.compareAndSet!(key, expected, value, ttlSeconds);
      if (isWritten && value?.includes('"limitMs"')) services.counts++;
      return isWritten;
    },
  };
  const session = createSession({ username: 'invented-user', password, store });
  const { authorizedFetch } = createClient({
    clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthClientSecret: 'invented-secret' },
    environment: { tokenUrl: `${services.origin}/token`, apiOrigins: [services.origin] },
    vZM2mToken: session,
    timeout: TIMEOUT_MS,
  });
  const call = () => authorizedFetch(`${services.origin}/devices`).then(() => 'ok', (error: { code: string }) => error.code);
  return { session, call };
}

/** Makes a child call, until it has stopped itself. */
async function callUntilStopped(child: ChildProcess): Promise<void> {
  child.send('call');
  for (let message; message !== 'stopped'; ) [message] = await once(child, 'message');
}

async function goOn(child: ChildProcess): Promise<string> {
  const answered = once(child, 'message');
  child.kill('SIGCONT');
  return (await answered)[0];
}

/** The step, how many logins the server sees when the process that was stopped there is thawed, and when it is killed. */
const STEPS = [
  ['before count', 1, 1],
  ['within count', 1, 1],
  ['after count', 1, 1],
  // One stopped between looking at the clock and sending sends late, but counted.
  ['before login', 2, 1],
  ['after login', 2, 2],
  ['before refusal', 2, 2],
  ['within refusal', 2, 2],
  ['after refusal', 1, 1],
] as const;

test('sends no login too many where a process is stopped, thawed or killed', { timeout: 300_000, concurrency: true }, async (t) => {
  const scenarios = STEPS.flatMap(([step, thawed, killed]) => [
    { step, action: 'thawed', logins: thawed },
    { step, action: 'killed', logins: killed },
  ]);
  await Promise.all(
    scenarios.map(({ step, action, logins }) =>
      t.test(`${action} ${step}`, async (t) => {
        const services = await startServices(t);
        const stopped = await startProcess(t, services, 'wrong-password', { STOP_AT: step });
        await callUntilStopped(stopped);
        if (action === 'killed') stopped.kill('SIGKILL');
        const other = startMember(services, 'wrong-password');

        assert.equal(await other.call(), 'session_refused');
        if (action === 'thawed') assert.match(await goOn(stopped), /session_(refused|failed)/);

        assert.equal(services.logins, logins);
        // The one that was stopped has counted once at most.
        assert.ok(services.logins <= services.counts + 1, `${services.counts} counted`);
        const late = startMember(services, 'wrong-password');
        assert.deepEqual([await other.call(), await late.call()], ['session_refused', 'session_refused']);
        assert.equal(services.logins, logins);
      }),
    ),
  );
});

for (const step of ['before', 'within']) {
  test(`overwrites no refusal where it was stopped ${step} the write of its last use`, { timeout: 300_000 }, async (t) => {
    const services = await startServices(t);
    const stopped = await startProcess(t, services, 'invented-password', {});
    stopped.send('call');
    assert.deepEqual((await once(stopped, 'message'))[0], 'ok');
    stopped.kill('SIGKILL');
    const frozen = await startProcess(t, services, 'invented-password', { STOP_AT: `${step} session` });
    frozen.send('a minute later');
    await callUntilStopped(frozen);
    services.password = 'changed-password';
    const other = startMember(services, 'invented-password');
    other.session.reset();

    assert.equal(await other.call(), 'session_refused');
    frozen.kill('SIGCONT');
    frozen.send('call');
    assert.equal((await once(frozen, 'message'))[0], 'ok');

    for (let round = 0; round < 3; round++) assert.equal(await startMember(services, 'invented-password').call(), 'session_refused');
    assert.equal(services.logins, 2);
  });
}

test('sends one login with wrong credentials where the disk takes 2 s to sync, and one with right ones', { timeout: 300_000 }, async (t) => {
  for (const [password, outcome] of [['wrong-password', 'session_refused'], ['invented-password', 'ok']] as const) {
    const services = await startServices(t);
    const fleet = await Promise.all(Array.from({ length: 4 }, () => startProcess(t, services, password, { FSYNC_MS: '2000' })));
    const outcomes = await Promise.all(
      fleet.map(async (child) => {
        child.send('call');
        return (await once(child, 'message'))[0];
      }),
    );

    assert.deepEqual(outcomes, Array(4).fill(outcome));
    assert.equal(services.logins, 1);
    for (const child of fleet) child.kill('SIGKILL');
  }
});
