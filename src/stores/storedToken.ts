/**
 * A token provider on top of any store: one token for many processes and restarts. The core knows nothing of
 * stores. Nothing that a store does, or fails to do, fails a call.
 * @module
 */
import type { OAuthTokenProvider, TokenRequest } from '../config/config.ts';
import type { StoreOperation } from '../core/events.ts';
import { isLately } from '../core/lately.ts';
import { GRACE_SECONDS, isExpired, type OAuthToken, reviveToken } from '../core/token.ts';
import { sleep, waitFor } from '../platform/waiting.ts';
import { requireMethods, storeFailureReason } from './storeFailure.ts';
import type { TokenStore } from './tokenStore.ts';

/**
 * A token provider that shares tokens through a store: give it as `oauthTokenProvider`. While the store's
 * token is valid, it takes that one. Otherwise one process makes an exchange, and the others wait for its
 * token. The process that may do so has the right to exchange: a second key in the store, which
 * `compareAndSet` takes and gives back, and which ends after 5 s.
 *
 * If a process is killed while it has the right, the others wait until the right ends, and there is one more
 * exchange. A process that has waited for 8 s goes on alone. A process that was stopped while it had the
 * right does not put its older token over a newer one. When two processes make an exchange all the same, that
 * wastes a request and nothing else.
 *
 * A store operation that throws, takes longer than 2 s or gives junk counts as if the store held nothing. It
 * is told as a `store_failed` event, and is never a failed call. A store that fails is left alone, first for
 * 1 s, then for twice as long each time, up to 30 s. Clients with different settings may share one provider:
 * the key is made of token URL, client id, scopes, parameters and DPoP key, and holds no secret.
 *
 * @throws `TypeError` for what is no store
 *
 * @example
 * createClient({ clientCredentialsAuthCredentials: { …, oauthTokenProvider: storedToken(redisStore(redis)) }
 * });
 */
export function storedToken(store: TokenStore): OAuthTokenProvider {
  requireMethods('store', store, 'get', 'set', 'delete');
  const health: Health = { delayMs: 0 };
  return (lastToken, request) => provide(store, health, lastToken, request);
}

/**
 * How a store fares, for all clients that share it: when it failed last, and for how long it is left alone.
 */
interface Health {
  failedAtMs?: number;
  delayMs: number;
}

/** One call's way to the store. */
interface Access {
  /** The key under which the token is stored. */
  readonly key: string;
  /** Asks the store. `undefined`: it failed, which has been told as an event, or it is left alone. */
  readonly ask: <Operation extends keyof TokenStore>(
    operation: Operation,
    ...args: Parameters<Required<TokenStore>[Operation]>
  ) => Promise<
    { readonly value: Exclude<Awaited<ReturnType<Required<TokenStore>[Operation]>>, null> } | undefined
  >;
  readonly fail: (operation: StoreOperation, reason: string) => undefined;
}

/** What the store holds: a text, and the token if the text is one. */
interface Found {
  readonly text?: string;
  readonly token?: Stored | undefined;
}

async function provide(
  store: TokenStore,
  health: Health,
  lastToken: OAuthToken | undefined,
  request: TokenRequest,
): Promise<OAuthToken> {
  const access = openAccess(store, health, request);
  const giveUpAtMs = Date.now() + WAIT_LIMIT_MS;
  // An explicit `fetchToken` makes its exchange whatever others do, so there is nothing to wait for.
  let mayWait = !!store.compareAndSet && !request.isForced;
  let right: string | undefined;
  try {
    for (;;) {
      const found = await read(access);
      if (found?.token && isUsable(found.token, lastToken, request)) return found.token;
      if (right || !mayWait || Date.now() >= giveUpAtMs)
        return await exchange(access, found, right, lastToken, request);
      right = await takeRight(access);
      mayWait = right !== undefined;
      if (right === '') await sleep(100 + Math.random() * 200);
    }
  } finally {
    if (right) await access.ask('compareAndSet', rightOf(access.key), right, undefined, undefined);
  }
}

