// The guide: README.md by its sections, and the texts beside the examples. A section of several parts is a
// page for each part.
import { posix } from 'node:path';
import { describe, raiseHeadings, slugOf, splitAt } from './markdown.mjs';

/** So many parts make a section a group of pages. */
const PARTS_OF_A_GROUP = 2;

/** Texts that README.md leads to for more. */
const TEXTS = ['session', 'stores', 'errors', 'slips'].map((name) => `examples/${name}.md`);

/** The text before the first section, and the pages of the others and of the texts. `read` gives a text. */
export function guidePages(read) {
  const { intro, sections } = splitAt(2, read('README.md'));
  if (sections.length < 5) throw new Error(`README.md has ${sections.length} sections, too few for a guide`);
  const [first, ...others] = sections;
  const pages = [firstPage(intro, first), ...others.flatMap(pagesOf)];
  return { intro, pages: [...pages, ...TEXTS.map((from) => pageOfText(from, read(from)))] };
}

/** The first section speaks of the program before it, so both are one page. */
function firstPage(intro, { title, text }) {
  const [, fromProgram] = /^(```.*?)^(?:\[|<picture)/ms.exec(intro) ?? [];
  if (!fromProgram) throw new Error('README.md shows no program before its first section');
  const page = createPage('Get started', `${fromProgram.trim()}\n\n## ${title}\n${text}`);
  return { ...page, description: describe(text) };
}

function pageOfText(from, markdown) {
  const [{ title, text: body }] = splitAt(1, markdown).sections;
  const path = `/guide/${posix.basename(from, '.md')}`;
  return { path, section: 'guide', from, group: 'In depth', title, description: describe(body), body };
}

function pagesOf({ title, text }) {
  const { intro, sections } = splitAt(3, text);
  if (sections.length < PARTS_OF_A_GROUP) return [createPage(title, raiseHeadings(text))];
  return [
    createPage(title, intro, title),
    ...sections.map((part) => createPage(part.title, raiseHeadings(raiseHeadings(part.text)), title)),
  ];
}

function createPage(title, body, group) {
  return {
    path: `/guide/${slugOf(title)}`,
    section: 'guide',
    from: 'README.md',
    heading: title,
    title,
    group,
    description: describe(body) || title,
    body,
  };
}
