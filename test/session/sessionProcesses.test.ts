// A process that is stopped, thawed or killed at each step of a login and of a write, on a real file store;
// and a slow disk.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createClient } from 'thingspace-auth';
import { createSession } from 'thingspace-auth/session';
import type { TokenStore } from 'thingspace-auth/stores';
import { fileStore } from 'thingspace-auth/stores/file';
import { deriveKeysQuickly } from '../support/quickKeys.ts';
import { listen, readBody, send, tokenAnswer } from '../support/server.ts';
import { type Member, type Setting, startMember } from '../support/sessionMembers.ts';
import { wrongPassword } from '../support/sessionServer.ts';

// As the processes do.
deriveKeysQuickly();

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

/** A process of its own, which stops itself at a step or has a slow disk. */
async function startProcess(
  t: TestContext,
  services: Services,
  password: string,
  more: Partial<Setting>,
): Promise<Member> {
  const member = startMember(t);
  await begin(member, services, password, more);
  return member;
}

async function begin(
  member: Member,
  { origin, folder }: Services,
  password: string,
  more: Partial<Setting>,
): Promise<void> {
  await member.begin({ origin, folder, password, timeoutMs: 0, name: '', ...more });
}

/** A session that lives in this process, and shares nothing with others but the folder. */
function createMember(services: Services, password: string) {
  const file = fileStore(services.folder);
  const store: TokenStore = {
    ...file,
    compareAndSet: async (key, expected, value, ttlSeconds) => {
      const isWritten = await file.compareAndSet!(key, expected, value, ttlSeconds);
      if (isWritten && value?.includes('"counted"')) services.counts++;
      return isWritten;
    },
  };
  const session = createSession({ username: 'invented-user', password, store });
  const { authorizedFetch } = createClient({
    clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthClientSecret: 'invented-secret' },
    environment: { tokenUrl: `${services.origin}/token`, apiOrigins: [services.origin] },
    vZM2mToken: session,
  });
  const call = () =>
    authorizedFetch(`${services.origin}/devices`).then(
      () => 'ok',
      (error: { code: string }) => error.code,
    );
  return { session, call };
}

/**
 * The step, how many logins the server sees when the process that was stopped there is thawed, and when it is
 * killed.
 */
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

test('sends no login too many where a process is stopped, thawed or killed, or the disk takes 2 s to sync', {
  timeout: 300_000,
  concurrency: true,
}, async (t) => {
  const scenarios = STEPS.flatMap(([step, thawed, killed]) => [
    { step, action: 'thawed', logins: thawed },
    { step, action: 'killed', logins: killed },
  ]);
  const stopped = scenarios.map(({ step, action, logins }) =>
    t.test(`${action} ${step}`, async (t) => {
      const services = await startServices(t);
      const member = await startProcess(t, services, 'wrong-password', { stopAt: step });
      const outcome = member.call();
      await member.stopped();
      if (action === 'killed') member.child.kill('SIGKILL');
      const other = createMember(services, 'wrong-password');

      assert.equal(await other.call(), 'session_refused');
      if (action === 'thawed') member.child.kill('SIGCONT');
      assert.match(`${await outcome}`, action === 'killed' ? /^killed$/ : /^session_(refused|failed)$/);

      assert.equal(services.logins, logins);
      // The one that was stopped has counted once at most.
      assert.ok(services.logins <= services.counts + 1, `${services.counts} counted`);
      const late = createMember(services, 'wrong-password');
      assert.deepEqual([await other.call(), await late.call()], ['session_refused', 'session_refused']);
      assert.equal(services.logins, logins);
    }),
  );
  // Side by side, as nearly all of the time is waited.
  const slowed = t.test('one with wrong credentials, and one with right ones, on a slow disk', async (t) => {
    const fleet = Array.from({ length: 4 }, () => startMember(t));
    for (const [password, outcome] of [
      ['wrong-password', 'session_refused'],
      ['invented-password', 'ok'],
    ] as const) {
      const services = await startServices(t);
      await Promise.all(fleet.map((member) => begin(member, services, password, { fsyncMs: 2_000 })));

      assert.deepEqual(await Promise.all(fleet.map(({ call }) => call())), Array(4).fill(outcome));
      assert.equal(services.logins, 1);
    }
  });
  await Promise.all([...stopped, slowed]);
});

for (const step of ['before', 'within']) {
  test(`overwrites no refusal where it was stopped ${step} the write of its last use`, {
    timeout: 300_000,
  }, async (t) => {
    const services = await startServices(t);
    assert.equal(await createMember(services, 'invented-password').call(), 'ok');
    const frozen = await startProcess(t, services, 'invented-password', { stopAt: `${step} session` });
    await frozen.moveClock(61_000);
    const outcome = frozen.call();
    await frozen.stopped();
    services.password = 'changed-password';
    const other = createMember(services, 'invented-password');
    other.session.reset();

    assert.equal(await other.call(), 'session_refused');
    const written = frozen.written();
    frozen.child.kill('SIGCONT');
    assert.equal(await outcome, 'ok');
    await written;
    assert.equal(await frozen.call(), 'ok');

    for (let round = 0; round < 3; round++)
      assert.equal(await createMember(services, 'invented-password').call(), 'session_refused');
    assert.equal(services.logins, 2);
  });
}

test('sends one refused login in ten starts of a program that crashes, with a file store', {
  timeout: 120_000,
}, async (t) => {
  const services = await startServices(t);
  const outcomes: unknown[] = [];

  for (let start = 0; start < 10; start++) {
    const member = await startProcess(t, services, 'wrong-password', {});
    outcomes.push(await member.call());
    member.child.kill('SIGKILL');
  }

  assert.deepEqual(outcomes, Array(10).fill('session_refused'));
  assert.equal(services.logins, 1);
});

test('sends two logins in ten starts of a program that is killed while it logs in', {
  timeout: 300_000,
}, async (t) => {
  const services = await startServices(t);
  const outcomes: unknown[] = [];

  for (let start = 0; start < 10; start++) {
    const member = await startProcess(t, services, 'wrong-password', {
      stopAt: 'after login',
      nowMs: Date.now() + start * 41_000,
    });
    const outcome = member.call();
    const stopped = member.stopped().then(() => member.child.kill('SIGKILL'));
    outcomes.push(await outcome);
    if (outcomes.length < 3) await stopped;
    member.child.kill('SIGKILL');
  }

  assert.deepEqual(outcomes, ['killed', 'killed', ...Array(8).fill('session_refused')]);
  assert.equal(services.logins, 2);
});

test('keeps a refusal through a rotation of keys in a fleet, one process after the other', {
  timeout: 120_000,
}, async (t) => {
  const services = await startServices(t);
  const fleet = Array.from({ length: 4 }, () => startMember(t));
  const outcomes: unknown[] = [];

  for (const member of fleet) await begin(member, services, 'wrong-password', { keys: ['old'] });
  for (const keys of [['old', 'next'], ['next', 'old'], ['next']]) {
    for (const restarted of fleet) {
      for (const member of fleet) outcomes.push(await member.call());
      await begin(restarted, services, 'wrong-password', { keys });
    }
  }
  for (const member of fleet) outcomes.push(await member.call());

  assert.deepEqual(new Set(outcomes), new Set(['session_refused']));
  assert.equal(services.logins, 1);
});
