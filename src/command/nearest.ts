/**
 * Finds the word that someone may have meant.
 * @module
 */

const MOST_CHANGES = 2;

/**
 * Of several words, the one that takes the fewest changes to get to; `undefined` if even that one is too far
 * away.
 */
export function nearest(word: string, words: readonly string[]): string | undefined {
  const most = Math.min(MOST_CHANGES, word.length / 2);
  const [first] = words
    .map((each) => ({ each, changes: countChanges(word, each) }))
    .filter(({ changes }) => changes <= most)
    .sort((one, other) => one.changes - other.changes);
  return first?.each;
}

/** How many letters must be added, removed or replaced (Levenshtein). */
function countChanges(from: string, to: string): number {
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
