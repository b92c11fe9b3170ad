/**
 * The M2M session (`VZ-M2M-Token`): one login shared by all callers, kept while it is used, and a latch in front of it.
 * ThingSpace locks an account after five failed logins, so each login is counted before it is sent, in the store too,
 * and a refused one is never sent again. All state is in the closure of {@link createSession}.
 * @module
 */
import type { SessionContext, SessionTokenSource } from './config.ts';
import { ApiError } from './errors.ts';
import { callHook, report } from './events.ts';
import { retryAfterMs } from './retry.ts';
import type { TokenStore } from './stores.ts';
import type { OAuthToken } from './token.ts';
import { isHeaderSafe } from './token.ts';
import { readText } from './transport.ts';
import { isRequestBound, waitFor } from './waiting.ts';

/** Whose session it is, and where a fleet shares it. */
export interface SessionOptions {
  /** The account's user name ("UWS" credentials). Not empty. */
  readonly username: string;
  /** Its password. Not empty. */
  readonly password: string;
  /**
   * Shares the session, and the latch, among processes and restarts. Needs `lock`. Values hold the session token: keep
   * them private, or wrap the store in `encryptedStore`. Absent: the session lives in this object only.
   */
  readonly store?: TokenStore | undefined;
}

/** What {@link createSession} returns: frozen, each function works when destructured. */
export interface Session extends SessionTokenSource {
  /**
   * Ends the session at the server, and in the store: one request, and none where no session is held. The next call
   * logs in. When it fails the session is forgotten here all the same, and ends by itself after 20 idle minutes.
   *
   * Rejects with an `ApiError` (`session_failed`, or what a token request rejects with).
   */
  readonly logout: () => Promise<void>;
  /**
   * Forgets session, refusal and count, so that the next call logs in; in the store from that call on. For an account
   * that has been unlocked or mended. Touches no network.
   */
  readonly reset: () => void;
  /** The session token held, while it is not 20 minutes idle. Does not count as use; touches no network. */
  readonly current: () => string | undefined;
}

/**
 * Makes an M2M session to be given as `vZM2mToken`, to one client or to several of the same environment. The first call
 * logs in (`POST {sessionUrl}/login` with the client's bearer), all share the session, and a call that finds it ended
 * (20 idle minutes, or the server's word) logs in again. Creating it touches no network, clock or store.
 *
 * Calls then also reject with an `ApiError`: `session_refused` when a login was refused, or two in a row ended without
 * an answer: **no further one is sent** before `reset()` or with other credentials, since five failures lock the
 * account; `session_failed` when a login brought no session this time (the service is overloaded, the answer was lost,
 * another process is still logging in).
 *
 * A login has the client's `timeout`, or 30 s. It is sent once for each decision; platforms may resend a POST by
 * themselves when a kept-alive connection turns out to be closed (Chromium, Firefox, Bun 1.2, Deno 2.9).
 *
 * With a `store`, processes with the same account share all of it; while one logs in, the others wait for it and never
 * log in beside it. Where the store fails a process sends one login at most, and none after that one failed.
 *
 * @throws `TypeError` for a missing user name or password, or a store without `lock`
 * @see https://thingspace.verizon.com/documentation/apis/connectivity-management/api-reference/start-connectivity-management-session.html
 * @example
 * createClient({ …, vZM2mToken: createSession({ username: 'name', password: 'secret' }) });
 */
