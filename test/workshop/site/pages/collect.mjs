// All pages of the site, made of what the repository has.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readEntries } from './docstrings.mjs';
import { documentPages } from './documents.mjs';
import { guidePages } from './guide.mjs';
import { homePage } from './home.mjs';
import { showImages } from './images.mjs';
import { createAddressBook, rewriteLinks } from './links.mjs';
import { capitalize, describe, plainText } from './markdown.mjs';
import { extendGuide } from './options.mjs';
import { recipePages } from './recipes.mjs';
import { referencePages } from './reference.mjs';
import { SCENARIOS } from './scenarios.mjs';

const PLAYGROUND = 'examples/playground/index.html';

/** The pages, complete, and the pictures that they show. */
export async function collectPages(root) {
  const read = (path) => readFileSync(join(root, path), 'utf8');
  const manifest = JSON.parse(read('package.json'));
  const repository = addressOfRepository(manifest);
  const entries = await readEntries({ root, manifest });
  const { pages: reference, addressOf } = referencePages(entries, { manifest, repository });
  const { intro, pages: readmePages } = guidePages(read);
  const guide = extendGuide(readmePages, entries, { link: addressOf });
  const pages = [
    homePage(intro, read, guide[0].path),
    ...guide,
    ...documentPages(read),
    ...recipePages(read, SCENARIOS),
    ...reference,
    playgroundPage(read(PLAYGROUND)),
  ];
  assertPathsDiffer(pages);
  return { ...finish(pages, { root, repository }), manifest, repository };
}

function addressOfRepository({ repository }) {
  const url = repository?.url ?? repository;
  return url?.replace(/^git\+/, '').replace(/\.git$/, '');
}

/** What the page that stands alone says at its top, around the frame that shows the rest of it. */
function playgroundPage(html) {
  const [, title, words] = /<h1>.*?(\w+)<\/h1>\s*<p>(.*?)<\/p>/s.exec(html) ?? [];
  if (!words) throw new Error(`${PLAYGROUND} does not begin with a title and a paragraph`);
  const description = plainText(words);
  return {
    path: '/playground',
    title: capitalize(title),
    description: describe(words),
    layout: 'page',
    plain: `${description}\n\nIt is a page with buttons: open it in a browser.`,
    body: `<div class="play vp-doc">\n\n# ${capitalize(title)}\n\n${description}\n\n<OpenAlone />\n\n<Playground />\n\n</div>`,
  };
}

function assertPathsDiffer(pages) {
  const paths = pages.map(({ path }) => path);
  const twice = paths.filter((path, index) => paths.indexOf(path) !== index);
  if (twice.length) throw new Error(`two pages have the address ${twice.join(', ')}`);
}

/** `body` is what the site shows, `plain` the same as Markdown that needs no theme. */
function finish(pages, { root, repository }) {
  const book = createAddressBook(pages);
  const files = new Set();
  const finished = pages.map((page) => {
    const { text, files: shown } = showImages(page, root);
    for (const file of shown) files.add(file);
    const rewrite = (body) => rewriteLinks({ ...page, body }, { book, root, repository });
    return { ...page, body: rewrite(text), plain: rewrite(page.plain ?? page.body) };
  });
  return { pages: finished, files: [...files] };
}
