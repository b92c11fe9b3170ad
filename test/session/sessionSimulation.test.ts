// The two promises of a session, on random schedules of a made-up world with the real session code in it: up
// to 16 processes whose clocks differ, stops and kills before each event, restart loops, networks that
// refuse, lose, delay and answer for the account, stores that fail, hang, lose replies and write late,
// passwords changed and changed back, resets by one, by all and by fresh processes, logouts, idle gaps of 20
// minutes to 40 days. However that falls:
// - No lock: two logins in a row are judged and refused at most, and one more for each reset, however many
//   processes that had seen one record call it. The password that is changed within 30 days of its last
//   session is left out.
// - No standstill: a right password that has had a session within 30 days gets one with every call that is
//   made five minutes after the last outage, with nobody's help. So does one that was never refused, where
//   fewer than two logins were in doubt.
// - When all trouble has ended, a wrong password is refused once more at most. One reset() then costs one
//   login, and all go on.
// - Each login is counted before it is sent, within 5 s. After two failures there are five minutes between
//   two counts.
// - No refusal leaves the store but by a reset of one who had read it, and no login is counted over another
//   under way.
// - One lapse, one login. No call lasts more than 300 s.
// SESSION_SCHEDULES says how many schedules (default 60), SESSION_SEED where to begin.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { turn } from '../support/server.ts';
import {
  call,
  createWorld,
  DAY_MS,
  fakePlatform,
  kill,
  logOut,
  MINUTE_MS,
  mayNotStop,
  pass,
  pendingResets,
  reset,
  startProcess,
  type Weather,
  type World,
} from '../support/sessionWorld.ts';

const SCHEDULES = Number(process.env['SESSION_SCHEDULES'] ?? 60);
const FIRST_SEED = Number(process.env['SESSION_SEED'] ?? 1);
const WEATHERS = ['calm', 'calm', 'rough', 'down'] as const satisfies readonly Weather[];

