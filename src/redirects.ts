/**
 * Redirects by hand, by the rules of the Fetch standard (HTTP-redirect fetch), with the origin guard at every hop:
 * platforms forward `VZ-M2M-Token` to any origin, and some of them `Authorization` too.
 * @module
 */
import { discard } from './transport.ts';

/** One request of a chain. */
export interface Hop {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly hasBody: boolean;
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
  isAllowed: (url: URL) => boolean,
): Hop | undefined {
  // Browsers answer a redirect with status 0, and do not say where it leads.
  const isHidden = type === 'opaqueredirect';
  const location = headers.get('location');
  if (!isHidden && ((location === null && mode === 'follow') || !/^30[12378]$/.test(`${status}`))) return undefined;
  discard(body);
  if (mode !== 'follow' || count > 19) throw refusal('too many, or not allowed');
  if (isHidden) {
    // A plain GET or HEAD is sent again for the browser to follow: it drops `Authorization` when the origin changes.
    if (isSafe(hop.method) && !hop.headers.has('vz-m2m-token')) return { ...hop, redirect: 'follow' };
    throw refusal('browsers hide its target');
  }
  const url = new URL(location!, hop.url);
  if (!/^http/.test(url.protocol) || url.username || url.password) throw refusal('no plain http URL');
  if (status !== 303 && hop.hasBody && isOneShot) throw refusal('a stream is sent once');
  const becomesGet = status === 303 ? !isSafe(hop.method) : status < 303 && /^post$/i.test(hop.method);
  const dropped = [
    becomesGet && 'content-(encoding|language|length|location|type)',
    url.origin !== hop.url.origin && 'cookie|host|proxy-authorization',
    !isAllowed(url) && 'authorization|vz-m2m-token',
  ];
  const pattern = new RegExp(`^(${dropped.filter(Boolean).join('|')})$`);
  return {
    ...hop,
    url,
    headers: new Headers([...hop.headers].filter(([name]) => !pattern.test(name))),
    ...(becomesGet && { method: 'GET', hasBody: false }),
  };
}

/** The answer says what `fetch` would have said, its clones too. */
export function markRedirected(response: Response): Response {
  const clone = response.clone.bind(response);
  return Object.defineProperties(response, { redirected: { value: true }, clone: { value: () => markRedirected(clone()) } });
}

/** GET and HEAD: without a body, and harmless when sent twice. */
export function isSafe(method: string): boolean {
  return /^(get|head)$/i.test(method);
}

function refusal(reason: string): TypeError {
  return new TypeError(`Redirect not followed: ${reason}`);
}
