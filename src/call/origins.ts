/**
 * Where credentials may go: the environment's `apiOrigins`.
 * @module
 */

/**
 * The URL as it will be sent, once it has been judged.
 *
 * @throws `TypeError` for a URL outside, or for what is no URL
 */
export function guard(apiOrigins: readonly string[], url: string): string {
  // What begins with an allowed origin needs no parsing, a fiftieth of a call over loopback: after the `/` nothing can
  // change where a URL leads. All else is parsed, and sent as it was judged: a page's `<base>` would lead it elsewhere.
  if (apiOrigins.some((entry) => url.startsWith(entry) && url.charAt(entry.length) === '/')) return url;
  const { href, origin } = new URL(url, globalThis.location?.href);
  if (isAllowed(apiOrigins, origin)) return href;
  throw new TypeError(`No credentials for ${origin}: environment.apiOrigins allows ${apiOrigins.join(', ') || 'no origin'}`);
}

/** Whether credentials may be sent to an origin: `*` is each, `https://*.example.com` each subdomain; an origin ends with its host. */
export function isAllowed(apiOrigins: readonly string[], origin: string): boolean {
  return apiOrigins.some((entry) => {
    const [start = '', end] = entry.split('*');
    return entry === origin || (end !== undefined && origin.startsWith(start) && origin.endsWith(end));
  });
}
