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
  /** Whether the body is a stream, gone once it has been sent. */
  readonly isOneShot: boolean;
}

/** Sends one request; `manual`, unless a browser is to follow. */
export type SendHop = (hop: Hop, redirect: 'manual' | 'follow') => Promise<Response>;

type OriginGuard = (origin: string) => boolean;

/**
 * Sends a request and follows its redirects as `mode` says. Rejects with a `TypeError` where `fetch` would, and where
 * following could not be done safely.
 */
export async function sendFollowing(first: Hop, mode: string, isAllowed: OriginGuard, send: SendHop): Promise<Response> {
  let hop = first;
  let response = await send(hop, 'manual');
  for (let count = 0; isRedirect(response) && mode !== 'manual'; count++) {
    const { status, headers } = response;
    const location = headers.get('location');
    if (mode === 'follow' && status && location === null) break;
    discard(response.body);
    if (mode !== 'follow' || count === 20) throw refusal(count ? 'too many' : 'this call allows none');
    if (!status) return followUnseen(hop, isAllowed, send);
    hop = nextHop(hop, status, new URL(location!, hop.url), isAllowed);
    response = await send(hop, 'manual');
  }
  return hop === first ? response : markRedirected(response);
}

/** Browsers answer a redirect with status 0. */
function isRedirect({ status, type }: Response): boolean {
  return /^30[12378]$/.test(`${status}`) || type === 'opaqueredirect';
}

function nextHop(hop: Hop, status: number, url: URL, isAllowed: OriginGuard): Hop {
  if (!/^https?:$/.test(url.protocol) || url.username || url.password) throw refusal('no plain http URL');
  if (status !== 303 && hop.hasBody && hop.isOneShot) throw refusal('a stream is sent once');
  const becomesGet = status === 303 ? !isSafe(hop.method) : status < 303 && /^post$/i.test(hop.method);
  const dropped = [
    becomesGet && 'content-(encoding|language|length|location|type)',
    url.origin !== hop.url.origin && 'cookie|host|proxy-authorization',
    !isAllowed(url.origin) && 'authorization|vz-m2m-token',
  ];
  const pattern = new RegExp(`^(${dropped.filter(Boolean).join('|')})$`);
  const headers = new Headers([...hop.headers].filter(([name]) => !pattern.test(name)));
  return { ...hop, url, headers, method: becomesGet ? 'GET' : hop.method, hasBody: hop.hasBody && !becomesGet };
}

/**
 * In a browser, which hides where a redirect leads and would take a session header there. A plain GET or HEAD is sent
 * again for the browser to follow; it drops `Authorization` by itself when the origin changes.
 */
async function followUnseen(hop: Hop, isAllowed: OriginGuard, send: SendHop): Promise<Response> {
  if (!isSafe(hop.method) || hop.headers.has('vz-m2m-token')) {
    throw refusal('in browsers only for GET and HEAD without session token');
  }
  const response = await send(hop, 'follow');
  // An answer from outside speaks of a call without the token.
  if (!isAllowed(new URL(response.url).origin)) hop.headers.delete('authorization');
  return response;
}

/** The answer says what `fetch` would have said, its clones too. */
function markRedirected(response: Response): Response {
  const clone = response.clone.bind(response);
  return Object.defineProperties(response, { redirected: { value: true }, clone: { value: () => markRedirected(clone()) } });
}

function isSafe(method: string): boolean {
  return /^(get|head)$/i.test(method);
}

function refusal(reason: string): TypeError {
  return new TypeError(`Redirect not followed: ${reason}`);
}
