// The site for readers that are programs: Markdown beside each page, llms.txt and llms-full.txt.
import assert from 'node:assert/strict';
import { posix } from 'node:path';
import { test } from 'node:test';
import { BASE, fileFor, readFile, readPages } from './builtSite.mjs';
import { mapProse } from './pages/markdown.mjs';

const LINK = /\]\(([^)\s]+)\)/g;
const pages = [...readPages()].filter(([path]) => path !== '404.html');
const texts = pages.map(([path]) => path.replace(/\.html$/, '.md'));

/** The links of a text outside its code, led to the site's root. */
function linksOf(file) {
  const found = [];
  mapProse(readFile(file), (prose) => {
    for (const [, link] of prose.replace(/`[^`\n]*`/g, '').matchAll(LINK))
      if (!/^[a-z]+:/.test(link)) found.push(posix.join(posix.dirname(file), link));
    return prose;
  });
  return found;
}

test('each page has its Markdown beside it, with its title, and names it in its head', () => {
  assert.ok(pages.length > 80);
  for (const [path, html] of pages) {
    const file = path.replace(/\.html$/, '.md');
    assert.ok(fileFor(BASE + file), file);
    assert.match(readFile(file), /^# \S/);
    assert.ok(html.includes(`<link rel="alternate" type="text/markdown" href="${BASE}${file}">`), path);
  }
});

test('every link in llms.txt, in llms-full.txt and in each page as Markdown leads somewhere', () => {
  const files = ['llms.txt', 'llms-full.txt', ...texts];
  const links = files.flatMap((file) => linksOf(file).map((link) => ({ file, link })));

  assert.ok(links.length > 500, `${links.length} links`);
  assert.deepEqual(
    links.filter(({ link }) => !fileFor(BASE + link)),
    [],
  );
});

test('llms.txt lists each page but the two that are no text, and llms-full.txt has each', () => {
  const listed = new Set(linksOf('llms.txt'));
  const full = readFile('llms-full.txt');

  assert.match(readFile('llms.txt'), /^# thingspace-auth\n\n> \S/);
  assert.deepEqual(
    texts.filter((file) => !listed.has(file)),
    ['index.md', 'playground.md'],
  );
  for (const file of texts) assert.ok(full.includes(readFile(file).split('\n')[0]), file);
});

test('nothing in the Markdown needs the theme of the site', () => {
  const ofTheme =
    /<\/?(?:SiteLink|SiteImage|Badge|Playground|div|picture|source)\b|^:::|\{#\S+\}|&(?:lt|#123);/m;
  const found = ['llms-full.txt', ...texts].filter((file) => {
    let prose = '';
    mapProse(readFile(file), (part) => {
      prose += part.replace(/`[^`\n]*`/g, '');
      return part;
    });
    return ofTheme.test(prose);
  });

  assert.deepEqual(found, []);
});
