/**
 * Follows redirects by hand, by the rules of the Fetch standard (HTTP-redirect fetch), and looks at the
 * origin at every hop. Platforms themselves forward `VZ-M2M-Token` to any origin, and some of them
 * `Authorization` too.
 * @module
 */
import { isBare } from '../config/environments.ts';
import { discard, nameOf } from '../platform/fetch.ts';
import { type Call, isSafe, SESSION_HEADER } from './call.ts';
import { isListed } from './origins.ts';

/** One request of a chain. */
export interface Hop {
  /** What `fetch` gets: the URL, or the caller's `Request` for it. */
  readonly target: Request | string;
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  /** Present if a browser is to follow the redirects. */
  readonly redirect?: 'follow';
}

/**
 * The request that an answer redirects to; `undefined` if the answer goes to the caller. `redirects` is the
 * number of redirects that have led here.
 *
 * @throws `TypeError` where `fetch` would, and where the redirect cannot be followed safely
 */
export function nextHop(
  apiOrigins: readonly string[],
  call: Call,
  hop: Hop,
  response: Response,
  redirects: number,
): Hop | undefined {
  const { status, headers, type, body } = response;
  const location = locationOf(headers);
  const isRefused = call.redirect === 'error';
  // Browsers do not say where a redirect leads.
  const isHidden = type === 'opaqueredirect';
  const isRedirect = isHidden || ((location !== null || isRefused) && /^30[12378]$/.test(`${status}`));
  if (!isRedirect || call.redirect === 'manual') return undefined;
  discard(body);
  // Without a location nothing comes of it but a refusal, or a browser that follows by itself.
  const url = new URL(`${location}`, hop.url);
  // A plain GET or HEAD is sent again, and the browser follows its redirects. When the origin changes, the
  // browser drops `Authorization`, but no other header: so a call with another secret header is refused.
  const isUnsafe = isHidden
    ? !isSafe(hop.method) || hop.headers.has(SESSION_HEADER) || hop.headers.has('dpop')
    : !isBare(url) ||
      (call.isOneShot && status !== 303 && !isSafe(hop.method)) ||
      ((call.options.mode ?? call.request?.mode) === 'same-origin' && url.origin !== new URL(hop.url).origin);
  if (isRefused || redirects > 19 || isUnsafe) {
    throw new TypeError(
      `The redirect of ${nameOf(hop.url)} is refused: over 20, not safe, or against redirect or integrity`,
    );
  }
  return isHidden ? { ...hop, redirect: 'follow' } : follow(apiOrigins, hop, status, url);
}

/** Where a redirect leads. Platforms read the header's bytes as Latin-1; servers write UTF-8. */
function locationOf(headers: Headers): string | null {
  const location = headers.get('location');
  if (!location || /[^\0-\xff]/.test(location)) return location;
  return new TextDecoder().decode(Uint8Array.from(location, (character) => character.charCodeAt(0)));
}

/**
 * The request that follows a redirect. Headers about the body are dropped when the body is. Headers about the
 * host, and cookies, are dropped at another origin. Credentials go to allowed origins only.
 */
function follow(apiOrigins: readonly string[], hop: Hop, status: number, { href, origin }: URL): Hop {
  const becomesGet = status === 303 ? !isSafe(hop.method) : status < 303 && /^post$/i.test(hop.method);
  const isElsewhere = origin !== new URL(hop.url).origin;
  // `*` allows calls to every origin, but a redirect to another origin takes no credentials along.
  const isOutside = isElsewhere && !isListed(apiOrigins, origin);
  const isKept = ([name]: [string, string]) =>
    !(becomesGet && /^content-/.test(name)) &&
    !(isElsewhere && /^(cookie|host|proxy-.*)$/.test(name)) &&
    !(isOutside && /^(authorization|dpop|vz-m2m-token)$/.test(name));
  return {
    target: href,
    url: href,
    method: becomesGet ? 'GET' : hop.method,
    headers: new Headers([...hop.headers].filter(isKept)),
  };
}
