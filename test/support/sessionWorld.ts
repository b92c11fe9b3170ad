/**
 * A made-up world for `sessionSimulation.test.ts`: one account, one store, processes with the real session
 * code in each, and everything around them invented: clocks, timers, network, store. All that a process waits
 * for comes as an event, in an order drawn from a seed. Before each event the process may be stopped for a
 * while or killed. What it has sent goes on its way even so. Rules that must hold whatever happens are
 * checked where it happens.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { type Client, createClient } from 'thingspace-auth';
import { createSession, type Session } from 'thingspace-auth/session';
import type { TokenStore } from 'thingspace-auth/stores';
import { START_MS, tokenAnswer, turn } from './server.ts';

export const API_URL = 'https://api.example.com/';
export const MINUTE_MS = 60_000;
export const DAY_MS = 1_440 * MINUTE_MS;
const IDLE_MS = 20 * MINUTE_MS;
const CLOCKS_DIFFER_MS = 5_000;

/** Stands for what a process reads first. */
const FRESH = 'fresh';

/** A whole number from 0, below the one given. */
export type Random = (below: number) => number;

/** Something that happens to a process, or to what it has sent. */
interface Happening {
  atMs: number;
  /** A timer of the process, an answer to it, or something outside, which goes on while it is stopped. */
  readonly kind: 'timer' | 'answer' | 'outside';
  readonly process: Process;
  readonly happen: () => void;
}

export type Weather = 'calm' | 'rough' | 'down';

export interface World {
  readonly random: Random;
  readonly events: Set<Happening>;
  readonly fleet: Process[];
  readonly trace: string[];
  nowMs: number;
  network: Weather;
  disk: Weather;
  /** Whether processes may be stopped. */
  isBusy: boolean;
  stored: string | undefined;
  writer?: Process;
  /** When the last login that was sent had been counted. */
  sentAtMs: number;
  /** The account: whether the fleet's password is the right one, its sessions with their last use. */
  isRight: boolean;
  readonly live: Map<string, number>;
  lastSessionAtMs: number;
  /** When a session was last used, as the store has been told. */
  broughtAtMs: number;
  /** What may have left a login of which somebody does not know what became. */
  doubts: number;
  /**
   * Logins that were judged and refused since the last accepted one, and what resets since then have voided.
   */
  refusedInARow: number;
  voided: Set<string>;
  readonly seen: Record<'logins' | 'accepted' | 'refused' | 'resets' | 'stops' | 'events', number>;
}

export interface Process {
  readonly name: number;
  readonly session: Session;
  readonly client: Client;
  readonly calls: Set<Promise<unknown>>;
  /** What its clock is ahead by. */
  readonly skewMs: number;
  isAlive: boolean;
  stoppedUntilMs: number;
  stoppedMs: number;
  phase: 'none' | 'counted' | 'departing' | 'sent';
  /** When it has counted its login, and by its own clock. */
  countedAtMs: number;
  /** When the login before its own was sent, in case its own is taken back. */
  sentBeforeAtMs: number;
  /** How long after the last login that was sent it has counted, where that matters. */
  pausedForMs: number;
  /** What it last read or wrote: an answer that comes late may count or not. Nothing yet: {@link FRESH}. */
  lastSeen: string[];
  resetAtMs: number;
  /** What it has voided and not yet written over. */
  voids: string[];
}

/** In which process code runs: clock and timers are that one's. */
const running = new AsyncLocalStorage<Process>();

export function createWorld(seed: number): World {
  const random = createRandom(seed);
  return {
    random,
    events: new Set(),
    fleet: [],
    trace: [],
    nowMs: START_MS,
    network: 'calm',
    disk: 'calm',
    isBusy: true,
    stored: undefined,
    sentAtMs: -Infinity,
    isRight: random(4) > 0,
    live: new Map(),
    lastSessionAtMs: -Infinity,
    broughtAtMs: -Infinity,
    doubts: 0,
    refusedInARow: 0,
    voided: new Set(),
    seen: { logins: 0, accepted: 0, refused: 0, resets: 0, stops: 0, events: 0 },
  };
}

export function note({ trace, nowMs }: World, { name }: Process, what: string): void {
  trace.push(`${((nowMs - START_MS) / 1000).toFixed(3)} s, process ${name}: ${what}`);
}

