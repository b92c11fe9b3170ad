/**
 * Redirects by hand, by the rules of the Fetch standard (HTTP-redirect fetch), with the origin guard at every hop:
 * platforms forward `VZ-M2M-Token` to any origin, and some of them `Authorization` too.
 * @module
 */
import { isBare } from '../config/environments.ts';
import { discard, nameOf } from '../platform/transport.ts';
import type { Call } from './call.ts';
import { isSafe, SESSION_HEADER } from './call.ts';
import { isNamed } from './origins.ts';

/** One request of a chain. */
export interface Hop {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  /** `manual`, unless a browser is to follow. */
  readonly redirect: 'manual' | 'follow';
  /** As the last redirect has set it. */
  readonly referrerPolicy?: ReferrerPolicy;
}

/**
 * The request that an answer redirects to; `undefined` where the answer is the caller's. `redirects`: how many have led here.
 *
 * @throws `TypeError` where `fetch` would, and where following could not be done safely
 */
export function nextHop(apiOrigins: readonly string[], call: Call, hop: Hop, response: Response, redirects: number): Hop | undefined {
  const location = locationOf(response);
  const isHidden = response.type === 'opaqueredirect';
  const isRedirect = isHidden || ((location !== undefined || call.redirect === 'error') && isRedirectStatus(response.status));
  if (!isRedirect || call.redirect === 'manual') return undefined;
  discard(response.body);
  const isAllowed = call.redirect === 'follow' && redirects < 20;
  const next = !isAllowed ? undefined : isHidden ? leaveToBrowser(hop) : follow(apiOrigins, call, hop, response, `${location}`);
  if (next) return next;
  throw new TypeError(`The redirect of ${nameOf(hop.url)} is refused: over 20, not allowed by redirect or integrity, or not safe`);
}

/** Makes `redirected` true, as `fetch` itself would have; of clones too. */
export function markRedirected(response: Response): Response {
  const clone = response.clone.bind(response);
  return Object.defineProperties(response, {
    redirected: { value: true, configurable: true },
    clone: { value: () => markRedirected(clone()), configurable: true },
  });
}

function isRedirectStatus(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

/** Where a redirect leads. Platforms read the header's bytes as Latin-1; servers write UTF-8. */
function locationOf({ headers }: Response): string | undefined {
  const location = headers.get('location') ?? undefined;
  if (!location || !/[\x80-\xff]/.test(location) || /[^\0-\xff]/.test(location)) return location;
  return new TextDecoder().decode(Uint8Array.from(location, (character) => character.charCodeAt(0)));
}

/**
 * Browsers do not say where a redirect leads. A plain GET or HEAD is sent again for the browser to follow, which drops
 * `Authorization` when the origin changes, and nothing else.
 */
function leaveToBrowser(hop: Hop): Hop | undefined {
  const isPlain = isSafe(hop.method) && !hop.headers.has(SESSION_HEADER) && !hop.headers.has('dpop');
  return isPlain ? { ...hop, redirect: 'follow' } : undefined;
}

function follow(apiOrigins: readonly string[], call: Call, hop: Hop, response: Response, location: string): Hop | undefined {
  const { status, headers } = response;
  const url = new URL(location, hop.url);
  const isSentAgain = status !== 303 && !isSafe(hop.method);
  if (!isBare(url) || (isSentAgain && call.isOneShot)) return undefined;
  const becomesGet = (status === 303 && !isSafe(hop.method)) || (status < 303 && hop.method === 'POST');
  const policy = referrerPolicyOf(headers) ?? hop.referrerPolicy;
  return {
    url: url.href,
    method: becomesGet ? 'GET' : hop.method,
    headers: keepHeaders(hop, url.origin, becomesGet, isNamed(apiOrigins, url.origin)),
    redirect: 'manual',
    ...(policy && { referrerPolicy: policy }),
  };
}

/** What goes along: nothing of a body that does not, nothing of a host at another one, and credentials inside only. */
function keepHeaders(hop: Hop, origin: string, becomesGet: boolean, isNamedOrigin: boolean): Headers {
  const isSameOrigin = origin === new URL(hop.url).origin;
  const isKept = ([name]: [string, string]) =>
    !(becomesGet && /^content-/.test(name)) &&
    (isSameOrigin || !/^(cookie|host|proxy-.*)$/.test(name)) &&
    (isSameOrigin || isNamedOrigin || !/^(authorization|dpop|vz-m2m-token)$/.test(name));
  return new Headers([...hop.headers].filter(isKept));
}

/** The last policy that is known (Referrer Policy section 8.1); workerd knows none. */
function referrerPolicyOf(headers: Headers): ReferrerPolicy | undefined {
  const known = /^(no-referrer(-when-downgrade)?|same-origin|(strict-)?origin(-when-cross-origin)?|unsafe-url)$/;
  const policies = headers.get('referrer-policy')?.split(/[\s,]+/) ?? [];
  return 'referrerPolicy' in Request.prototype ? (policies.filter((policy) => known.test(policy)).pop() as ReferrerPolicy) : undefined;
}
