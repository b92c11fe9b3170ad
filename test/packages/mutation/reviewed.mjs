// The mutants that somebody has looked at and found to change nothing that can matter, each with the reason.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @typedef {object} Entry
 * @property {string} in the line of the source that the mutant begins in
 * @property {string} from
 * @property {string | string[]} to one or more mutants of the same place
 * @property {string} reason
 * @property {number} [times] how many places look the same
 */

/**
 * @returns the entry of a mutant, if it has one; and what is wrong with the list: what matches nothing, or
 * too much
 */
export function readReviewed(
  mutants,
  list = JSON.parse(readFileSync(join(import.meta.dirname, 'reviewed.json'), 'utf8')),
) {
  const entries = new Map();
  const faults = [];
  for (const [file, ofFile] of Object.entries(list)) {
    for (const { in: text, from, to, reason, times = 1 } of ofFile) {
      if (!reason) faults.push(`${file}: no reason for \`${from}\``);
      for (const replacement of [to].flat()) {
        const found = mutants.filter(
          (each) => each.file === file && each.text === text && each.from === from && each.to === replacement,
        );
        if (found.length !== times)
          faults.push(
            `${file}: \`${from}\` → \`${replacement}\` in \`${text}\` matches ${found.length} mutants, not ${times}`,
          );
        found.forEach((each) => entries.set(each.id, { file, text, from, to: replacement, reason }));
      }
    }
  }
  return { entries, faults };
}