/** Time and timers of the process that asks. Returns what restores the real ones. */
export function fakePlatform(world: World): () => void {
  const { setTimeout: startTimer, clearTimeout: stopTimer } = globalThis;
  const { now } = Date;
  Date.now = () => Math.floor(world.nowMs) + (running.getStore()?.skewMs ?? 0);
  globalThis.setTimeout = ((callback: () => void, delayMs = 0) => {
    const mine = running.getStore();
    return mine ? schedule(world, mine, delayMs, callback, 'timer') : startTimer(callback, delayMs);
  }) as unknown as typeof setTimeout;
  globalThis.clearTimeout = (timer) =>
    void (world.events.delete(timer as unknown as Happening) || stopTimer(timer));
  return () => {
    Object.assign(globalThis, { setTimeout: startTimer, clearTimeout: stopTimer });
    Date.now = now;
  };
}

function schedule(
  world: World,
  mine: Process,
  delayMs: number,
  happen: () => void,
  kind: Happening['kind'],
): Happening {
  const event = { atMs: world.nowMs + delayMs, kind, process: mine, happen };
  world.events.add(event);
  return event;
}

function pause(world: World, mine: Process, ms: number, kind: Happening['kind'] = 'answer'): Promise<void> {
  return new Promise((resolve) => schedule(world, mine, ms, resolve, kind));
}

/** Lets happen what is due, one by one, until so much time has passed. */
export async function pass(world: World, ms: number): Promise<void> {
  const untilMs = world.nowMs + ms;
  await turn();
  for (;;) {
    const event = nextEvent(world, untilMs);
    if (!event) break;
    world.nowMs = Math.max(world.nowMs, event.atMs);
    if (mayHappen(world, event)) {
      world.events.delete(event);
      world.seen.events++;
      running.run(event.process, event.happen);
      await turn();
    }
  }
  world.nowMs = untilMs;
}

/**
 * The next one due; of those due at once any, but timers before answers, as a process that goes on again
 * finds them.
 */
function nextEvent({ events, random }: World, untilMs: number): Happening | undefined {
  let due: Happening[] = [];
  for (const event of events) {
    if (event.atMs > untilMs || (due[0] && event.atMs > due[0].atMs)) continue;
    due = due[0]?.atMs === event.atMs ? [...due, event] : [event];
  }
  const timers = due.filter(({ kind }) => kind === 'timer');
  const choice = timers.length ? timers : due;
  return choice[random(choice.length || 1)];
}

/** Not for one that is stopped, or stops just now: then it happens when that one goes on. */
function mayHappen(world: World, event: Happening): boolean {
  const { random, events, nowMs } = world;
  const mine = event.process;
  if (event.kind === 'outside') return true;
  if (!mine.isAlive) return !events.delete(event);
  // More often where it matters, and then for longer than others wait.
  const isLikely = mine.phase !== 'none' && !random(12);
  if (world.isBusy && mine.stoppedUntilMs <= nowMs && (isLikely || !random(80))) {
    if (!random(8)) return kill(world, mine);
    stop(world, mine, random(2) ? random(4_000) : random(200_000));
  }
  if (mine.stoppedUntilMs <= nowMs) return true;
  event.atMs = mine.stoppedUntilMs;
  return false;
}

function stop(world: World, mine: Process, ms: number): void {
  note(world, mine, `stopped for ${ms} ms, ${mine.phase}`);
  world.seen.stops++;
  world.doubts++;
  mine.stoppedUntilMs = world.nowMs + ms;
  mine.stoppedMs += ms;
}

/** What it knew is lost, and its login never settled. Another one is started in its place. */
export function kill(world: World, mine: Process): false {
  note(world, mine, `killed, ${mine.phase}`);
  world.doubts++;
  mine.isAlive = false;
  mine.calls.clear();
  world.fleet[world.fleet.indexOf(mine)] = startProcess(world);
  return false;
}

