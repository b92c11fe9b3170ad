// Makes the documentation site: pages from what the repository has, then static files in .build/site.
//   --base /thingspace-auth/   where the site's address has a path
//   --serve                    shows it while you write
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { build, createServer } from 'vitepress';
import { collectPages } from './pages/collect.mjs';
import { navigationOf } from './pages/navigation.mjs';
import { plainFiles } from './pages/plain.mjs';

const folder = import.meta.dirname;
const root = join(folder, '../../..');
const source = join(root, '.build/siteSource');
const site = join(root, '.build/site');
const WATCHED = [
  'README.md',
  'CHANGELOG.md',
  '.github',
  'src',
  'examples',
  'test/workshop/bench',
  'test/packages/runtimes',
];

/** What a page's title says beside its own words. */
const SECTIONS = { guide: 'Guide', recipes: 'Recipes', reference: 'Reference', project: 'Project' };

const { values } = parseArgs({
  options: { base: { type: 'string', default: '/' }, serve: { type: 'boolean' } },
});
const base = `/${values.base}/`.replaceAll(/\/+/g, '/');

rmSync(source, { recursive: true, force: true });
mkdirSync(source, { recursive: true });
// The pages lie outside this package, and become programs that import its tools.
symlinkSync(join(folder, 'node_modules'), join(source, 'node_modules'), 'junction');
const files = await writePages();
buildPlayground();
if (values.serve) await serve();
else await buildSite();

async function buildSite() {
  try {
    await build(folder, { base });
  } finally {
    rmSync(join(folder, '.vitepress/.temp'), { recursive: true, force: true });
  }
  for (const [name, text] of files) writeFileSync(join(site, name), text);
  console.log(`The site is in ${relative(root, site)}, for any host of static files.`);
  console.log('To look at it here: npm run site -- --serve');
}

async function serve() {
  const server = await createServer(folder, { base });
  await server.listen();
  server.printUrls();
  let timer;
  for (const path of WATCHED) {
    watch(join(root, path), { recursive: true }, () => {
      clearTimeout(timer);
      timer = setTimeout(() => writePages().catch(({ message }) => console.error(message)), 200);
    });
  }
}

/** Writes what VitePress reads, and gives the files that stand beside what it makes. */
async function writePages() {
  const { pages, files, manifest, repository } = await collectPages(root);
  for (const page of pages) write(`${page.path.replace(/\/$/, '/index')}.md`, textOf(page));
  for (const file of files) {
    mkdirSync(join(source, 'public/images'), { recursive: true });
    copyFileSync(file, join(source, 'public/images', basename(file)));
  }
  const { name, description } = manifest;
  write('site.json', JSON.stringify({ name, description, repository, ...navigationOf(pages) }));
  return plainFiles(pages, manifest);
}

/** Unchanged files are left as they are, so that nothing is shown anew for them. */
function write(name, text) {
  const path = join(source, name);
  mkdirSync(dirname(path), { recursive: true });
  if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writeFileSync(path, text);
}

function textOf({ title, description, layout, section, body }) {
  const titleTemplate = section && `:title · ${SECTIONS[section]} · thingspace-auth`;
  const front = {
    title,
    titleTemplate,
    description,
    layout,
    sidebar: layout ? false : undefined,
    outline: section === 'reference' ? 2 : [2, 3],
  };
  const lines = Object.entries(front)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  const heading = layout ? '' : `# ${title}\n\n`;
  return `---\n${lines.join('\n')}\n---\n\n${heading}${body}\n`;
}

/** The page that stands alone is a frame of the site's; opened by itself it leads back to the site. */
function buildPlayground() {
  execFileSync(process.execPath, [join(root, 'examples/playground/build.mjs')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const page = readFileSync(join(root, '.build/playground/index.html'), 'utf8');
  const links = '<nav aria-label="More">';
  if (!page.includes(links)) throw new Error('the playground has no links at its top');
  const back = '<a href="../playground.html">Back to the documentation</a>';
  write('public/widget/playground.html', page.replace(links, `${links}\n        ${back}`));
}
