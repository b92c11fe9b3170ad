/**
 * The toys of the page: a client, the mock ThingSpace it talks to, and a record of everything that went
 * between them. Knows nothing of the page.
 */
import {
  ApiError,
  type Client,
  type ClientEvent,
  createClient,
  type OAuthToken,
  type OauthScope,
} from 'thingspace-auth';
import { createSession, type Session } from 'thingspace-auth/session';
import { storedToken, type TokenStore } from 'thingspace-auth/stores';
import { createMockServer } from 'thingspace-auth/testing';

/** Who speaks: the lifelines of the diagram, in their order. */
export type Party = 'app' | 'client' | Process | 'store' | 'token' | 'api' | 'login' | 'other';

/** One of the fleet: a program with a client of its own. */
type Process = 'one' | 'two' | 'three';

/** How something is to be taken. */
export type Tone = 'plain' | 'good' | 'bad';

/** One row of the diagram. Equal rows that follow each other closely are one, with a count. */
export type Row =
  | { readonly kind: 'step'; readonly label: string; readonly time: string }
  | { readonly kind: 'note'; readonly label: string; readonly tone: Tone; readonly at: Party; count: number }
  | {
      readonly kind: 'message';
      readonly from: Party;
      readonly to: Party;
      readonly label: string;
      readonly isReply: boolean;
      readonly tone: Tone;
      count: number;
    };

/** What is called: an API that wants the bearer only, or one that wants an M2M session too. */
export type Api = 'edge' | 'm2m';

export const REQUESTS: Readonly<Record<Api, readonly [url: string, init?: RequestInit]>> = {
  edge: ['https://5gedge.verizon.com/api/mec/eds/regions'],
  m2m: [
    'https://thingspace.verizon.com/api/m2m/v1/devices/actions/list',
    {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"accountName":"0000123456-00001"}',
    },
  ],
};

/** The token held, as far as the page shows it. */
export interface HeldToken {
  readonly token: OAuthToken;
  /**
   * Whether the server has handed it out again: it is then used to its end, without refresh ahead or skew.
   */
  readonly isRepeated: boolean;
}

/** The switches of the page. */
export interface Switches {
  isSlow: boolean;
  isDown: boolean;
  isSame: boolean;
  isStoreDown: boolean;
}

const SLOW_MS = 2000;
const ROWS_KEPT = 120;
const CLOSE = 4;
const INVENTED = { username: 'invented-user', password: 'invented-password' };
const FLEET: readonly Process[] = ['one', 'two', 'three'];

export type Simulation = ReturnType<typeof createSimulation>;

/** What the simulation tells whoever shows it. */
export interface Observer {
  /** After whatever happens. */
  readonly onChange: () => void;
  /** A row is new, or has another count. */
  readonly onRow: (row: Row) => void;
  /** How an action went, in a sentence. */
  readonly onOutcome: (text: string) => void;
}