export function createSession({ username, password, store }: SessionOptions): Session {
  if (![username, password].every((text) => typeof text === 'string' && text)) {
    throw new TypeError('username and password must be non-empty strings');
  }
  if (store && !store.lock) throw new TypeError('store must have lock, or processes log in beside each other');
  /** The client that used the session last, where it logs in, and the account's key in the store. */
  let context: SessionContext | undefined;
  let url: string;
  let key: string | undefined;
  /** The session, its last use, the last one that the store knows of, and the session given up last: a store may still offer it. */
  let token: string | undefined;
  let usedAtMs = 0;
  let savedAtMs = 0;
  let lapsed: string | undefined;
  /** Logins of this process, since the last success, that failed or whose fate is unknown; {@link LATCHED} ends them. */
  let failures = 0;
  /** The error of all calls once the latch holds. */
  let latchError: ApiError | undefined;
  /** Whether another process may have sent a login whose fate is unknown here. */
  let isWitness = false;
  /** Whether what the store holds is not to be believed: nothing has been written since a reset. */
  let isReset = false;
  /** The last failure that passes, and for how long it bars further logins. */
  let passing: ApiError;
  let failedAtMs = 0;
  let stepMs = 0;
  let delayMs = 0;
  /** When the lock of the store was asked for. */
  let lockedAtMs: number;
  /** The login under way, shared by all who wait, and its last sign of life. */
  let flight: Promise<Outcome> | undefined;
  let aliveAtMs = 0;
  return Object.freeze<Session>({ getSessionToken, noteLapse, logout, reset, current });

  function current(): string | undefined {
    return Date.now() - usedAtMs < IDLE_MS ? token : undefined;
  }

  function reset(): void {
    keep(undefined, 0);
    isReset = true;
  }

  function keep(found: string | undefined, atMs: number): void {
    token = found;
    usedAtMs = savedAtMs = atMs;
    failures = stepMs = delayMs = 0;
    isWitness = false;
    latchError = undefined;
  }

  function getSessionToken(used: SessionContext, signal?: AbortSignal | null): string | Promise<string> {
    if (used !== context) {
      const { sessionUrl = new URL('/api/m2m/v1/session', used.settings.tokenUrl).href } = used.settings;
      // A session token is a secret between its account and its server.
      if (context && url !== sessionUrl) throw new TypeError('the clients of a session must have one sessionUrl');
      url = sessionUrl;
      context = used;
    }
    return use() ?? obtain(used, signal);
  }

  /** The token held, for a call about to be sent. The store learns of it once a minute at most, beside the call. */
  function use(): string | undefined {
    const held = current();
    if (held) {
      usedAtMs = Date.now();
      if (store && usedAtMs - savedAtMs >= SAVE_EVERY_MS) {
        savedAtMs = usedAtMs;
        void callHook(context!.settings.waitUntil, amend(held, () => save({ token: held, usedAt: usedAtMs })));
      }
    }
    return held;
  }

  /**
   * Joins the login under way or begins one. The signal ends only this caller's wait. On workerd and edge runtimes a
   * login that another request has begun dies with it and never settles, or rejects with the runtime's refusal: then it
   * is lost, and stays counted. One that is only slow goes on giving signs of life; a second one beside it would count too.
   */
  async function obtain(used: SessionContext, signal: AbortSignal | null | undefined): Promise<string> {
    for (;;) {
      if (signal?.aborted) throw signal.reason;
      const held = use();
      if (held) return held;
      const limitMs = flight && isRequestBound() ? LOST_AFTER_MS : undefined;
      const joined = (flight ??= begin(used));
      const outcome = await waitFor(joined, signal, limitMs).catch((error: unknown) => {
        if (signal?.aborted) throw error;
        aliveAtMs = 0;
      });
      if (outcome?.token) return outcome.token;
      if (outcome) throw outcome.error;
      if (flight === joined && Date.now() - aliveAtMs >= LOST_AFTER_MS) flight = undefined;
    }
  }

  function begin(used: SessionContext): Promise<Outcome> {
    aliveAtMs = Date.now();
    const pulse = isRequestBound() ? setInterval(() => (aliveAtMs = Date.now()), 1_000) : undefined;
    const begun = findOrLogIn(used)
      .then(
        (found) => ({ token: found }),
        (error: unknown) => ({ error }),
      )
      .finally(() => {
        clearInterval(pulse);
        if (flight === begun) flight = undefined;
      });
    void callHook(used.settings.waitUntil, begun);
    return begun;
  }

  /** A session from the store, or that of one login: under the lock where there is a store, and never beside another. */
  async function findOrLogIn(used: SessionContext): Promise<string> {
    const giveUpAtMs = Date.now() + limitOf(used);
    let release: (() => unknown) | undefined;
    let isAlone = false;
    try {
      for (;;) {
        const stored: Stored | undefined = isAlone ? {} : await read();
        const { status, failures: counted } = stored ?? {};
        isAlone ||= !stored;
        const found = adopt(stored);
        if (found) return found;
        const count = Math.max(failures, (release && Number(counted)) || 0);
        if (status || count >= LATCHED) throw latch(status);
        if (Math.abs(Date.now() - failedAtMs) < delayMs) throw passing;
        const bearer = await used.getToken(used);
        if (!store || isAlone || release) return await logIn(used, bearer, count, isAlone);
        lockedAtMs = Date.now();
        const lock = await takeLock();
        release = lock?.value;
        isAlone = !lock;
        if (release) continue;
        if (lock || counted) isWitness = true;
        if (Date.now() >= giveUpAtMs) throw fail(BESIDE);
        if (lock) await waitFor(undefined, undefined, 100 + Math.random() * 200);
      }
    } finally {
      if (release) await ask('release', release);
    }
  }

  /** Takes a session from the store, unless it is idle too long or was given up here. */
  function adopt({ token: found, usedAt }: Stored = {}): string | undefined {
    // Clocks of a fleet differ: none has been used in the future.
    const atMs = Math.min(Number(usedAt), Date.now());
    if (!isHeaderSafe(found) || found === lapsed || !(Date.now() - atMs < IDLE_MS)) return undefined;
    keep(found, atMs);
    return use();
  }

  function latch(status?: unknown): ApiError {
    const reason = `${status || 'twice no'} answer, and no further login before reset()`;
    latchError ??= fail(reason, { status: Number(status) }, true);
    return latchError;
  }

  function fail(reason: string, answer?: Answer, isLatched?: boolean): ApiError {
    const { status, headers, cause } = answer ?? {};
    const statusCode = status || undefined;
    const code = isLatched ? 'session_refused' : 'session_failed';
    const type = isLatched ? 'session_latched' : 'session_failed';
    report(context!.settings, { type, code, statusCode });
    return new ApiError(`No M2M session: ${reason}`, { code, statusCode, headers, cause });
  }

  /** Sends one login, counted first, and judges its answer. `isAlone`: the store fails, and the process has this one login. */
  async function logIn(used: SessionContext, bearer: OAuthToken, count: number, isAlone: boolean): Promise<string> {
    // A process that was stopped meanwhile has lost the lock.
    if (store && !isAlone && Date.now() - lockedAtMs >= SEND_WITHIN_MS) throw fail(BESIDE);
    const isCounted = !isAlone && (await save({ failures: count + 1 }));
    if (isCounted) isReset = isWitness = false;
    else if (count || isWitness) throw fail('the store fails');
    failures = isCounted ? count + 1 : LATCHED;
    latchError = undefined;
    const sentAtMs = Date.now();
    const answer = await post(used, '/login', bearer, {}, JSON.stringify({ username, password }));
    const { status, text } = answer;
    const { sessionToken } = parse(text);
    if (/^2/.test(`${status}`) && isHeaderSafe(sessionToken)) {
      keep(sessionToken, sentAtMs);
      if (isCounted) await save({ token: sessionToken, usedAt: sentAtMs });
      report(used.settings, { type: 'session_obtained', code: undefined, statusCode: undefined });
      return sessionToken;
    }
    if (/^4(?!08|29)/.test(`${status}`) && !isBearerFault(answer)) {
      failures = LATCHED;
      await save({ failures, status });
      throw latch(status);
    }
    const error = fail(`${status || 'no'} answer`, answer);
    if (text === undefined && status < 300) {
      if (failures >= LATCHED) latch();
      throw error;
    }
    failures = count;
    if (isCounted) await save({ failures });
    failedAtMs = Date.now();
    stepMs = Math.min(stepMs * 2 || 1_000, 30_000);
    delayMs = Math.max(stepMs, retryAfterMs(answer) ?? 0);
    throw (passing = error);
  }

  /** Sends a request; once more with another bearer where the gateway refuses the bearer. */
  async function post(
    used: SessionContext,
    path: string,
    bearer: OAuthToken,
    extra: Record<string, string>,
    body: string,
    isAgain?: boolean,
  ): Promise<Answer> {
    const { fetch } = used.settings;
    const controller = new AbortController();
    const { signal } = controller;
    const headers = { authorization: `Bearer ${bearer.accessToken}`, 'content-type': 'application/json', ...extra };
    let response: Partial<Response> = {};
    let text: string | undefined;
    const receive = async () => {
      const arrived = await fetch(url + path, { method: 'POST', redirect: 'manual', credentials: 'omit', headers, body, signal });
      response = arrived;
      text = await readText(arrived);
    };
    const cause = await waitFor(receive(), undefined, limitOf(used)).catch((error: unknown) => error);
    controller.abort();
    const answer = { status: response.status ?? 0, headers: response.headers, text, cause };
    const renewed = !isAgain && isBearerFault(answer) && (await used.renewToken(used, bearer).catch(() => {}));
    return renewed ? post(used, path, renewed, extra, body, true) : answer;
  }

  async function noteLapse(response: Response, sent: string): Promise<boolean> {
    const { status, headers } = response;
    if (!/^40[01].*json/i.test(status + headers.get('content-type')!)) return false;
    // A body that breaks off breaks off for the caller too, who reads the original.
    const isLapsed = saysLapsed(await readText(response.clone()).catch(() => undefined));
    if (isLapsed) giveUp(sent);
    return isLapsed;
  }

  function giveUp(sent: string): void {
    if (token !== sent) return;
    lapsed = sent;
    token = undefined;
  }

  async function logout(): Promise<void> {
    const held = current();
    const used = context!;
    if (!held) return;
    const bearer = await used.getToken(used);
    giveUp(held);
    if (store) await amend(held, () => store.delete(key!));
    const answer = await post(used, '/logout', bearer, { 'vz-m2m-token': held }, '');
    if (!/^2/.test(`${answer.status}`) && !saysLapsed(answer.text)) throw fail(`logout ${answer.status}`, answer);
  }

  /** What the store holds; nothing where it is not to be believed, `undefined` where the store fails. */
  async function read(): Promise<Stored | undefined> {
    if (store) key ??= await deriveKey(url, username, password);
    if (!store || isReset) return {};
    const answer = await ask('get', () => store.get(key!));
    return answer && parse(answer.value);
  }

  /** A count and a refusal are kept for ever, a session for as long as it lives. Whether it has been written. */
  async function save(stored: Stored): Promise<unknown> {
    return !store || ask('set', () => store.set(key!, JSON.stringify(stored), stored.token ? IDLE_MS / 1000 : undefined));
  }

  /** Changes what the store holds while that is still this session, and nobody is logging in. */
  async function amend(held: string, change: () => unknown): Promise<void> {
    const lock = await takeLock();
    if (!lock?.value) return;
    if ((await read())?.token === held) await ask('set', change);
    await ask('release', lock.value);
  }

  /** A release function as the value, none while another holds the lock; `undefined` where the store fails. */
  function takeLock(): Promise<{ readonly value: (() => unknown) | undefined } | undefined> {
    // Outlives what its holder may still do: 20 s until the login is sent, that twice, another bearer for it (60 s).
    return ask('lock', () => store!.lock!(key!, Math.ceil(limitOf(context!) / 500) + 90));
  }

  /** Asks the store: its answer, or `undefined` where it throws or takes too long. */
  async function ask<T>(
    operation: 'get' | 'set' | 'lock' | 'release',
    act: () => Promise<T> | T,
  ): Promise<{ readonly value: T } | undefined> {
    try {
      const asked = (async () => ({ value: await act() }))();
      // In slices: a process that gets no time for a while finds its timers due before the answer that lies there.
      for (let slices = 5; slices--; ) {
        const answer = await waitFor(asked, undefined, 1_000);
        if (answer) return answer;
      }
    } catch {
      // Whatever it throws: told below.
    }
    report(context!.settings, { type: 'store_failed', operation });
    return undefined;
  }
}