async function read({ key, ask, fail }: Access): Promise<Found | undefined> {
  const answer = await ask('get', key);
  const text = answer?.value;
  if (text === undefined) return answer && {};
  return { text, token: parseStored(key, text) ?? fail('get', 'junk') };
}

/**
 * Takes the right to exchange, if nobody has it, and returns its text. An empty text: another process has the
 * right. `undefined`: the store fails. The text says when the right ends, since stores end values late or not
 * at all.
 */
async function takeRight({ key, ask }: Access): Promise<string | undefined> {
  const held = await ask('get', rightOf(key));
  if (!held || isHeld(held.value)) return held && '';
  const right = JSON.stringify({ owner: crypto.randomUUID(), endMs: Date.now() + RIGHT_SECONDS * 1000 });
  const taken = await ask('compareAndSet', rightOf(key), held.value, right, RIGHT_SECONDS);
  return taken && (taken.value ? right : '');
}

/**
 * Makes an exchange and writes its token. A process with the right writes only over what it has
 * read while it had the right.
 */
async function exchange(
  { key, ask }: Access,
  found: Found | undefined,
  right: string | undefined,
  lastToken: OAuthToken | undefined,
  request: TokenRequest,
): Promise<OAuthToken> {
  const { token, repeatedAt } = keepEnd(await request.fetchToken(), found?.token, lastToken);
  if (isExpired(token)) return token;
  const value = JSON.stringify({ ...token, key, repeatedAt });
  const ttlSeconds = token.expiry && token.expiry - nowSeconds();
  if (right && found) {
    const written = await ask('compareAndSet', key, found.text, value, ttlSeconds);
    // The value that was read may have ended meanwhile, so that the key is empty now.
    if (written?.value === false) await ask('compareAndSet', key, undefined, value, ttlSeconds);
    // Without the right, or when `get` has failed, whatever the key holds is overwritten.
  } else await ask('set', key, value, ttlSeconds);
  return token;
}

/**
 * Keeps the known end of a token that the server repeats, as long as that end lies ahead. ThingSpace and WSO2
 * repeat a token, and may state its full lifetime each time.
 */
function keepEnd(
  token: OAuthToken,
  stored: OAuthToken | undefined,
  lastToken: OAuthToken | undefined,
): { readonly token: OAuthToken; readonly repeatedAt?: number } {
  // A stored token gets no grace time: its end may be one that was put off below, and would be put off again
  // for ever.
  const candidates = [
    [stored, 0],
    [lastToken, -GRACE_SECONDS],
  ] as const;
  const ends = candidates.flatMap(([known, skew]) =>
    known?.accessToken !== token.accessToken || isExpired(known, skew) ? [] : (known.expiry ?? Infinity),
  );
  if (!ends.length) return { token };
  const repeatedAt = nowSeconds();
  // A token that is repeated past its end serves for two seconds more, as in the client.
  const expiry = Math.min(token.expiry ?? Infinity, Math.max(Math.min(...ends), repeatedAt + 2));
  return { token: expiry < Infinity ? { ...token, expiry } : token, repeatedAt };
}

function openAccess(store: TokenStore, health: Health, request: TokenRequest): Access {
  // A store that hangs is not asked again in this call.
  let isOff = isDown(health);
  const fail = (operation: StoreOperation, reason: string) => {
    if (!isDown(health)) {
      health.failedAtMs = Date.now();
      health.delayMs = Math.min(health.delayMs * 2 || 1_000, 30_000);
    }
    return void request.report({ type: 'store_failed', operation, reason });
  };
  const ask = async (operation: StoreOperation, ...args: unknown[]) => {
    if (isOff) return undefined;
    try {
      const act = async () => ({
        value: (await (store[operation] as (...args: unknown[]) => unknown)(...args)) ?? undefined,
      });
      const answer = await waitFor(act(), undefined, OPERATION_LIMIT_MS);
      isOff = !answer;
      if (answer) health.delayMs = 0;
      return answer ?? fail(operation, 'timeout');
    } catch (error) {
      return fail(operation, storeFailureReason(error));
    }
  };
  return { key: keyOf(request), ask: ask as Access['ask'], fail };
}

