/**
 * A token provider on top of any store: one token for many processes and restarts. The core knows nothing of stores, and
 * nothing that a store does or fails to do fails a call.
 * @module
 */
import type { OAuthTokenProvider, TokenRequest } from '../config/config.ts';
import type { StoreOperation } from '../platform/events.ts';
import { isLately } from '../platform/lately.ts';
import type { OAuthToken } from '../platform/token.ts';
import { GRACE_SECONDS, isExpired, reviveToken } from '../platform/token.ts';
import { sleep, waitFor } from '../platform/waiting.ts';
import { reasonOf, requireMethods } from './storeFailure.ts';
import type { TokenStore } from './tokenStore.ts';

/**
 * A token provider that shares tokens through a store: give it to `oauthTokenProvider`. It takes the store's token
 * while that is valid; else one process, the one that gets the right to exchange, makes the exchange and the others wait
 * for its token. The right is a second key, taken and given back by `compareAndSet`, and ends after 5 s: a process killed
 * with it costs the others that time and one more exchange, one that has waited 8 s goes on alone, and one that was
 * stopped meanwhile does not put an older token over a newer one. A doubled exchange wastes a request, nothing else.
 *
 * A store operation that throws, takes longer than 2 s or gives junk is a miss and a `store_failed` event, never a
 * failed call; a store that fails is left alone for a second, doubling to 30 s. Clients with different settings may
 * share one provider: the key is made of token URL, client id, scopes, parameters and DPoP key, and holds no secret.
 *
 * @throws `TypeError` for what is no store
 *
 * @example
 * createClient({ clientCredentialsAuthCredentials: { …, oauthTokenProvider: storedToken(redisStore(redis)) } });
 */
export function storedToken(store: TokenStore): OAuthTokenProvider {
  requireMethods('store', store, 'get', 'set', 'delete');
  const health = { failedAtMs: 0, delayMs: 0 };
  return (lastToken, request) => provide(store, health, lastToken, request);
}

/** How a store fares, for all clients that share it: when it failed last, and for how long it is left alone. */
interface Health {
  failedAtMs: number;
  delayMs: number;
}

/** One call's way to the store. */
interface Access {
  /** Under which the token lies. */
  readonly key: string;
  /** The store's answer, or `undefined` when there is none: a failure, told as an event. */
  readonly ask: <Operation extends keyof TokenStore>(
    operation: Operation,
    ...args: Parameters<Required<TokenStore>[Operation]>
  ) => Promise<{ readonly value: Exclude<Awaited<ReturnType<Required<TokenStore>[Operation]>>, null> } | undefined>;
  readonly fail: (operation: StoreOperation, reason: string) => undefined;
}

/** What the store holds: its text, and the token where that is one. */
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
  // An explicit fetchToken makes its exchange whatever others do: nothing to wait for.
  let mayWait = !!store.compareAndSet && !request.isForced;
  let right: string | undefined;
  try {
    for (;;) {
      const found = await read(access);
      if (found?.token && isUsable(found.token, lastToken, request)) return found.token;
      if (right || !mayWait || Date.now() >= giveUpAtMs) return await exchange(access, found, right, lastToken, request);
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
 * Takes the right to exchange, if nobody has it: its text; an empty one while another has it; `undefined` where the store
 * fails. Its end stands in it, since stores end values late or not at all.
 */
async function takeRight({ key, ask }: Access): Promise<string | undefined> {
  const held = await ask('get', rightOf(key));
  if (!held || isHeld(held.value)) return held && '';
  const right = JSON.stringify({ owner: crypto.randomUUID(), endMs: Date.now() + RIGHT_SECONDS * 1000 });
  const taken = await ask('compareAndSet', rightOf(key), held.value, right, RIGHT_SECONDS);
  return taken && (taken.value ? right : '');
}

/** Makes an exchange, and writes what it brings: with the right only over what was read with it. */
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
    // The time of what was read may have ended meanwhile.
    if (written?.value === false) await ask('compareAndSet', key, undefined, value, ttlSeconds);
    // What a failed `get` may have hidden is overwritten.
  } else await ask('set', key, value, ttlSeconds);
  return token;
}

/** ThingSpace and WSO2 repeat a token, and may give its full lifetime each time: its known end holds while it lies ahead. */
function keepEnd(
  token: OAuthToken,
  stored: OAuthToken | undefined,
  lastToken: OAuthToken | undefined,
): { readonly token: OAuthToken; readonly repeatedAt?: number } {
  // The end of a stored one may be one that was put off below, which would never be over.
  const candidates = [[stored, 0], [lastToken, -GRACE_SECONDS]] as const;
  const ends = candidates.flatMap(([known, skew]) =>
    known?.accessToken !== token.accessToken || isExpired(known, skew) ? [] : (known.expiry ?? Infinity),
  );
  if (!ends.length) return { token };
  const repeatedAt = nowSeconds();
  // Past its end it serves for two seconds, as in the client.
  const expiry = Math.min(token.expiry ?? Infinity, Math.max(Math.min(...ends), repeatedAt + 2));
  return { token: expiry < Infinity ? { ...token, expiry } : token, repeatedAt };
}

