// Random schedules of processes, calls, answers, crashes and failing stores, on a fake clock. However they fall: between
// two armings or successes a fleet sends one login that is refused, and two that are refused or whose fate is unknown;
// where the store fails, that holds for each process.
// SESSION_SCHEDULES says how many schedules (default 500), SESSION_SEED where to begin.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client } from 'thingspace-auth';
import { createClient } from 'thingspace-auth';
import type { Session } from 'thingspace-auth/session';
import { createSession } from 'thingspace-auth/session';
import type { TokenStore } from 'thingspace-auth/stores';
import type { Clock } from './server.ts';
import { fakeClock, tokenAnswer, turn } from './server.ts';

const SCHEDULES = Number(process.env.SESSION_SCHEDULES ?? 500);
const FIRST_SEED = Number(process.env.SESSION_SEED ?? 1);
const API_URL = 'https://api.example.com/';

/** A whole number from 0, below the one given. */
type Random = (below: number) => number;

/** One schedule: what is shared by its processes, and what happened. */
interface World {
  readonly random: Random;
  readonly clock: Clock;
  readonly values: Map<string, string>;
  readonly locks: Map<string, number>;
  readonly fleet: Process[];
  readonly isStoreReliable: boolean;
  readonly trace: string[];
}

interface Process {
  readonly session: Session;
  readonly client: Client;
  readonly calls: Set<Promise<unknown>>;
  isAlive: boolean;
  /** Logins of this process since the last arming or success. */
  refused: number;
  unknown: number;
}

for (const processes of [1, 2, 16]) {
  for (const isStoreReliable of [true, false]) {
    const store = isStoreReliable ? 'a store that works' : 'a store that fails now and then';
    test(`never sends a login too many: ${processes} on ${store}`, async (t) => {
      // The key's derivation takes real time, and is tested elsewhere.
      t.mock.method(crypto.subtle, 'importKey', async () => ({}));
      t.mock.method(crypto.subtle, 'deriveBits', async () => new ArrayBuffer(32));
      const clock = fakeClock(t);
      const latches = { closed: 0 };
      for (let seed = FIRST_SEED; seed < FIRST_SEED + SCHEDULES / 6; seed++) {
        const random = createRandom(seed);
        const jitter = t.mock.method(Math, 'random', () => random(2 ** 31) / 2 ** 31);
        await runSchedule(clock, random, seed, processes, isStoreReliable, latches);
        jitter.mock.restore();
      }
      assert.ok(latches.closed > 0, 'the schedules must reach the latch');
    });
  }
}

async function runSchedule(
  clock: Clock,
  random: Random,
  seed: number,
  processes: number,
  isStoreReliable: boolean,
  latches: { closed: number },
): Promise<void> {
  const world: World = {
    random,
    clock,
    values: new Map(),
    locks: new Map(),
    fleet: [],
    isStoreReliable,
    trace: [],
  };
  const { fleet, trace } = world;
  for (let index = 0; index < processes; index++) fleet.push(startProcess(world));
  for (let step = 0; step < 30; step++) {
    const index = random(processes);
    const what = random(20);
    trace.push(`${index}:${what}`);
    if (what < 11) call(fleet[index]!);
    else if (what < 14) await pass(world, 10 ** (what - 9));
    else if (what < 16) await pass(world, 31_000);
    else if (what === 16) await passIdly(world, 1_200_000);
    else if (what === 17) track(fleet[index]!, fleet[index]!.session.logout());
    else if (what === 18 && isStoreReliable) kill(world, index);
    else if (what === 19) await rearm(world, fleet[index]!);
    check(world, seed);
  }
  await passIdly(world, 0);
  check(world, seed);
  latches.closed += fleet.some(({ refused, unknown }) => refused + unknown > 0) ? 1 : 0;
}

function check({ fleet, isStoreReliable, trace }: World, seed: number): void {
  const units = isStoreReliable ? [fleet] : fleet.map((each) => [each]);
  for (const unit of units) {
    const refused = unit.reduce((sum, each) => sum + each.refused, 0);
    const failed = unit.reduce((sum, each) => sum + each.unknown, refused);
    assert.ok(refused <= 1 && failed <= 2, `seed ${seed}: ${refused} refused of ${failed} failed; ${trace.join(' ')}`);
  }
}

