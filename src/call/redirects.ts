/**
 * Redirects by hand, by the rules of the Fetch standard (HTTP-redirect fetch), with the origin guard at every hop:
 * platforms forward `VZ-M2M-Token` to any origin, and some of them `Authorization` too.
 * @module
 */
import { isBare } from '../config/environments.ts';
import { discard } from '../platform/transport.ts';

/** One request of a chain. */
export interface Hop {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  /** `manual`, unless a browser is to follow. */
  readonly redirect: 'manual' | 'follow';
}

/**
 * The request that an answer redirects to; `undefined` where the answer is the caller's. Throws a `TypeError` where
 * `fetch` would, and where following could not be done safely. `isOneShot`: the body is a stream, gone once it is sent.
 */
export function nextHop(
  hop: Hop,
  { status, type, headers, body }: Response,
  count: number,
  mode: string,
  isOneShot: unknown,
  apiOrigins: readonly string[],
): Hop | undefined {
  // Browsers answer a redirect with status 0, and do not say where it leads. A plain GET or HEAD is sent again for the
  // browser to follow: it drops `Authorization` when the origin changes.
  const isHidden = type === 'opaqueredirect';
  const location = headers.get('location');
  const isRedirect = isHidden || ((location !== null || mode === 'error') && /30[12378]/.test(`${status}`));
  if (!isRedirect || mode === 'manual') return undefined;
  discard(body);
  const url = new URL(isHidden ? hop.url : location!, hop.url);
  const isRefused =
    mode === 'error' ||
    count > 19 ||
    !isBare(url) ||
    (isHidden ? !isSafe(hop.method) || hop.headers.has('vz-m2m-token') : status !== 303 && !isSafe(hop.method) && isOneShot);
  if (isRefused) throw new TypeError('Redirect refused: not allowed, or not safe');
  const becomesGet = (status === 303 && !isSafe(hop.method)) || (status < 303 && /^post$/i.test(hop.method));
  const isKept = ([name]: [string, string]) =>
    !(becomesGet && /^content-/.test(name)) &&
    (url.origin === new URL(hop.url).origin || !/^(cookie|host|proxy-.*)$/.test(name)) &&
    (isAllowed(apiOrigins, url.origin) || !/^(authorization|vz-m2m-token)$/.test(name));
  return {
    url: url.href,
    method: becomesGet ? 'GET' : hop.method,
    headers: new Headers([...hop.headers].filter(isKept)),
    redirect: isHidden ? 'follow' : 'manual',
  };
}

/** Makes `redirected` true, as `fetch` itself would have; of clones too. */
export function markRedirected(response: Response): Response {
  const clone = response.clone.bind(response);
  return Object.defineProperties(response, { redirected: { value: true }, clone: { value: () => markRedirected(clone()) } });
}

/** `*` is everything, `https://*.example.com` each subdomain. An origin has no path, so its end is its host's. */
export function isAllowed(apiOrigins: readonly string[], origin: string): boolean {
  return apiOrigins.some((entry) => {
    const [start, end] = entry.split('*');
    return entry === origin || (end !== undefined && origin.startsWith(start!) && origin.endsWith(end));
  });
}

/** GET and HEAD: without a body, and harmless when sent twice. */
export function isSafe(method: string): boolean {
  return /^(get|head)$/i.test(method);
}
