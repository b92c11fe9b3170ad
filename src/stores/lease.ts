/**
 * The lease: the right to make the token request for all who share a store. It is a second key beside that of
 * the token. Its text says when it ends, since stores end values late or not at all.
 * @module
 */
import type { StoreAccess } from './storeAccess.ts';

/**
 * Gives the lease back. One that has ended, and that another process has taken since, is left alone.
 */
export type ReleaseLease = () => Promise<unknown>;

const LEASE_SECONDS = 5;
const LONGEST_LEASE_MS = 60_000;

/**
 * Takes the lease of a token's key: `compareAndSet` lets one of many do so. `'held'`: another has it.
 * `undefined`: the store failed.
 */
export async function takeLease({
  ask,
  key,
}: StoreAccess & { readonly key: string }): Promise<ReleaseLease | 'held' | undefined> {
  const leaseKey = `${key}:lease`;
  const held = await ask('get', leaseKey);
  if (held === undefined) return undefined;
  if (isHeld(held)) return 'held';
  // The owner is random, so that no two leases are alike. `randomUUID` does not exist on pages without https.
  const owner = crypto.getRandomValues(new Uint32Array(4)).join();
  const lease = JSON.stringify({ owner, endMs: Date.now() + LEASE_SECONDS * 1000 });
  const isTaken = await ask('compareAndSet', leaseKey, held ?? undefined, lease, LEASE_SECONDS);
  if (isTaken === undefined) return undefined;
  return isTaken ? () => ask('compareAndSet', leaseKey, lease, undefined, undefined) : 'held';
}

/**
 * Whether somebody holds the lease. The text is outside data: junk, and an end that nobody can have meant,
 * count as ended.
 */
function isHeld(text: string | null): boolean {
  try {
    const leftMs = JSON.parse(text ?? '').endMs - Date.now();
    return leftMs > 0 && leftMs <= LONGEST_LEASE_MS;
  } catch {
    return false;
  }
}