/** `clock` moves the time that everything here lives by. */
export function createSimulation({ onChange, onRow, onOutcome }: Observer, clock: { shiftMs: number }) {
  // The mock looks at its options with each request.
  const options = { sameToken: true, users: { [INVENTED.username]: INVENTED.password } };
  const switches: Switches = { isSlow: false, isDown: false, isSame: true, isStoreDown: false };
  let mock = createMockServer(options);
  let rows: Row[] = [];
  let counts = { calls: 0, exchanges: 0, replays: 0, logins: 0 };
  let scopes: readonly OauthScope[] = [];
  let api: Api = 'edge';
  let held: HeldToken | undefined;
  let isNew = false;
  let session: Session = createSession(INVENTED);
  let isWrong = false;
  let values = new Map<string, string>();
  let client: Client = connect(session);
  return {
    get rows() {
      return rows;
    },
    get counts() {
      return counts;
    },
    get held() {
      return held;
    },
    /** Whether the password in use is the wrong one. */
    get isWrong() {
      return isWrong;
    },
    switches,
    choose,
    call,
    fetchToken,
    fleet,
    wrongPassword,
    rightPassword,
    revoke,
    lapse,
    setSwitch,
    advance,
    restart,
  };

  function connect(withSession: Session): Client {
    return createClient({
      clientCredentialsAuthCredentials: {
        oauthClientId: 'invented-key',
        oauthClientSecret: 'invented-secret',
        oauthScopes: scopes,
        oauthToken: held?.token,
        oauthOnTokenUpdate: (token) => {
          held = { token, isRepeated: false };
          isNew = true;
        },
      },
      vZM2mToken: api === 'm2m' ? withSession : undefined,
      fetch: observe('client'),
      onEvent,
    });
  }

  /**
   * A client is made for good: other scopes are another one, without a token; another API keeps the token.
   */
  function choose(chosen: readonly OauthScope[], chosenApi: Api): void {
    const isOther = chosen.join() !== scopes.join();
    if (!isOther && chosenApi === api) return;
    if (isOther) held = undefined;
    scopes = chosen;
    api = chosenApi;
    client = connect(session);
    onChange();
  }

  /** Stands between a client and the mock, and draws what passes. */
  function observe(from: Party): typeof fetch {
    return async (input, init) => {
      const request = new Request(input, init);
      const { method, url, signal } = request;
      const to = partyOf(url);
      message(from, to, `${method} ${url.split('/').at(-1)}`);
      if (to === 'token') counts.exchanges++;
      if (to === 'login') counts.logins++;
      if (to === 'token' && switches.isSlow) await pause(SLOW_MS, signal);
      const response = await mock.fetch(request);
      message(to, from, String(response.status), response.ok ? 'good' : 'bad', true);
      return response;
    };
  }

  function onEvent(event: ClientEvent): void {
    if (event.type === 'token_obtained') {
      if (held && !isNew) held = { ...held, isRepeated: true };
      isNew = false;
    }
    if (event.type === 'request_replayed') counts.replays++;
    const isBad = /failed|stopped|waiting/.test(event.type);
    push({
      kind: 'note',
      label: describe(event, held),
      tone: isBad ? 'bad' : 'good',
      at: 'client',
      count: 1,
    });
  }

  async function call(count: number): Promise<void> {
    const done = step(count === 1 ? 'One call' : `${count} calls at once`);
    done(await Promise.all(Array.from({ length: count }, () => callWith(client))));
  }

  async function callWith({ authorizedFetch }: Client): Promise<string> {
    counts.calls++;
    message('app', 'client', 'authorizedFetch');
    return settle(async () => String((await authorizedFetch(...REQUESTS[api])).status));
  }

  async function fetchToken(): Promise<void> {
    const done = step('fetchToken()');
    message('app', 'client', 'fetchToken');
    done([await settle(async () => ((await client.fetchToken()) ? 'token' : ''))]);
  }

  /** Three processes start and call at once. What one of them keeps in the store serves the others. */
  async function fleet(): Promise<void> {
    const done = step('Three processes start and call');
    done(await Promise.all(FLEET.map((process) => callFrom(process))));
  }

  async function callFrom(process: Process): Promise<string> {
    counts.calls++;
    const { authorizedFetch } = createClient({
      clientCredentialsAuthCredentials: {
        oauthClientId: 'invented-key',
        oauthClientSecret: 'invented-secret',
        oauthScopes: scopes,
        oauthTokenProvider: storedToken(storeSeenBy(process)),
        oauthOnTokenUpdate: (token) => {
          held = { token, isRepeated: false };
        },
      },
      fetch: observe(process),
      onEvent: (event) => {
        const isBad = /failed|waiting/.test(event.type);
        push({
          kind: 'note',
          label: describeShared(event),
          tone: isBad ? 'bad' : 'good',
          at: process,
          count: 1,
        });
      },
    });
    return authorizedFetch(...REQUESTS.edge).then(
      ({ status }) => String(status),
      (error: unknown) => (error instanceof ApiError ? error.code : String(error)),
    );
  }

  /** One store for all, drawn as the process uses it: values that one of them has written, all can read. */
  function storeSeenBy(process: Process): TokenStore {
    const ask = <T>(label: string, name: (value: T) => string, answer: () => T): T => {
      message(process, 'store', label);
      if (switches.isStoreDown) {
        message('store', process, 'down', 'bad', true);
        throw Object.assign(new Error('The store is down'), { code: 'ECONNREFUSED' });
      }
      const value = answer();
      message('store', process, name(value), 'plain', true);
      return value;
    };
    const write = (key: string, value: string | undefined) =>
      value === undefined ? values.delete(key) : values.set(key, value);
    return {
      get: (key) => ask(...(key.endsWith(':lease') ? TURN_ASKED : TOKEN_ASKED), () => values.get(key)),
      set: (key, value) => ask('keep token', named('kept'), () => write(key, value)),
      delete: (key) => ask('delete', named('deleted'), () => write(key, undefined)),
      compareAndSet: (key, expected, value) =>
        ask(
          labelOfSwap(value),
          (isDone) => (isDone ? 'done' : 'taken'),
          () => {
            const isAsExpected = values.get(key) === expected;
            if (isAsExpected) write(key, value);
            return isAsExpected;
          },
        ),
    };
  }

  /** Five M2M calls with a wrong password. It stays in use until the right one is deployed. */
  async function wrongPassword(): Promise<void> {
    const done = step('Five calls with a wrong password');
    if (!isWrong) use('a-wrong-password');
    const outcomes: string[] = [];
    for (let index = 0; index < 5; index++) outcomes.push(await callWith(client));
    done(outcomes);
  }

  function rightPassword(): void {
    if (isWrong) use(INVENTED.password);
    step('The right password is deployed')();
  }

  /** As a deployment does: the program starts anew, with another password. */
  function use(password: string): void {
    isWrong = password !== INVENTED.password;
    session = createSession({ ...INVENTED, password });
    client = connect(session);
  }

  function revoke(): void {
    step('The server revokes the token')();
    mock.revokeAll();
  }

  function lapse(): void {
    step('The server ends the M2M session')();
    mock.lapseSessions();
  }

  function setSwitch(name: keyof Switches, isOn: boolean): void {
    switches[name] = isOn;
    options.sameToken = switches.isSame;
    mock.failNext('token', 503, 0);
    if (switches.isDown) mock.failNext('token', 503, Infinity);
    const [off, on] = SWITCHED[name];
    step(isOn ? on : off)();
  }

  function advance(minutes: number): void {
    clock.shiftMs += minutes * 60_000;
    step(`The clock moves forward by ${minutes} minutes`)();
  }

  function restart(): void {
    mock = createMockServer(options);
    if (switches.isDown) mock.failNext('token', 503, Infinity);
    held = undefined;
    values = new Map();
    use(INVENTED.password);
    rows = [];
    counts = { calls: 0, exchanges: 0, replays: 0, logins: 0 };
    onOutcome('Started afresh: no token, no session, counters at 0.');
    onChange();
  }

  /** What a promise came to, drawn as the client's answer. */
  async function settle(work: () => Promise<string>): Promise<string> {
    try {
      const outcome = await work();
      message('client', 'app', outcome, /^[45]/.test(outcome) ? 'bad' : 'good', true);
      return outcome;
    } catch (error) {
      const outcome = error instanceof ApiError ? error.code : String(error);
      message('client', 'app', outcome, 'bad', true);
      return outcome;
    }
  }

  /** Begins an action; what it returns tells how it went. */
  function step(label: string): (outcomes?: readonly string[]) => void {
    const before = { ...counts };
    push({ kind: 'step', label, time: new Date(Date.now()).toLocaleTimeString('en-GB') });
    return (outcomes) => {
      const used = [
        [counts.exchanges - before.exchanges, 'token request'],
        [counts.logins - before.logins, 'login'],
        [counts.replays - before.replays, 'replay'],
      ] as const;
      const costs = used.flatMap(([count, what]) =>
        count ? [`${count} ${what}${count > 1 ? 's' : ''}`] : [],
      );
      const meanwhile = costs.length ? `meanwhile ${costs.join(', ')}` : 'no token request';
      onOutcome(outcomes ? `${label}: ${tally(outcomes)}; ${meanwhile}.` : `${label}.`);
    };
  }

  function message(from: Party, to: Party, label: string, tone: Tone = 'plain', isReply = false): void {
    push({ kind: 'message', from, to, label, isReply, tone, count: 1 });
  }

  function push(row: Row): void {
    const same = findSame(rows.slice(-CLOSE), row);
    if (same) same.count++;
    else rows = [...rows.slice(-ROWS_KEPT), row];
    onRow(same ?? row);
    onChange();
  }
}

