/**
 * One sending of a call: its redirects, its proofs, its time limit.
 * @module
 */
import type { Dpop, ProofRequest } from '../config/config.ts';
import type { OAuthToken } from '../core/token.ts';
import { assertResponse, readBody, timeoutAdvice } from '../platform/fetch.ts';
import { isRequestBound } from '../platform/runtimes.ts';
import { abortReasonOf, type Limit, startLimit } from '../platform/waiting.ts';
import type { ClientState } from '../token/clientState.ts';
import { type Call, isSafe, settingsOf } from './call.ts';
import { type Hop, nextHop } from './redirects.ts';

/** What came of one sending. */
export interface Sent {
  readonly response: Response;
  /** The request that was answered. */
  readonly hop: Hop;
  /** Whether the answer asks for a proof with the nonce that it brings. */
  readonly asksForNonce: boolean | undefined;
  /** The time limit, which lasts until the body is read; absent if there is no body. */
  readonly limit: Limit | undefined;
}

/** Sends a call with the headers that it has now. `replayReason`: why it is sent again, if it is. */
export async function send(
  source: ClientState,
  call: Call,
  token: OAuthToken,
  replayReason: string | undefined,
): Promise<Sent> {
  const { apiOrigins, timeoutMs, dpop, fetch } = source.settings;
  const limit = timeoutMs ? startLimit(timeoutAdvice(call.url), timeoutMs, call.signal) : undefined;
  const signal = limit ? limit.signal : call.signal;
  let hop: Hop = {
    target: call.request ?? call.url,
    url: call.url,
    method: call.method,
    headers: call.headers,
  };
  try {
    for (let redirects = 0; ; redirects++) {
      const proof = dpop && (await prove(dpop, hop, token));
      if (!call.spare && call.isUsedUp) keepClone(call);
      else if (call.spare && !isSafe(hop.method)) call.body ??= await readClone(call.spare, signal);
      // For most calls these options are complete. Each further member would cost `fetch` time.
      const options =
        limit || replayReason || redirects ? optionsOf(call, hop, redirects, signal) : call.options;
      const response = assertResponse(await fetch(hop.target, options));
      const asksForNonce = proof && dpop?.noteNonce(proof, response) === 'nonce';
      const next = response.ok ? undefined : nextHop(apiOrigins, call, hop, response, redirects);
      if (!next) {
        // As `fetch` itself would have marked it.
        if (redirects && !hop.redirect)
          Object.defineProperty(response, 'redirected', { value: true, configurable: true });
        endWithBody(source, limit, response.body);
        return { response, hop, asksForNonce, limit: response.body ? limit : undefined };
      }
      hop = next;
    }
  } catch (error) {
    limit?.end();
    // Platforms reject with errors of their own instead of the signal's reason.
    throw signal?.aborted ? abortReasonOf(signal) : error;
  }
}

/** Proves the possession of the key that a token is bound to, as long as redirects have not led outside. */
async function prove(
  dpop: Dpop,
  { url, method, headers }: Hop,
  token: OAuthToken,
): Promise<ProofRequest | undefined> {
  // A proof that was made before would be for another token, or for another server.
  headers.delete('dpop');
  if (token.tokenType !== 'DPoP' || !headers.has('authorization')) return undefined;
  const request = { url, method, accessToken: token.accessToken };
  headers.set('dpop', await dpop.createProof(request));
  return request;
}

/**
 * Keeps a clone of a `Request` that is used up by sending it. If the signal has aborted, there is none: the
 * body will not be sent, and `fetch` lets go of it.
 */
function keepClone(call: Call): void {
  if (!call.signal?.aborted) call.spare = call.request?.clone();
}

/** Reads a clone until its end, or until the signal aborts: a body may have no end. */
async function readClone(clone: Request, signal: AbortSignal | null | undefined): Promise<Blob> {
  // Firefox has no `body`, and no `Request` there has a body without an end.
  return (clone.body && (await readBody(clone.body, Infinity, signal))) ?? clone.blob();
}

/**
 * The options of a replay, of a redirect, or of a call with a time limit. They are made anew each time, since
 * tracing libraries change the options that they get.
 */
function optionsOf(
  { request, options, body }: Call,
  hop: Hop,
  redirects: number,
  signal: AbortSignal | null | undefined,
): RequestInit {
  const settings = redirects && request ? settingsOf(request) : {};
  return Object.assign(settings, options, hop, {
    signal,
    body: redirects && isSafe(hop.method) ? null : body,
  });
}

/**
 * The limit lasts until the body has been read, and nobody tells when that is. But when nobody holds the body
 * any more, the limit is no longer needed.
 */
function endWithBody(source: ClientState, limit: Limit | undefined, body: Response['body']): void {
  if (!limit) return;
  if (!body) {
    limit.end();
    return;
  }
  limit.unref();
  // workerd of 2023 has none.
  if (typeof FinalizationRegistry !== 'function') return;
  source.openBodies ??= new FinalizationRegistry((end) => end());
  // Outside of a request workerd allows no `clearTimeout`. Its timers end with their request.
  source.openBodies.register(body, isRequestBound() ? limit.unfollow : limit.end);
}
