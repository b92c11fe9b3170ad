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

  const turnOf = (each) => ({ each, id: each.mutant.id, selection: nextOf(each) });

  /** The first mutant that waits, with others that the same test file comes next for. */
  const takeBatch = () => {
    const first = takeFirst();
    if (!first) return [];
    return first.selection.isAlone ? [first] : [first, ...takeOthers(first)];
  };

  /** Those that no test is left for are settled on the way. */
  const takeFirst = () => {
    for (const each of [...waiting].filter((other) => !atWork.has(other))) {
      const turn = turnOf(each);
      if (turn.selection) return turn;
      settle(each, undefined);
    }
    return undefined;
  };

  const takeOthers = (first) => {
    const others = [];
    for (const each of waiting) {
      if (others.length === MOST_IN_BATCH - 1) break;
      if (each === first.each || atWork.has(each)) continue;
      const turn = turnOf(each);
      const isWithFirst = turn.selection?.run === first.selection.run && !turn.selection.isAlone;
      if (isWithFirst) others.push(turn);
    }
    return others;
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

  const runTogether = async (batch) => {
    const { outcomes, passed } = await runBatch(folder, batch[0].selection.run, batch);
    for (const turn of batch) {
      const isThrough = leaveOut(turn, passed.get(turn.id) ?? []);
      if (isThrough || outcomes.has(turn.id)) record(turn, outcomes.get(turn.id));
    }
  };

  const work = async () => {
    for (let batch = takeBatch(); batch.length; batch = takeBatch()) {
      batch.forEach(({ each }) => atWork.add(each));
      const [first] = batch;
      if (first.selection.isAlone) record(first, await runAlone(folder, first.selection, first.id));
      else await runTogether(batch);
      batch.forEach(({ each }) => atWork.delete(each));
    }
  };
  // One that finds nothing to take must look again when another has brought mutants back.
  await Promise.all(Array.from({ length: jobs }, work));
  if (waiting.size) await work();
}
