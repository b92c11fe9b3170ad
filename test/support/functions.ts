/** Measures the functions of src/ with TypeScript's own parser. */
import { join } from 'node:path';
import { type Node, NodeFlags, type SourceFile, SyntaxKind } from 'typescript/unstable/ast';
import { API } from 'typescript/unstable/sync';

export interface MeasuredFile {
  /** Below src/, without its ending. */
  readonly name: string;
  /** Lines that hold more than a comment. */
  readonly codeLines: number;
  /** Places where `!` says that something is neither null nor undefined. */
  readonly nonNulls: number;
  readonly functions: readonly MeasuredFunction[];
}

export interface MeasuredFunction {
  readonly name: string;
  /** From the first to the last, with all that is inside. */
  readonly lines: number;
  /** Its own and those of its nameless callbacks: if, loop, `?:`, `&&`, `||`, `??`, `?.`, catch. */
  readonly branches: number;
  /** Its own and those of its nameless callbacks. */
  readonly lets: number;
}

const FUNCTIONS = new Set([
  SyntaxKind.FunctionDeclaration,
  SyntaxKind.FunctionExpression,
  SyntaxKind.ArrowFunction,
  SyntaxKind.MethodDeclaration,
  SyntaxKind.Constructor,
  SyntaxKind.GetAccessor,
  SyntaxKind.SetAccessor,
]);

const BRANCHES = new Set([
  SyntaxKind.IfStatement,
  SyntaxKind.ForStatement,
  SyntaxKind.ForInStatement,
  SyntaxKind.ForOfStatement,
  SyntaxKind.WhileStatement,
  SyntaxKind.DoStatement,
  SyntaxKind.ConditionalExpression,
  SyntaxKind.QuestionDotToken,
  SyntaxKind.CatchClause,
]);

const OPERATORS = new Set(['&&', '||', '??', '&&=', '||=', '??=']);

export function measureSources(root: string): MeasuredFile[] {
  const api = new API({ cwd: root });
  try {
    const program = api
      .updateSnapshot({ openProjects: [join(root, 'tsconfig.json')] })
      .getProjects()[0]!.program;
    const src = join(root, 'src/');
    const paths = program.getSourceFileNames().filter((path) => path.startsWith(src));
    return paths.map((path) =>
      measure(path.slice(src.length).replace(/\.ts$/, ''), program.getSourceFile(path)!),
    );
  } finally {
    api.close();
  }
}

function measure(name: string, file: SourceFile): MeasuredFile {
  const nodes = collect(file, () => true);
  const functions = nodes.filter(
    (node) => FUNCTIONS.has(node.kind) && 'body' in node && node.body && nameOf(node),
  );
  return {
    name,
    codeLines: linesWithCode(file, nodes),
    nonNulls: nodes.filter(({ kind }) => kind === SyntaxKind.NonNullExpression).length,
    functions: functions.map((node) => measureFunction(node, file)),
  };
}

function measureFunction(node: Node, file: SourceFile): MeasuredFunction {
  // A function with a name is measured by itself.
  const own = collect(node, (each) => !FUNCTIONS.has(each.kind) || !nameOf(each));
  return {
    name: nameOf(node)!,
    lines: lineOf(file, node.end) - lineOf(file, node.getStart(file)) + 1,
    branches: own.filter((each) => isBranch(each, file)).length,
    lets: own.filter(isLet).length,
  };
}

function isLet({ kind, parent }: Node): boolean {
  return (
    kind === SyntaxKind.VariableDeclaration &&
    parent.kind === SyntaxKind.VariableDeclarationList &&
    (parent.flags & NodeFlags.Let) !== 0
  );
}

function isBranch(node: Node, file: SourceFile): boolean {
  if (node.kind === SyntaxKind.BinaryExpression) {
    const { operatorToken } = node as unknown as { operatorToken: Node };
    return OPERATORS.has(operatorToken.getText(file));
  }
  return BRANCHES.has(node.kind);
}

/** Its own name, or that of the constant or member that it is the value of. */
function nameOf(node: Node): string | undefined {
  if (node.kind === SyntaxKind.Constructor) return 'constructor';
  const named = 'name' in node && node.name ? node : isValueOf(node) ? node.parent : undefined;
  return named && 'name' in named ? (named.name as Node).getText() : undefined;
}

function isValueOf({ parent }: Node): boolean {
  return (
    parent.kind === SyntaxKind.VariableDeclaration ||
    parent.kind === SyntaxKind.PropertyAssignment ||
    parent.kind === SyntaxKind.PropertyDeclaration
  );
}

function linesWithCode(file: SourceFile, nodes: readonly Node[]): number {
  const lines = new Set<number>();
  for (const node of nodes) {
    if (node.kind === SyntaxKind.SourceFile || node.kind === SyntaxKind.EndOfFile) continue;
    lines.add(lineOf(file, node.getStart(file)));
    lines.add(lineOf(file, node.end));
  }
  return lines.size;
}

function lineOf(file: SourceFile, position: number): number {
  return file.getLineAndCharacterOfPosition(position).line;
}

/** A node and all below it, as far as `isEntered` lets it go down. */
function collect(top: Node, isEntered: (node: Node) => boolean): Node[] {
  const found: Node[] = [];
  const visit = (node: Node): void => {
    found.push(node);
    node.forEachChild((child) => {
      if (isEntered(child)) visit(child);
      return undefined;
    });
  };
  visit(top);
  return found;
}
