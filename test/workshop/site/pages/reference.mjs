// The reference: for each entry a page with its names, as typedoc reads them.
import { ReflectionKind } from 'typedoc';
import { commentOf, membersOf, signaturesOf, toMarkdown } from './docstrings.mjs';
import { describe } from './markdown.mjs';

const LINE_LENGTH = 80;
/** Between the parts of a type. */
const SIGNS = { union: '|', intersection: '&' };
const KINDS = {
  [ReflectionKind.Function]: 'function',
  [ReflectionKind.Interface]: 'interface',
  [ReflectionKind.TypeAlias]: 'type',
  [ReflectionKind.Class]: 'class',
  [ReflectionKind.Variable]: 'constant',
};

/** What a heading of the reference says of a name's kind. */
export function kindOf(reflection) {
  if (reflection.kind === ReflectionKind.Variable && /Authentication/.test(reflection.type))
    return 'function';
  return KINDS[reflection.kind];
}

/** The pages, and a function that gives a public name's address. */
export function referencePages(entries, { manifest, repository }) {
  const addresses = new Map();
  // A name of two entries is that of the first one: `createClient`.
  for (const { name, names } of entries.toReversed())
    for (const reflection of names)
      addresses.set(reflection.name, `${pathOf(name, manifest)}#${reflection.name}`);
  const context = { link: addressOf, manifest, repository };
  const pages = entries.map((entry) => entryPage(entry, context));
  return { pages: [indexPage(entries, context), ...pages], addressOf };

  /** `Client.getToken` is a member of what has an address. */
  function addressOf(name) {
    const [owner, ...members] = name.split('.');
    const address = addresses.get(owner);
    return address && [address, ...members].join('.');
  }
}

function pathOf(name, manifest) {
  return `/reference/${name.replace(`${manifest.name}/`, '')}`;
}

function indexPage(entries, { link, manifest }) {
  const sections = entries.map(({ name, names, summary }) => {
    const rows = groupsOf(names).map(
      ([first]) =>
        `| [\`${first.name}\`](${link(first.name)}) | ${kindOf(first)} | ${summaryOf(first, link)} |`,
    );
    const table = rows.length ? `| name | kind | what it is |\n| --- | --- | --- |\n${rows.join('\n')}` : '';
    const [intro] = summary.split(/\n\s*\n/);
    const words = `${intro.replaceAll('\n', ' ')} [All of \`${name}\`](${pathOf(name, manifest)})`;
    return [`## ${name} {#${name}}`, words, table].join('\n\n');
  });
  const names = entries.flatMap((entry) => groupsOf(entry.names));
  return {
    path: '/reference/',
    section: 'reference',
    title: 'Reference',
    description: `The ${names.length} public names of ${manifest.name}, by the ${entries.length} entries that they are imported from.`,
    body: sections.join('\n\n'),
  };
}

function entryPage({ name, names, passedOn, summary }, context) {
  const [intro] = summary.split(/\n\s*\n/);
  const parts = groupsOf(names).map((group) => nameSection(group, name, context));
  if (passedOn.length) {
    const links = passedOn.map((each) => `[\`${each}\`](${context.link(each)})`);
    parts.push(`## As in ${context.manifest.name} {#passed-on}`, links.join(', '));
  }
  const imports = names.length ? '' : `\n\n\`\`\`ts\nimport '${name}';\n\`\`\``;
  return {
    path: pathOf(name, context.manifest),
    section: 'reference',
    group: 'Entries',
    title: name,
    description: describe(intro),
    body: [intro + imports, ...parts].join('\n\n'),
  };
}

/** What one calls comes first, and then the types. A value and a type of one name belong together. */
function groupsOf(names) {
  const groups = Object.values(groupByName(names));
  const [values, types] = [false, true].map((isWanted) =>
    groups.filter((group) => group.every(isType) === isWanted),
  );
  return [...values, ...types];
}

function isType({ kind }) {
  return kind === ReflectionKind.Interface || kind === ReflectionKind.TypeAlias;
}

function groupByName(names) {
  const groups = {};
  for (const reflection of names) {
    groups[reflection.name] ??= [];
    groups[reflection.name].push(reflection);
  }
  return groups;
}

function nameSection(group, entry, context) {
  const [{ name }] = group;
  const kinds = [...new Set(group.map(kindOf))].join(', ');
  const statement = `import ${group.every(isType) ? 'type ' : ''}{ ${name} } from '${entry}';`;
  const declarations = group.map((reflection) => declarationOf(reflection)).filter(Boolean);
  const code = `\`\`\`ts\n${[statement, ...declarations].join('\n\n')}\n\`\`\``;
  return [
    `## ${name} <Badge type="tip">${kinds}</Badge> {#${name}}`,
    code,
    ...group.map((reflection) => textOf(reflection, context)),
    sourceLink(group[0], context),
    ...group.flatMap((reflection) =>
      membersOf(reflection).map((member) => memberSection(member, name, context)),
    ),
    ...group.flatMap((reflection) => elementsOf(reflection, context)),
  ]
    .filter(Boolean)
    .join('\n\n');
}

/** The declaration in TypeScript, where its members do not tell it below. */
function declarationOf(reflection) {
  const { kind, name, type } = reflection;
  if (kind === ReflectionKind.Function)
    return reflection.signatures
      .map((signature) => `function ${name}${signatureText(signature, ': ')}`)
      .join('\n');
  if (kind === ReflectionKind.Class || kind === ReflectionKind.Interface) return classText(reflection);
  if (kind === ReflectionKind.Variable && !membersOf(reflection).length) return `const ${name}: ${type}`;
  if (kind === ReflectionKind.TypeAlias && !membersOf(reflection).length && !type.elementSummaries)
    return `type ${name} = ${typeText(type)}`;
  return '';
}

