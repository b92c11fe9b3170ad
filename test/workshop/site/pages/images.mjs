// Shows pictures in the colours of the page: a chart becomes part of it. Of a picture's forms, light and
// dark, wide and narrow, the one that fits is shown.
import { readFileSync } from 'node:fs';
import { basename, posix } from 'node:path';
import { mapProse } from './markdown.mjs';

export const PICTURE = /<picture>\s*((?:<source[^>]*>\s*)*)<img src="([^"]+)" alt="([^"]+)">\s*<\/picture>/g;
const SOURCE = /media="([^"]*)" srcset="([^"]+)"/g;
export const CHART = /!\[([^\]]*)\]\(([^)\s]+\.svg)\)/g;

/** The page's text, and the files that it shows. */
export function showImages({ from = 'README.md', body }, root) {
  const files = [];
  const text = mapProse(body, (prose) => prose.replace(PICTURE, picture).replace(CHART, chart));
  return { text, files };

  function picture(_all, sources, light, words) {
    const forms = [...sources.matchAll(SOURCE)].map(([, media, path]) => ({ media, path }));
    const hasNarrow = forms.some(({ media }) => media.includes('max-width'));
    const images = [...forms, { media: '', path: light }].map(({ media, path }) => {
      const file = posix.join(root, posix.dirname(from), path);
      files.push(file);
      const scheme = `only-${media.includes('dark') ? 'dark' : 'light'}`;
      const width = `only-${media.includes('max-width') ? 'narrow' : 'wide'}`;
      const classes = hasNarrow ? `${scheme} ${width}` : scheme;
      return `<SiteImage class="${classes}" src="/images/${basename(file)}" alt="${words}" />`;
    });
    return `<div class="picture">${images.join('')}</div>`;
  }

  function chart(_all, words, path) {
    const file = posix.join(root, posix.dirname(from), path);
    files.push(file);
    const svg = readFileSync(file, 'utf8');
    const drawn = svg
      .replace(/<style>.*?<\/style>\s*/s, '')
      .replace(/ width="\d+" height="\d+" role="img"/, ' role="img"')
      .replace(/\n\s*\n/g, '\n')
      .trim();
    if (!drawn.startsWith('<svg')) throw new Error(`${path}: no picture for "${words}"`);
    return `<div class="chart" tabindex="0" role="group" aria-label="${words}" v-pre>\n${drawn}\n</div>`;
  }
}
