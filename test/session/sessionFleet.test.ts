// Sixteen operating system processes, one store behind HTTP, one account.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { hold, listen, readBody, START_MS, send, tokenAnswer } from '../support/server.ts';
import { startMember } from '../support/sessionMembers.ts';
import { wrongPassword } from '../support/sessionServer.ts';

const PROCESSES = 16;
/** How long others wait for a login. */
const WAIT_MS = 40_000;
/** Less than the clocks of a fleet may differ by, as each process moves its own at another moment. */
const CLOCK_STEP_MS = 4_000;

/**
 * A ThingSpace for one account, and a store that can compare and set; both count, and hold back what the test
 * says.
 */
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

    function answerStore(operation: string, { key, expected, value, name }: Record<string, any>): void {
      if (state.isStoreDead) return void request.socket.destroy();
      const held = values.get(key);
      if (operation === 'get' && held?.includes('"counted"')) state.waiting.add(name);
      const isWritten = operation === 'compareAndSet' && held === expected;
      if (isWritten) write(values, key, value);
      send(response, { body: { value: held ?? null, isWritten } });
    }
  });
  return Object.assign(state, { origin });
}

function write(values: Map<string, string>, key: string, value: string | undefined): void {
  if (value === undefined) values.delete(key);
  else values.set(key, value);
}

/** The processes, which begin anew for each test, with clocks that stand still until they are moved. */
function startFleet(t: TestContext) {
  const members = Array.from({ length: PROCESSES }, () => startMember(t));
  const each = <T>(act: (member: (typeof members)[number], index: number) => Promise<T>) =>
    Promise.all(members.map(act));
  return {
    begin: ({ origin }: { readonly origin: string }, password: string) =>
      each(({ begin }, index) =>
        begin({ origin, password, timeoutMs: 0, name: String(index), nowMs: START_MS }),
      ),
    call: () => each(({ call }) => call()),
    kill: (name: string) => void members.splice(Number(name), 1)[0]!.child.kill('SIGKILL'),
    pass: async (ms: number) => {
      for (let leftMs = ms; leftMs > 0; leftMs -= CLOCK_STEP_MS) {
        await each(({ moveClock }) => moveClock(Math.min(leftMs, CLOCK_STEP_MS)));
      }
    },
  };
}

/** Resolves when all but one have looked at the record, from now on, and found that one's login under way. */
function othersWait({
  logins,
  waiting,
}: {
  readonly logins: string[];
  readonly waiting: Set<string>;
}): Promise<void> {
  waiting.clear();
  return until(() => logins.length && waiting.size === PROCESSES - 1);
}

/** All call with wrong credentials; one of them logs in, and is not answered before the gate opens. */
async function beginHeldLogin(t: TestContext, fleet: ReturnType<typeof startFleet>) {
  const services = await startServices(t);
  await fleet.begin(services, 'wrong-password');
  const gate = hold();
  services.loginGate = gate.promise;
  const calls = fleet.call();
  await othersWait(services);
  return { services, gate, calls };
}

/** A wait in vain must fail, not keep the process alive. */
async function until(isDone: () => unknown): Promise<void> {
  const giveUpAtMs = Date.now() + 60_000;
  while (!isDone()) {
    assert.ok(Date.now() < giveUpAtMs, 'waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function count(outcomes: readonly unknown[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const outcome of outcomes) counts[`${outcome}`] = (counts[`${outcome}`] ?? 0) + 1;
  return counts;
}

test('a fleet of processes', { timeout: 120_000 }, async (t) => {
  const fleet = startFleet(t);

  await t.test('makes one login, and with wrong credentials one, ever', async (t) => {
    const services = await startServices(t);
    await fleet.begin(services, 'invented-password');
    assert.deepEqual(count(await fleet.call()), { ok: PROCESSES });
    assert.equal(services.logins.length, 1);

    await fleet.begin(services, 'wrong-password');
    for (let round = 0; round < 3; round++)
      assert.deepEqual(count(await fleet.call()), { session_refused: PROCESSES });
    assert.equal(services.logins.length, 2);
  });

  await t.test('waits for a login of 29 s, and sends no other', async (t) => {
    const { services, gate, calls } = await beginHeldLogin(t, fleet);
    await fleet.pass(29_000);
    await othersWait(services);
    gate.open();

    assert.deepEqual(count(await calls), { session_refused: PROCESSES });
    assert.equal(services.logins.length, 1);
  });

  await t.test('sends no login where the store dies while one process logs in', async (t) => {
    const { services, gate, calls } = await beginHeldLogin(t, fleet);
    services.isStoreDead = true;
    gate.open();

    assert.deepEqual(count(await calls), { session_refused: 1, session_failed: PROCESSES - 1 });
    assert.deepEqual(count(await fleet.call()), { session_failed: PROCESSES });
    assert.equal(services.logins.length, 1);
  });

  await t.test('waits for the login of a killed process, and then sends one other', async (t) => {
    const { services, gate, calls } = await beginHeldLogin(t, fleet);
    fleet.kill(services.logins[0]!);
    gate.open();
    await fleet.pass(WAIT_MS - 1);
    await othersWait(services);
    assert.equal(services.logins.length, 1);
    await fleet.pass(1);

    assert.deepEqual(count(await calls), { killed: 1, session_refused: PROCESSES - 1 });
    assert.equal(services.logins.length, 2);
    assert.deepEqual(
      [...services.values.values()].map((value) => JSON.parse(value).failures),
      [2],
    );
  });
});