/** How a login ended. The shared promise always fulfils, so that a rejection can only come from the runtime. */
interface Outcome {
  readonly token?: string;
  readonly error?: unknown;
}

/** What the store holds: a session with its last use, or a count with the status of a refusal. All of it is outside data. */
interface Stored {
  readonly token?: unknown;
  readonly usedAt?: unknown;
  readonly failures?: unknown;
  readonly status?: unknown;
}

/** An answer; without `text` it could not be read, and with status 0 there was none. */
interface Answer {
  readonly status: number;
  readonly headers?: Headers | undefined;
  readonly text?: string | undefined;
  readonly cause?: unknown;
}

const LATCHED = 2;
const BESIDE = 'another process is logging in';
const IDLE_MS = 1_200_000;
const SAVE_EVERY_MS = 60_000;
const SEND_WITHIN_MS = 20_000;
const LOST_AFTER_MS = 5_000;

function limitOf({ settings }: SessionContext): number {
  return settings.timeoutMs || 30_000;
}

/** The gateway's word on the bearer: the login has not reached the account. */
function isBearerFault({ status, text = '' }: Answer): boolean {
  return status === 401 && (!!parse(text).fault || text.includes('<am:fault'));
}

/** Outside data as an object; an empty one for anything else. */
function parse(text: string | null | undefined): Record<string, unknown> {
  try {
    return Object(JSON.parse(text!));
  } catch {
    return {};
  }
}

/** Whether a body says that the session has ended, in the words of Connectivity, Location or Cloud Connector. */
function saysLapsed(text: string | undefined): boolean {
  const { errorCode, errorMessage, error, error_description: description } = parse(text) as Record<string, string>;
  return (
    /^[^.]*\.(REQUEST_FAILED\.SessionToken\.(Expired|Format)|INPUT_INVALID\.SessionToken\.Invalid)$/.test(errorCode!) ||
    (errorCode === 'INVALID_PARAMETER' && /UWS verification failure/.test(errorMessage!)) ||
    (error === 'unauthorized' && /\bUWS\b/.test(description!))
  );
}

/** A changed password is another key, and the old one cannot be guessed from it. */
async function deriveKey(url: string, username: string, password: string): Promise<string> {
  const encoder = new TextEncoder();
  const name = JSON.stringify([url, username]);
  const secret = await crypto.subtle.importKey('raw', encoder.encode(password), 'PBKDF2', false, ['deriveBits']);
  const parameters = { name: 'PBKDF2', hash: 'SHA-256', salt: encoder.encode(name), iterations: 100_000 };
  return `thingspace-auth:${name}:${new Uint8Array(await crypto.subtle.deriveBits(parameters, secret, 256))}`;
}
