// Prints what the sources look like in figures: how long functions are and how wide lines, how often they
// branch and assert, which names mean two things, what takes part in a call. `npm run figures` measures this
// checkout, `npm run figures -- FOLDER` another one.
import { mkdtempSync, rmSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { createScanner, NodeFlags, SyntaxKind } from 'typescript/unstable/ast';
import { API } from 'typescript/unstable/sync';

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
  SyntaxKind.CaseClause,
  SyntaxKind.ConditionalExpression,
  SyntaxKind.CatchClause,
  SyntaxKind.QuestionDotToken,
  SyntaxKind.AmpersandAmpersandToken,
  SyntaxKind.BarBarToken,
  SyntaxKind.QuestionQuestionToken,
  SyntaxKind.AmpersandAmpersandEqualsToken,
  SyntaxKind.BarBarEqualsToken,
  SyntaxKind.QuestionQuestionEqualsToken,
]);

/** Leaves of the tree that the scanner alone would take for something else. */
const SINGLE_TOKENS = new Set([
  SyntaxKind.Identifier,
  SyntaxKind.StringLiteral,
  SyntaxKind.NumericLiteral,
  SyntaxKind.RegularExpressionLiteral,
  SyntaxKind.NoSubstitutionTemplateLiteral,
  SyntaxKind.TemplateHead,
  SyntaxKind.TemplateMiddle,
  SyntaxKind.TemplateTail,
]);

const MOST_COLUMNS = 110;

const root = resolve(process.argv[2] ?? join(import.meta.dirname, '../..'));
printSources(readSources());
await printPaths();

function readSources() {
  const api = new API({ cwd: root });
  try {
    const snapshot = api.updateSnapshot({ openProjects: [join(root, 'tsconfig.json')] });
    const { program } = snapshot.getProjects()[0];
    const src = join(root, 'src/');
    const paths = program.getSourceFileNames().filter((path) => path.startsWith(src));
    return paths.map((path) => measureFile(path.slice(src.length), program.getSourceFile(path)));
  } finally {
    api.close();
  }
}

function measureFile(name, file) {
  const nodes = nodesBelow(file);
  const count = (isMeant) => nodes.filter(isMeant).length;
  const lines = file.text.split('\n');
  return {
    name,
    lines,
    functions: nodes.filter(isNamedFunction).map((node) => measureFunction(node, file)),
    codeWidths: numbersOfCodeLines(nodes, file).map((number) => lines[number].length),
    tokens: countTokens(file, file),
    branches: count(({ kind }) => BRANCHES.has(kind)),
    ternaries: count(({ kind }) => kind === SyntaxKind.ConditionalExpression),
    lets: count(isLet),
    nonNulls: count(({ kind }) => kind === SyntaxKind.NonNullExpression),
    casts: count((node) => node.kind === SyntaxKind.AsExpression && node.type.getText(file) !== 'const'),
    anys: count(({ kind }) => kind === SyntaxKind.AnyKeyword),
    names: [...new Set(nodes.filter((node) => node.parent === file).flatMap((node) => namesOf(node, file)))],
  };
}

function measureFunction(node, file) {
  return {
    lines: lineOf(node.end, file) - lineOf(node.getStart(file), file) + 1,
    tokens: countTokens(node, file),
  };
}

function printSources(files) {
  const sum = (pick) => files.reduce((total, file) => total + pick(file), 0);
  const all = (pick) => files.flatMap(pick);
  const functions = all((file) => file.functions);
  const widths = all((file) => file.codeWidths);
  const lines = all((file) => file.lines);
  const tokens = sum((file) => file.tokens);
  const per = (unit, of, pick) => ((unit * sum(pick)) / of).toFixed(2);
  const wide = lines.filter((line) => line.length > MOST_COLUMNS);
  const repeated = repeatedNames(files);

  printTable([
    ['files / lines / of these with code', `${files.length} / ${lines.length} / ${widths.length}`],
    ['functions with a name', functions.length],
    ['function lines: median / p90 / max', spread(functions.map((each) => each.lines))],
    ['function tokens: median / p90 / max', spread(functions.map((each) => each.tokens))],
    ['width of a code line: median / p90 / max', spread(widths)],
    [`lines over ${MOST_COLUMNS} columns`, `${((100 * wide.length) / lines.length).toFixed(1)} %`],
    ['branches per 100 lines of code', per(100, widths.length, (file) => file.branches)],
    ['branches per 1,000 tokens', per(1000, tokens, (file) => file.branches)],
    ['`?:` per 1,000 tokens', per(1000, tokens, (file) => file.ternaries)],
    ['`let` per 100 lines of code', per(100, widths.length, (file) => file.lets)],
    ['`!` per 100 lines of code', per(100, widths.length, (file) => file.nonNulls)],
    ['`as` per 100 lines of code', per(100, widths.length, (file) => file.casts)],
    ['`any` per 100 lines of code', per(100, widths.length, (file) => file.anys)],
    ['names of module level in several files', repeated.length],
  ]);
  if (repeated.length) console.log(`repeated: ${repeated.join(', ')}\n`);
}

/** The mock shares nothing with the client, words included. */
function repeatedNames(files) {
  const client = files.filter(({ name }) => !name.startsWith('testing'));
  const all = client.flatMap(({ names }) => names).sort();
  return [...new Set(all.filter((name, index) => name === all[index + 1]))];
}

// What takes part in a call, as V8 counts it

