/**
 * The word that someone may have meant.
 * @module
 */

/** Of several words, the one that takes the fewest changes to get to. */
export function nearest(word: string, words: readonly string[]): string {
  const [first = ''] = [...words].sort((one, other) => countChanges(word, one) - countChanges(word, other));
  return first;
}

/** How many letters must be added, removed or replaced (Levenshtein). */
export function countChanges(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, index) => index);
  let changes = to.length;
  for (const letter of from) {
    let [diagonal = 0, ...rest] = above;
    let left = diagonal + 1;
    const row = [left];
    for (const [index, up] of rest.entries()) {
      left = Math.min(diagonal + Number(to[index] !== letter), left + 1, up + 1);
      diagonal = up;
      row.push(left);
    }
    above = row;
    changes = left;
  }
  return changes;
}
