// Brings each mutant before the tests that reach it, the nearest first, until one notices it.
import { createNearness } from './nearness.mjs';
import { runAlone, runBatch, selectTests } from './testRuns.mjs';

/** So many mutants go through one process. */
const MOST_IN_BATCH = 30;

/**
 * @param {{ folder: string, runs: object[], mutants: object[], pace: [number, number], mostFiles: number,
 *   jobs: number, onSettled: Function }} hunt `onSettled` is told of each mutant with what noticed it, if
 *   anything
 */
export async function hunt({ folder, runs, mutants, pace, mostFiles, jobs, onSettled }) {
  const nearness = createNearness();
  const waiting = new Set(mutants.map((mutant) => ({ mutant, tried: new Set() })));
  const atWork = new Set();

  const settle = (each, noticed) => {
    if (!waiting.delete(each)) throw new Error(`settled twice: ${each.mutant.file}:${each.mutant.line}`);
    onSettled(each.mutant, noticed);
  };

  const nextOf = (each) => {
    if (each.tried.size >= mostFiles) return undefined;
    each.selections ??= runs.map((run) => selectTests(run, each.mutant.id, pace)).filter(Boolean);
    const next = nearness.pick(
      each.mutant,
      each.selections.filter(({ run }) => !each.tried.has(run)),
    );
    // Since then it has turned out that these tests can only be run as a whole.
    return next?.run.isWhole ? selectTests(next.run, each.mutant.id, pace) : next;
  };

  /** The first mutant that waits, with others that the same test file comes next for. */
  const takeBatch = () => {
    for (const first of [...waiting]) {
      if (atWork.has(first)) continue;
      const selection = nextOf(first);
      if (!selection) {
        settle(first, undefined);
        continue;
      }
      const batch = [{ each: first, id: first.mutant.id, selection }];
      if (selection.isAlone) return batch;
      for (const other of waiting) {
        if (batch.length === MOST_IN_BATCH) break;
        if (other === first || atWork.has(other)) continue;
        const next = nextOf(other);
        if (next?.run === selection.run && !next.isAlone)
          batch.push({ each: other, id: other.mutant.id, selection: next });
      }
      return batch;
    }
    return undefined;
  };

  const record = ({ each, selection }, failed) => {
    nearness.learn(each.mutant, selection, failed);
    each.tried.add(selection.run);
    if (failed) settle(each, { failed, testFile: selection.run.testFile });
  };

  /**
   * A batch may end early; those that are left go on behind the tests that have not noticed them. Says
   * whether that is all of them.
   */
  const leaveOut = ({ selection }, passed) => {
    selection.numbers = selection.numbers.filter((number) => !passed.includes(number));
    return !selection.numbers.length;
  };

  const work = async () => {
    for (let batch; (batch = takeBatch()); ) {
      batch.forEach(({ each }) => atWork.add(each));
      const [{ selection }] = batch;
      if (selection.isAlone) record(batch[0], await runAlone(folder, selection, batch[0].id));
      else {
        const { outcomes, passed } = await runBatch(folder, selection.run, batch);
        for (const each of batch) {
          const isThrough = leaveOut(each, passed.get(each.id) ?? []);
          if (isThrough || outcomes.has(each.id)) record(each, outcomes.get(each.id));
        }
      }
      batch.forEach(({ each }) => atWork.delete(each));
    }
  };
  // One that finds nothing to take must look again when another has brought mutants back.
  await Promise.all(Array.from({ length: jobs }, work));
  if (waiting.size) await work();
}