async function printPaths() {
  const folder = mkdtempSync(join(root, 'node_modules/.figures-'));
  try {
    await buildModules(folder);
    const load = (name) => import(pathToFileURL(join(folder, name)).href);
    const parts = {
      ...(await load('index.js')),
      ...(await load('session.js')),
      ...(await load('testing.js')),
    };
    const count = await createCounter(folder);
    printTable(await walk(parts, count));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One module for each source file, so that V8 can tell them apart. */
async function buildModules(folder) {
  const keepModules = {
    name: 'keep-modules',
    setup(builder) {
      builder.onResolve({ filter: /./ }, ({ kind, path }) =>
        kind === 'entry-point' ? undefined : { path: path.replace(/(^\..*)\.ts$/, '$1.js'), external: true },
      );
    },
  };
  await build({
    absWorkingDir: root,
    entryPoints: ['src/**/*.ts'],
    outdir: folder,
    outbase: 'src',
    bundle: true,
    format: 'esm',
    target: 'es2022',
    plugins: [keepModules],
  });
}

async function walk({ createClient, createSession, createMockServer }, count) {
  const url = 'https://thingspace.verizon.com/api/m2m/v1/accounts';
  const open = async (session) => {
    const mock = createMockServer();
    const credentials = { oauthClientId: 'invented-key', oauthClientSecret: 'invented-secret' };
    const client = createClient({
      clientCredentialsAuthCredentials: credentials,
      fetch: mock.fetch,
      ...(session && { vZM2mToken: session }),
    });
    return { client, mock };
  };
  const login = { username: 'invented-user', password: 'invented-password' };
  const { client, mock } = await open(createSession(login));
  const { client: fresh } = await open();
  const { client: other } = await open(createSession(login));
  await client.authorizedFetch(url);
  return [
    ['functions / files of a call with a token at hand', await count(() => client.authorizedFetch(url))],
    ['… of one renewal', await count(() => fresh.getToken())],
    [
      '… of a call that renews after a 401',
      await count(() => (mock.revokeAll(), client.authorizedFetch(url))),
    ],
    ['… of a first call, with its session', await count(() => other.authorizedFetch(url))],
  ];
}

/** @returns a function that counts the functions with a name, and their files, that run in one call */
async function createCounter(folder) {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  const isOurs = ({ url }) => url.includes(folder) && !url.includes(`${folder}/testing`);
  return async (run) => {
    await session.post('Profiler.takePreciseCoverage');
    await run();
    const { result } = await session.post('Profiler.takePreciseCoverage');
    const counted = result.filter(isOurs).map(({ functions }) => functions.filter(hasRun).length);
    const files = counted.filter((number) => number > 0);
    return `${files.reduce((sum, number) => sum + number, 0)} / ${files.length}`;
  };
}

function hasRun({ functionName, ranges }) {
  return functionName !== '' && ranges[0].count > 0;
}

// The tree

function nodesBelow(top) {
  const found = [];
  const visit = (node) => {
    found.push(node);
    childrenOf(node).forEach((child) => {
      visit(child);
    });
  };
  childrenOf(top).forEach((child) => {
    visit(child);
  });
  return found;
}

function childrenOf(node) {
  const children = [];
  node.forEachChild((child) => void children.push(child));
  return children.sort((one, other) => one.pos - other.pos);
}

function isNamedFunction(node) {
  return FUNCTIONS.has(node.kind) && node.body !== undefined && hasName(node);
}

/** A name of its own, or that of the constant or member that it is the value of. */
function hasName({ kind, name, parent }) {
  if (kind === SyntaxKind.Constructor || name) return true;
  return (
    parent.kind === SyntaxKind.VariableDeclaration ||
    parent.kind === SyntaxKind.PropertyAssignment ||
    parent.kind === SyntaxKind.PropertyDeclaration
  );
}

/** What a statement of a module declares; what is only exported again is declared elsewhere. */
function namesOf(statement, file) {
  const declared = statement.declarationList?.declarations ?? [statement];
  return [...declared].flatMap(({ name }) => (name ? [name.getText(file)] : []));
}

function isLet({ kind, parent }) {
  if (kind !== SyntaxKind.VariableDeclaration || parent.kind !== SyntaxKind.VariableDeclarationList)
    return false;
  return (parent.flags & NodeFlags.Let) !== 0 && parent.parent.kind === SyntaxKind.VariableStatement;
}

function numbersOfCodeLines(nodes, file) {
  const real = nodes.filter(({ kind }) => kind !== SyntaxKind.EndOfFile);
  const numbers = real.flatMap((node) => [lineOf(node.getStart(file), file), lineOf(node.end, file)]);
  const lines = file.text.split('\n');
  return [...new Set(numbers)].filter((number) => lines[number].trim() !== '');
}

function lineOf(position, file) {
  return file.getLineAndCharacterOfPosition(position).line;
}

/** Between the children of a node are words and signs only, which the scanner reads without the tree. */
function countTokens(node, file) {
  if (node.kind === SyntaxKind.EndOfFile) return 0;
  if (SINGLE_TOKENS.has(node.kind)) return 1;
  let count = 0;
  let position = node.getStart(file);
  for (const child of childrenOf(node)) {
    count += scanTokens(file.text, position, child.getStart(file)) + countTokens(child, file);
    position = child.end;
  }
  return count + scanTokens(file.text, position, node.end);
}

function scanTokens(text, start, end) {
  const scanner = createScanner(true, undefined, text, start, Math.max(0, end - start));
  let count = 0;
  while (scanner.scan() !== SyntaxKind.EndOfFile) count++;
  return count;
}

// Output

function spread(numbers) {
  const sorted = [...numbers].sort((one, other) => one - other);
  const at = (share) => sorted[Math.floor(sorted.length * share)];
  return `${at(0.5)} / ${at(0.9)} / ${sorted.at(-1)}`;
}

function printTable(rows) {
  for (const [title, figure] of rows) console.log(`${title.padEnd(52)} ${figure}`);
  console.log();
}
