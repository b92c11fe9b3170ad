/**
 * A token provider on top of any store: one token for many processes and restarts. The core knows nothing of
 * stores. A failing store never fails a token request.
 * @module
 */
import type { OAuthTokenProvider, ProviderContext } from '../config/config.ts';
import { createToken, GRACE_SECONDS, isExpired, type OAuthToken } from '../core/token.ts';
import { sleep } from '../platform/waiting.ts';
import { type ReleaseLease, takeLease } from './lease.ts';
import { openStore, type StoreAccess, type StoreHealth } from './storeAccess.ts';
import { parseTokenRecord, type TokenRecord, tokenKeyOf } from './tokenRecord.ts';
import { requireStore, type TokenStore } from './tokenStore.ts';

/**
 * Shares one token among all processes that use the store: give it as `oauthTokenProvider`. While the stored
 * token is valid, every client takes that one. Otherwise one process makes a token request, and the others
 * wait for its token, for 8 s at most. If that process is killed, another takes over after 5 s.
 *
 * A store that throws, takes longer than 2 s or returns junk never fails a call: the client makes its own
 * token request and reports `store_failed` (see `onEvent`). The store is then left alone, first for 1 s, then
 * for twice as long each time, up to 30 s. While an operation that took longer has not come back, no client
 * of this process asks that store object for a token (but on Cloudflare Workers and edge runtimes).
 *
 * Clients with different settings may share a store: its key names the token URL, client id, scopes,
 * parameters and DPoP key, and holds no secret. Client certificates are not part of it: if you use several at
 * one server, give each a store of its own, or wrap the store so that it puts a prefix before each key.
 *
 * @throws `TypeError` for a value without `get`, `set` and `delete`, or whose `compareAndSet` is not a
 *   function
 *
 * @example
 * ```ts
 * import { createClient } from 'thingspace-auth';
 * import { storedToken } from 'thingspace-auth/stores';
 * import { fileStore } from 'thingspace-auth/stores/file';
 *
 * const client = createClient({
 *   clientCredentialsAuthCredentials: {
 *     oauthClientId: 'my-id',
 *     oauthClientSecret: 'my-secret',
 *     oauthTokenProvider: storedToken(fileStore('/var/lib/my-service')),
 *   },
 * });
 * ```
 */
export function storedToken(store: TokenStore): OAuthTokenProvider {
  requireStore(store);
  const health: StoreHealth = { delayMs: 0 };
  return async (lastToken, context) => {
    const key = await tokenKeyOf(context);
    return provideToken({ ...context, ...openStore(store, health, context.report), key, lastToken }, store);
  };
}

/** A client's request for a token, and the way to the store. */
interface SharedRequest extends ProviderContext, StoreAccess {
  /** The key under which the token is stored. */
  readonly key: string;
  /** The token that the client holds and can no longer use. */
  readonly lastToken: OAuthToken | undefined;
}

/** The content of the store: a text, and the token if the text is one. */
interface Found {
  readonly text?: string;
  readonly token?: TokenRecord | undefined;
}

const WAIT_LIMIT_MS = 8_000;

async function provideToken(
  request: SharedRequest,
  { compareAndSet }: Pick<TokenStore, 'compareAndSet'>,
): Promise<OAuthToken> {
  // An explicit `fetchToken` makes its token request whatever others do, so there is nothing to wait for.
  const giveUpAtMs = compareAndSet && !request.isForced ? Date.now() + WAIT_LIMIT_MS : 0;
  let releaseLease: ReleaseLease | undefined;
  try {
    for (;;) {
      const found = await readToken(request);
      if (willDo(found, request)) return found.token;
      if (releaseLease) return await fetchAndStore(request, found, found);
      const lease = Date.now() < giveUpAtMs ? await takeLease(request) : undefined;
      if (!lease) return await fetchAndStore(request, found);
      if (lease === 'held') await sleep(100 + Math.random() * 200);
      else releaseLease = lease;
    }
  } finally {
    await releaseLease?.();
  }
}