export function startProcess(world: World): Process {
  const { random } = world;
  const mine: Omit<Process, 'session' | 'client'> = {
    name: world.trace.length,
    calls: new Set(),
    skewMs: random(CLOCKS_DIFFER_MS) - CLOCKS_DIFFER_MS / 2,
    isAlive: true,
    stoppedUntilMs: 0,
    stoppedMs: 0,
    phase: 'none',
    countedAtMs: -Infinity,
    sentBeforeAtMs: -Infinity,
    pausedForMs: Infinity,
    lastSeen: [FRESH],
    resetAtMs: -Infinity,
    voids: [],
  };
  const process = mine as Process; // what is missing comes in the next lines
  const store = createStore(world, process);
  const session = createSession({ username: 'invented-user', password: 'invented-password', store });
  const client = createClient({
    clientCredentialsAuthCredentials: {
      oauthClientId: 'invented-id',
      oauthClientSecret: 'invented-secret',
    },
    environment: { tokenUrl: 'https://auth.example.com/token', apiOrigins: ['https://api.example.com'] },
    vZM2mToken: session,
    timeout: random(3) ? 0 : 2_000,
    fetch: createFetch(world, process),
  });
  note(world, process, 'started');
  return Object.assign(process, { session, client });
}

/**
 * What the next login may be refused for: what this process has read last, or, if nothing, what it reads
 * first.
 */
export function reset(world: World, mine: Process): void {
  note(world, mine, 'reset');
  world.seen.resets++;
  mine.voids = mine.lastSeen;
  mine.resetAtMs = world.nowMs;
  world.voided.add(keyOf(mine));
  running.run(mine, mine.session.reset);
}

/** Names what it has voided: the same for all that had read the same. */
function keyOf({ name, voids: [text = ''] }: Process): string {
  return text === FRESH ? `${FRESH} ${name}` : text;
}

/** The resets after which no login has been counted yet. */
export function pendingResets({ fleet }: World): Set<string> {
  return new Set(fleet.filter(({ voids }) => voids.length).map(keyOf));
}

export function logOut(world: World, mine: Process): void {
  void track(world, mine, 'logout', () => mine.session.logout());
}

export function call(world: World, mine: Process): Promise<string> {
  return track(world, mine, 'call', () => mine.client.authorizedFetch(API_URL));
}

function track(world: World, mine: Process, what: string, begin: () => Promise<unknown>): Promise<string> {
  note(world, mine, what);
  const { nowMs, stoppedMs } = { ...world, ...mine };
  const tracked = running
    .run(mine, begin)
    .then(
      () => 'ok',
      (error: Error) => error.message,
    )
    .then((outcome) => {
      const tookMs = world.nowMs - nowMs - (mine.stoppedMs - stoppedMs);
      note(world, mine, `${what} ended after ${tookMs} ms: ${outcome}`);
      if (tookMs > 300_000) breakRule(world, `a ${what} lasted ${tookMs} ms`);
      if (/no further login/.test(outcome) && mayNotStop(world)) breakRule(world, 'stopped without a reason');
      return outcome;
    });
  mine.calls.add(tracked);
  void tracked.finally(() => mine.calls.delete(tracked));
  return tracked;
}

/** Whether there is nothing for which the fleet may stop: no refusal, and no two logins in doubt. */
export function mayNotStop({ doubts, seen }: World): boolean {
  return !seen.refused && doubts < 2;
}

/** A rule is broken. It is told where the schedule runs, and not to the process that has just been asked. */
function breakRule({ trace }: World, what: string): void {
  trace.push(`BROKEN: ${what}`);
}

/**
 * Each process reaches the store over a wire of its own, which may fail before or after the store has been
 * reached.
 */
