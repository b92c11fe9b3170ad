/**
 * A store whose values are sealed with AES-GCM.
 * @module
 */
import type { TokenStore } from './tokenStore.ts';

/** An AES-GCM key of WebCrypto's: `CryptoKey`, by whatever name the platform's types know it. */
export type StoreKey = Parameters<typeof crypto.subtle.encrypt>[1];

/**
 * A store whose values only the holders of a key can read or make: AES-GCM through WebCrypto, a fresh random nonce for
 * each write, the store's key bound in, so that a value moved to another key does not open. What does not open (a
 * changed key, junk, a plain value from before) is absent. The names of the keys stay readable, and an old value put
 * back by somebody who can write there opens. Locks pass through.
 *
 * @param keys AES-GCM keys with the usages `encrypt` and `decrypt`: the first seals, each opens. To rotate, put the new
 *   key in front, and take the old one out when the tokens have ended
 * @throws `TypeError` where there is no key
 * @see https://www.w3.org/TR/webcrypto/#aes-gcm
 *
 * @example
 * const key = await crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt']);
 * const provider = storedToken(encryptedStore(redisStore(redis), key));
 */
export function encryptedStore(store: TokenStore, keys: StoreKey | readonly StoreKey[]): TokenStore {
  const all = [keys].flat() as StoreKey[];
  const [first] = all;
  if (!first) throw new TypeError('encryptedStore needs a key');
  return {
    get: async (key) => unseal(all, key, await store.get(key)),
    set: async (key, value, ttlSeconds) => store.set(key, await seal(first, key, value), ttlSeconds),
    delete: (key) => store.delete(key),
    ...(store.lock && { lock: (key: string, ttlSeconds: number) => store.lock!(key, ttlSeconds) }),
  };
}

/** Tells a sealed value from others, and keeps clients that parse what looks like JSON from parsing it. */
const SEALED = 'sealed:';
const NONCE_BYTES = 12;

async function seal(cryptoKey: StoreKey, key: string, value: string): Promise<string> {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const sealed = new Uint8Array(await crypto.subtle.encrypt(bound(nonce, key), cryptoKey, new TextEncoder().encode(value)));
  return SEALED + btoa(Array.from([...nonce, ...sealed], (byte) => String.fromCharCode(byte)).join(''));
}

async function unseal(cryptoKeys: readonly StoreKey[], key: string, text: unknown): Promise<string | undefined> {
  if (typeof text !== 'string' || !text.startsWith(SEALED)) return undefined;
  for (const cryptoKey of cryptoKeys) {
    try {
      const bytes = Uint8Array.from(atob(text.slice(SEALED.length)), (character) => character.charCodeAt(0));
      const algorithm = bound(bytes.slice(0, NONCE_BYTES), key);
      return new TextDecoder().decode(await crypto.subtle.decrypt(algorithm, cryptoKey, bytes.slice(NONCE_BYTES)));
    } catch {
      // Not sealed with this key, or junk: what nothing opens is absent.
    }
  }
  return undefined;
}

function bound(iv: BufferSource, key: string): Parameters<typeof crypto.subtle.encrypt>[0] {
  return { name: 'AES-GCM', iv, additionalData: new TextEncoder().encode(key) };
}
