/**
 * The M2M session (`VZ-M2M-Token`): one login shared by all callers, kept while it is used, and a latch in front of it.
 * ThingSpace locks an account after five failed logins, so each login is counted before it is sent, in the store too,
 * and a refused one is never sent again. All state is in the closure of {@link createSession}.
 * @module
 */
import type { SessionTokenSource } from './config/config.ts';
import { ApiError } from './platform/errors.ts';
import { callHook, report } from './platform/events.ts';
import { retryAfterMs } from './token/retry.ts';
import type { TokenStore } from './stores/tokenStore.ts';
import type { OAuthToken } from './platform/token.ts';
import type { RejectedUse } from './platform/rejections.ts';
import { asHeaderText } from './platform/token.ts';
import type { TokenSource } from './token/renewal.ts';
import { getToken, renewToken } from './token/tokenSource.ts';
import type { Answer } from './platform/transport.ts';
import { post, readText } from './platform/transport.ts';
import { isRequestBound, sleep, throwIfAborted, waitFor } from './platform/waiting.ts';

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
   * Forgets session, refusal and count, so that the next call logs in, with the same user name and password; in the
   * store from that call on. For an account that has been unlocked: other credentials want a session of their own.
   * Touches no network.
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
 * log in beside it. One that is killed then keeps the lock for up to twice the limit of a login and 90 s: until then
 * the others reject with `session_failed`. Where the store fails (an operation has 5 s) a process sends one login at
 * most, and none after that one failed.
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
  for (const name in unknown) throw new TypeError(`${name} is not username, password or store`);
  /** The client that used the session last, where it logs in, and the account's key in the store. */
  let client: TokenSource;
  let url: string | undefined;
  let key: string | undefined;
  /** As in the store: the session, or what counts against the next login. */
  let state: State = {};
  /** The session's last use, of which the store may know an earlier one. */
  let usedAtMs: number;
  /** The session given up last: a store may still offer it. */
  let lapsed: string | undefined;
  /** Whether another process may have sent a login whose fate is unknown here. */
  let isWitness = false;
  /** The text in the store that a reset has made void: the one read first after it (`undefined` until then). */
  let voided: string | undefined = '';
  /** The last failure that bars further logins, and for how long: for ever once the latch holds. */
  let failure: ApiError;
  let failedAtMs = 0;
  let delayMs = 0;
  /** The login under way, shared by all who wait, and its last sign of life. */
  let flight: Promise<Failure | void> | undefined;
  let aliveAtMs: number;
  return Object.freeze<Session>({ getSessionToken, isLapse, giveUp, logout, reset, current });

  function current(): string | undefined {
    return Date.now() - usedAtMs < IDLE_MS ? state.token : undefined;
  }

  function reset(): void {
    keep({});
    voided = undefined;
  }

  function keep(kept: State): void {
    state = kept;
    usedAtMs = kept.usedAt!;
    delayMs = 0;
    isWitness = false;
    voided = '';
  }

  function getSessionToken(
    used: TokenSource,
    signal: AbortSignal | null | undefined,
  ): string | Promise<string> {
    if (used !== client) {
      const { sessionUrl = new URL('/api/m2m/v1/session', used.settings.tokenUrl).href } = used.settings;
      // A session token is a secret between its account and its server.
      if (url && url !== sessionUrl) throw new TypeError('sessionUrl must be the same');
      url = sessionUrl;
      // A login under way keeps the client that it was begun with: its limit is that of the lock.
      if (!flight) client = used;
    }
    return use() ?? obtain(signal);
  }

  /** The token held, for a call about to be sent. The store learns of it once a minute at most, beside the call. */
  function use(): string | undefined {
    const held = current();
    if (held) {
      usedAtMs = Date.now();
      if (store && usedAtMs - state.usedAt! >= 60_000) {
        state.usedAt = usedAtMs;
        void callHook(client.settings.waitUntil, amend(held));
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
      throwIfAborted(signal);
      const held = use();
      if (held) return held;
      const limitMs = flight && isRequestBound() ? LOST_AFTER_MS : undefined;
      const joined = (flight ??= begin());
      const failed = await waitFor(joined, signal, limitMs).catch(() => {
        throwIfAborted(signal);
        aliveAtMs = 0;
      });
      if (failed) throw failed.error;
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
    void callHook(client.settings.waitUntil, begun);
    return begun;
  }

  /** Brings a session, from the store or by one login: under the lock where there is a store, and never beside another. */
  async function findOrLogIn(): Promise<void> {
    /** When to stop waiting for another process, or, with the lock, no longer to send: after 20 s (see `takeLock`). */
    let untilMs: number | undefined;
    let release: (() => unknown) | null | undefined;
    if (store) key ??= await deriveKey(url!, username, password);
    try {
      for (;;) {
        const stored = await read();
        const { token, usedAt, status, failures } = stored ?? {};
        // Clocks of a fleet differ: none has been used in the future.
        const atMs = Math.min(usedAt, Date.now());
        if (asHeaderText(token) && token !== lapsed && Date.now() - atMs < IDLE_MS) return keep({ token, usedAt: atMs });
        if (!release) isWitness ||= !!failures;
        // A store may forget what it was told.
        else if (failures > (state.failures ?? 0)) state = { failures: Number(failures) };
        if (status || state.failures! >= LATCHED) latch(status);
        if (Math.abs(Date.now() - failedAtMs) < delayMs) throw failure;
        const bearer = await getToken(client);
        // A process that was stopped meanwhile has lost the lock.
        if (Date.now() >= untilMs!) throw fail();
        if (!store || !stored || release) return await logIn(bearer, !stored);
        const askedAtMs = Date.now();
        release = await takeLock();
        if (release === undefined) return await logIn(bearer, true);
        if (release) untilMs = askedAtMs + 20_000;
        else {
          isWitness = true;
          untilMs ??= askedAtMs + limitMs();
          await sleep(200);
        }
      }
    } finally {
      if (release) await ask('release', release);
    }
  }

  /** From now on all calls get this error, the first one of the kind. */
  function latch(status: unknown): void {
    if (delayMs < Infinity) failure = fail({ response: { status: Number(status) || undefined } }, true);
    delayMs = Infinity;
  }

  /** Without an answer: nothing may be sent, since another process may be logging in. */
  function fail(answer?: Outcome, isLatched?: boolean): ApiError {
    const { response: { status: statusCode, headers } = {}, text: _, ...fields } = answer ?? {};
    const code = isLatched ? 'session_refused' : 'session_failed';
    report(client.settings, { type: isLatched ? 'session_latched' : 'session_failed', code, statusCode });
    const reason = answer ? `${statusCode ?? 'no'} answer` : 'another login is under way';
    const advice = isLatched ? '; reset() sends the same username and password' : '';
    return new ApiError(`M2M session: ${reason}${advice}`, { ...fields, statusCode, headers, code });
  }

  /** Sends one login, counted first, and judges its answer. `isAlone`: the store fails, and the process has this one login. */
  async function logIn(bearer: OAuthToken, isAlone: boolean): Promise<void> {
    const { failures = 0 } = state;
    const usedAt = Date.now();
    let counted: State = (state = { failures: failures + 1, usedAt });
    const isCounted = !isAlone && (await save());
    if (isCounted) {
      isWitness = false;
      voided = '';
    } else {
      counted = state = { failures };
      if (failures || isWitness) throw fail();
      counted.failures = LATCHED;
    }
    const answer = await send('/login', bearer, JSON.stringify({ username, password }));
    const { response, text } = answer;
    const { status, ok } = response ?? {};
    const token = asHeaderText(parse(text).sessionToken);
    if (ok && token) {
      keep({ token, usedAt });
      // Where the count stays, the next login would be one too many.
      if (isCounted && !(await save())) await save();
      return report(client.settings, { type: 'session_obtained' });
    }
    if (/^4(?!08|29)/.test(`${status}`) && !isBearerFault(answer)) {
      state = { failures: LATCHED, status, usedAt };
      latch(status);
      await save();
      throw failure;
    }
    const error = fail(answer);
    // Its fate is unknown, or the latch has closed since, where this one had been lost: it stays counted.
    if (delayMs === Infinity || !response || (ok && text === undefined)) throw error;
    // Another login may have brought a session since, too.
    counted.failures = failures;
    if (isCounted) await save();
    failedAtMs = Date.now();
    delayMs = Math.max(Math.min(delayMs * 2 || 1_000, 30_000), retryAfterMs(error) ?? 0);
    throw (failure = error);
  }

  /** Sends a request; once more with another bearer where the gateway refuses the bearer. */
  async function send(
    path: string,
    bearer: OAuthToken,
    body: string,
    extra?: Record<string, string>,
    isAgain?: boolean,
  ): Promise<Reply> {
    const headers = { authorization: `Bearer ${bearer.accessToken}`, 'content-type': 'application/json', ...extra };
    const answer: Reply = {};
    await post(client.settings, url + path, headers, body, answer).catch((cause: unknown) => {
      answer.cause = cause;
    });
    const renewed = !isAgain && isBearerFault(answer) && (await renewToken(client, bearer).catch(() => {}));
    return renewed ? send(path, renewed, body, extra, true) : answer;
  }

  function limitMs(): number {
    return client.settings.timeoutMs || 30_000;
  }

  async function isLapse(response: Response): Promise<boolean> {
    const { status, headers } = response;
    if (!/^40[01].*json/i.test(status + headers.get('content-type')!)) return false;
    // One that breaks off, or is aborted, does so for the caller: platforms do not let it read the original any more.
    return saysLapsed(await readText(response.clone()));
  }

  function giveUp(sent: string, use: RejectedUse): boolean {
    if (use !== 'replay' && state.token === sent) {
      lapsed = sent;
      state = {};
    }
    return use === 'call';
  }

  async function logout(): Promise<void> {
    const held = current();
    if (!held) return;
    giveUp(held, 'call');
    const bearer = await getToken(client);
    await amend(held);
    const answer = await send('/logout', bearer, '', { 'vz-m2m-token': held });
    if (!answer.response?.ok && !saysLapsed(answer.text)) throw fail(answer);
  }

  /** What the store holds, or what is known here where that is void; `undefined` where it fails. */
  async function read(): Promise<Stored | undefined> {
    const text = await ask('get', () => store!.get(key!));
    if (text === undefined) return text;
    voided ??= `${text}`;
    // Junk is a miss, and told as a failure.
    return text === voided ? state : ((await ask('get', () => JSON.parse(text!))) ?? {});
  }

  /** Whether the state has been written. A count and a refusal are kept for ever, a session for as long as it lives. */
  async function save(): Promise<boolean> {
    const { token, failures } = state;
    const value = JSON.stringify(state);
    const act = () => (token || failures ? store!.set(key!, value, token ? IDLE_MS / 1000 : undefined) : store!.delete(key!));
    return (await ask('set', act)) !== undefined;
  }

  /** Saves while the store holds still this session, and nobody is logging in. */
  async function amend(held: string): Promise<void> {
    const release = await takeLock();
    if (!release) return;
    if ((await read())?.token === held && !state.failures) await save();
    await ask('release', release);
  }

  /** What releases the lock, `null` while another holds it; `undefined` where the store fails. */
  function takeLock(): Promise<(() => unknown) | null | undefined> {
    // Outlives what its holder may still do: 20 s until the login is sent, that twice, another bearer for it (60 s).
    return ask('lock', () => store!.lock!(key!, Math.ceil(limitMs() / 500) + 90));
  }

  /** Asks the store: its answer, `null` for none or without a store; `undefined` where it throws or takes too long. */
  async function ask<T>(
    operation: 'get' | 'set' | 'lock' | 'release',
    act: () => Promise<T> | T,
  ): Promise<NonNullable<T> | null | undefined> {
    if (!store) return null;
    try {
      const asked = (async () => (await act()) ?? null)();
      // In slices: a process that gets no time for a while finds its timers due before the answer that lies there.
      for (let slices = 5; slices--; ) {
        const answer = await waitFor(asked, undefined, 1_000);
        if (answer !== undefined) return answer;
      }
    } catch {
      // Whatever it throws: told below.
    }
    report(client.settings, { type: 'store_failed', operation });
    return undefined;
  }
}

/** How a login failed. The shared promise always fulfils, so that a rejection can only come from the runtime. */
interface Failure {
  readonly error: unknown;
}

/** A session with its last use, or a count of logins whose fate is unknown, with its time and the status of a refusal. */
interface State {
  readonly token?: string;
  usedAt?: number;
  failures?: number;
  readonly status?: number | undefined;
}

/** A state from the store: outside data. */
type Stored = { readonly [K in keyof State]?: any };

/** What has come of a request, and why no more has. */
interface Reply extends Answer {
  cause?: unknown;
}

/** What an error tells of a reply, or of one long ago. */
type Outcome = Omit<Reply, 'response'> & {
  readonly response?: { readonly status?: number | undefined; readonly headers?: Headers };
};

/** Logins without an answer, in a row, after which none is sent any more; a refused one counts as much. */
const LATCHED = 2;
const IDLE_MS = 1_200_000;
const LOST_AFTER_MS = 5_000;
const LAPSED =
  /^{"errorCode":"([^".]*\.(REQUEST_FAILED\.SessionToken\.(Expired|Format)|INPUT_INVALID\.SessionToken\.Invalid)"|INVALID_PARAMETER",.*UWS verification failure)|"error":"unauthorized",.*\bUWS\b/;

/** The gateway's word on the bearer: the login has not reached the account. */
function isBearerFault({ response, text }: Answer): boolean {
  return response?.status === 401 && /^\s*{\s*"fault"|<am:fault/.test(text!);
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
  const encoder = new TextEncoder();
  const name = JSON.stringify([url, username]);
  const secret = await crypto.subtle.importKey('raw', encoder.encode(password), 'PBKDF2', false, ['deriveBits']);
  const parameters = { name: 'PBKDF2', hash: 'SHA-256', salt: encoder.encode(name), iterations: 100_000 };
  return `thingspace-auth:${name}:${new Uint8Array(await crypto.subtle.deriveBits(parameters, secret, 256))}`;
}
