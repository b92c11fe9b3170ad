// The same pages for readers that are programs: each as plain Markdown beside its HTML, and the two files
// that lead to them (https://llmstxt.org): `llms.txt` lists the pages, `llms-full.txt` has all of them.
import { basename, posix } from 'node:path';
import { CHART, PICTURE } from './images.mjs';
import { mapProse } from './markdown.mjs';

const LINK = /(?<!!)\[((?:[^[\]`]|`[^`]*`)*)\]\((\/[^)\s]*)\)/g;
const GROUPS = { guide: 'Guide', recipes: 'Recipes', reference: 'Reference', project: 'Optional' };

/** By name: the text of each file. `pages` are those that `collectPages` gives. */
export function plainFiles(pages, { name, description }) {
  const texts = pages.map((page) => ({ page, file: fileOf(page.path), text: plainText(page) }));
  const list = Object.entries(GROUPS).map(([section, title]) => {
    const lines = pages.filter((page) => page.section === section).map(lineOf);
    return `## ${title}\n\n${lines.join('\n')}\n`;
  });
  return new Map([
    ...texts.map(({ file, text }) => [file, linkFrom(text, file)]),
    ['llms.txt', `# ${name}\n\n> ${description}\n\n${list.join('\n')}`],
    ['llms-full.txt', texts.map(({ text }) => linkFrom(text, 'llms-full.txt')).join('\n\n')],
  ]);
}

/** Where a page's Markdown is, beside its HTML: `guide/install.md`. */
export function fileOf(path) {
  return `${path.replace(/\/$/, '/index').slice(1)}.md`;
}

function lineOf({ path, title, description }) {
  return `- [${title}](${fileOf(path)}): ${description}`;
}

/** Without what only the site's theme understands. */
function plainText({ title, plain }) {
  const text = mapProse(plain, (prose) =>
    prose
      .replace(PICTURE, (_all, _sources, light, words) => `![${words}](/images/${basename(light)})`)
      .replace(CHART, (_all, words, path) => `![${words}](/images/${basename(path)})`)
      .replace(/<code class="type">(.*?)<\/code>/g, (_all, type) => `\`${type.replace(/<[^>]*>/g, '')}\``)
      .replace(/ <Badge [^>]*>(.*?)<\/Badge>/g, ' ($1)')
      .replace(/ \{#\S+\}$/gm, '')
      .replace(/^<Playground .*$|^:::.*$|<!--.*?-->/gm, '')
      .replaceAll('&#123;&#123;', '{{')
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&amp;', '&'),
  ).replace(/^(```\w+) \[.*\]$/gm, '$1');
  return `# ${title}\n\n${text.replace(/\n{3,}/g, '\n\n').trim()}\n`;
}

/** A page has no anchors here: a link leads to the Markdown of the page that it is on. */
function linkFrom(text, file) {
  const relative = (target) => posix.relative(posix.dirname(file), target) || basename(target);
  return mapProse(text, (prose) =>
    prose
      .replace(LINK, (_all, words, target) => `[${words}](${relative(fileOf(target.split('#')[0]))})`)
      .replace(/(!\[[^\]]*\])\(\/([^)]*)\)/g, (_all, words, target) => `${words}(${relative(target)})`),
  );
}
