// The site is made of texts that others write: what is missing in them ends the build, with words.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { guidePages } from './pages/guide.mjs';
import { createAddressBook, rewriteLinks } from './pages/links.mjs';
import { anchorsOf, describe, splitAt, tableBelow } from './pages/markdown.mjs';
import { extendGuide } from './pages/options.mjs';
import { recipePages } from './pages/recipes.mjs';

const root = join(import.meta.dirname, '../../..');
const pages = [
  { path: '/', from: 'README.md', body: 'intro' },
  { path: '/guide/install', from: 'README.md', heading: 'Install', body: '## On `Node`\n' },
];

function rewrite(body, repository) {
  return rewriteLinks(
    { from: 'examples/README.md', body },
    { book: createAddressBook(pages), root, repository },
  );
}

test('a link to another text leads to its page, with its part', () => {
  assert.equal(
    rewrite('[a](../README.md#install) [b](../README.md#on-node)'),
    '[a](/guide/install) [b](/guide/install#on-node)',
  );
});

test('a link to a file without a page leads to the repository, and is no link without one', () => {
  assert.equal(rewrite('[code](../build.mjs)'), 'code');
  assert.equal(
    rewrite('[code](../build.mjs) [all](../src)', 'https://host/a'),
    '[code](https://host/a/blob/HEAD/build.mjs) [all](https://host/a/tree/HEAD/src)',
  );
});

test('links in code and to other sites stay as they are', () => {
  const text = '[a](https://host/b)\n```md\n[c](missing.md)\n```\n';
  assert.equal(rewrite(text), text);
});

test('a link that leads nowhere ends the build and is named', () => {
  assert.throws(() => rewrite('[a](missing.ts)'), /examples\/README\.md: dead link missing\.ts/);
  assert.throws(() => rewrite('[a](../README.md#missing)'), /dead link \.\.\/README\.md#missing/);
});

test('a README without sections, without options, and a list without recipes end the build', () => {
  assert.throws(() => guidePages(() => '# Title\n\nwords\n'), /README\.md has 0 sections/);
  assert.throws(() => extendGuide([], [], {}), /no public name is ApiErrorCode/);
  assert.throws(() => recipePages(() => '# Recipes\n', {}), /links 0 files/);
  assert.throws(() => tableBelow('counts', 'text'), /no table is marked <!-- counts -->/);
});

test('a text that a recipe links is a page, named after its file, or after its folder', () => {
  const list = `# Recipes\n\nwords\n\n## All\n\n${'- [a](demo.ts): words\n'.repeat(20)}`;
  const texts = {
    'examples/README.md': `${list}- [servers](servers/README.md): by name\n- [words](coming-from.md): pairs\n`,
    'examples/servers/README.md': '# Servers by name\n\nAuth0.\n',
    'examples/coming-from.md': '# Coming from another library\n\nPairs.\n',
    'examples/demo.ts': '// A demo.\n',
  };
  const made = recipePages((path) => texts[path], {}).slice(-2);

  assert.deepEqual(
    made.map(({ path, title }) => [path, title]),
    [
      ['/recipes/servers', 'Servers by name'],
      ['/recipes/coming-from', 'Coming from another library'],
    ],
  );
});

test('headings in code are no headings', () => {
  const text = '## One\n```sh\n## comment\n```\n## Two {#second}\n';
  assert.deepEqual(
    splitAt(2, text).sections.map(({ title }) => title),
    ['One', 'Two {#second}'],
  );
  assert.deepEqual(anchorsOf(text), ['one', 'second']);
});

test('a description is the first paragraph in plain words, cut between two of them', () => {
  assert.equal(describe('```ts\ncode\n```\n\n**Keeps** [it](x) in `a`.\n\nMore.'), 'Keeps it in a.');
  assert.match(describe('word '.repeat(60)), /^(word )+…$/);
});