const SWITCHED: Readonly<Record<keyof Switches, readonly [off: string, on: string]>> = {
  isSlow: ['The token endpoint is quick again', 'The token endpoint now takes two seconds'],
  isDown: ['The token endpoint is up again', 'The token endpoint is down: 503'],
  isSame: ['Each token request now brings a new token', 'The token endpoint repeats a token until it ends'],
  isStoreDown: ['The store is up again', 'The store is down'],
};

type Asked = readonly [label: string, name: (value: string | undefined) => string];
const TOKEN_ASKED: Asked = ['get token', (value) => (value ? 'a token' : 'nothing')];
const TURN_ASKED: Asked = ['whose turn?', (value) => (value ? 'another’s' : 'nobody’s')];
const named = (words: string) => (): string => words;

/** What `storedToken` writes: the token, or whose turn it is to ask for one. */
function labelOfSwap(value: string | undefined): string {
  if (value === undefined) return 'free the turn';
  return value.includes('accessToken') ? 'keep token' : 'take the turn';
}

function partyOf(url: string): Party {
  if (url.includes('/oauth2/')) return 'token';
  return url.includes('/session/') ? 'login' : 'api';
}

/** The row that says the same, of those that came last: not beyond a step, nor beyond an answer to it. */
function findSame(recent: readonly Row[], row: Row): Exclude<Row, { kind: 'step' }> | undefined {
  for (const other of [...recent].reverse()) {
    if (other.kind === 'step' || isAnswer(other, row)) return undefined;
    if (saysTheSame(other, row)) return other;
  }
  return undefined;
}

