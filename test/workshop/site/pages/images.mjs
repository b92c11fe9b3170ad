// Shows pictures in the colours of the page: a chart becomes part of it, one of a light and a dark picture is
// hidden.
import { readFileSync } from 'node:fs';
import { basename, posix } from 'node:path';
import { mapProse } from './markdown.mjs';

export const PICTURE =
  /<picture>\s*<source[^>]* srcset="([^"]+)"[^>]*>\s*<img src="([^"]+)" alt="([^"]+)">\s*<\/picture>/g;
export const CHART = /!\[([^\]]*)\]\(([^)\s]+\.svg)\)/g;

/** The page's text, and the files that it shows. */
export function showImages({ from = 'README.md', body }, root) {
  const files = [];
  const text = mapProse(body, (prose) => prose.replace(PICTURE, picture).replace(CHART, chart));
  return { text, files };

  function picture(_all, dark, light, words) {
    const [hidden, shown] = [dark, light].map((path) => {
      const file = posix.join(root, posix.dirname(from), path);
      files.push(file);
      return `/images/${basename(file)}`;
    });
    const image = (path, scheme) => `<SiteImage class="only-${scheme}" src="${path}" alt="${words}" />`;
    const both = image(shown, 'light') + image(hidden, 'dark');
    return `<div class="picture" tabindex="0" role="group" aria-label="Picture">${both}</div>`;
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
