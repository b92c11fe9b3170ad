/**
 * The M2M session (`VZ-M2M-Token`): one login shared by all callers, kept while it is used, and a latch in front of it.
 * ThingSpace locks an account after five failed logins, so each login is counted before it is sent, in the store too,
 * and a refused one is never sent again. All state is in the closure of {@link createSession}.
 * @module
 */
import type { SessionContext, SessionTokenSource } from './config.ts';
import type { ApiErrorCode } from './errors.ts';
import { ApiError } from './errors.ts';
import { callHook, report } from './events.ts';
import { retryAfterMs } from './retry.ts';
import type { TokenStore } from './stores.ts';
import type { OAuthToken } from './token.ts';
import { isHeaderSafe } from './token.ts';
import type { Answer } from './transport.ts';
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
export function createSession({ username, password, store, ...unknown }: SessionOptions): Session {
  if (![username, password].every((text) => typeof text === 'string' && text)) {
    throw new TypeError('username and password must be non-empty strings');
  }
  if (store && !store.lock) throw new TypeError('store must have lock');
  // A misspelt store would leave each process with a latch of its own.
  for (const name in unknown) throw new TypeError(`${name} is no option; known are username, password, store`);
  /** The client that used the session last, where it logs in, and the account's key in the store. */
  let context: SessionContext;
  let url: string | undefined;
  let key: string | undefined;
  /** As in the store: the session, or what counts against the next login. */
  let state: State = {};
  /** The last use that the store knows of, and the session given up last: a store may still offer it. */
  let savedAtMs = 0;
  let lapsed: string | undefined;
  /** The error of all calls once the latch holds. */
  let latchError: ApiError | undefined;
  /** Whether another process may have sent a login whose fate is unknown here. */
  let isWitness = false;
  /** Whether what the store holds is not to be believed: nothing has been written since a reset. */
  let isReset = false;
  /** The last failure that passes, and for how long it bars further logins. */
  let passing: ApiError;
  let failedAtMs = 0;
  let delayMs = 0;
  /** The login under way, shared by all who wait, and its last sign of life. */
  let flight: Promise<Failure | void> | undefined;
  let aliveAtMs: number;
  return Object.freeze<Session>({ getSessionToken, noteLapse, logout, reset, current });

  function current(): string | undefined {
    return Date.now() - state.usedAt! < IDLE_MS ? state.token : undefined;
  }

  function reset(): void {
    keep({});
    isReset = true;
  }

  function keep(kept: State): void {
    state = kept;
    savedAtMs = kept.usedAt!;
    delayMs = 0;
    isWitness = false;
    latchError = undefined;
  }

  function getSessionToken(used: SessionContext, signal?: AbortSignal | null): string | Promise<string> {
    if (used !== context) {
      const { sessionUrl = new URL('/api/m2m/v1/session', used.settings.tokenUrl).href } = used.settings;
      // A session token is a secret between its account and its server.
      if (url && url !== sessionUrl) throw new TypeError('sessionUrl must not change');
      url = sessionUrl;
      context = used;
    }
    return use() ?? obtain(signal);
  }

  /** The token held, for a call about to be sent. The store learns of it once a minute at most, beside the call. */
  function use(): string | undefined {
    const held = current();
    if (held) {
      state.usedAt = Date.now();
      if (store && state.usedAt - savedAtMs >= SAVE_EVERY_MS) {
        savedAtMs = state.usedAt;
        void callHook(context.settings.waitUntil, amend(held));
      }
    }
    return held;
  }

  /**
   * Joins the login under way or begins one. The signal ends only this caller's wait. On workerd and edge runtimes a
   * login that another request has begun dies with it and never settles, or rejects with the runtime's refusal: then it
   * is lost, and stays counted. One that is only slow goes on giving signs of life; a second one beside it would count too.
   */
  async function obtain(signal: AbortSignal | null | undefined): Promise<string> {
    for (;;) {
      if (signal?.aborted) throw signal.reason;
      const held = use();
      if (held) return held;
      const limitMs = flight && isRequestBound() ? LOST_AFTER_MS : undefined;
      const joined = (flight ??= begin());
      const failure = await waitFor(joined, signal, limitMs).catch((error: unknown) => {
        if (signal?.aborted) throw error;
        aliveAtMs = 0;
      });
      if (failure) throw failure.error;
      if (flight === joined && Date.now() - aliveAtMs >= LOST_AFTER_MS) flight = undefined;
    }
  }

  function begin(): Promise<Failure | void> {
    const beat = () => (aliveAtMs = Date.now());
    beat();
    const pulse = isRequestBound() ? setInterval(beat, 1_000) : undefined;
    const begun = findOrLogIn()
      .catch((error: unknown) => ({ error }))
      .finally(() => {
        clearInterval(pulse);
        if (flight === begun) flight = undefined;
      });
    void callHook(context.settings.waitUntil, begun);
    return begun;
  }

  /** Brings a session, from the store or by one login: under the lock where there is a store, and never beside another. */
  async function findOrLogIn(): Promise<void> {
    const giveUpAtMs = Date.now() + limitMs();
    let lockedAtMs = 0;
    let release: (() => unknown) | undefined;
    if (store) key ??= await deriveKey(url!, username, password);
    try {
      for (;;) {
        const stored = await read();
        const { token, usedAt, status, failures } = stored ?? {};
        // Clocks of a fleet differ: none has been used in the future.
        const atMs = Math.min(Number(usedAt), Date.now());
        if (isHeaderSafe(token) && token !== lapsed && Date.now() - atMs < IDLE_MS) return keep({ token, usedAt: atMs });
        if (!release) isWitness ||= !!failures;
        // A store may forget what it was told.
        else if (stored) state = { failures: Math.max(state.failures ?? 0, Number(failures) || 0) };
        if (latchError || status || state.failures! >= LATCHED) throw latch(status);
        if (Math.abs(Date.now() - failedAtMs) < delayMs) throw passing;
        const bearer = await context.getToken(context);
        // A process that was stopped meanwhile has lost the lock.
        if (release && Date.now() - lockedAtMs >= SEND_WITHIN_MS) throw fail();
        if (!store || !stored || release) return await logIn(bearer, !stored);
        lockedAtMs = Date.now();
        const lock = await takeLock();
        if (!lock) return await logIn(bearer, true);
        release = lock.value;
        if (release) continue;
        isWitness = true;
        if (Date.now() >= giveUpAtMs) throw fail();
        await waitFor(undefined, undefined, 200);
      }
    } finally {
      if (release) await ask('release', release);
    }
  }

  function latch(status: unknown): ApiError {
    return (latchError ??= fail({ response: { status: Number(status) || undefined } as unknown as Response }, true));
  }

  /** Without an answer: nothing may be sent, since another process may be logging in. */
  function fail(answer?: Reply, isLatched?: boolean): ApiError {
    const { response, text: _, ...fields } = answer ?? {};
    const { status: statusCode, headers } = response ?? {};
    const code = isLatched ? 'session_refused' : 'session_failed';
    tell(isLatched ? 'session_latched' : 'session_failed', code, statusCode);
    const reason = answer ? `${statusCode ?? 'no'} answer` : 'another process may be logging in';
    const advice = isLatched ? '; check username and password, then reset()' : '';
    return new ApiError(`M2M session: ${reason}${advice}`, { ...fields, statusCode, headers, code });
  }

  function tell(type: 'session_obtained' | 'session_failed' | 'session_latched', code?: ApiErrorCode, statusCode?: number): void {
    report(context.settings, { type, code, statusCode });
  }

  /** Sends one login, counted first, and judges its answer. `isAlone`: the store fails, and the process has this one login. */
  async function logIn(bearer: OAuthToken, isAlone: boolean): Promise<void> {
    const { failures = 0 } = state;
    state = { failures: failures + 1 };
    const isCounted = !isAlone && (await save());
    if (isCounted) isReset = isWitness = false;
    else {
      const isBarred = failures || isWitness;
      state = { failures: isBarred ? failures : LATCHED };
      if (isBarred) throw fail();
    }
    const usedAt = Date.now();
    const answer = await post('/login', bearer, {}, JSON.stringify({ username, password }));
    const { response, text } = answer;
    const { status = 0, ok } = response ?? {};
    const { sessionToken } = parse(text);
    if (ok && isHeaderSafe(sessionToken)) {
      keep({ token: sessionToken, usedAt });
      if (isCounted) await save();
      return tell('session_obtained');
    }
    if (/^4(?!08|29)/.test(`${status}`) && !isBearerFault(answer)) {
      state = { failures: LATCHED, status };
      await save();
      throw latch(status);
    }
    const error = fail(answer);
    // Its fate is unknown: it stays counted.
    if (text === undefined && status < 300) throw error;
    // Another login may have brought a session since, where this one had been lost.
    state.failures = failures;
    if (isCounted) await save();
    failedAtMs = Date.now();
    delayMs = Math.max(Math.min(delayMs * 2 || 1_000, 30_000), retryAfterMs(error) ?? 0);
    throw (passing = error);
  }

  /** Sends a request; once more with another bearer where the gateway refuses the bearer. */
  async function post(
    path: string,
    bearer: OAuthToken,
    extra: Record<string, string>,
    body: string,
    isAgain?: boolean,
  ): Promise<Reply> {
    const headers = { authorization: `Bearer ${bearer.accessToken}`, 'content-type': 'application/json', ...extra };
    const answer: Reply = {};
    await context.post(context.settings, url + path, headers, body, answer).catch((cause: unknown) => {
      answer.cause = cause;
    });
    const renewed = !isAgain && isBearerFault(answer) && (await context.renewToken(context, bearer).catch(() => {}));
    return renewed ? post(path, renewed, extra, body, true) : answer;
  }

  function limitMs(): number {
    return context.settings.timeoutMs || 30_000;
  }

  async function noteLapse(response: Response, sent: string): Promise<boolean> {
    const { status, headers } = response;
    if (!/^40[01].*json/i.test(status + headers.get('content-type')!)) return false;
    // A body that breaks off breaks off for the caller too, who reads the original.
    const isLapsed = saysLapsed(await context.readText(response.clone()).catch(() => undefined));
    if (isLapsed) giveUp(sent);
    return isLapsed;
  }

  function giveUp(sent: string): void {
    if (state.token !== sent) return;
    lapsed = sent;
    state = {};
  }

  async function logout(): Promise<void> {
    const held = current();
    if (!held) return;
    const bearer = await context.getToken(context);
    giveUp(held);
    await amend(held);
    const answer = await post('/logout', bearer, { 'vz-m2m-token': held }, '');
    if (!answer.response?.ok && !saysLapsed(answer.text)) throw fail(answer);
  }

  /** What the store holds, or what is known here where there is none or it is not to be believed; `undefined` where it fails. */
  async function read(): Promise<Stored | undefined> {
    if (!store || isReset) return state;
    const answer = await ask('get', () => store.get(key!));
    // Junk is a miss, and told as a failure.
    return answer && ((await ask('get', () => JSON.parse(answer.value ?? '{}')))?.value ?? {});
  }

  /** Whether the state has been written. A count and a refusal are kept for ever, a session for as long as it lives. */
  async function save(): Promise<unknown> {
    if (!store) return true;
    const { token, failures } = state;
    const ttlSeconds = token ? IDLE_MS / 1000 : undefined;
    return ask('set', () => (token || failures ? store.set(key!, JSON.stringify(state), ttlSeconds) : store.delete(key!)));
  }

  /** Saves while the store holds still this session, and nobody is logging in. */
  async function amend(held: string): Promise<void> {
    const lock = await takeLock();
    if (!lock?.value) return;
    if ((await read())?.token === held) await save();
    await ask('release', lock.value);
  }

  /** A release function as the value, none while another holds the lock; `undefined` where the store fails. */
  function takeLock(): Promise<{ readonly value: (() => unknown) | undefined } | undefined> {
    // Outlives what its holder may still do: 20 s until the login is sent, that twice, another bearer for it (60 s).
    return ask('lock', () => store?.lock!(key!, Math.ceil(limitMs() / 500) + 90));
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
    report(context.settings, { type: 'store_failed', operation });
    return undefined;
  }
}

