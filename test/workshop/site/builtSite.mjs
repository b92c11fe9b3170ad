// The site as `npm test` has built it: its files, and a server for them.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';

/** Where the tests build it: below a path, as on GitHub Pages. */
export const BASE = '/thingspace-auth/';
const folder = join(import.meta.dirname, '../../../.build/site');
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

/** By path below the base (`guide/install.html`): the page. */
export function readPages() {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const pages = paths.filter((path) => path.endsWith('.html') && !path.startsWith('widget'));
  return new Map(pages.map((path) => [path, readFile(path)]));
}

export function readFile(path) {
  return readFileSync(join(folder, path), 'utf8');
}

/** The file that a host gives for a path, where there is one. */
export function fileFor(pathname) {
  if (!pathname.startsWith(BASE)) return undefined;
  const path = pathname.slice(BASE.length).replace(/(^|\/)$/, '$1index.html');
  return existsSync(join(folder, path)) ? path : undefined;
}

/** A host of static files on this machine: its address, and how to end it. */
export async function serveSite() {
  const server = createServer(({ url }, response) => {
    const { pathname } = new URL(url, 'http://localhost');
    const path = fileFor(pathname);
    response.writeHead(path ? 200 : 404, {
      'content-type': TYPES[extname(path ?? '404.html')] ?? 'application/octet-stream',
    });
    response.end(readFileSync(join(folder, path ?? '404.html')));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