function openAccess(store: TokenStore, health: Health, request: TokenRequest): Access {
  // One that hangs is not asked again in this call.
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
      const act = async () => ({ value: (await (store[operation] as (...args: unknown[]) => unknown)(...args)) ?? undefined });
      const answer = await waitFor(act(), undefined, OPERATION_LIMIT_MS);
      isOff = !answer;
      if (answer) health.delayMs = 0;
      return answer ?? fail(operation, 'timeout');
    } catch (error) {
      return fail(operation, reasonOf(error));
    }
  };
  return { key: keyOf(request), ask: ask as Access['ask'], fail };
}

/** A failure from the future (the clock was set back) does not count. */
function isDown({ failedAtMs, delayMs }: Health): boolean {
  return isLately(failedAtMs, delayMs);
}

const OPERATION_LIMIT_MS = 2_000;
const RIGHT_SECONDS = 5;
const LONGEST_RIGHT_MS = 60_000;
const WAIT_LIMIT_MS = 8_000;
/** As long as the client itself puts up with a rejected token that the server repeats. */
const REPEATED_FOR_SECONDS = 60;
/** Clocks of a fleet differ; and a lifetime nobody states is no longer than ten years. */
const CLOCK_DIFFERENCE_SECONDS = 3_600;
const LONGEST_LIFE_SECONDS = 315_360_000;

/** What a value holds, as JSON. */
interface Stored extends OAuthToken {
  /** The key it was written under: a store that mixes up its keys must not hand out another client's token. */
  readonly key: string;
  /** When the server last gave out this same token again, in seconds of Unix time. */
  readonly repeatedAt?: number;
}

/** Everything that changes the token, and nothing secret. */
function keyOf({ tokenUrl, clientId, scope, params, binding }: TokenRequest): string {
  const fields = Object.entries(params).map(([name, value]) => [name, value].flat());
  const parts = [tokenUrl, clientId, scope?.split(' ').sort(), fields.sort(), binding];
  // Without a binding the list ends before it.
  return `thingspace-auth:${JSON.stringify(binding ? parts : parts.slice(0, -1))}`;
}

function rightOf(key: string): string {
  return `${key}:right`;
}

/** Whether somebody has the right: outside data. Junk, and an end that nobody can have meant, count as ended. */
function isHeld(text: string | undefined): boolean {
  try {
    const leftMs = JSON.parse(text ?? '{}').endMs - Date.now();
    return leftMs > 0 && leftMs <= LONGEST_RIGHT_MS;
  } catch {
    return false;
  }
}

/** Outside data: `undefined` for junk, which is what the client would refuse, or never stop using. */
function parseStored(key: string, text: string): Stored | undefined {
  try {
    const data = JSON.parse(text) as Stored;
    return data.key === key && isBelievable(data, reviveToken(data)) ? data : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a token is written as it would be here, and its end is one that somebody can have meant. */
function isBelievable(data: OAuthToken, token: OAuthToken): boolean {
  const { expiry, expiresIn } = token;
  if (Object.entries(token).some(([name, value]) => data[name as keyof OAuthToken] !== value)) return false;
  // A lifetime without an end would start anew at each reading.
  if (expiry === undefined) return expiresIn === undefined;
  return expiry - nowSeconds() <= (expiresIn ?? LONGEST_LIFE_SECONDS) + CLOCK_DIFFERENCE_SECONDS;
}

/**
 * Whether a stored token will do instead of an exchange. One that the server has just repeated will, though it be the
 * client's own ("there is no newer") or close to its end: asking again would bring the same to each process of a fleet.
 */
function isUsable(token: Stored, lastToken: OAuthToken | undefined, { isForced, clockSkew }: TokenRequest): boolean {
  const isRepeated = Math.abs(nowSeconds() - token.repeatedAt!) < REPEATED_FOR_SECONDS;
  const isOther = token.accessToken !== lastToken?.accessToken || isExpired(lastToken);
  // A token with less life than the skew serves for a second all the same, as in the client.
  const skew = isRepeated ? 0 : Math.max(Math.min(clockSkew, (token.expiresIn ?? Infinity) - 2), 0);
  return !isForced && (isOther || isRepeated) && !isExpired(token, skew);
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
