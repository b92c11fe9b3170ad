/**
 * Takes one round instead of 100,000 to derive an account's key, which is as good where only its record
 * matters, and returns what restores the real way. That one takes 40 ms of a processor for each session with
 * a store, and has its own test in `sessionStore.test.ts`.
 */
export function deriveKeysQuickly(): () => void {
  const { subtle } = crypto;
  const { deriveBits } = subtle;
  subtle.deriveBits = (algorithm, secret, length) =>
    deriveBits.call(subtle, { ...(algorithm as Pbkdf2Params), iterations: 1 }, secret, length);
  return () => void (subtle.deriveBits = deriveBits);
}
