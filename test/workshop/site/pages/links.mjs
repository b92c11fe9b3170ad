// Leads the links of the repository's own texts to the site's pages. A link that leads nowhere ends the
// build.
import { existsSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { anchorsOf, mapProse, slugOf } from './markdown.mjs';

const LINK = /(?<!!)\[((?:[^[\]`]|`[^`]*`)*)\]\(([^)\s]+)\)/g;

/** By the place in the repository (`README.md#errors`), the address on the site. */
export function createAddressBook(pages) {
  const book = new Map();
  const note = (place, address) => book.has(place) || book.set(place, address);
  for (const { path, from, heading, body } of pages.filter((page) => page.from)) {
    if (!heading) note(from, path);
    if (heading) note(`${from}#${slugOf(heading)}`, path);
    for (const anchor of anchorsOf(body)) note(`${from}#${anchor}`, `${path}#${anchor}`);
  }
  return book;
}

/**
 * A page's text with its links led to the site's pages, or to the repository. While that has no address, what
 * is there only is no link.
 */
export function rewriteLinks({ from = 'README.md', body }, { book, root, repository }) {
  return mapProse(body, (prose) =>
    prose.replace(LINK, (link, text, target) => {
      if (/^(?:https?:|mailto:|\/)/.test(target)) return link;
      const address = addressOf(target);
      return address ? `[${text}](${address})` : text;
    }),
  );

  function addressOf(target) {
    const [file, anchor] = target.split('#');
    const place = file ? posix.normalize(posix.join(posix.dirname(from), file)).replace(/\/$/, '') : from;
    const found = book.get(anchor ? `${place}#${anchor}` : place);
    if (found) return found;
    if (anchor || !existsSync(posix.join(root, place))) throw new Error(`${from}: dead link ${target}`);
    const kind = statSync(posix.join(root, place)).isDirectory() ? 'tree' : 'blob';
    return repository && `${repository}/${kind}/HEAD/${place}`;
  }
}