/** How a login failed. The shared promise always fulfils, so that a rejection can only come from the runtime. */
interface Failure {
  readonly error: unknown;
}

/** A session with its last use, or a count of logins whose fate is unknown with the status of a refusal. */
interface State {
  readonly token?: string;
  usedAt?: number;
  failures?: number;
  readonly status?: number;
}

/** A state from the store: outside data. */
type Stored = { readonly [K in keyof State]?: unknown };

/** An answer, and why it is none or no whole one. */
interface Reply extends Answer {
  cause?: unknown;
}

const LATCHED = 2;
const IDLE_MS = 1_200_000;
const SAVE_EVERY_MS = 60_000;
const SEND_WITHIN_MS = 20_000;
const LOST_AFTER_MS = 5_000;
const LAPSED =
  /^{"errorCode":"([^".]*\.(REQUEST_FAILED\.SessionToken\.(Expired|Format)|INPUT_INVALID\.SessionToken\.Invalid)"|INVALID_PARAMETER",.*UWS verification failure)|"error":"unauthorized",.*\bUWS\b/;

/** The gateway's word on the bearer: the login has not reached the account. */
function isBearerFault({ response, text = '' }: Answer): boolean {
  return response?.status === 401 && /^\s*{\s*"fault"|<am:fault/.test(text);
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
  return LAPSED.test(JSON.stringify(parse(text), ['errorCode', 'errorMessage', 'error', 'error_description']));
}

/** A changed password is another key, and the old one cannot be guessed from it. */
async function deriveKey(url: string, username: string, password: string): Promise<string> {
  const encode = (text: string) => new TextEncoder().encode(text);
  const name = JSON.stringify([url, username]);
  const secret = await crypto.subtle.importKey('raw', encode(password), 'PBKDF2', false, ['deriveBits']);
  const parameters = { name: 'PBKDF2', hash: 'SHA-256', salt: encode(name), iterations: 100_000 };
  return `thingspace-auth:${name}:${new Uint8Array(await crypto.subtle.deriveBits(parameters, secret, 256))}`;
}
