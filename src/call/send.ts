/**
 * One sending of a call: its redirects, its proofs, its time limit.
 * @module
 */
import type { Settings } from '../config/settings.ts';
import type { ProofRequest } from '../config/config.ts';
import type { OAuthToken } from '../platform/token.ts';
import { assertResponse, limited } from '../platform/transport.ts';
import type { Limit } from '../platform/waiting.ts';
import { reasonOf, startLimit } from '../platform/waiting.ts';
import type { TokenSource } from '../token/renewal.ts';
import type { Call } from './call.ts';
import { isSafe } from './call.ts';
import type { Hop } from './redirects.ts';
import { markRedirected, nextHop } from './redirects.ts';

/** What came of one sending. */
export interface Sent {
  readonly response: Response;
  /** The request that was answered. */
  readonly hop: Hop;
  /** Whether the answer asks for a proof with the nonce that it brings. */
  readonly asksForNonce: boolean;
}

/** Sends a call with the headers that it has now. `isAgain`: it has been sent before. */
export async function send(source: TokenSource, call: Call, token: OAuthToken, isAgain: boolean): Promise<Sent> {
  const { apiOrigins, timeoutMs, dpop } = source.settings;
  const limit = timeoutMs ? startLimit(limited(call.url), timeoutMs, call.signal) : undefined;
  const signal = limit?.signal ?? call.signal;
  let hop: Hop = { url: call.url, method: call.method, headers: call.headers, redirect: 'manual' };
  try {
    for (let redirects = 0; ; redirects++) {
      const proof = proofOf(source.settings, hop, token);
      if (proof) hop.headers.set('dpop', `${await dpop?.createProof(proof)}`);
      // The one made before would be for another token.
      else if (dpop) hop.headers.delete('dpop');
      const isPlain = !limit && !isAgain && redirects === 0;
      const response = assertResponse(await (isPlain ? sendPlain(source.settings, call) : sendHop(source.settings, call, hop, redirects, signal)));
      const asksForNonce = proof !== undefined && dpop?.noteNonce(proof, response) === 'nonce';
      const next = response.ok ? undefined : nextHop(apiOrigins, call, hop, response, redirects);
      if (!next) {
        if (redirects > 0 && !response.redirected) markRedirected(response);
        if (limit) endWithBody(source, limit, response.body);
        return { response, hop, asksForNonce };
      }
      hop = next;
    }
  } catch (error) {
    limit?.end();
    // Platforms put errors of their own in the place of the reason.
    throw signal?.aborted ? reasonOf(signal) : error;
  }
}

/** What a proof is made for: a call with a bound token, as long as redirects have not led outside. */
function proofOf({ dpop }: Settings, { url, method, headers }: Hop, { tokenType, accessToken }: OAuthToken): ProofRequest | undefined {
  return dpop && tokenType === 'DPoP' && headers.has('authorization') ? { url, method, accessToken } : undefined;
}

/** Most calls: the options are complete, and each further member would cost `fetch` time. */
function sendPlain({ fetch }: Settings, { request, url, options }: Call): Promise<Response> {
  return fetch(request ?? url, options);
}

/** A replay, a hop, or a sending with a limit. Its options are made anew: tracing libraries change those that they get. */
async function sendHop(
  { fetch }: Settings,
  call: Call,
  hop: Hop,
  redirects: number,
  signal: AbortSignal | null | undefined,
): Promise<Response> {
  const { request, options } = call;
  const body = await bodyOf(call, hop, redirects);
  const own = { headers: hop.headers, signal, body };
  if (redirects === 0) return fetch(request ?? call.url, Object.assign({}, options, own));
  const { method, redirect, referrerPolicy } = hop;
  if (redirect === 'follow') return fetch(request ?? call.url, Object.assign({}, options, own, { redirect }));
  const settings = request && settingsOf(request, hop.url);
  const policy = referrerPolicy && { referrerPolicy };
  return fetch(hop.url, Object.assign({}, settings, options, own, policy, { method, redirect }));
}

function bodyOf({ request, body, spare }: Call, { method }: Hop, redirects: number): RequestInit['body'] | Promise<ArrayBuffer> {
  if (redirects > 0 && isSafe(method)) return null;
  return spare && (redirects > 0 || request?.bodyUsed) ? spare.read() : body;
}

/** What a `Request` says of how it is sent, as far as it differs from one that says nothing: platforms do not take all of it. */
function settingsOf(request: Request, url: string): Record<string, unknown> {
  const blank = new Request(url);
  const names = ['cache', 'credentials', 'integrity', 'keepalive', 'mode', 'referrer', 'referrerPolicy'] as const;
  const said = names.filter((name) => name in request && request[name] !== blank[name]);
  const settings: Record<string, unknown> = Object.fromEntries(said.map((name) => [name, request[name]]));
  // undici keeps a proxy's dispatcher here, up to Node 22; later ones do not show it.
  const key = Object.getOwnPropertySymbols(request).find(({ description }) => description === 'dispatcher');
  const dispatcher = key && (request as unknown as Record<symbol, unknown>)[key];
  return dispatcher ? { ...settings, dispatcher } : settings;
}

/**
 * The limit lasts until the body is read, of which nobody tells; but when nobody holds the body any more, there is nothing
 * left to end.
 */
function endWithBody(source: TokenSource, limit: Limit, body: Response['body']): void {
  if (!body) return limit.end();
  limit.unref();
  // workerd of 2023 has none.
  if (typeof FinalizationRegistry !== 'function') return;
  source.openBodies ??= new FinalizationRegistry((end) => end());
  source.openBodies.register(body, limit.end);
}
