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
}

/** What following needs to know of the call. */
export interface RedirectRules {
  readonly mode: RequestRedirect;
  readonly integrity: string | undefined;
  /** Whether the body is a stream, gone once it has been sent. */
  readonly isOneShot: boolean;
}

/** Sends one request; `manual`, unless a browser is to follow. */
export type SendHop = (hop: Hop, redirect: RequestRedirect) => Promise<Response>;

type OriginGuard = (origin: string) => boolean;

/** Headers that go to allowed origins only. */
const CREDENTIAL_HEADERS = ['authorization', 'vz-m2m-token'];
/** Headers that platforms drop on the way to another origin. */
const ORIGIN_HEADERS = ['cookie', 'host', 'proxy-authorization'];
/** Headers that speak of a body. */
const BODY_HEADERS = ['content-encoding', 'content-language', 'content-length', 'content-location', 'content-type'];

/**
 * Sends a request and follows its redirects. Rejects with a `TypeError` where `fetch` would, and where following could
 * not be done safely.
 */
export async function sendFollowing(
  first: Hop,
  rules: RedirectRules,
  isAllowed: OriginGuard,
  send: SendHop,
): Promise<Response> {
  let response = await send(first, 'manual');
  let hop = first;
  for (let count = 0; rules.mode !== 'manual' && isRedirect(response); count++) {
    const location = response.headers.get('location');
    if (rules.mode === 'follow' && location === null && response.status) break;
    discard(response.body);
    if (rules.mode === 'error' || rules.integrity || count === 20) throw refusal('it is not allowed for this call');
    if (!response.status) return followUnseen(hop, isAllowed, send);
    hop = nextHop(hop, response.status, new URL(location!, hop.url), rules.isOneShot, isAllowed);
    response = await send(hop, 'manual');
  }
  return hop === first ? response : markRedirected(response);
}

/** Browsers answer a redirect with status 0. */
function isRedirect({ status, type }: Response): boolean {
  return (status > 300 && status < 309 && ![304, 305, 306].includes(status)) || type === 'opaqueredirect';
}

function nextHop(hop: Hop, status: number, url: URL, isOneShot: boolean, isAllowed: OriginGuard): Hop {
  if (!/^https?:$/.test(url.protocol) || url.username || url.password) throw refusal('its target is no plain http URL');
  if (status !== 303 && hop.hasBody && isOneShot) throw refusal('a stream cannot be sent again');
  const becomesGet = status === 303 ? !isSafe(hop.method) : status < 303 && /^post$/i.test(hop.method);
  const headers = new Headers(hop.headers);
  const dropped = [
    ...(becomesGet ? BODY_HEADERS : []),
    ...(url.origin === hop.url.origin ? [] : ORIGIN_HEADERS),
    ...(isAllowed(url.origin) ? [] : CREDENTIAL_HEADERS),
  ];
  for (const name of dropped) headers.delete(name);
  return { url, headers, method: becomesGet ? 'GET' : hop.method, hasBody: hop.hasBody && !becomesGet };
}

/**
 * In a browser, which hides where a redirect leads and would take a session header there. A plain GET or HEAD is sent
 * again for the browser to follow; it drops `Authorization` by itself when the origin changes.
 */
async function followUnseen(hop: Hop, isAllowed: OriginGuard, send: SendHop): Promise<Response> {
  if (!isSafe(hop.method) || hop.headers.has('vz-m2m-token')) {
    throw refusal('a browser hides its target, and only a GET or HEAD without a session token can be sent twice');
  }
  const response = await send(hop, 'follow');
  // Answered from outside: it speaks of a call without the token.
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
  return new TypeError(`The redirect was not followed: ${reason}`);
}
