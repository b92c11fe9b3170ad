// Reads the site's files, without a browser.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { BASE, fileFor, readFile, readPages } from './builtSite.mjs';

const MAX_SCRIPT_BYTES = 300_000;
const root = join(import.meta.dirname, '../../..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const pages = readPages();
const idsOf = new Map([...pages].map(([path, html]) => [path, new Set(valuesOf(html, 'id'))]));

function valuesOf(html, attribute) {
  return [...html.matchAll(new RegExp(` ${attribute}="([^"]*)"`, 'g'))].map(([, value]) =>
    unescapeHtml(value),
  );
}

function unescapeHtml(text) {
  return text
    .replace(/&#(?:x([\da-f]+)|(\d+));/gi, (_all, hex, decimal) =>
      String.fromCodePoint(hex ? Number.parseInt(hex, 16) : Number(decimal)),
    )
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&');
}

function textOf(html) {
  return unescapeHtml(html.replace(/<[^>]+>/g, ''));
}

/** The name of each page at which `isFound` finds something. */
function pagesWhere(isFound) {
  return [...pages].filter(([path, html]) => isFound(html, path)).map(([path]) => path);
}

test('each page has a title and a description of its own, and one heading', () => {
  const titles = [...pages.values()].map((html) => /<title>(.*?)<\/title>/.exec(html)?.[1]);
  const described = pagesWhere((html) => /<meta name="description" content="[^"]{9,}">/.test(html));

  assert.equal(new Set(titles).size, pages.size);
  assert.deepEqual(described, [...pages.keys()]);
  assert.deepEqual(
    pagesWhere(
      (html, path) => path !== '404.html' && path !== 'playground.html' && html.match(/<h1\b/g)?.length !== 1,
    ),
    [],
  );
});

test('each page says whose project this is not', () => {
  assert.deepEqual(
    pagesWhere((html, path) => path !== '404.html' && !html.includes('Not affiliated with Verizon')),
    [],
  );
});

test('no link inside the site is dead', () => {
  const dead = [...pages].flatMap(([path, html]) =>
    [...valuesOf(html, 'href'), ...valuesOf(html, 'src')]
      .filter((link) => isDead(link, path))
      .map((link) => `${path}: ${link}`),
  );

  assert.deepEqual([...new Set(dead)], []);
});

function isDead(link, from) {
  const { origin, pathname, hash } = new URL(link, `http://site${BASE}${from}`);
  if (origin !== 'http://site') return false;
  const path = fileFor(pathname);
  if (!path) return true;
  return hash.length > 1 && !idsOf.get(path)?.has(decodeURIComponent(hash.slice(1)));
}

test('from the start page at most two clicks lead to what newcomers ask for', () => {
  const linksOf = (path) =>
    valuesOf(pages.get(path), 'href')
      .map((link) => new URL(link, `http://site${BASE}${path}`).pathname)
      .map((pathname) => fileFor(pathname))
      .filter((file) => pages.has(file));
  const near = new Set(linksOf('index.html').flatMap((path) => [path, ...linksOf(path)]));
  const asked = ['guide/stores', 'guide/session', 'errors', 'reference/session', 'recipes/stored-token'];

  assert.deepEqual(
    asked.filter((path) => !near.has(`${path}.html`)),
    [],
  );
  assert.ok(!near.has('recipes/nothing-here.html') && near.size < pages.size);
});

test('the start page has the two commands of a clone directly under the first program', () => {
  const text = textOf(pages.get('index.html'));
  const [, below] = text.split('await response.json());');

  assert.match(below.trim(), /^In a clone, npm run demo/);
});

test('"Get started" leads to the first program, and to what is said of it below', () => {
  const [, address] = /href="([^"]*)"[^>]*>(?:<!--\[-->)?Get started</.exec(pages.get('index.html'));
  const text = textOf(pages.get(fileFor(address)));

  assert.ok(text.indexOf('console.log(response.status') < text.indexOf('Save the first program'));
  assert.ok(text.indexOf('console.log(response.status') > 0);
});

test('nothing is loaded from another host', () => {
  const loaded =
    /<(?:script|img|iframe|source|link(?![^>]*rel="canonical"))\b[^>]*(?:src|href|srcset)="(?:https?:)?\/\//;

  assert.deepEqual(
    pagesWhere((html) => loaded.test(html)),
    [],
  );
});

test('the start page loads at most 300 kB of JavaScript, compressed', () => {
  const scripts = valuesOf(pages.get('index.html'), '(?:src|href)').filter((path) => path.endsWith('.js'));
  const bytes = scripts.map((path) => gzipSync(readFile(path.slice(BASE.length))).length);

  assert.ok(scripts.length > 2);
  assert.ok(bytes.reduce((sum, count) => sum + count, 0) <= MAX_SCRIPT_BYTES, `${bytes}`);
});

