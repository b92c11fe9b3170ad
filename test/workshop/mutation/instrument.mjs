// All mutants of src/ in one set of sources, each behind a switch: one build serves every mutant.
import babel from '@babel/core';
import { generate } from '@babel/generator';
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
 * @returns the instrumented texts by name, and the mutants: id, file, line, column, the function that it is
 *   in, what becomes what. None of these depends on how the code is set, but line and column.
 */
export async function instrument(sources) {
  const places = new Map();
  const transform = (ast, collector, context) => transformFile(ast, watch(collector, places, ast), context);
  const instrumenter = new Instrumenter(logger, undefined, undefined, transform);
  const given = [...sources].map(([name, content]) => ({ name, content, mutate: true }));
  const { files, mutants } = await instrumenter.instrument(given, options);
  return {
    files: new Map(files.map(({ name, content }) => [name, content])),
    mutants: mutants.map((mutant) => describe(mutant, places.get(mutant.id))),
  };
}

function transformFile(ast, collector, context) {
  transformBabel(ast, collector, context, [...allMutators, ...moreMutators]);
}

/** A collector that notes of each mutant where it is, as long as the tree around it is whole. */
function watch(collector, places, ast) {
  const functions = nameFunctions(ast);
  return new Proxy(collector, {
    get(target, key) {
      if (key !== 'collect') return Reflect.get(target, key);
      return (file, original, ...rest) => {
        const mutant = target.collect(file, original, ...rest);
        places.set(mutant.id, { in: functions.get(original), from: print(original) });
        return mutant;
      };
    },
  });
}

/** The name of the function that each node is in; empty for what is in none. */
function nameFunctions(ast) {
  const functions = new Map();
  babel.traverse(ast.root, {
    TSAsExpression: dropType,
    TSSatisfiesExpression: dropType,
    TSNonNullExpression: dropType,
  });
  babel.traverse(ast.root, {
    enter(path) {
      functions.set(path.node, functions.get(path.node) ?? nameAround(path));
    },
  });
  return functions;
}

function nameAround(path) {
  for (let at = path; at; at = at.parentPath) {
    const name = at.isFunction() && nameOf(at);
    if (name) return name;
  }
  return '';
}

/** Its own name, or that of the constant or member that it is the value of. */
function nameOf({ node, parent }) {
  const name = node.id ?? node.key ?? parent.id ?? parent.key;
  return name?.name ?? name?.value;
}

/** The instrumenter leaves alone what a type is said of; at run time it is a value like any other. */
function dropType(path) {
  path.replaceWith(path.node.expression);
}

function describe({ id, fileName, location: { start }, replacement }, place) {
  return {
    id: Number(id),
    file: fileName,
    line: start.line + 1,
    column: start.column + 1,
    in: place.in,
    from: place.from,
    to: inOneLine(replacement),
  };
}

function print(node) {
  return inOneLine(generate(node, { comments: false }).code);
}

function inOneLine(code) {
  const line = code.replace(/\s+/g, ' ');
  return line.length > 120 ? `${line.slice(0, 90)} … ${line.slice(-20)}` : line;
}
