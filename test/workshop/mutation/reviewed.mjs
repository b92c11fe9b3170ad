// The mutants that somebody has looked at and found to change nothing that can matter, each with the reason.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const PATH = join(import.meta.dirname, 'reviewed.json');

/**
 * @typedef {object} Entry
 * @property {string} in the function that the mutant is in; empty for what is in none
 * @property {string} from
 * @property {string | string[]} to one or more mutants of the same place
 * @property {string} reason
 * @property {number} [times] how many places of the function look the same, where all are meant
 * @property {number} [which] the one that is meant, of several that look the same, counted from 1
 */

/**
 * @returns the entry of a mutant, if it has one; what is wrong with the list: what lacks a reason, or matches
 *   more than it says; and what has outlived its code, which matches less
 */
export function readReviewed(mutants, list = JSON.parse(readFileSync(PATH, 'utf8'))) {
  const entries = new Map();
  const faults = [];
  const stale = [];
  for (const { file, entry, to } of eachFault(list)) {
    const found = mutants.filter((mutant) => isMeant(mutant, file, entry, to));
    const meant = entry.which ? found.slice(entry.which - 1, entry.which) : found;
    const times = entry.times ?? 1;
    const said = `${file}: \`${entry.from}\` → \`${to}\` in \`${entry.in}\``;
    if (!entry.reason) faults.push(`${said} has no reason`);
    if (meant.length > times) faults.push(`${said} matches ${meant.length} mutants, not ${times}`);
    if (meant.length < times) stale.push(`${said} matches ${meant.length} mutants, not ${times}`);
    for (const { id } of meant) entries.set(id, { file, ...entry, to });
  }
  return { entries, faults, stale };
}

/** Takes out what matches no mutant any more; what has moved to another file moves with its function. */
export function tidyReviewed(mutants) {
  const list = JSON.parse(readFileSync(PATH, 'utf8'));
  const tidied = {};
  for (const { file, entry, to } of eachFault(list)) {
    const isIn = (path) => mutants.some((mutant) => isMeant(mutant, path, entry, to));
    const home = [file, ...new Set(mutants.map((mutant) => mutant.file))].find(isIn);
    if (!home) continue;
    tidied[home] ??= [];
    const kept = tidied[home].find((each) => each.original === entry);
    if (kept) kept.to.push(to);
    else tidied[home].push({ ...entry, to: [to], original: entry });
  }
  const sorted = Object.entries(tidied).sort(([one], [other]) => (one < other ? -1 : 1));
  const written = sorted.map(([file, entries]) => [file, entries.map(withoutOriginal)]);
  writeFileSync(PATH, `${JSON.stringify(Object.fromEntries(written), null, 2)}\n`);
}

function withoutOriginal({ original: _, ...entry }) {
  return { ...entry, to: entry.to.length > 1 ? entry.to : entry.to[0] };
}

function eachFault(list) {
  return Object.entries(list).flatMap(([file, entries]) =>
    entries.flatMap((entry) => [entry.to].flat().map((to) => ({ file, entry, to }))),
  );
}

function isMeant(mutant, file, entry, to) {
  return mutant.file === file && mutant.in === entry.in && mutant.from === entry.from && mutant.to === to;
}
