/**
 * Stores: one token for many processes and restarts. A store is a handful of text operations; on top of it stands a
 * token provider, so that the core knows nothing of stores. Nothing that a store does or fails to do fails a call.
 * @module
 */
import type { OAuthTokenProvider, TokenRequest } from './config.ts';
import type { OAuthToken } from './token.ts';
import { isExpired, reviveToken, withExpiry } from './token.ts';
import { waitFor } from './waiting.ts';

/**
 * Where texts are kept. Values hold bearer tokens: keep them where only this application can read, or wrap the store in
 * {@link encryptedStore}. Every operation may throw or reject; it has 2 s.
 */
export interface TokenStore {
  /** The value last written under the key; nothing where there is none or its time is over. */
  get(key: string): Promise<string | null | undefined> | string | null | undefined;
  /** Writes a value, which need not be kept longer than `ttlSeconds` (whole, 1 or more; `undefined`: for ever). */
  set(key: string, value: string, ttlSeconds: number | undefined): Promise<unknown> | unknown;
  /** Forgets a key; one that is not there is no error. */
  delete(key: string): Promise<unknown> | unknown;
  /**
   * Tries once to take a lock that ends by itself after `ttlSeconds`: a release function, or `undefined` while another
   * holds it. A release that comes late must not end another's lock. Absent where the store cannot lock: processes that
   * start at the same moment may then make an exchange each.
   */
  lock?(key: string, ttlSeconds: number): Promise<(() => Promise<unknown>) | undefined>;
}

/**
 * A token provider that shares tokens through a store: give it to `oauthTokenProvider`. It takes the store's token
 * while that is valid; else one process, the one that gets the store's lock, makes the exchange and the others wait for
 * its token. A lock is best effort: a process killed with it costs the others 5 s and one more exchange, one that has
 * waited 8 s goes on alone; a doubled exchange wastes a request, nothing else.
 *
 * A store operation that throws, takes longer than 2 s or gives junk is a miss and a `store_failed` event, never a
 * failed call; a store that fails is left alone for a second, doubling to 30 s. Clients with different settings may
 * share one provider: the key is made of token URL, client id, scopes and parameters, and holds no secret.
 *
 * @example
 * createClient({ clientCredentialsAuthCredentials: { …, oauthTokenProvider: storedToken(redisStore(redis)) } });
 */
export function storedToken(store: TokenStore): OAuthTokenProvider {
  const health: Health = { failedAtMs: 0, delayMs: 0 };
  return (lastToken, request) => obtain({ store, health, key: keyOf(request), lastToken, request, isOff: isDown(health) });
}

/** How the store fares, for all clients that share it. */
interface Health {
  failedAtMs: number;
  /** For how long it is left alone; 0 while it works. */
  delayMs: number;
}

interface Call {
  readonly store: TokenStore;
  readonly health: Health;
  readonly key: string;
  readonly lastToken: OAuthToken | undefined;
  readonly request: TokenRequest;
  /** Whether this call does without the store from now on. */
  isOff: boolean;
}

interface Stored {
  readonly token: OAuthToken;
  /** When the server last gave out this same token again, in seconds of Unix time. */
  readonly repeatedAt?: number;
}

const OPERATION_LIMIT_MS = 2_000;
const LOCK_SECONDS = 5;
const WAIT_LIMIT_MS = 8_000;
/** As long as the client itself puts up with a rejected token that the server repeats. */
const REPEATED_FOR_SECONDS = 60;
/** Clocks of a fleet differ; and a lifetime nobody states is no longer than ten years. */
const CLOCK_DIFFERENCE_SECONDS = 3_600;
const LONGEST_LIFE_SECONDS = 315_360_000;

/** Everything that changes the token, and nothing secret. */
function keyOf({ tokenUrl, clientId, scope, params }: TokenRequest): string {
  const fields = Object.entries(params).map(([name, value]) => [name, value].flat());
  return `thingspace-auth:${JSON.stringify([tokenUrl, clientId, scope?.split(' ').sort(), fields.sort()])}`;
}

