// Options, errors and events: a page each, what the guide says of them and below it what the docstrings say.
import { commentOf, membersOf, toMarkdown } from './docstrings.mjs';
import { describe } from './markdown.mjs';
import { elementsOf, textOf, typeLine } from './reference.mjs';

/** Takes the guide's pages of options and errors out, and gives those that tell all. */
export function extendGuide(pages, entries, context) {
  const names = new Map(entries.flatMap(({ names: list }) => list.map((name) => [name.name, name])));
  const codes = codesIn(find(names, 'ApiErrorCode'), context);
  const options = one(pages, ({ body }) => body.includes('<!-- options -->'), 'the options');
  const errors = one(
    pages,
    ({ body }) => codes.every(({ code }) => body.includes(`| \`${code}\``)),
    'the error codes',
  );
  const extended = new Map([
    [options, { ...options, path: '/options', body: `${options.body}\n\n${optionsText(names, context)}` }],
    [errors, { ...errors, path: '/errors', body: `${errors.body}\n\n${codesText(codes)}` }],
  ]);
  const events = eventsPage(find(names, 'ClientEvent'), context);
  return pages.flatMap((page) =>
    page === errors ? [extended.get(page), events] : [extended.get(page) ?? page],
  );
}

function one(pages, test, what) {
  const found = pages.filter(test);
  if (found.length !== 1)
    throw new Error(`the guide has ${found.length} pages with ${what}, it should have one`);
  return found[0];
}

function find(names, name) {
  const reflection = names.get(name);
  if (!reflection) throw new Error(`no public name is ${name}`);
  return reflection;
}

/** The list in the docstring of the codes. */
function codesIn(reflection, { link }) {
  const text = toMarkdown(commentOf(reflection)?.summary, link);
  const codes = [...text.matchAll(/^- `(\w+)`: (.*?)(?=\n- |\n\n|$(?![^]))/gms)].map(([, code, meaning]) => ({
    code,
    meaning,
  }));
  const known = [...String(reflection.type).matchAll(/"(\w+)"/g)].map(([, code]) => code);
  if (!known.length || known.join() !== codes.map(({ code }) => code).join())
    throw new Error(`the docstring of ${reflection.name} does not list its codes in their order`);
  return codes;
}

function codesText(codes) {
  const sections = codes.map(({ code, meaning }) => `### ${code} {#${code}}\n\n${sentence(meaning)}`);
  return ['## Each code', ...sections].join('\n\n');
}

function sentence(text) {
  const [, begin, rest] = /^(\s*)([^]*)$/.exec(text.trim().replace(/\n {2,}/g, '\n'));
  return begin + rest[0].toUpperCase() + rest.slice(1);
}

function eventsPage(reflection, context) {
  const summary = toMarkdown(commentOf(reflection)?.summary, context.link);
  const events = elementsOf(reflection, context).map((text) => text.replace(/^### /, '## '));
  return {
    path: '/events',
    section: 'guide',
    group: 'In depth',
    title: 'Events',
    description: describe(summary),
    body: [summary, ...events].join('\n\n'),
  };
}

/** What `createClient` takes, and what that consists of. */
function optionsText(names, context) {
  const results = resultsOf([...names.values()]);
  const options = new Map();
  addOptions(find(names, 'ClientConfig').type, '');
  if (options.size < 10) throw new Error(`createClient has ${options.size} options, too few`);
  return ['## Each option', ...options.values()].join('\n\n');

  function addOptions(type, owner) {
    for (const bag of bagsIn(type, results))
      for (const member of bag.children) addOption(member, owner + member.name);
  }

  function addOption(member, path) {
    if (options.has(path)) return;
    options.set(path, [headingOf(path), typeLine(member, context), textOf(member, context)].join('\n\n'));
    addOptions(member.type, `${path}.`);
  }
}

/** The option's own name, and what it is an option of. */
function headingOf(path) {
  const [, owner, name] = /^(?:(.*)\.)?(\w+)$/.exec(path);
  return `### ${name}${owner ? ` <Badge type="info">in ${owner}</Badge>` : ''} {#${path}}`;
}

/** Names that functions return are things, not options. */
function resultsOf(reflections) {
  const types = reflections.flatMap(({ signatures = [] }) => signatures.map(({ type }) => String(type)));
  return new Set(types.flatMap((type) => type.match(/\w+/g)));
}

/** The interfaces with options that a type names. */
function bagsIn(type, results) {
  if (!type) return [];
  const inner = [...(type.types ?? []), ...(type.typeArguments ?? [])].flatMap((part) =>
    bagsIn(part, results),
  );
  const { reflection } = type;
  if (type.type !== 'reference' || !reflection || results.has(reflection.name)) return inner;
  if (reflection.type) return [...inner, ...bagsIn(reflection.type, results)];
  const isBag =
    membersOf(reflection).length === 0 || reflection.children?.some(({ flags }) => flags.isOptional);
  return isBag && reflection.children ? [...inner, reflection] : inner;
}
