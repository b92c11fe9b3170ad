/**
 * A store whose values are sealed with AES-GCM.
 * @module
 */
import { requireStore, type TokenStore } from './tokenStore.ts';

/** An AES-GCM key of WebCrypto: a `CryptoKey`, whatever name the platform's types have for it. */
export type EncryptionKey = Parameters<typeof crypto.subtle.encrypt>[1];

/**
 * Wraps a store so that its values can be read and written only with a key: they are sealed with AES-GCM.
 * Names stay readable. A value opens only under its own name, but whoever can write to the store can put an
 * old value back. If you wrap a store so that it puts a prefix before each key, put that wrapper outside,
 * around this one: a value is bound to the key that this store is given.
 *
 * Touches no network but that of the store.
 *
 * Make a key once (`openssl rand -base64 32`) and keep it where the client secret is kept.
 *
 * To change it, first add the new key behind the old one in every process, then put it first. Take the old
 * one out when no token sealed with it is left and each account with a session has been used since: reading a
 * refusal seals it anew.
 *
 * `get` and `compareAndSet` reject with the code `sealed` if no key opens a value. `storedToken` then gets
 * another token; a session sends no login. Both report `store_failed`.
 *
 * @param keys AES-GCM keys for `encrypt` and `decrypt`: the first seals, each opens
 * @throws `TypeError` for a value that is not a store, and for keys that are missing or cannot do this
 * @see https://www.w3.org/TR/webcrypto/#aes-gcm
 *
 * @example
 * ```ts
 * import { encryptedStore, storedToken } from 'thingspace-auth/stores';
 * import { fileStore } from 'thingspace-auth/stores/file';
 *
 * const bytes = Uint8Array.from(atob(process.env.TOKEN_KEY ?? ''), (character) => character.charCodeAt(0));
 * const key = await crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt']);
 * const provider = storedToken(encryptedStore(fileStore('/var/lib/my-service'), key));
 * ```
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
          // biome-ignore lint/style/noNonNullAssertion: this function is there only if the store has it.
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

/** Rejects with the code `sealed` if no key opens the value. */
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