async function obtain(call: Call): Promise<OAuthToken> {
  const { store, key, request } = call;
  const giveUpAtMs = Date.now() + WAIT_LIMIT_MS;
  // An explicit fetchToken makes its exchange whatever others do: nothing to wait for.
  let canLock = !!store.lock && !request.isForced;
  let release: (() => Promise<unknown>) | undefined;
  try {
    for (;;) {
      const stored = await read(call);
      if (stored && isUsable(call, stored)) return stored.token;
      if (!canLock || release || Date.now() >= giveUpAtMs) return await exchange(call, stored?.token);
      const answer = await ask(call, 'lock', () => store.lock!(key, LOCK_SECONDS));
      canLock = !!answer;
      release = answer?.value;
      if (canLock && !release) await waitFor(undefined, undefined, 100 + Math.random() * 200);
    }
  } finally {
    if (release) await ask(call, 'release', release);
  }
}

async function exchange(call: Call, stored: OAuthToken | undefined): Promise<OAuthToken> {
  const { store, key, request } = call;
  const fetched = await request.fetchToken();
  // ThingSpace and WSO2 repeat a token, and may give its full lifetime each time: the known end holds while it lies ahead.
  const known = [stored, call.lastToken].filter((token) => token?.accessToken === fetched.accessToken && !isExpired(token));
  const expiry = Math.min(...[fetched, ...known].map((token) => token!.expiry ?? Infinity));
  const token = withExpiry(fetched, expiry === Infinity ? undefined : expiry);
  if (isExpired(token)) return token;
  const now = nowSeconds();
  const value = JSON.stringify({ ...token, key, ...(known.length && { repeatedAt: now }) });
  await ask(call, 'set', () => store.set(key, value, token.expiry && token.expiry - now));
  return token;
}

async function read(call: Call): Promise<Stored | undefined> {
  const answer = await ask(call, 'get', () => call.store.get(call.key));
  if (answer?.value == null) return undefined;
  try {
    const data = JSON.parse(answer.value);
    const token = reviveToken(data);
    if (data.key === call.key && isBelievable(token)) return { token, repeatedAt: data.repeatedAt };
  } catch {
    // Outside data: told below.
  }
  call.request.report({ type: 'store_failed', operation: 'get' });
  return undefined;
}

/** A lifetime without an end would start anew at each reading; an end in a far future is no end of a token's. */
function isBelievable({ expiry, expiresIn }: OAuthToken): boolean {
  if (expiry === undefined) return expiresIn === undefined;
  return expiry - nowSeconds() <= (expiresIn ?? LONGEST_LIFE_SECONDS) + CLOCK_DIFFERENCE_SECONDS;
}

/**
 * Whether a stored token will do instead of an exchange. One that the server has just repeated will, though it be the
 * client's own ("there is no newer") or close to its end: asking again would bring the same to each process of a fleet.
 */
function isUsable({ lastToken, request }: Call, { token, repeatedAt = NaN }: Stored): boolean {
  const isRepeated = Math.abs(nowSeconds() - repeatedAt) < REPEATED_FOR_SECONDS;
  const isOther = token.accessToken !== lastToken?.accessToken || isExpired(lastToken);
  // A token with less life than the skew serves for a second all the same, as in the client.
  const skew = isRepeated ? 0 : Math.max(Math.min(request.clockSkew, (token.expiresIn ?? Infinity) - 2), 0);
  return !request.isForced && (isOther || isRepeated) && !isExpired(token, skew);
}

/** Asks the store: its answer, or `undefined` when there is none. One that hangs is not asked again in this call. */
async function ask<T>(
  call: Call,
  operation: 'get' | 'set' | 'lock' | 'release',
  act: () => Promise<T> | T,
): Promise<{ readonly value: T } | undefined> {
  const { health, request } = call;
  if (call.isOff) return undefined;
  try {
    const asked = (async () => ({ value: await act() }))();
    const answer = await waitFor(asked, undefined, OPERATION_LIMIT_MS);
    if (answer) {
      health.delayMs = 0;
      return answer;
    }
    call.isOff = true;
  } catch {
    // Whatever it throws: told below.
  }
  if (!isDown(health)) {
    health.failedAtMs = Date.now();
    health.delayMs = Math.min(health.delayMs * 2 || 1_000, 30_000);
  }
  request.report({ type: 'store_failed', operation });
  return undefined;
}

/** Whether the store has failed so lately that it is left alone. A failure from the future (the clock was set back) does not count. */
function isDown({ failedAtMs, delayMs }: Health): boolean {
  const elapsedMs = Date.now() - failedAtMs;
  return elapsedMs >= 0 && elapsedMs < delayMs;
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
