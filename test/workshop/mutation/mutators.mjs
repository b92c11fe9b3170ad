// Mutations that Stryker's instrumenter does not make: a statement left out, a number moved, a condition
// without operator turned, a wait left out.
import babel from '@babel/core';

const { types } = babel;

/** Stryker mutates conditions that are comparisons itself. */
const COMPARED = ['BinaryExpression', 'LogicalExpression', 'BooleanLiteral'];
const isPlain = (node) => !COMPARED.includes(node.type);

const statements = {
  name: 'Statement',
  *mutate(path) {
    if (!path.isExpressionStatement()) return;
    // A block of one statement is emptied by Stryker.
    const isAlone = path.parentPath.isBlockStatement() && path.parent.body.length === 1;
    if (!isAlone) yield types.expressionStatement(types.identifier('undefined'));
    if (types.isAwaitExpression(path.node.expression))
      yield types.expressionStatement(path.node.expression.argument);
  },
};

const numbers = {
  name: 'Number',
  *mutate(path) {
    if (path.isNumericLiteral() && path.key !== 'key')
      yield types.numericLiteral(path.node.value === 0 ? 1 : 2 * path.node.value);
  },
};

const conditions = {
  name: 'Condition',
  *mutate(path) {
    const { parent, key, node } = path;
    if (!path.isExpression() || !parent || !isPlain(node)) return;
    if (parent.type === 'ConditionalExpression' && key === 'test') {
      yield types.booleanLiteral(true);
      yield types.booleanLiteral(false);
    }
    if (parent.type === 'LogicalExpression' && parent.operator !== '??') {
      yield types.booleanLiteral(parent.operator === '&&');
    }
  },
};

export const moreMutators = [statements, numbers, conditions];
