/**
 * The M2M session (`VZ-M2M-Token`): one login shared by all callers, kept while it is used, and stopped for good once it is
 * refused. The entry: options, and the functions that a session consists of. Its state is one object.
 * @module
 */
import type { SessionTokenSource } from './config/config.ts';
import type { OAuthToken } from './platform/token.ts';
import { asText } from './platform/token.ts';
import type { Account } from './session/account.ts';
import { current, letGo, reset } from './session/account.ts';
import { failure } from './session/failures.ts';
import { giveUp, use } from './session/heldSession.ts';
import { isBearerFault, isLapse, saysLapsed } from './session/lapse.ts';
import { renewBearer, send } from './session/login.ts';
import { obtain } from './session/obtain.ts';
import { memoryStore, remove } from './session/sharedRecord.ts';
import type { TokenStore } from './stores/tokenStore.ts';
import type { TokenSource } from './token/renewal.ts';
import { getToken } from './token/tokenSource.ts';

/** Whose session it is, and where a fleet shares it. */
export interface SessionOptions {
  /** The account's user name ("UWS" credentials). Not empty. */
  readonly username: string;
  /** Its password. Not empty. */
  readonly password: string;
  /**
   * Shares the session, and what counts against further logins, among processes and restarts. Needs `compareAndSet`. Values
   * hold the session token: keep them private, or wrap the store in `encryptedStore`. Absent: all of it lives in this object
   * only.
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
   * store from that call on, for other processes from its login on. A login under way is waited for, and what it brings
   * holds. For an account that has been unlocked: other credentials want a session of their own. Touches no network.
   */
  readonly reset: () => void;
  /** The session token held, while it is not 20 minutes idle. Does not count as use; touches no network. */
  readonly current: () => string | undefined;
}

/**
 * Makes an M2M session to be given as `vZM2mToken`, to one client or to several of the same environment. The first call
 * logs in (`POST {sessionUrl}/login` with the client's bearer), all share the session, and a call that finds it ended
 * (20 idle minutes, or the server's word) logs in again, for the server's word at most once a minute while that does not
 * help. Creating it touches no network, clock or store.
 *
 * Calls then also reject with an `ApiError`: `session_refused` when a login was refused, or two in a row ended without
 * an answer: **no further one is sent** before `reset()` or with other credentials, since five failures lock the
 * account; `session_failed` when a login brought no session this time (the service is overloaded, the answer was lost,
 * another process is still logging in).
 *
 * A login has the client's `timeout`, or 30 s. It is sent only right after it has been counted in the account's record, once
 * for each count, and within 5 s; platforms may resend a POST by themselves when a kept-alive connection turns out to be
 * closed (Chromium, Firefox, Bun 1.2, Deno 2.9).
 *
 * With a `store`, processes with the same account share the record. While one logs in, the others wait for it, at most three
 * times the login's limit and 10 s each; one that was killed is waited for that long once, and its login stays counted.
 * No more logins are sent than counted, whatever processes, disks and networks do. A process that is stopped just between
 * looking at the clock and sending sends its login late, when another one may have been refused meanwhile; it has been
 * counted all the same. Where the store itself fails (an operation has 5 s) a process sends one login at most, none after
 * that one failed, and none once it has read of another's.
 *
 * @throws `TypeError` for a missing user name or password, an unknown option, or a store without `compareAndSet`
 * @see https://thingspace.verizon.com/documentation/apis/connectivity-management/api-reference/start-connectivity-management-session.html
 * @example
 * createClient({ …, vZM2mToken: createSession({ username: 'name', password: 'secret' }) });
 */
export function createSession(options: SessionOptions): Session {
  const account = createAccount(options);
  return Object.freeze<Session>({
    getSessionToken(client, signal) {
      attach(account, client as TokenSource); // what createClient hands in
      return use(account) ?? obtain(account, signal);
    },
    isLapse,
    giveUp: (sent, use) => giveUp(account, sent, use),
    logout: () => logOut(account),
    reset: () => reset(account),
    current: () => current(account)?.token,
  });
}

function createAccount(options: SessionOptions): Account {
  const { username, password, store = memoryStore(), ...unknown } = Object(options) as SessionOptions;
  if (!asText(username) || !asText(password)) throw new TypeError('username and password must be non-empty strings');
  // A misspelt store would leave each process with a count of its own.
  for (const name in unknown) throw new TypeError(`${name} is not username, password or store`);
  if (typeof Object(store).compareAndSet !== 'function') throw new TypeError('store must have compareAndSet');
  const key = options.store ? '' : 'alone';
  // Its name, the client and the session endpoint come with the first call.
  return { username, password, store, key, known: {} } as Partial<Account> as Account;
}

/** Takes the client that uses the session. A session token is a secret between its account and its server. */
function attach(account: Account, client: TokenSource): void {
  if (client === account.client) return;
  const { sessionUrl = new URL('/api/m2m/v1/session', client.settings.tokenUrl).href } = client.settings;
  account.url ||= sessionUrl;
  if (account.url !== sessionUrl) throw new TypeError('sessionUrl must be the same for all clients');
  // A login under way keeps the client that it was begun with: its limit is what has been counted.
  if (!account.flight) account.client = client;
}

async function logOut(account: Account): Promise<void> {
  const held = current(account);
  if (!held) return;
  letGo(account, false);
  const end = (bearer: OAuthToken) => send(account, '/logout', bearer, '', { 'vz-m2m-token': held.token });
  const bearer = await getToken(account.client);
  await remove(account, held.token);
  let reply = await end(bearer);
  const renewed = isBearerFault(reply) && (await renewBearer(account, bearer));
  if (renewed) reply = await end(renewed);
  if (!reply.response?.ok && !saysLapsed(reply.text)) throw failure(account, '/logout', reply);
}
