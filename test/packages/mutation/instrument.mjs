// All mutants of src/ in one set of sources, each behind a switch: one build serves every mutant.
import babel from '@babel/core';
import { Instrumenter } from '@stryker-mutator/instrumenter';
import { moreMutators } from './mutators.mjs';

// The instrumenter takes a transformation, but does not export the one that takes a list of mutators.
const inside = (path) => import(new URL(path, import.meta.resolve('@stryker-mutator/instrumenter')));
const { transformBabel } = await inside('transformers/babel-transformer.js');
const { allMutators } = await inside('mutators/index.js');

const logger = Object.fromEntries(
  ['debug', 'info', 'warn', 'error', 'isDebugEnabled'].map((name) => [name, () => false]),
);
const options = { ignorers: [], excludedMutations: [], noHeader: false, plugins: null };

/**
 * @param {ReadonlyMap<string, string>} sources each file's name and text
 * @returns the instrumented texts by name, and the mutants: id, file, line, column, text of the line, what
 *   becomes what
 */
export async function instrument(sources) {
  const instrumenter = new Instrumenter(logger, undefined, undefined, transform);
  const given = [...sources].map(([name, content]) => ({ name, content, mutate: true }));
  const { files, mutants } = await instrumenter.instrument(given, options);
  return {
    files: new Map(files.map(({ name, content }) => [name, content])),
    mutants: mutants.map((mutant) => describe(mutant, sources.get(mutant.fileName))),
  };
}

function transform(ast, collector, context) {
  babel.traverse(ast.root, {
    TSAsExpression: dropType,
    TSSatisfiesExpression: dropType,
    TSNonNullExpression: dropType,
  });
  transformBabel(ast, collector, context, [...allMutators, ...moreMutators]);
}

/** The instrumenter leaves alone what a type is said of; at run time it is a value like any other. */
function dropType(path) {
  path.replaceWith(path.node.expression);
}

function describe({ id, fileName, location: { start, end }, replacement }, text) {
  const lines = text.split('\n');
  const covered = lines.slice(start.line, end.line + 1);
  covered[covered.length - 1] = covered.at(-1).slice(0, end.column);
  covered[0] = covered[0].slice(start.column);
  return {
    id: Number(id),
    file: fileName,
    line: start.line + 1,
    column: start.column + 1,
    text: lines[start.line].trim(),
    from: inOneLine(covered.join('\n')),
    to: inOneLine(replacement),
  };
}

function inOneLine(code) {
  const line = code.replace(/\s+/g, ' ');
  return line.length > 120 ? `${line.slice(0, 90)} … ${line.slice(-20)}` : line;
}
