/**
 * The session object: its options, and the functions that it consists of.
 * @module
 */
import type { SessionTokenSource } from '../config/config.ts';
import { asText, type OAuthToken } from '../core/token.ts';
import { requireMethods } from '../stores/storeFailure.ts';
import type { TokenStore } from '../stores/tokenStore.ts';
import type { ClientState } from '../token/clientState.ts';
import { getToken } from '../token/getToken.ts';
import type { Account, UsedAccount } from './account.ts';
import { afterLapse, afterLogout, afterReset, FIRST_BELIEF, liveSession } from './belief.ts';
import { requestFailed } from './failures.ts';
import { isBearerFault } from './fate.ts';
import { isLapse, saysLapsed } from './lapse.ts';
import { postSession, replaceBearer } from './login.ts';
import { obtainSession, useSession } from './obtain.ts';
import { memoryStore, syncRecord, syncRecordBeside } from './storedRecord.ts';

/** The account to log in to, and the store through which processes share the session. */
export interface SessionOptions {
  /** The account's user name ("UWS" credentials). Not empty. */
  readonly username: string;
  /** Its password. Not empty. */
  readonly password: string;
  /**
   * Keeps the session and the count of failed logins, for all processes with the same account and across
   * restarts. The store needs `get` and `compareAndSet`. Where it fails, no login is sent. Its values hold
   * the session token: keep them private, or wrap the store in `encryptedStore`. Absent: session and count
   * live in this object only, and a restarted process starts anew.
   */
  readonly store?: TokenStore | undefined;
}

/** An M2M session. Frozen; each function works when destructured. */
export interface Session extends SessionTokenSource {
  /**
   * Ends the session at the server, and in the store for all processes that share it. This takes one request,
   * and more only if a new token is needed; it takes none if this object holds no session. The next call logs
   * in. If the logout fails, the session is forgotten here even so; at the server it ends after 20 minutes
   * without use.
   *
   * Rejects with an `ApiError` (`session_failed`, or what a token request rejects with).
   */
  readonly logout: () => Promise<void>;
  /**
   * Forgets the session, the refusal and the count of failed logins. The next call then logs in with the same
   * user name and password. Use it when an account has been unlocked. It is meant for a person: call it in
   * one process, never from a handler. Each process that is restarted and calls it may send one more login.
   * For other credentials, create another session.
   *
   * A login that is under way is not sent a second time: the next call waits for it, and its result counts.
   * In a shared store, the record that this object has seen last counts for nothing from its next call on,
   * and what its login writes lets the others go on. Touches no network.
   */
  readonly reset: () => void;
  /**
   * The session token that this object holds; `undefined` if there is none, or after 20 minutes without use.
   * Reading it does not count as use, and touches no network.
   */
  readonly current: () => string | undefined;
}

/**
 * Makes an M2M session. Give it as `vZM2mToken` to the clients of one environment. The first call logs in,
 * all calls share the session, and a call that finds it ended logs in again.
 *
 * Without a `store`, a restarted process starts anew. With one it makes two promises. **No lock**: two logins
 * in a row are refused at most, for all processes together, unless the password is changed while answers of
 * logins are lost. **No standstill**: a password that has had a session within 30 days needs nobody's help
 * after an outage.
 *
 * Calls then also reject with an `ApiError`:
 * - `session_refused`: no further login is sent. Use the right password, or call `reset()`.
 * - `session_failed`: no session this time. The message says when the next login is due.
 *
 * A login has 30 s. Creating a session touches no network, clock or store.
 *
 * @throws `TypeError` for a user name or password that is missing, white space alone or has a control
 *   character, an unknown option, or a store without `get` or `compareAndSet`
 * @see https://thingspace.verizon.com/documentation/apis/connectivity-management/api-reference/start-connectivity-management-session.html
 * @example
 * ```ts
 * import { configFromEnvironment, createClient } from 'thingspace-auth';
 * import { createSession } from 'thingspace-auth/session';
 * import { fileStore } from 'thingspace-auth/stores/file';
 *
 * const session = createSession({ username: 'name', password: 'secret', store: fileStore('./private') });
 * const { authorizedFetch } = createClient({ ...configFromEnvironment(), vZM2mToken: session });
 * ```
 */
export function createSession(options: SessionOptions): Session {
  const account = createAccount(options);
  return Object.freeze<Session>({
    getSessionToken(client, signal) {
      const used = attachClient(account, client as ClientState); // what createClient hands in
      return useSession(used) ?? obtainSession(used, signal);
    },
    isLapse,
    giveUp(sent, rejected) {
      account.belief = afterLapse(account.belief, sent, rejected, Date.now());
      if (account.belief.relation === 'untold' && hasClient(account)) syncRecordBeside(account);
      return account.belief.record.token !== sent;
    },
    logout: () => logOut(account),
    reset() {
      account.belief = afterReset(account.belief, Date.now(), account.id);
      account.failure = undefined;
    },
    current: () => liveSession(account.belief.record, Date.now())?.token,
  });
}

function createAccount(options: SessionOptions): Account {
  const { username, password, store = memoryStore(), ...unknown } = Object(options) as SessionOptions;
  if (!isWord(username) || !isWord(password)) {
    throw new TypeError('username and password must be non-empty strings without control characters');
  }
  // If a misspelt `store` were ignored, each process would have a count of its own.
  for (const name in unknown) throw new TypeError(`${name} is not username, password or store`);
  requireMethods('store', store, 'get', 'compareAndSet');
  return {
    username,
    password,
    store: store as Account['store'],
    key: options.store ? '' : 'alone',
    id: '',
    url: '',
    logins: 0,
    lookedAtMs: 0,
    belief: FIRST_BELIEF,
  };
}

/** A line break at the end, as files have it, would be one of the five tries that lock the account. */
function isWord(value: unknown): boolean {
  return /\S/.test(asText(value) ?? '') && !/\p{Cc}/u.test(`${value}`);
}

/**
 * Takes note of the client that uses the session. All clients must have the same session endpoint: a session
 * token is a secret between its account and its server.
 */
function attachClient(account: Account, client: ClientState): UsedAccount {
  if (hasClient(account) && account.client === client) return account;
  const { tokenUrl, sessionUrl = '/api/m2m/v1/session' } = client.settings;
  // In its normal form: a record for each spelling would be a count for each.
  const url = new URL(sessionUrl, tokenUrl).href.replace(/\/+$/, '');
  account.url ||= url;
  if (account.url !== url) throw new TypeError('sessionUrl must be the same for all clients');
  // A login under way keeps the client that began it.
  return account.flight && hasClient(account) ? account : Object.assign(account, { client });
}

function hasClient(account: Account): account is UsedAccount {
  return Boolean(account.client);
}

async function logOut(account: Account): Promise<void> {
  const session = liveSession(account.belief.record, Date.now());
  if (!session || !hasClient(account)) return;
  account.belief = afterLogout(account.belief);
  const end = (bearer: OAuthToken) =>
    postSession(account, '/logout', bearer, '', { 'vz-m2m-token': session.token });
  const bearer = await getToken(account.client);
  await syncRecord(account);
  let reply = await end(bearer);
  const renewed = isBearerFault(reply) && (await replaceBearer(account, bearer));
  if (renewed) reply = await end(renewed);
  if (reply.response?.ok || saysLapsed(reply.text)) return;
  throw requestFailed(account, '/logout', reply, 'try again later');
}