function createStore(world: World, mine: Process): TokenStore {
  const { random } = world;
  async function act<T>(operate: () => T, deliver: (result: T, isLate: boolean) => void): Promise<T> {
    const askedAtMs = world.nowMs;
    const fate = storeFate(world);
    await pause(world, mine, fate === 'late' ? random(20_000) : random(50), 'outside');
    const result = fate === 'throws' || (fate === 'hangs' && random(2)) ? undefined : operate();
    if (fate !== 'good') world.doubts++;
    if (fate === 'hangs') return never();
    await pause(world, mine, random(50));
    if (fate === 'throws' || fate === 'lost') throw new Error('invented failure of the store');
    // One that was asked for before a reset is no news for it.
    deliver(result as T, world.nowMs - askedAtMs >= 5_000 || askedAtMs <= mine.resetAtMs);
    return result as T;
  }
  return {
    get: () =>
      act(
        () => world.stored,
        (text, isLate) => {
          if (mine.voids[0] === FRESH) mine.voids = isLate ? [...mine.voids, `${text}`] : [`${text}`];
          mine.lastSeen = isLate ? [...mine.lastSeen, `${text}`] : [`${text}`];
        },
      ),
    set: never,
    delete: never,
    compareAndSet: (_key, expected, value) =>
      act(
        () => {
          if (world.stored !== expected) return false;
          checkWrite(world, mine, value);
          world.stored = value;
          world.writer = mine;
          world.broughtAtMs = Math.max(world.broughtAtMs, parse(value).usedAtMs ?? -Infinity);
          note(world, mine, `wrote ${value}`);
          return true;
        },
        (isWritten, isLate) => {
          if (!isWritten) return;
          mine.lastSeen = isLate ? [...mine.lastSeen, `${value}`] : [`${value}`];
          if (value?.includes('"counted"')) mine.phase = 'counted';
          else if (mine.phase !== 'departing') mine.phase = 'none';
        },
      ),
  };
}

function storeFate({ disk, random }: World): 'good' | 'throws' | 'lost' | 'hangs' | 'late' {
  const isBad = disk === 'down' || (disk === 'rough' && random(4) === 0);
  return isBad ? (['throws', 'lost', 'hangs', 'late'] as const)[random(4)]! : 'good';
}

/** Which record may be written over which. */
function checkWrite(world: World, mine: Process, value: string | undefined): void {
  if (value === undefined) breakRule(world, 'the record was deleted');
  const before = parse(world.stored);
  const next = parse(value);
  if (before.state === 'refused' && next.state !== 'refused' && !mine.voids.includes(`${world.stored}`)) {
    breakRule(world, `process ${mine.name} wrote ${value} over a refusal`);
  }
  const isTheirs = before.state === 'counted' && world.writer !== mine;
  if (isTheirs && world.nowMs - before.countedAtMs < 35_000 && !mine.voids.includes(`${world.stored}`)) {
    breakRule(world, `process ${mine.name} wrote ${value} over a login under way`);
  }
  if (before.state === 'counted' && next.login !== before.login) world.sentAtMs = mine.sentBeforeAtMs;
  if (next.state !== 'counted') return;
  mine.countedAtMs = world.nowMs;
  mine.pausedForMs = next.failures > 2 ? world.nowMs - world.sentAtMs : Infinity;
  if (mine.voids.includes(`${world.stored}`)) mine.voids = [];
}

function parse(text: string | undefined): any {
  return text ? JSON.parse(text) : {};
}

function createFetch(world: World, mine: Process): typeof fetch {
  return (async (input, init) => {
    const url = String(input);
    if (url.endsWith('/token')) return serveToken(world, mine);
    const session = new Headers(init?.headers).get('vz-m2m-token') ?? '';
    if (url.endsWith('/logout')) return world.live.delete(session) ? new Response(null) : lapsed();
    if (!url.endsWith('/login')) return serveCall(world, session);
    beginLogin(world, mine);
    await pause(world, mine, world.random(5));
    mine.phase = 'sent';
    return serveLogin(world, mine);
  }) as typeof fetch;
}

async function serveToken(world: World, mine: Process): Promise<Response> {
  const { network, random } = world;
  await pause(world, mine, network === 'calm' ? random(50) : random(20_000));
  if (network !== 'calm' && !random(3)) throw new TypeError('fetch failed');
  // Asked again, ThingSpace may give the same token.
  return Response.json(tokenAnswer(`token-${random(2)}`, 1e9).body);
}

function beginLogin(world: World, mine: Process): void {
  if (mine.phase !== 'counted') breakRule(world, `process ${mine.name} sent a login without a count`);
  if (world.nowMs - mine.countedAtMs > 5_100) breakRule(world, `process ${mine.name} sent a login late`);
  if (mine.pausedForMs < 300_000 - 2 * CLOCKS_DIFFER_MS) {
    breakRule(world, `process ${mine.name} sent a login after a pause of ${mine.pausedForMs} ms`);
  }
  mine.sentBeforeAtMs = world.sentAtMs;
  world.sentAtMs = mine.countedAtMs;
  mine.phase = 'departing';
}

