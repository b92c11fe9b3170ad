// What the sources declare, as TypeScript's own parser reads them, for tests that compare a page with the
// code.
import { join } from 'node:path';
import { SyntaxKind } from 'typescript/unstable/ast';
import { API } from 'typescript/unstable/sync';

const root = join(import.meta.dirname, '../..');

/**
 * The interfaces and types that sources declare.
 *
 * @param paths of sources, from the root
 * @returns by name: the texts of a union of texts, and the properties, those of each member of a union too
 */
export function readDeclarations(...paths) {
  const api = new API({ cwd: root });
  try {
    const snapshot = api.updateSnapshot({ openProjects: [join(root, 'tsconfig.json')] });
    const { program } = snapshot.getProjects()[0];
    return new Map(paths.flatMap((path) => declarationsOf(program.getSourceFile(join(root, path)))));
  } finally {
    api.close();
  }
}

function declarationsOf(file) {
  const declared = childrenOf(file).filter(
    ({ kind }) => kind === SyntaxKind.InterfaceDeclaration || kind === SyntaxKind.TypeAliasDeclaration,
  );
  return declared.map((node) => [
    node.name.text,
    { texts: textsBelow(node), properties: propertiesBelow(node, file) },
  ]);
}

function propertiesBelow(node, file) {
  return nodesBelow(node)
    .filter(({ kind }) => kind === SyntaxKind.PropertySignature)
    .map((property) => ({
      name: property.name.text,
      doc: (property.jsDoc ?? []).map((comment) => comment.getText(file)).join('\n'),
      texts: textsBelow(property),
    }));
}

function textsBelow(node) {
  return nodesBelow(node)
    .filter(({ kind }) => kind === SyntaxKind.StringLiteral)
    .map(({ text }) => text);
}

function nodesBelow(node) {
  return childrenOf(node).flatMap((child) => [child, ...nodesBelow(child)]);
}

function childrenOf(node) {
  const children = [];
  node.forEachChild((child) => void children.push(child));
  return children;
}