/** Whether the store is left alone now. A failure in the future does not count: the clock was set back. */
function isDown({ failedAtMs, delayMs }: Health): boolean {
  return isLately(failedAtMs, delayMs);
}

const OPERATION_LIMIT_MS = 2_000;
const RIGHT_SECONDS = 5;
const LONGEST_RIGHT_MS = 60_000;
const WAIT_LIMIT_MS = 8_000;
/** The client, too, does not ask again for this long when the server repeats a rejected token. */
const REPEATED_FOR_SECONDS = 60;
/**
 * An end further ahead than the token's lifetime and this difference of clocks is junk. Where no lifetime is
 * stated, ten years are taken.
 */
const CLOCK_DIFFERENCE_SECONDS = 3_600;
const LONGEST_LIFE_SECONDS = 315_360_000;

/** What a value holds, as JSON. */
interface Stored extends OAuthToken {
  /**
   * The key that it was written under. A store that mixes up its keys must not hand out another client's
   * token.
   */
  readonly key: string;
  /** When the server last gave out this same token again, in seconds of Unix time. */
  readonly repeatedAt?: number;
}

/** The store's key. It holds everything that decides which token is granted, and nothing secret. */
function keyOf({ tokenUrl, clientId, scope, params, binding }: TokenRequest): string {
  const fields = Object.entries(params).map(([name, value]) => [name, value].flat());
  const parts = [tokenUrl, clientId, scope?.split(' ').sort(), fields.sort(), binding];
  // Without a binding the list ends before it.
  return `thingspace-auth:${JSON.stringify(binding ? parts : parts.slice(0, -1))}`;
}

function rightOf(key: string): string {
  return `${key}:right`;
}

/**
 * Whether somebody has the right. The text is outside data: junk, and an end that nobody can have meant,
 * count as ended.
 */
function isHeld(text: string | undefined): boolean {
  try {
    const leftMs = JSON.parse(String(text)).endMs - Date.now();
    return leftMs > 0 && leftMs <= LONGEST_RIGHT_MS;
  } catch {
    return false;
  }
}

/**
 * Reads a stored text, which is outside data. `undefined` for junk: for what the client would refuse,
 * or would never stop using.
 */
function parseStored(key: string, text: string): Stored | undefined {
  try {
    const data = JSON.parse(text) as Stored;
    return data.key === key && isBelievable(data, reviveToken(data)) ? data : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a token is written as this file writes it, with an end that somebody can have meant. */
function isBelievable(data: OAuthToken, token: OAuthToken): boolean {
  const { expiry, expiresIn } = token;
  if (Object.entries(token).some(([name, value]) => data[name as keyof OAuthToken] !== value)) return false;
  // A lifetime without an end would start anew at each reading.
  if (expiry === undefined) return expiresIn === undefined;
  return expiry - nowSeconds() <= (expiresIn ?? LONGEST_LIFE_SECONDS) + CLOCK_DIFFERENCE_SECONDS;
}

/**
 * Whether a stored token will do, so that no exchange is needed. A token that the server has just repeated
 * will do, even if it is the one that the client holds or is close to its end: another exchange would bring
 * the same token to each process of a fleet.
 */
function isUsable(
  token: Stored,
  lastToken: OAuthToken | undefined,
  { isForced, clockSkew }: TokenRequest,
): boolean {
  const isRepeated = Math.abs(nowSeconds() - token.repeatedAt!) < REPEATED_FOR_SECONDS;
  const isOther = token.accessToken !== lastToken?.accessToken || isExpired(lastToken);
  // A token that lives no longer than the skew still serves for a second, as in the client.
  const skew = isRepeated ? 0 : Math.max(Math.min(clockSkew, (token.expiresIn ?? Infinity) - 2), 0);
  return !isForced && (isOther || isRepeated) && !isExpired(token, skew);
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
