/**
 * A store whose values are sealed with AES-GCM.
 * @module
 */
import { requireStore } from './storeFailure.ts';
import type { TokenStore } from './tokenStore.ts';

/** An AES-GCM key of WebCrypto: a `CryptoKey`, whatever name the platform's types have for it. */
export type EncryptionKey = Parameters<typeof crypto.subtle.encrypt>[1];

/**
 * Wraps a store so that only those who have a key can read or write its values, which are sealed with AES-GCM
 * (WebCrypto). Each write has a new random nonce. A value is bound to the name under which the store keeps
 * it, and does not open under another name. The names themselves stay readable. Someone who can write to the
 * store can put an old value back, and that value opens.
 *
 * If none of the keys opens a value, `get` and `compareAndSet` reject with an error whose `code` is
 * `'sealed'`. This happens when the key was changed, or when the value is junk or was written without a seal.
 * `storedToken` makes an exchange and overwrites such a value. A session treats the store as one that fails,
 * since processes with different keys must not overwrite each other's refusals. Both tell it as an event.
 * There is a `compareAndSet` if `store` has one.
 *
 * @param keys one AES-GCM key or several, with the usages `encrypt` and `decrypt`. The first one seals, and
 *   all are tried to open a value. To change the key, put the new key behind the old one in all processes.
 *   Then put the new key first. When the tokens have ended, take the old key out
 * @throws `TypeError` for what is no store, for an empty list of keys, and for a key that cannot do this
 * @see https://www.w3.org/TR/webcrypto/#aes-gcm
 *
 * @example
 * const key = await crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt']);
 * const provider = storedToken(encryptedStore(redisStore(redis), key));
 */
export function encryptedStore(
  store: TokenStore,
  keys: EncryptionKey | readonly EncryptionKey[],
): TokenStore {
  requireStore(store);
  const all = [keys].flat() as EncryptionKey[];
  const [first] = all;
  if (!first || !canUse(first, 'encrypt') || !all.every((each) => canUse(each, 'decrypt'))) {
    throw new TypeError(
      'encryptedStore needs an AES-GCM CryptoKey, or several, with the usages encrypt and decrypt',
    );
  }
  const read = async (key: string) => {
    const text = (await store.get(key)) ?? undefined;
    return { text, value: text === undefined ? undefined : await open(all, key, text) };
  };
  return {
    get: async (key) => (await read(key)).value,
    set: async (key, value, ttlSeconds) => store.set(key, await seal(first, key, value), ttlSeconds),
    delete: (key) => store.delete(key),
    ...(store.compareAndSet &&
      ({
        // Each seal is new, so if the store still holds the text that was opened, it holds that value.
        compareAndSet: async (key, expected, value, ttlSeconds) => {
          const { text, value: held } = await read(key);
          if (held !== expected) return false;
          const sealed = value === undefined ? undefined : await seal(first, key, value);
          return store.compareAndSet!(key, text, sealed, ttlSeconds);
        },
      } satisfies Partial<TokenStore>)),
  };
}

/** Judged by its properties and not by its class: a key may come from another realm. */
function canUse(key: unknown, usage: string): boolean {
  const { algorithm, usages } = Object(key) as { algorithm?: { name?: unknown }; usages?: unknown };
  return algorithm?.name === 'AES-GCM' && Array.isArray(usages) && usages.includes(usage);
}

/** Marks a sealed value. It also keeps clients that parse what looks like JSON from parsing the value. */
const SEALED = 'sealed:';
const NONCE_BYTES = 12;

async function seal(cryptoKey: EncryptionKey, key: string, value: string): Promise<string> {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const sealed = new Uint8Array(
    await crypto.subtle.encrypt(bound(nonce, key), cryptoKey, new TextEncoder().encode(value)),
  );
  return SEALED + btoa(Array.from([...nonce, ...sealed], (byte) => String.fromCharCode(byte)).join(''));
}

/** Rejects with the code `sealed` for what none of the keys opens. */
async function open(cryptoKeys: readonly EncryptionKey[], key: string, text: unknown): Promise<string> {
  const sealed = String(text).startsWith(SEALED) ? String(text).slice(SEALED.length) : '';
  for (const cryptoKey of cryptoKeys) {
    try {
      const bytes = Uint8Array.from(atob(sealed), (character) => character.charCodeAt(0));
      const algorithm = bound(bytes.slice(0, NONCE_BYTES), key);
      return new TextDecoder().decode(
        await crypto.subtle.decrypt(algorithm, cryptoKey, bytes.slice(NONCE_BYTES)),
      );
    } catch {
      // Sealed with another key, or junk.
    }
  }
  throw Object.assign(new Error('a value in the store was not sealed with any of the keys'), {
    code: 'sealed',
  });
}

function bound(iv: BufferSource, key: string): Parameters<typeof crypto.subtle.encrypt>[0] {
  return { name: 'AES-GCM', iv, additionalData: new TextEncoder().encode(key) };
}