function isAnswer(row: Row, other: Row): boolean {
  return row.kind === 'message' && other.kind === 'message' && row.from === other.to && row.to === other.from;
}

function saysTheSame(row: Row, other: Row): boolean {
  if (row.label !== other.label) return false;
  if (row.kind === 'note' && other.kind === 'note') return row.at === other.at;
  if (row.kind !== 'message' || other.kind !== 'message') return false;
  return row.from === other.from && row.to === other.to;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    setTimeout(resolve, ms);
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}

/** An event of one of the fleet. */
function describeShared(event: ClientEvent): string {
  if (event.type === 'store_failed') return `store failed: ${event.reason}`;
  if (event.type !== 'token_obtained') return describe(event, undefined);
  return event.attempts ? 'new token' : 'token from the store';
}

/** An event in a few words. A token is told by its number. */
function describe(event: ClientEvent, held: HeldToken | undefined): string {
  const number = held?.token.accessToken.split('-').at(-1) ?? '?';
  switch (event.type) {
    case 'token_obtained':
      return held?.isRepeated ? `same token #${number}` : `new token #${number}`;
    case 'retry_waiting':
      return `retry ${event.attempt} in ${(event.delayMs / 1000).toFixed(1)} s`;
    case 'request_replayed':
      return `replay: new ${event.reason}`;
    case 'refresh_ahead_failed':
      return 'refresh ahead failed';
    default:
      return event.type.replaceAll('_', ' ');
  }
}

function tally(outcomes: readonly string[]): string {
  const kinds = [...new Set(outcomes)];
  return kinds.map((kind) => `${outcomes.filter((outcome) => outcome === kind).length} × ${kind}`).join(', ');
}
