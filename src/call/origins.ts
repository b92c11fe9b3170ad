/**
 * Where credentials may go: the environment's `apiOrigins`.
 * @module
 */

/**
 * Checks that credentials may go to a URL, and returns the URL as it will be sent.
 *
 * @throws `TypeError` for a URL outside `apiOrigins`, or for what is no URL
 */
export function guard(apiOrigins: readonly string[], url: string): string {
  // A URL that begins with an allowed origin and a `/` is not parsed: nothing behind the `/` can change where
  // a URL leads, and parsing costs a fiftieth of a call over loopback. Any other URL is parsed, and sent as
  // it was judged: otherwise a page's `<base>` would lead it elsewhere.
  if (apiOrigins.some((entry) => url.startsWith(entry) && url.charAt(entry.length) === '/')) return url;
  const { href, origin } = new URL(url, globalThis.location?.href);
  if (isAllowed(apiOrigins, origin)) return href;
  throw new TypeError(
    `No credentials for ${origin}: environment.apiOrigins allows ${apiOrigins.join(', ') || 'no origin'}`,
  );
}

/**
 * Whether credentials may be sent to an origin. The entry `*` allows each origin, and `https://*.example.com`
 * each subdomain. It is enough to compare the ends, since an origin ends with its host and port.
 */
export function isAllowed(apiOrigins: readonly string[], origin: string): boolean {
  return apiOrigins.some((entry) => {
    const [start = '', end] = entry.split('*');
    return entry === origin || (end !== undefined && origin.startsWith(start) && origin.endsWith(end));
  });
}
