// The guide: README.md by its sections. A section of several parts is a page for each part.
import { describe, raiseHeadings, slugOf, splitAt } from './markdown.mjs';

/** So many parts make a section a group of pages. */
const PARTS_OF_A_GROUP = 2;

/** The text before the first section, and the pages of the others. */
export function guidePages(readme) {
  const { intro, sections } = splitAt(2, readme);
  if (sections.length < 5) throw new Error(`README.md has ${sections.length} sections, too few for a guide`);
  return { intro, pages: sections.flatMap(pagesOf) };
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
