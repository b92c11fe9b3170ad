/**
 * The key under which a store holds an account's record.
 * @module
 */
import type { Account } from './account.ts';

/**
 * The key of an account's record. Another password gives another key. Neither user name nor password can be
 * read from it, and each guess at them costs 100,000 iterations.
 *
 * @see RFC 8018 section 5.2
 */
export async function deriveAccountKey({ url, username, password }: Account): Promise<string> {
  const encoder = new TextEncoder();
  const salt = encoder.encode(JSON.stringify([url, username]));
  const secret = await crypto.subtle.importKey('raw', encoder.encode(password), 'PBKDF2', false, [
    'deriveBits',
  ]);
  const bits = await crypto.subtle.deriveBits(
    { name: 'PBKDF2', hash: 'SHA-256', salt, iterations: 100_000 },
    secret,
    256,
  );
  return `thingspace-auth:session:1:${btoa(String.fromCharCode(...new Uint8Array(bits)))}`;
}