function startProcess(world: World): Process {
  const mine = { calls: new Set(), isAlive: true, refused: 0, unknown: 0 } as unknown as Process;
  const session = createSession({ username: 'invented-user', password: 'invented-password', store: createStore(world, mine) });
  const client = createClient({
    clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthClientSecret: 'invented-secret' },
    environment: { tokenUrl: 'https://auth.example.com/token', apiOrigins: ['https://api.example.com'] },
    vZM2mToken: session,
    fetch: createFetch(world, mine),
  });
  return Object.assign(mine, { session, client });
}

/** Each process sees the store through a wire of its own; one that fails throws or hangs, with or without an effect. */
function createStore({ random, values, locks, isStoreReliable }: World, mine: Process): TokenStore {
  async function act<T>(operation: () => T): Promise<T> {
    await pause(random(50));
    const fate = isStoreReliable || random(4) ? 'good' : (['throws', 'lost', 'hangs'] as const)[random(3)];
    if (!mine.isAlive) return never();
    const result = fate === 'throws' ? undefined : operation();
    await pause(random(50));
    if (!mine.isAlive || fate === 'hangs') return never();
    if (fate !== 'good') throw new Error('invented failure of the store');
    return result as T;
  }
  return {
    get: (key) => act(() => values.get(key)),
    set: (key, value) => act(() => void values.set(key, value)),
    delete: (key) => act(() => void values.delete(key)),
    lock: (key, ttlSeconds) =>
      act(() => {
        if ((locks.get(key) ?? 0) > Date.now()) return undefined;
        const untilMs = Date.now() + ttlSeconds * 1_000;
        locks.set(key, untilMs);
        return () => act(() => void (locks.get(key) === untilMs && locks.delete(key)));
      }),
  };
}

/** Accepts logins, refuses them, loses them or puts them off, and takes up to 29 s for it. */
function createFetch(world: World, mine: Process): typeof fetch {
  const { random, fleet } = world;
  return (async (input) => {
    const url = String(input);
    if (!mine.isAlive) return never();
    if (url.endsWith('/token')) return Response.json(tokenAnswer('token-1', 1e9).body);
    if (url.endsWith('/logout')) return new Response(null);
    if (!url.endsWith('/login')) return random(6) ? new Response('reached') : Response.json(lapse, { status: 400 });
    const fate = random(4);
    // Until it is known how it ends.
    mine.unknown++;
    await pause(random(10) ? random(1_000) : random(29_000));
    if (!mine.isAlive || fate === 0) return random(2) ? never() : Promise.reject(new TypeError('invented cut'));
    mine.unknown--;
    if (fate === 1) {
      mine.refused++;
      return new Response(null, { status: 403 });
    }
    if (fate === 2) return new Response(null, { status: [408, 429, 503, 200][random(4)]! });
    for (const each of fleet) each.refused = each.unknown = 0;
    return Response.json({ sessionToken: `session-${random(1e9)}` });
  }) as typeof fetch;
}

const lapse = { errorCode: 'A.REQUEST_FAILED.SessionToken.Expired' };

function call(mine: Process): void {
  track(mine, mine.client.authorizedFetch(API_URL));
}

/** How a call ends is of no interest here, only that it does. */
function track({ calls }: Process, promise: Promise<unknown>): void {
  const tracked = promise.then(() => {}, () => {}).finally(() => calls.delete(tracked));
  calls.add(tracked);
}

/** A killed process leaves what it has sent, and the lock; what it knew is lost, so that its refusal is one that nobody knows of. */
function kill(world: World, index: number): void {
  const killed = world.fleet[index]!;
  killed.isAlive = false;
  const successor = startProcess(world);
  successor.unknown = killed.unknown;
  successor.refused = killed.refused;
  world.fleet[index] = successor;
}

/** Takes effect in the store with the next call, which therefore follows at once. */
async function rearm(world: World, mine: Process): Promise<void> {
  await passIdly(world, 0);
  mine.session.reset();
  for (const each of world.isStoreReliable ? world.fleet : [mine]) each.refused = each.unknown = 0;
  call(mine);
  await passIdly(world, 0);
}

/** Time passes in steps small enough for what happens in between. */
async function pass({ clock }: World, ms: number): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += 25) {
    clock.advance(25);
    await turn();
  }
}

async function passIdly(world: World, ms: number): Promise<void> {
  while (world.fleet.some(({ calls }) => calls.size)) await pass(world, 500);
  world.clock.advance(ms);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function never(): Promise<never> {
  return new Promise(() => {});
}

/** Mulberry32. */
function createRandom(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return Math.floor((((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
