/**
 * A token provider on top of any store: one token for many processes and restarts. The core knows nothing of stores, and
 * nothing that a store does or fails to do fails a call.
 * @module
 */
import type { OAuthTokenProvider, TokenRequest } from '../config/config.ts';
import type { OAuthToken } from '../platform/token.ts';
import { asHeaderText, GRACE_SECONDS, isExpired } from '../platform/token.ts';
import type { TokenStore } from './tokenStore.ts';

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
  // How the store fares, for all clients that share it: when it failed last, and for how long it is left alone.
  let failedAtMs = 0;
  let delayMs = 0;

  return async (lastToken, request) => {
    const key = keyOf(request);
    // An explicit fetchToken makes its exchange whatever others do: nothing to wait for.
    let canLock = !!store.lock && !request.isForced;
    let isOff = isDown();
    let release: (() => Promise<unknown>) | undefined;
    const giveUpAtMs = Date.now() + WAIT_LIMIT_MS;
    try {
      for (;;) {
        const stored = await ask('get', async () => parseStored(key, await store.get(key)));
        if (stored?.value && isUsable(stored.value, lastToken, request)) return stored.value;
        if (!canLock || release || Date.now() >= giveUpAtMs) return await exchange(stored?.value);
        const lock = await ask('lock', () => store.lock!(key, LOCK_SECONDS));
        canLock = !!lock;
        release = lock?.value;
        if (canLock && !release) await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 200));
      }
    } finally {
      if (release) await ask('release', release);
    }

    async function exchange(stored: OAuthToken | undefined): Promise<OAuthToken> {
      let token = await request.fetchToken();
      let repeatedAt: number | undefined;
      for (const known of [stored, lastToken]) {
        // The end of a stored one may be one that was put off below, which would never be over.
        if (known?.accessToken !== token.accessToken || isExpired(known, known === lastToken ? -GRACE_SECONDS : 0)) continue;
        // ThingSpace and WSO2 repeat a token, and may give its full lifetime each time: the known end holds while it lies ahead.
        repeatedAt = nowSeconds();
        // Past its end it serves for two seconds, as in the client.
        const expiry = Math.max(known.expiry!, repeatedAt + 2);
        if (expiry < (token.expiry ?? Infinity)) token = { ...token, expiry };
      }
      if (isExpired(token)) return token;
      const ttlSeconds = token.expiry && token.expiry - nowSeconds();
      await ask('set', () => store.set(key, JSON.stringify({ ...token, key, repeatedAt }), ttlSeconds));
      return token;
    }

    /** The store's answer, or `undefined` when there is none. One that hangs is not asked again in this call. */
    async function ask<T>(
      operation: 'get' | 'set' | 'lock' | 'release',
      act: () => Promise<T> | T,
    ): Promise<{ readonly value: T } | undefined> {
      if (isOff) return undefined;
      let timer: ReturnType<typeof setTimeout> | undefined;
      const limit = new Promise<undefined>((resolve) => {
        timer = setTimeout(() => resolve(undefined), OPERATION_LIMIT_MS);
      });
      try {
        const answer = await Promise.race([(async () => ({ value: await act() }))(), limit]);
        if (answer) {
          delayMs = 0;
          return answer;
        }
        isOff = true;
      } catch {
        // Whatever it throws: told below.
      } finally {
        clearTimeout(timer);
      }
      if (!isDown()) {
        failedAtMs = Date.now();
        delayMs = Math.min(delayMs * 2 || 1_000, 30_000);
      }
      request.report({ type: 'store_failed', operation });
      return undefined;
    }
  };

  /** A failure from the future (the clock was set back) does not count. */
  function isDown(): boolean {
    const elapsedMs = Date.now() - failedAtMs;
    return elapsedMs >= 0 && elapsedMs < delayMs;
  }
}

const OPERATION_LIMIT_MS = 2_000;
const LOCK_SECONDS = 5;
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
  const parts = [tokenUrl, clientId, scope?.split(' ').sort(), fields.sort(), ...(binding ? [binding] : [])];
  return `thingspace-auth:${JSON.stringify(parts)}`;
}

/** Outside data. Throws for junk: a store that gives such has failed. */
function parseStored(key: string, text: string | null | undefined): Stored | undefined {
  if (text == null) return undefined;
  const data = JSON.parse(text);
  if (data.key === key && isBelievable(data)) return data;
  throw new TypeError();
}

/** What the client would refuse, or never stop using, is no token. */
function isBelievable({ accessToken, tokenType, scope = '', refreshToken = '', expiry, expiresIn }: Stored): boolean {
  if (!asHeaderText(accessToken) || !/^(Bearer|DPoP)$/.test(tokenType) || typeof scope !== 'string' || typeof refreshToken !== 'string') {
    return false;
  }
  // A lifetime without an end would start anew at each reading.
  if (expiry === undefined) return expiresIn === undefined;
  const { isInteger } = Number;
  const lifetime = expiresIn ?? LONGEST_LIFE_SECONDS;
  return isInteger(expiry) && isInteger(lifetime) && expiry - nowSeconds() <= lifetime + CLOCK_DIFFERENCE_SECONDS;
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
