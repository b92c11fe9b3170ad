/**
 * Guards where credentials may go: to the environment's `apiOrigins` only.
 * @module
 */
import { type Settings, safeOrigin } from '../config/settings.ts';
import { nameOf } from '../platform/fetch.ts';

/**
 * Checks that credentials may go to a URL, and returns the URL as it will be sent.
 *
 * @throws `TypeError` for a URL outside `apiOrigins`, or for what is no URL
 */
export function guard(settings: Settings, url: string): string {
  const { apiOrigins } = settings;
  // A URL that begins with an allowed origin and a `/` is not parsed: nothing behind the `/` can change where
  // a URL leads, and parsing costs a fiftieth of a call over loopback. An entry with a `*` is a pattern, and
  // no text that a URL may begin with. Any other URL is parsed, and sent as it was judged: otherwise a page's
  // `<base>` would lead it elsewhere.
  const begins = (entry: string) => url.startsWith(entry) && url.charAt(entry.length) === '/';
  if (apiOrigins.some((entry) => begins(entry) && !entry.includes('*'))) return url;
  const { href, origin } = resolve(url);
  if (isListed(apiOrigins, origin)) return href;
  // Any origin, but a token does not go over plain http.
  if (apiOrigins.includes('*') && safeOrigin(href, settings)) return href;
  throw new TypeError(
    `No credentials for ${origin}: environment.apiOrigins allows ${apiOrigins.join(', ') || 'no origin'}`,
  );
}

/** Reads a URL. A relative one is resolved as the platform does it: a page's `<base>` counts, too. */
function resolve(url: string): URL {
  try {
    return new URL(/^\w+:/.test(url) ? url : new Request(url).url);
  } catch {
    throw new TypeError(`${nameOf(url)} must be a whole URL, with https://`);
  }
}

/**
 * Whether an origin is one of those listed. `https://*.example.com` stands for each subdomain: it is enough
 * to compare the ends, since an origin ends with its host and port. `*` lists none. What stands for the `*`
 * is looked at, too, since some platforms' `URL` takes a query for a part of the host (React Native).
 */
export function isListed(apiOrigins: readonly string[], origin: string): boolean {
  return apiOrigins.some((entry) => {
    const [start = '', end] = entry.split('*');
    if (!end) return entry === origin;
    const isBetween = origin.startsWith(start) && origin.endsWith(end);
    return isBetween && /^[\w.-]+$/.test(origin.slice(start.length, -end.length));
  });
}
