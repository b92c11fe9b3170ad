/**
 * One sending of a call: its redirects, its proofs, its time limit.
 * @module
 */
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
  /** The time limit, which lasts until the body is read. */
  readonly limit: Limit | undefined;
}

/** Sends a call with the headers that it has now. `isAgain`: it has been sent before. */
export async function send(source: TokenSource, call: Call, { tokenType, accessToken }: OAuthToken, isAgain: boolean): Promise<Sent> {
  const { apiOrigins, timeoutMs, dpop, fetch } = source.settings;
  const limit = timeoutMs ? startLimit(limited(call.url), timeoutMs, call.signal) : undefined;
  const signal = limit ? limit.signal : call.signal;
  let hop: Hop = { url: call.url, method: call.method, headers: call.headers, redirect: 'manual' };
  try {
    for (let redirects = 0; ; redirects++) {
      const { url, method, headers, redirect } = hop;
      // A call with a bound token, as long as redirects have not led outside.
      const proof = dpop && tokenType === 'DPoP' && headers.has('authorization') ? { url, method, accessToken } : undefined;
      if (dpop && proof) headers.set('dpop', await dpop.createProof(proof));
      // The options of most calls are complete, and each further member would cost `fetch` time.
      const options = limit || isAgain || redirects ? await optionsOf(call, hop, redirects, signal) : call.options;
      const response = assertResponse(await fetch(redirects && redirect === 'manual' ? url : (call.request ?? call.url), options));
      const asksForNonce = proof !== undefined && dpop?.noteNonce(proof, response) === 'nonce';
      const next = response.ok ? undefined : nextHop(apiOrigins, call, hop, response, redirects);
      if (!next) {
        if (redirects && !response.redirected) markRedirected(response);
        if (limit) endWithBody(source, limit, response.body);
        return { response, hop, asksForNonce, limit };
      }
      hop = next;
    }
  } catch (error) {
    limit?.end();
    // Platforms put errors of their own in the place of the reason.
    throw signal?.aborted ? reasonOf(signal) : error;
  }
}

/** For a replay, a hop, or a sending with a limit. They are made anew: tracing libraries change those that they get. */
async function optionsOf(call: Call, hop: Hop, redirects: number, signal: AbortSignal | null | undefined): Promise<RequestInit> {
  const { request, spare, options } = call;
  if (spare && (redirects || request?.bodyUsed)) call.body ??= await spare.arrayBuffer();
  const body = redirects && isSafe(hop.method) ? null : call.body;
  return Object.assign({}, options, hop, { signal, body });
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
