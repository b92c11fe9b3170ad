/**
 * Follows redirects by hand, by the rules of the Fetch standard (HTTP-redirect fetch), and looks at the
 * origin at every hop. Platforms themselves forward `VZ-M2M-Token` to any origin, and some of them
 * `Authorization` too.
 * @module
 */
import { isBare } from '../config/environments.ts';
import type { Settings } from '../config/settings.ts';
import { discard, nameOf } from '../platform/fetch.ts';
import { type Call, type CallOptions, isSafe, sentSession } from './call.ts';
import { isListed } from './origins.ts';

/** One request of a chain: the call itself, or what redirects have made of it. */
export interface Hop {
  /** The caller's own `Request`, until a redirect leads elsewhere. */
  readonly request?: Request | undefined;
  readonly url: string;
  readonly options: CallOptions;
  /** How many redirects have led here. */
  readonly redirects?: number;
}

/** Says what follows an answer; `undefined` if the answer goes to the caller. Each entry has its own rule. */
export type NextHop = (settings: Settings, call: Call, hop: Hop, response: Response) => Hop | undefined;

/**
 * Follows redirects by hand. Where the platform hides them, in a browser, they are refused: the entry for
 * pages deals with those.
 *
 * @throws `TypeError` where `fetch` would, and where the redirect cannot be followed safely
 */
export function nextHop(settings: Settings, call: Call, hop: Hop, response: Response): Hop | undefined {
  const { ok, status, headers, body, type } = response;
  const { url, options, redirects = 0 } = hop;
  const location = ok ? null : headers.get('location');
  const isRefused = call.redirect === 'error';
  const isHidden = type === 'opaqueredirect';
  const isRedirect = (location !== null || isRefused) && /^30[12378]$/.test(`${status}`);
  if (!(isRedirect || isHidden) || call.redirect === 'manual') {
    // As `fetch` itself would have marked it.
    if (redirects) Object.defineProperty(response, 'redirected', { value: true, configurable: true });
    return undefined;
  }
  discard(body);
  if (isHidden) throw refusalOf(hop, 'a browser hides it; use thingspace-auth/browser');
  // Without a location nothing comes of it but a refusal.
  const next = new URL(`${location}`, url);
  const isUnsafe = !isBare(next) || (call.isStream && status !== 303 && !isSafe(options.method));
  if (isRefused || redirects > 19 || isUnsafe) throw refusalOf(hop);
  return follow(settings, hop, status, next);
}

/**
 * Lets a browser follow, since it does not say where a redirect leads. A plain GET or HEAD is sent again for
 * that. When the origin changes, the browser drops `Authorization`, but no other header: so a call with
 * another secret header is refused. An answer that shows its redirect goes to the caller.
 *
 * @throws `TypeError` where `fetch` would, and where the browser cannot follow safely
 */
export function nextHopInPage(
  _settings: Settings,
  { redirect }: Call,
  hop: Hop,
  { type }: Response,
): Hop | undefined {
  const { method, headers } = hop.options;
  if (type !== 'opaqueredirect' || redirect === 'manual') return undefined;
  if (redirect === 'error' || !isSafe(method) || sentSession(headers) !== null || headers.has('dpop'))
    throw refusalOf(hop);
  return { ...hop, options: { ...hop.options, redirect: 'follow' } };
}

function refusalOf({ url }: Hop, reason = 'over 20, not safe, or against redirect or integrity'): TypeError {
  return new TypeError(`The redirect of ${nameOf(url)} is refused: ${reason}`);
}

/**
 * The request that follows a redirect. Headers about the body are dropped when the body is. Headers about the
 * host, and cookies, are dropped at another origin. Credentials go to allowed origins only.
 */
function follow(
  { apiOrigins }: Settings,
  { url, options, redirects = 0 }: Hop,
  status: number,
  { href, origin }: URL,
): Hop {
  const becomesGet =
    status === 303 ? !isSafe(options.method) : status < 303 && /^post$/i.test(options.method);
  const isElsewhere = origin !== new URL(url).origin;
  // `*` allows calls to every origin, but a redirect to another origin takes no credentials along.
  const isOutside = isElsewhere && !isListed(apiOrigins, origin);
  const isKept = ([name]: [string, string]) =>
    !(becomesGet && /^content-/.test(name)) &&
    !(isElsewhere && /^(cookie|host|proxy-.*)$/.test(name)) &&
    !(isOutside && /^(authorization|dpop|vz-m2m-token|sessiontoken)$/.test(name));
  return {
    url: href,
    redirects: redirects + 1,
    options: {
      ...options,
      headers: new Headers([...options.headers].filter(isKept)),
      ...(becomesGet && { method: 'GET', body: null }),
    } as CallOptions,
  };
}