function classText({ kind, name, extendedTypes = [] }) {
  if (!extendedTypes.length) return '';
  const word = kind === ReflectionKind.Class ? 'class' : 'interface';
  return `${word} ${name} extends ${extendedTypes.join(', ')}`;
}

function typeText(type) {
  const [signature] = type.declaration?.signatures ?? [];
  if (signature) return signatureText(signature, ' => ');
  const text = String(type);
  const sign = SIGNS[type.type];
  return sign && text.length > LINE_LENGTH ? type.types.map((part) => `\n  ${sign} ${part}`).join('') : text;
}

function signatureText({ parameters = [], type, typeParameters = [] }, arrow) {
  const generic = typeParameters.length ? `<${typeParameters.map(({ name }) => name).join(', ')}>` : '';
  const list = parameters.map(
    ({ name, type: of, flags, defaultValue }) =>
      `${flags.isRest ? '...' : ''}${name}${flags.isOptional || defaultValue ? '?' : ''}: ${of}`,
  );
  const line = `${generic}(${list.join(', ')})${arrow}${type}`;
  return line.length > LINE_LENGTH ? `${generic}(\n  ${list.join(',\n  ')},\n)${arrow}${type}` : line;
}

/** What the docstring says: text, parameters, result, errors, example, sources. */
export function textOf(reflection, { link }) {
  const comment = commentOf(reflection);
  if (!comment) return '';
  const tags = Object.entries(TAGS).flatMap(([tag, heading]) => {
    const found = comment.blockTags.filter((block) => block.tag === tag);
    return found.length
      ? [`**${heading}**\n\n${found.map(({ content }) => asItem(tag, content, link)).join('\n')}`]
      : [];
  });
  const parameters = parametersText(reflection, link);
  return [toMarkdown(comment.summary, link), parameters, ...tags].filter(Boolean).join('\n\n');
}

const TAGS = {
  '@returns': 'Returns',
  '@throws': 'Throws',
  '@default': 'Default',
  '@deprecated': 'Deprecated',
  '@example': 'Example',
  '@see': 'See',
};

function asItem(tag, content, link) {
  const text = toMarkdown(content, link);
  if (tag === '@example') return text;
  const linked = text.replace(/^https?:\/\/\S+$/, '<$&>').replace(/\bRFC (\d{4})\b(?! *\])/g, rfcLink);
  return `- ${linked.replaceAll('\n', '\n  ')}`;
}

function rfcLink(text, number) {
  return `[${text}](https://www.rfc-editor.org/rfc/rfc${number})`;
}

function parametersText(reflection, link) {
  const parameters = signaturesOf(reflection).flatMap((signature) => signature.parameters ?? []);
  const told = parameters.filter(({ comment }) => comment);
  if (!told.length) return '';
  const items = told.map(
    ({ name, comment }) => `- \`${name}\`: ${toMarkdown(comment.summary, link).replaceAll('\n', '\n  ')}`,
  );
  return `**Parameters**\n\n${items.join('\n')}`;
}

function memberSection(member, owner, context) {
  return [`### ${member.name} {#${owner}.${member.name}}`, typeLine(member, context), textOf(member, context)]
    .filter(Boolean)
    .join('\n\n');
}

/** A member's type, with links to the public names in it. */
export function typeLine(member, { link }) {
  const signature = member.signatures?.[0];
  const text = signature ? signatureText(signature, ' => ') : String(member.type ?? '');
  const type = member.flags.isOptional ? text.replace(/^undefined \| | \| undefined$/g, '') : text;
  const html = escapeHtml(type).replace(/\b[A-Z]\w+\b/g, (name) => {
    const address = link(name);
    return address ? `<SiteLink to="${address}">${name}</SiteLink>` : name;
  });
  const badge = member.flags.isOptional ? ' <Badge type="info">optional</Badge>' : '';
  return `<code class="type">${html}</code>${badge}`;
}

function escapeHtml(text) {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('{{', '&#123;&#123;')
    .replace(/\s+/g, ' ');
}

/** The members of a union that have a docstring each, such as the events. */
export function elementsOf({ name, type }, context) {
  if (!type?.elementSummaries) return [];
  return type.types.map((element, index) => {
    const members = element.declaration?.children ?? [];
    const { title, fields } = titleOf(members, name);
    const list = fields.map((field) => `- \`${field.name}\`: ${typeLine(field, context)}`);
    const text = toMarkdown(type.elementSummaries[index], context.link);
    return [`### ${title} {#${name}.${title.replaceAll(', ', '.')}}`, text, list.join('\n')]
      .filter(Boolean)
      .join('\n\n');
  });
}

/** What tells it apart from the others, and the other fields. */
function titleOf(members, owner) {
  const tag = members.find(({ type }) => /^("\w+"( \| )?)+$/.test(String(type)));
  if (!tag) throw new Error(`${owner}: no field tells its kinds apart`);
  const title = [...String(tag.type).matchAll(/"(\w+)"/g)].map(([, word]) => word).join(', ');
  return { title, fields: members.filter((member) => member !== tag) };
}

function summaryOf(reflection, link) {
  return firstSentence(toMarkdown(commentOf(reflection)?.summary, link)).replaceAll('|', '\\|');
}

function firstSentence(text) {
  return text
    .split(/\n\s*\n|\n- /)[0]
    .split(/(?<=[.:])\s+(?=[A-Z`])/)[0]
    .replaceAll('\n', ' ');
}

function sourceLink({ sources: [{ fileName, line }] }, { repository, manifest }) {
  return repository && `[Source](${repository}/blob/v${manifest.version}/${fileName}#L${line})`;
}
