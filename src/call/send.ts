/**
 * One sending of a call: its redirects, its proofs, its time limit.
 * @module
 */
import type { Dpop, ProofRequest } from '../config/config.ts';
import type { OAuthToken } from '../platform/token.ts';
import { assertResponse, limited } from '../platform/transport.ts';
import type { Limit } from '../platform/waiting.ts';
import { reasonOf, startLimit } from '../platform/waiting.ts';
import type { TokenSource } from '../token/renewal.ts';
import type { Call } from './call.ts';
import { isSafe, settingsOf } from './call.ts';
import type { Hop } from './redirects.ts';
import { markRedirected, nextHop } from './redirects.ts';

/** What came of one sending. */
export interface Sent {
  readonly response: Response;
  /** The request that was answered. */
  readonly hop: Hop;
  /** Whether the answer asks for a proof with the nonce that it brings. */
  readonly asksForNonce: boolean | undefined;
  /** The time limit, which lasts until the body is read. */
  readonly limit: Limit | undefined;
}

/** Sends a call with the headers that it has now. `isAgain`: it has been sent before. */
export async function send(source: TokenSource, call: Call, token: OAuthToken, isAgain: boolean): Promise<Sent> {
  const { timeoutMs, dpop, fetch } = source.settings;
  const limit = timeoutMs ? startLimit(limited(call.url), timeoutMs, call.signal) : undefined;
  const signal = limit ? limit.signal : call.signal;
  let hop: Hop = { target: call.request ?? call.url, url: call.url, method: call.method, headers: call.headers, redirect: 'manual' };
  try {
    for (let redirects = 0; ; redirects++) {
      const proof = dpop && (await prove(dpop, hop, token));
      if (call.spare) call.body ??= await call.spare.arrayBuffer();
      else if (call.isUsedUp) keepClone(call);
      // The options of most calls are complete, and each further member would cost `fetch` time.
      const options = limit || isAgain || redirects ? optionsOf(call, hop, redirects, signal) : call.options;
      const response = assertResponse(await fetch(hop.target, options));
      const asksForNonce = proof && dpop?.noteNonce(proof, response) === 'nonce';
      const next = response.ok ? undefined : nextHop(source.settings.apiOrigins, call, hop, response, redirects);
      if (!next) {
        if (redirects && !response.redirected) markRedirected(response);
        endWithBody(source, limit, response.body);
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

/** Proves the possession of the key that a token is bound to, as long as redirects have not led outside. */
async function prove(dpop: Dpop, { url, method, headers }: Hop, token: OAuthToken): Promise<ProofRequest | undefined> {
  // One made before would be for another token, or another server.
  headers.delete('dpop');
  if (token.tokenType !== 'DPoP' || !headers.has('authorization')) return undefined;
  const request = { url, method, accessToken: token.accessToken };
  headers.set('dpop', await dpop.createProof(request));
  return request;
}

/** For a `Request` that is used up by sending it. A body that is not to be sent is let go by `fetch`, and there is no clone of it. */
function keepClone(call: Call): void {
  if (!call.signal?.aborted) call.spare = call.request?.clone();
}

/** For a replay, a hop, or a sending with a limit. They are made anew: tracing libraries change those that they get. */
function optionsOf({ request, url, options, body }: Call, hop: Hop, redirects: number, signal: AbortSignal | null | undefined): RequestInit {
  const settings = redirects && request ? settingsOf(request, url) : {};
  return Object.assign(settings, options, hop, { signal, body: redirects && isSafe(hop.method) ? null : body });
}

/**
 * The limit lasts until the body is read, of which nobody tells; but when nobody holds the body any more, there is nothing
 * left to end.
 */
function endWithBody(source: TokenSource, limit: Limit | undefined, body: Response['body']): void {
  if (!limit || !body) return limit?.end();
  limit.unref();
  // workerd of 2023 has none.
  if (typeof FinalizationRegistry !== 'function') return;
  source.openBodies ??= new FinalizationRegistry((end) => end());
  source.openBodies.register(body, limit.end);
}