test('the reference has every name of every entry, below the name that one imports', async () => {
  for (const [key, target] of Object.entries(manifest.exports)) {
    const name = key.replace('.', manifest.name);
    const html = pages.get(`reference/${name.replace(`${manifest.name}/`, '')}.html`);
    assert.ok(html?.includes(`>${name} <a class="header-anchor"`), name);
    // What an entry passes on from another one is told there, and linked to.
    const isTold = (exported) => html.includes(`<h2 id="${exported}"`) || html.includes(`#${exported}"`);
    const missing = exportedNames(target.types).filter((exported) => !isTold(exported));
    assert.deepEqual(missing, [], name);
  }
});

/** What a declaration file exports, types too. */
function exportedNames(path) {
  const text = readFileSync(join(root, path), 'utf8').replace(/\/\*.*?\*\//gs, '');
  const lists = [...text.matchAll(/^export (?:type )?\{(.*?)\}/gms)].flatMap(([, list]) => list.split(','));
  const declared = [...text.matchAll(/^export (?:declare )?(?:type|interface|function|const|class) (\w+)/gm)];
  const listed = lists.map((item) => /(\w+)\s*$/.exec(item)?.[1]).filter(Boolean);
  return [...listed, ...declared.map(([, name]) => name)];
}

test('each example has a page with all of its code', () => {
  const files = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('.ts'));

  assert.ok(files.length > 20);
  for (const file of files) {
    const html = pages.get(`recipes/${file.replace('.ts', '.html')}`);
    assert.ok(html, file);
    assert.ok(textOf(html).includes(readFileSync(join(root, 'examples', file), 'utf8').trimEnd()), file);
  }
});

test('a recipe is titled like its subject, and installs something or says nothing of it', () => {
  const titles = ['callbacks', 'grpc', 'ky', 'server-sent-events'].map((name) => {
    const html = pages.get(`recipes/${name}.html`);
    return /<h1[^>]*>([^<]+?) ?</.exec(html)[1];
  });

  assert.deepEqual(titles, ['Callbacks', 'gRPC', 'ky', 'Server-sent events']);
  const programs = (html) =>
    [...html.matchAll(/<pre[^>]*><code>(.*?)<\/code>/gs)].map(([, code]) => textOf(code));
  assert.deepEqual(
    pagesWhere((html) => programs(html).some((text) => text.trim() === 'npm install')),
    [],
  );
});

test('no code stands between the words', () => {
  assert.deepEqual(
    pagesWhere((html) => /<p>(?:(?!<\/p>)[^])*\bimport \{/.test(html)),
    [],
  );
});

test('every section of the README, and each text beside the examples, is on the site, word for word', () => {
  const words = new Set(
    [...pages.values()].flatMap((html) =>
      textOf(html)
        .replace(/\s+/g, ' ')
        .split(/(?<=[.:?]) /),
    ),
  );
  const texts = readdirSync(join(root, 'examples'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md') && !path.includes('node_modules'))
    .map((path) => join('examples', path));
  const prose = ['README.md', ...texts]
    .map((path) => readFileSync(join(root, path), 'utf8'))
    .join('\n\n')
    .replace(/^```[^]*?^```$|<[^>]*>|^[|#].*$/gm, '')
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/^- /gm, '\n')
    .replace(/\*\*|`/g, '');
  const sentences = prose.split(/\n\s*\n/).flatMap((paragraph) =>
    paragraph
      .trim()
      .replace(/\s+/g, ' ')
      .split(/(?<=[.:?]) /),
  );
  const all = [...words].join(' ');

  assert.ok(sentences.length > 50);
  assert.deepEqual(
    sentences.filter((sentence) => !all.includes(sentence.trim())),
    [],
  );
});

test('each option of the README, each error code and each event has a heading of its own', () => {
  const options = readFileSync(join(root, 'README.md'), 'utf8').split('<!-- options -->')[1].split('```')[1];
  const names = [...options.matchAll(/^ +(\w+):/gm)].map(([, name]) => name);
  const declared = (path, name) =>
    new RegExp(`export type ${name} =(.*?);\n`, 's').exec(readDeclaration(path))[1];
  const codes = [...declared('errors', 'ApiErrorCode').matchAll(/'(\w+)'/g)].map(([, code]) => code);
  const events = [...readDeclaration('events').matchAll(/readonly type: ([^;]+);/g)].map(([, types]) =>
    types.replaceAll("'", '').split(' | '),
  );
  const optionIds = [...idsOf.get('options.html')].map((id) => id.split('.').at(-1));

  assert.ok(names.length > 10 && codes.length > 5 && events.length > 5);
  assert.deepEqual(
    names.filter((name) => !optionIds.includes(name)),
    [],
  );
  assert.deepEqual(
    codes.filter((code) => !idsOf.get('errors.html').has(code)),
    [],
  );
  assert.deepEqual(
    events.filter((types) => !idsOf.get('events.html').has(`ClientEvent.${types.join('.')}`)),
    [],
  );
});

/** The declarations of the file of that name, wherever it lies. */
function readDeclaration(name) {
  const [path] = readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' }).filter(
    (file) => posix.basename(file) === `${name}.d.ts`,
  );
  return readFileSync(join(root, 'dist', path), 'utf8');
}
