/**
 * The M2M session (`VZ-M2M-Token`). All callers share one login, the session is kept while it is used, and
 * once a login was refused no further one is sent. This entry has the options, and the functions that a
 * session consists of. The state of a session is one object, see `session/account.ts`.
 * @module
 */
import type { SessionTokenSource } from './config/config.ts';
import { asText, type OAuthToken } from './core/token.ts';
import { type Account, current, letGo, reset } from './session/account.ts';
import { failure } from './session/failures.ts';
import { giveUp, use } from './session/heldSession.ts';
import { isBearerFault, isLapse, saysLapsed } from './session/lapse.ts';
import { renewBearer, send } from './session/login.ts';
import { obtain } from './session/obtain.ts';
import { memoryStore, remove } from './session/sharedRecord.ts';
import type { TokenStore } from './stores/tokenStore.ts';
import type { ClientState } from './token/clientState.ts';
import { getToken } from './token/getToken.ts';

/** Whose session it is, and where a fleet shares it. */
export interface SessionOptions {
  /** The account's user name ("UWS" credentials). Not empty. */
  readonly username: string;
  /** Its password. Not empty. */
  readonly password: string;
  /**
   * Shares the session, and the count of failed logins, among processes and across restarts. The store needs
   * `compareAndSet`. Its values hold the session token: keep them private, or wrap the store in
   * `encryptedStore`. Absent: session and count live in this object only.
   */
  readonly store?: TokenStore | undefined;
}

/** What {@link createSession} returns. Frozen; each function works when destructured. */
export interface Session extends SessionTokenSource {
  /**
   * Ends the session at the server, and in the store for all processes that share it. This takes one request,
   * and more only if a new token is needed; it takes none if this object holds no session. The next call logs
   * in. If the logout fails, the session is forgotten here all the same; at the server it ends after 20
   * minutes without use.
   *
   * Rejects with an `ApiError` (`session_failed`, or what a token request rejects with).
   */
  readonly logout: () => Promise<void>;
  /**
   * Forgets the session, the refusal and the count of failed logins. The next call then logs in with the same
   * user name and password. Use this when an account has been unlocked. For other credentials, create another
   * session.
   *
   * A login that is under way is not sent a second time: the next call waits for it, and its result counts.
   * In a shared store, this object's next call discards the old record, and the login of that call lets the
   * other processes go on as well. Touches no network.
   */
  readonly reset: () => void;
  /**
   * The session token that this object holds; `undefined` if there is none, or after 20 minutes without use.
   * Reading it does not count as use, and touches no network.
   */
  readonly current: () => string | undefined;
}

/**
 * Makes an M2M session. Give it as `vZM2mToken` to one client, or to several of the same environment. The
 * first call logs in (`POST {sessionUrl}/login` with the client's bearer), and all calls share the session.
 * It ends after 20 minutes without use, or when the server says so. A call that finds it ended logs in again.
 * If the server then says the same of the new session, there is at most one such login a minute. Creating a
 * session touches no network, clock or store.
 *
 * Calls then also reject with an `ApiError`:
 * - `session_refused`: a login was refused, or two in a row ended without an answer. **No further login is
 *   sent**, since five failures lock the account. To go on, call `reset()` or use other credentials.
 * - `session_failed`: a login brought no session this time. The service is overloaded, the answer was lost,
 *   or another process is still logging in.
 *
 * A login may take as long as the client's `timeout`, or 30 s if that is 0. It is first counted in the
 * account's record. Each count allows one login, which must be sent within 5 s. Some platforms send a POST
 * again by themselves when a connection that was kept open turns out to be closed (Chromium, Firefox, Bun
 * 1.2, Deno 2.9).
 *
 * With a `store`, all processes with the same account share the record:
 * - While one process logs in, the others wait for it: for the time limit of that login and 10 s more. A call
 *   waits at most three times that long, by the time limit of its own client.
 * - If a process is killed while it logs in, the others wait for that time once. Its login stays counted.
 * - No more logins are sent than counted, whatever processes, disks and networks do. One case remains in
 *   which a login comes late: a process looks at the clock, is stopped right then, and sends its login when
 *   it goes on. Another process's login may have been refused meanwhile. The late login has been counted,
 *   too.
 * - If the store itself fails (an operation has 5 s), a process sends one login at most, and no further one
 *   if that one fails. It also sends none if it has read in the store that another login was counted.
 *
 * @throws `TypeError` for a missing user name or password, an unknown option, or a store without
 *   `compareAndSet`
 * @see https://thingspace.verizon.com/documentation/apis/connectivity-management/api-reference/start-connectivity-management-session.html
 * @example
 * createClient({ …, vZM2mToken: createSession({ username: 'name', password: 'secret' }) });
 */
export function createSession(options: SessionOptions): Session {
  const account = createAccount(options);
  return Object.freeze<Session>({
    getSessionToken(client, signal) {
      attach(account, client as ClientState); // what createClient hands in
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
  if (!asText(username) || !asText(password))
    throw new TypeError('username and password must be non-empty strings');
  // If a misspelt `store` were ignored, each process would have a count of its own.
  for (const name in unknown) throw new TypeError(`${name} is not username, password or store`);
  if (typeof Object(store).compareAndSet !== 'function') throw new TypeError('store must have compareAndSet');
  const key = options.store ? '' : 'alone';
  // Its name, the client and the session endpoint come with the first call.
  return { username, password, store, key, known: {} } as Partial<Account> as Account;
}

/**
 * Takes note of the client that uses the session. All clients must have the same session endpoint: a session
 * token is a secret between its account and its server.
 */
function attach(account: Account, client: ClientState): void {
  if (client === account.client) return;
  const { sessionUrl = new URL('/api/m2m/v1/session', client.settings.tokenUrl).href } = client.settings;
  account.url ||= sessionUrl;
  if (account.url !== sessionUrl) throw new TypeError('sessionUrl must be the same for all clients');
  // A login under way keeps the client that began it: the count in the record has that client's time limit.
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
