/**
 * The session object: its options, and the functions that it consists of.
 * @module
 */

import { type AttachedSession, type SessionClient, sessions } from '../config/attachment.ts';
import type { Session } from '../config/config.ts';
import { asText, type OAuthToken } from '../core/token.ts';
import { requireMethods, type TokenStore } from '../stores/tokenStore.ts';
import type { Account, UsedAccount } from './account.ts';
import { afterLapse, afterLogout, afterReset, FIRST_BELIEF, liveSession } from './belief.ts';
import { requestFailed } from './failures.ts';
import { isBearerFault } from './fate.ts';
import { isLapse, saysLapsed } from './lapse.ts';
import { postSession, replaceBearer } from './login.ts';
import { obtainSession, tellReset, useSession } from './obtain.ts';
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
  const session = Object.freeze<Session>({
    logout: () => logOut(account),
    reset() {
      const told = reset(account);
      told.catch(() => {});
      return told;
    },
    current: () => liveSession(account.belief.record, Date.now())?.token,
  });
  sessions.set(session, (client) => attachClient(account, client));
  return session;
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
 * Takes note of a client. All clients must have the same session endpoint: a session token is a secret
 * between its account and its server.
 */
function attachClient(account: Account, client: SessionClient): AttachedSession {
  const { tokenUrl, sessionUrl = '/api/m2m/v1/session' } = client;
  // In its normal form: a record for each spelling would be a count for each.
  const url = new URL(sessionUrl, tokenUrl).href.replace(/\/+$/, '');
  if ((account.url || url) !== url) throw new TypeError('sessionUrl must be the same for all clients');
  account.url = url;
  const used = Object.assign(account, { client: account.client ?? client });
  return {
    getSessionToken(signal) {
      // A login under way keeps the client that began it.
      if (!account.flight) used.client = client;
      return useSession(used) ?? obtainSession(used, signal);
    },
    isLapse,
    giveUp(sent, rejected) {
      account.belief = afterLapse(account.belief, sent, rejected, Date.now());
      if (account.belief.relation === 'untold') syncRecordBeside(used);
      return account.belief.record.token !== sent;
    },
  };
}

function hasClient(account: Account): account is UsedAccount {
  return Boolean(account.client);
}

/** Forgets all at once, and tells the store. */
async function reset(account: Account): Promise<void> {
  account.belief = afterReset(account.belief, Date.now(), account.id);
  account.failure = undefined;
  if (hasClient(account)) return tellReset(account);
  if (account.key !== 'alone')
    throw new TypeError('reset() needs a client: give the session to createClient');
}

async function logOut(account: Account): Promise<void> {
  const session = liveSession(account.belief.record, Date.now());
  if (!session || !hasClient(account)) return;
  account.belief = afterLogout(account.belief);
  const end = (bearer: OAuthToken) =>
    postSession(account, '/logout', bearer, '', { 'vz-m2m-token': session.token });
  const bearer = await account.client.getToken();
  await syncRecord(account);
  let reply = await end(bearer);
  const renewed = isBearerFault(reply) && (await replaceBearer(account, bearer));
  if (renewed) reply = await end(renewed);
  if (reply.response?.ok || saysLapsed(reply.text)) return;
  throw requestFailed(account, '/logout', reply, 'try again later');
}