function serveCall(world: World, session: string): Response {
  const usedAtMs = world.live.get(session) ?? -Infinity;
  if (world.nowMs - usedAtMs >= IDLE_MS) return lapsed();
  world.live.set(session, world.nowMs);
  if (world.isRight) world.lastSessionAtMs = world.nowMs;
  return new Response('reached');
}

function lapsed(): Response {
  return Response.json({ errorCode: 'A.REQUEST_FAILED.SessionToken.Expired' }, { status: 400 });
}

/** What may become of a login on its way: `judged` and the like reach the account, the others do not. */
const FATES = {
  calm: ['judged'],
  rough: [
    'judged',
    'judged',
    'judged',
    'judged',
    'judged late',
    'judged, cut',
    'judged, lost',
    'judged, 502',
    'judged, 503',
    'judged, 408',
  ].concat(
    ['refused connection', 'unavailable', 'fault', 'code', '502', '503', '504', 'empty', 'hangs', 'absent'],
    ['page'],
  ),
  down: [
    'refused connection',
    'unavailable',
    '502',
    '504',
    'hangs',
    'judged, lost',
    'judged, 502',
    'cut',
  ].concat(['judged, 503', 'judged, 408', 'page']),
};

async function serveLogin(world: World, mine: Process): Promise<Response> {
  const { random } = world;
  const fates = FATES[world.network];
  const fate = fates[random(fates.length)]!;
  note(world, mine, `login: ${fate}`);
  world.seen.logins++;
  if (!/^judged$|connection|unavailable|absent|fault|code/.test(fate)) world.doubts++;
  await pause(world, mine, fate === 'judged late' ? random(40_000) : random(1_000), 'outside');
  const answer = fate.startsWith('judged') ? judge(world, mine) : undefined;
  await pause(world, mine, random(1_000));
  if (fate === 'judged' || fate === 'judged late') return answer!;
  if (/lost|hangs/.test(fate)) return never();
  if (/cut/.test(fate)) throw new TypeError('fetch failed');
  if (fate === 'refused connection') {
    throw Object.assign(new TypeError('fetch failed'), { cause: { code: 'ECONNREFUSED' } });
  }
  if (fate === 'fault') return Response.json({ fault: { code: '900901' } }, { status: 401 });
  // As WSO2 API Manager 4 writes it: a bearer, or a subscription.
  if (fate === 'code') return Response.json({ code: ['900901', '900908'][random(2)] }, { status: 401 });
  if (fate === 'empty') return Response.json({});
  if (fate === 'absent') return new Response(null, { status: 404 });
  // Of a firewall or a CDN, or of nginx.
  if (fate === 'page') return new Response('<html>', { status: [400, 402, 403, 451][random(4)]! });
  if (fate === 'unavailable') {
    const headers = new Headers({ 'retry-after': `${random(300)}` });
    return new Response(null, { status: [429, 503][random(2)]!, headers });
  }
  return new Response(null, { status: Number(/\d+/.exec(fate)?.[0]) });
}

/** The account looks at user name and password. */
function judge(world: World, mine: Process): Response {
  if (world.isRight) {
    const token = `session-${world.seen.logins}-${mine.name}`;
    world.seen.accepted++;
    world.live.set(token, world.nowMs);
    world.lastSessionAtMs = world.nowMs;
    world.refusedInARow = 0;
    world.voided = pendingResets(world);
    note(world, mine, 'accepted');
    return Response.json({ sessionToken: token });
  }
  world.seen.refused++;
  world.refusedInARow++;
  note(world, mine, `refused, ${world.refusedInARow} in a row`);
  // The one case that is left: the password was changed within 30 days of its last session.
  const isChanged = world.nowMs - world.lastSessionAtMs < 30 * DAY_MS + MINUTE_MS;
  if (world.refusedInARow > 2 + world.voided.size && !isChanged) {
    breakRule(
      world,
      `${world.refusedInARow} logins in a row were refused, after ${world.voided.size} resets`,
    );
  }
  return Response.json({ errorCode: 'A.REQUEST_FAILED.Credentials.Invalid' }, { status: 401 });
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
