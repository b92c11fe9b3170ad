// Sixteen operating system processes, one store behind HTTP, one account.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { hold, listen, readBody, send, tokenAnswer } from './server.ts';
import { wrongPassword } from './sessionServer.ts';

const PROCESSES = 16;

/** A ThingSpace for one account, and a store that can compare and set; both count, and hold back what the test says. */
async function startServices(t: TestContext) {
  const values = new Map<string, string>();
  const state = {
    logins: [] as string[],
    /** The processes that have found a login under way. */
    waiting: new Set<string>(),
    isStoreDead: false,
    /** What a login waits for before it is answered. */
    loginGate: Promise.resolve() as Promise<unknown>,
    password: 'invented-password',
    values,
  };
  const origin = await listen(t, async (request, response) => {
    const url = request.url ?? '';
    const body = await readBody(request);
    if (url === '/token') return send(response, tokenAnswer('token-1'));
    if (url.startsWith('/store/')) return answerStore(url.slice(7), JSON.parse(body));
    if (!url.endsWith('/login')) return send(response, { body: { reached: true } });
    state.logins.push(String(request.headers['x-process']));
    await state.loginGate;
    const isRight = JSON.parse(body).password === state.password;
    return send(response, isRight ? { body: { sessionToken: 'session-1' } } : wrongPassword);

    function answerStore(operation: string, { key, expected, value, index }: Record<string, any>): void {
      if (state.isStoreDead) return void request.socket.destroy();
      const held = values.get(key);
      if (operation === 'get' && held?.includes('"limitMs"')) state.waiting.add(index);
      const isWritten = operation === 'compareAndSet' && held === expected;
      if (isWritten && value === undefined) values.delete(key);
      else if (isWritten) values.set(key, value);
      return send(response, { body: { value: held ?? null, isWritten } });
    }
  });
  return Object.assign(state, { origin });
}

interface Member {
  readonly child: ChildProcess;
  /** Makes one call; `'ok'` or the code of its error. */
  readonly call: () => Promise<string>;
}

async function startFleet(t: TestContext, origin: string, password: string, timeout: number): Promise<Member[]> {
  return Promise.all(
    Array.from({ length: PROCESSES }, async (_, index) => {
      const child = fork(join(import.meta.dirname, 'sessionFleetMember.js'), [origin, password, String(timeout), String(index)]);
      t.after(() => child.kill('SIGKILL'));
      await once(child, 'message');
      const call = async (): Promise<string> => {
        child.send('call');
        const gone = once(child, 'exit').then(() => ['killed']);
        const [outcome] = await Promise.race([once(child, 'message'), gone]);
        return outcome;
      };
      return { child, call };
    }),
  );
}

/** A wait in vain must fail, not keep the process alive. */
async function until(isDone: () => unknown): Promise<void> {
  const giveUpAtMs = Date.now() + 60_000;
  while (!isDone()) {
    assert.ok(Date.now() < giveUpAtMs, 'waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function count(outcomes: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const outcome of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

test('a fleet of processes makes one login, and with wrong credentials one, ever', { timeout: 120_000 }, async (t) => {
  const services = await startServices(t);
  const right = await startFleet(t, services.origin, 'invented-password', 20_000);
  assert.deepEqual(count(await Promise.all(right.map(({ call }) => call()))), { ok: PROCESSES });
  assert.equal(services.logins.length, 1);

  for (const { child } of right) child.kill('SIGKILL');
  const wrong = await startFleet(t, services.origin, 'wrong-password', 20_000);
  for (let round = 0; round < 3; round++) {
    assert.deepEqual(count(await Promise.all(wrong.map(({ call }) => call()))), { session_refused: PROCESSES });
  }
  assert.equal(services.logins.length, 2);
});

test('a slow login is waited for, a killed one is not repeated, and a dead store lets nobody log in alone', { timeout: 120_000 }, async (t) => {
  await t.test('a login that takes nearly its whole limit is the only one', async () => {
    const services = await startServices(t);
    const fleet = await startFleet(t, services.origin, 'wrong-password', 8_000);
    let answer = (): void => {};
    services.loginGate = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const calls = fleet.map(({ call }) => call());
    await until(() => services.logins.length);
    setTimeout(answer, 4_000);

    assert.deepEqual(count(await Promise.all(calls)), { session_refused: PROCESSES });
    assert.equal(services.logins.length, 1);
    for (const { child } of fleet) child.kill('SIGKILL');
  });

  await t.test('a killed process\'s login is waited for, and then one other is sent', async () => {
    const services = await startServices(t);
    const fleet = await startFleet(t, services.origin, 'wrong-password', 2_000);
    const gate = hold();
    services.loginGate = gate.promise;
    const calls = fleet.map(({ call }) => call());
    await until(() => services.logins.length);
    fleet[Number(services.logins[0])]!.child.kill('SIGKILL');
    gate.open();

    assert.deepEqual(count(await Promise.all(calls)), { killed: 1, session_refused: PROCESSES - 1 });
    assert.equal(services.logins.length, 2);
    assert.deepEqual([...services.values.values()].map((value) => JSON.parse(value).failures), [2]);
    for (const { child } of fleet) child.kill('SIGKILL');
  });

  await t.test('the store dies while one process logs in', async () => {
    const services = await startServices(t);
    const fleet = await startFleet(t, services.origin, 'wrong-password', 4_000);
    let answer = (): void => {};
    services.loginGate = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const calls = fleet.map(({ call }) => call());
    await until(() => services.logins.length && services.waiting.size >= PROCESSES - 1);
    services.isStoreDead = true;
    answer();

    assert.deepEqual(count(await Promise.all(calls)), { session_refused: 1, session_failed: PROCESSES - 1 });
    assert.deepEqual(count(await Promise.all(fleet.map(({ call }) => call()))), { session_refused: 1, session_failed: PROCESSES - 1 });
    assert.equal(services.logins.length, 1);
  });
});