test('keeps both promises, whatever happens', { timeout: 3_600_000 }, async (t) => {
  // The key's derivation takes real time, and is tested elsewhere.
  t.mock.method(crypto.subtle, 'importKey', async () => ({}));
  t.mock.method(crypto.subtle, 'deriveBits', async () => new ArrayBuffer(32));
  const total: Record<string, number> = {};
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SCHEDULES; seed++) {
    const world = createWorld(seed);
    const restore = fakePlatform(world);
    try {
      await run(world);
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}\n${world.trace.join('\n')}`);
    } finally {
      restore();
    }
    for (const [name, count] of Object.entries(world.seen)) total[name] = (total[name] ?? 0) + count;
  }
  t.diagnostic(JSON.stringify(total));
  for (const [name, count] of Object.entries(total)) assert.ok(count > SCHEDULES / 10, `hardly any ${name}`);
});

async function run(world: World): Promise<void> {
  const { random, fleet } = world;
  const processes = 1 + random(random(8) ? 4 : 16);
  while (fleet.length < processes) fleet.push(startProcess(world));
  for (let step = 0; step < 25; step++) {
    if (!random(4)) changeWeather(world);
    await takeStep(world);
    assertUnbroken(world);
  }
  await endTrouble(world);
  assertUnbroken(world);
}

function changeWeather(world: World): void {
  const { random } = world;
  world.network = WEATHERS[random(4)]!;
  world.disk = WEATHERS[random(4)]!;
  world.trace.push(`network ${world.network}, store ${world.disk}`);
}

async function takeStep(world: World): Promise<void> {
  const { random, fleet } = world;
  const mine = fleet[random(fleet.length)]!;
  const what = random(26);
  if (what < 3) for (const each of fleet) void call(world, each);
  else if (what < 11) void call(world, mine);
  else if (what < 15) await pass(world, 10 ** (what - 10));
  else if (what < 18) await pass(world, 31_000 + random(330_000));
  else if (what === 18)
    await pass(world, [1_200_000, 3_600_000, DAY_MS, 29 * DAY_MS, 40 * DAY_MS][random(5)]!);
  else if (what === 19) logOut(world, mine);
  else if (what === 20) kill(world, mine);
  else if (what === 21) await restartOften(world);
  else if (what === 22) await resetSome(world);
  else if (what === 23) world.live.clear();
  else await changePassword(world);
}

async function restartOften(world: World): Promise<void> {
  for (let restart = 0; restart < 5; restart++) {
    kill(world, world.fleet[0]!);
    void call(world, world.fleet[0]!);
    await pass(world, world.random(45_000));
  }
}

/** One, all, or one that has just been started. */
async function resetSome(world: World): Promise<void> {
  const { random, fleet } = world;
  const who = random(3);
  if (who === 0) kill(world, fleet[0]!);
  const some = who === 1 ? fleet : [fleet[who === 0 ? 0 : random(fleet.length)]!];
  for (const each of [...some]) reset(world, each);
  for (const each of [...some]) void call(world, each);
  await pass(world, random(2_000));
}

async function changePassword(world: World): Promise<void> {
  if (world.random(2)) return;
  world.isRight = !world.isRight;
  world.trace.push(`the password is ${world.isRight ? 'right' : 'wrong'} from now on`);
}

/** All that is wrong ends, and five minutes later calls are made. */
async function endTrouble(world: World): Promise<void> {
  const { fleet } = world;
  Object.assign(world, { network: 'calm', disk: 'calm', isBusy: false });
  for (const each of fleet) each.stoppedUntilMs = world.nowMs;
  world.trace.push('the trouble has ended');
  const isTrusted = !world.refusedInARow && world.nowMs - world.broughtAtMs < 29 * DAY_MS;
  const mustGoOn = world.isRight && (isTrusted || mayNotStop(world));
  await pass(world, 310_000);
  if (!world.isRight) await assertStop(world);
  else if (mustGoOn) await assertGoOn(world, 'a standstill');
  else await callAll(world);
  await repairByHand(world);
}

/** A wrong password is refused once more at most, and once for each reset. */
async function assertStop(world: World): Promise<void> {
  const { seen } = world;
  const before = seen.logins;
  const most = 1 + pendingResets(world).size;
  await callAll(world);
  const logins = seen.logins - before;
  assert.ok(logins <= most, `${logins} logins with a wrong password, not ${most}`);
  await callAll(world);
  assert.equal(seen.logins - before, logins, 'logins after a refusal');
}

async function assertGoOn(world: World, what: string): Promise<void> {
  const outcomes = world.fleet.map(() => 'ok');
  assert.deepEqual(await callAll(world), outcomes, what);
  await pass(world, 21 * MINUTE_MS);
  const { accepted } = world.seen;
  assert.deepEqual(await callAll(world), outcomes, `${what} later`);
  assert.equal(world.seen.accepted - accepted, 1, 'logins for one lapse');
}

/** The account is put in order, and somebody calls reset() in one process, whatever it is doing. */
async function repairByHand(world: World): Promise<void> {
  const { random, fleet, seen } = world;
  // What others write after it has looked would hold. So all write first what they still have to.
  await callAll(world);
  world.isRight = true;
  world.trace.push('the password is right from now on, and somebody calls reset()');
  const mine = fleet[random(fleet.length)]!;
  if (random(2)) void call(world, mine);
  await pass(world, random(400));
  reset(world, mine);
  const { logins } = seen;
  const outcome = call(world, mine);
  await pass(world, 400_000);
  assert.equal(mine.calls.size, 0, 'a call waits for ever after reset()');
  assert.equal(await outcome, 'ok', 'a standstill after reset()');
  assert.ok(seen.logins - logins <= 1, `${seen.logins - logins} logins after reset()`);
  await assertGoOn(world, 'a standstill of the others after reset()');
}

async function callAll(world: World): Promise<(string | undefined)[]> {
  const outcomes: (string | undefined)[] = world.fleet.map(() => undefined);
  world.fleet.forEach((each, index) => void call(world, each).then((outcome) => (outcomes[index] = outcome)));
  await pass(world, 400_000);
  await turn();
  assert.deepEqual(
    world.fleet.filter(({ calls }) => calls.size).map(({ name }) => name),
    [],
    'a call waits for ever',
  );
  return outcomes;
}

function assertUnbroken({ trace }: World): void {
  const broken = trace.find((line) => line.startsWith('BROKEN'));
  assert.ok(!broken, broken);
}
