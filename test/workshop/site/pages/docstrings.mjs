// Reads src with typedoc: the public entries, their names, and the docstrings as Markdown.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Application, ReflectionKind } from 'typedoc';

/** The public entries as they are imported, each with its names. */
export async function readEntries({ root, manifest, repository }) {
  const entries = Object.entries(manifest.exports)
    .filter(([, target]) => target.types)
    .map(([key, target]) => ({
      name: key.replace('.', manifest.name),
      source: target.types.replace('./dist/', 'src/').replace(/\.d\.ts$/, '.ts'),
    }));
  for (const { source } of entries)
    if (!existsSync(join(root, source)))
      throw new Error(`package.json exports ${source}, which is not there`);
  const project = await convert(entries, { root, manifest, repository });
  return entries.map((entry) => {
    const module = moduleOf(project, entry, root);
    // What an entry passes on from another one is told there.
    const isPassedOn = ({ variant }) => variant === 'reference';
    const children = module.children ?? [];
    const names = children.filter((child) => !isPassedOn(child));
    const passedOn = children.filter(isPassedOn).map(({ name }) => name);
    return { ...entry, summary: toMarkdown(module.comment?.summary), names, passedOn };
  });
}

async function convert(entries, { root, manifest, repository }) {
  const app = await Application.bootstrapWithPlugins({
    entryPoints: entries.map(({ source }) => join(root, source)),
    tsconfig: join(import.meta.dirname, '../tsconfig.json'),
    basePath: root,
    excludeExternals: true,
    excludeInternal: true,
    disableGit: true,
    sourceLinkTemplate: `${repository ?? ''}/blob/v${manifest.version}/{path}#L{line}`,
    sort: ['source-order'],
    sortEntryPoints: false,
    logLevel: 'Error',
  });
  const project = await app.convert();
  if (!project) throw new Error('typedoc cannot read src');
  return project;
}

function moduleOf(project, { source }, root) {
  const modules = project.getReflectionsByKind(ReflectionKind.Module | ReflectionKind.Project);
  const isOfSource = ({ fullFileName }) => fullFileName === join(root, source);
  const found = modules.find(({ sources }) => sources?.some(isOfSource));
  // An entry may be there for its effect alone: then its comment says which.
  if (!found?.children?.length && !found?.comment)
    throw new Error(`typedoc finds neither a public name nor a comment in ${source}`);
  return found;
}

/** A docstring's parts as Markdown. `link` gives a name's address. */
export function toMarkdown(parts = [], link = () => undefined) {
  return parts
    .map((part) => {
      if (part.kind === 'code') return part.text;
      if (part.kind === 'inline-tag') return toLink(part, link);
      return part.text.replaceAll('<', '&lt;').replaceAll('{{', '&#123;&#123;');
    })
    .join('')
    .trim();
}

function toLink({ text, target }, link) {
  const name = text.trim();
  const address = link(typeof target === 'object' ? (target.getFullName?.() ?? name) : name);
  return address ? `[\`${name}\`](${address})` : `\`${name}\``;
}

/** A reflection's comment stands on its signature where it is a function. */
export function commentOf(reflection) {
  const { declaration } = reflection.type ?? {};
  const places = [reflection, ...(reflection.signatures ?? []), ...(declaration?.signatures ?? [])];
  return places.map(({ comment }) => comment).find(Boolean);
}

export function signaturesOf(reflection) {
  return reflection.signatures ?? reflection.type?.declaration?.signatures ?? [];
}

/** Fields and methods, without what a class inherits. */
export function membersOf(reflection) {
  const members = reflection.children ?? reflection.type?.declaration?.children ?? [];
  return members.filter(({ name, inheritedFrom }) => name !== 'constructor' && !inheritedFrom);
}