/** `undefined`: the store failed. */
async function readToken(request: SharedRequest): Promise<Found | undefined> {
  const text = await request.ask('get', request.key);
  if (text === undefined) return undefined;
  if (text === null) return {};
  const token = parseTokenRecord(text, request);
  if (!token) request.fail('get', 'junk');
  return { text, token };
}

/**
 * Makes a token request and writes its token over `over`, which was read with the lease. A process that was
 * stopped meanwhile so puts no older token over a newer one. Without `over` it writes over anything.
 */
async function fetchAndStore(
  { ask, key, lastToken, fetchToken }: SharedRequest,
  found: Found | undefined,
  over?: Found,
): Promise<OAuthToken> {
  const given = await fetchToken();
  const arrived = asArrived(given);
  // The client says what is wrong with it.
  if (!arrived) return given;
  const token = keepKnownEnd(arrived, found?.token, lastToken);
  if (isExpired(token)) return token;
  const value = JSON.stringify({ ...token, key } satisfies TokenRecord);
  const ttlSeconds = token.expiry && token.expiry - nowSeconds();
  if (!over) await ask('set', key, value, ttlSeconds);
  else if ((await ask('compareAndSet', key, over.text, value, ttlSeconds)) === false) {
    // The value that was read may have ended meanwhile, so that the key is empty now.
    await ask('compareAndSet', key, undefined, value, ttlSeconds);
  }
  return token;
}

/**
 * A token whose lifetime counts from now, unless it says when it ends: a `fetchToken` of the caller's own
 * need not say. `undefined` for what is no token.
 */
function asArrived(given: unknown): OAuthToken | undefined {
  try {
    return createToken(given, Date.now());
  } catch {
    return undefined;
  }
}

/**
 * Keeps the known end of a token that the server repeats, as long as that end lies ahead. ThingSpace and WSO2
 * repeat a token, and may state its full lifetime each time.
 */
function keepKnownEnd(
  token: OAuthToken,
  stored: OAuthToken | undefined,
  lastToken: OAuthToken | undefined,
): Omit<TokenRecord, 'key'> {
  const endOf = (known: OAuthToken | undefined, graceSeconds: number) =>
    known?.accessToken === token.accessToken && !isExpired(known, -graceSeconds)
      ? (known.expiry ?? Infinity)
      : NaN;
  // A stored token gets no grace time: its end may be one that was put off below, and would be put off again
  // for ever.
  const ends = [endOf(stored, 0), endOf(lastToken, GRACE_SECONDS)].filter((end) => end);
  if (!ends.length) return token;
  const repeatedAt = nowSeconds();
  // A token that is repeated past its end serves for two seconds more, as in the client.
  const expiry = Math.min(token.expiry ?? Infinity, Math.max(Math.min(...ends), repeatedAt + 2));
  return { ...token, ...(expiry < Infinity && { expiry }), repeatedAt };
}

/** The client, too, does not ask again for this long when the server repeats a rejected token. */
const REPEATED_FOR_SECONDS = 60;

/**
 * Whether a stored token will do, so that no token request is needed. A token that the server has just
 * repeated will do, even if it is the one that the client holds or is close to its end: another request would
 * bring the same token to each process of a fleet.
 */
function willDo(
  found: Found | undefined,
  { isForced, lastToken, clockSkew }: SharedRequest,
): found is { readonly token: TokenRecord } {
  const token = found?.token;
  if (!token || isForced) return false;
  if (Math.abs(nowSeconds() - Number(token.repeatedAt)) < REPEATED_FOR_SECONDS) return !isExpired(token);
  if (token.accessToken === lastToken?.accessToken && !isExpired(lastToken)) return false;
  // A token that lives no longer than the skew still serves for a second, as in the client.
  const longestSkew = Math.max((token.expiresIn ?? Infinity) - 2, 0);
  return !isExpired(token, Math.min(clockSkew, longestSkew));
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
