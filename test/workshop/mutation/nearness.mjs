// Which tests to run first with a mutant: those of the file's own name, then those that have noticed most in
// the same file for the time they take. The order decides how long a run takes, never what it finds.
import { basename } from 'node:path';

export function createNearness() {
  /** Of each pair of source and test file, how often it ran and how often it noticed. */
  const known = new Map();
  const pairOf = (mutant, { run }) => `${mutant.file} ${run.testFile}`;
  const knownOf = (mutant, selection) => known.get(pairOf(mutant, selection)) ?? { runs: 0, notices: 0 };

  const worthOf = (mutant, selection) => {
    const isNamesake = basename(selection.run.testFile) === `${basename(mutant.file, '.ts')}.test.js`;
    const { runs, notices } = knownOf(mutant, selection);
    return (notices + (isNamesake ? 4 : 1)) / (runs + 4) / selection.costMs;
  };

  return {
    pick(mutant, selections) {
      const ranked = selections.map((selection) => ({ selection, worth: worthOf(mutant, selection) }));
      return ranked.sort((one, other) => other.worth - one.worth)[0]?.selection;
    },
    learn(mutant, selection, failed) {
      const { runs, notices } = knownOf(mutant, selection);
      known.set(pairOf(mutant, selection), { runs: runs + 1, notices: notices + (failed ? 1 : 0) });
    },
  };
}
