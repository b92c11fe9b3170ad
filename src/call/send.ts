/**
 * One sending of a call: its redirects, its proofs, its time limit.
 * @module
 */
import type { AttachedSession } from '../config/attachment.ts';
import type { Dpop, ProofRequest } from '../config/config.ts';
import type { OAuthToken } from '../core/token.ts';
import { assertResponse, discard, readBody, timeoutAdvice } from '../platform/fetch.ts';
import { abortReasonOf, type Limit, startLimit } from '../platform/waiting.ts';
import type { ClientState } from '../token/clientState.ts';
import { type Call, isSafe, nameSession } from './call.ts';
import type { Hop, NextHop } from './redirects.ts';

/** The state of a client that sends calls. */
export interface CallingState extends ClientState {
  readonly nextHop: NextHop;
  /** The M2M session of the client's calls. */
  sessionToken?: string | AttachedSession | undefined;
}

/** The outcome of one sending. */
export interface Sent {
  readonly response: Response;
  /** The request that was answered. */
  readonly hop: Hop;
  /** Whether the answer asks for a proof with the nonce that it brings. */
  readonly asksForNonce: boolean | undefined;
  /** The token that was sent. */
  readonly token: OAuthToken;
}

/**
 * Sends a call with the headers that it has now, within its time limit. Returns the answer, unless
 * `isReplaced` says that the call is to be sent again; the answer is then let go of.
 */
export async function send(
  state: CallingState,
  call: Call,
  token: OAuthToken,
  isReplaced: (sent: Sent, limit: Limit | undefined) => Promise<boolean>,
): Promise<Response | undefined> {
  const { timeoutMs } = state.settings;
  const limit = timeoutMs ? startLimit(timeoutAdvice(call.url), timeoutMs, call.signal) : undefined;
  const signal = limit ? limit.signal : call.signal;
  let response: Response | undefined;
  let isForCaller = false;
  try {
    const sent = await sendHops(state, call, token, signal);
    ({ response } = sent);
    isForCaller = response.ok || !(await isReplaced(sent, limit));
    return isForCaller ? response : undefined;
  } catch (error) {
    // Platforms reject with errors of their own instead of the signal's reason.
    throw signal?.aborted ? abortReasonOf(signal) : error;
  } finally {
    // The limit lasts until the body has been read.
    if (isForCaller && response?.body) limit?.endWith(response.body);
    else limit?.end();
    // As `fetch` does, this lets go of an answer that nobody will get.
    if (!isForCaller) discard(response?.body);
  }
}

/** Sends a call, and what redirects make of it, until there is no redirect left to follow by hand. */
async function sendHops(
  state: CallingState,
  call: Call,
  token: OAuthToken,
  signal: AbortSignal | null | undefined,
): Promise<Sent> {
  const { settings } = state;
  const { dpop, fetch } = settings;
  let hop: Hop = call;
  for (;;) {
    const proof = dpop && (await prove(dpop, hop, token));
    // A token of the caller's own keeps the name that it came under.
    if (call.sessionToken === null) nameSession(hop.options.headers, hop.url);
    // Tracing libraries change the options that they get.
    const copy: RequestInit = { ...hop.options };
    if (signal) copy.signal = signal;
    if (!call.clone) keepClone(call);
    else if (!isSafe(hop.options.method))
      copy.body = call.options.body ??= await readClone(call.clone, signal);
    const response = assertResponse(await fetch(hop.request ?? hop.url, copy));
    const asksForNonce = proof && dpop?.noteNonce(proof, response) === 'nonce';
    const next = state.nextHop(settings, call, hop, response);
    if (!next) return { response, hop, asksForNonce, token };
    hop = next;
  }
}

/** Proves the possession of the key that a token is bound to, as long as redirects have not led outside. */
async function prove(
  dpop: Dpop,
  { url, options: { method, headers } }: Hop,
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
 * Keeps a clone of a `Request` that has a body, which is used up by sending it. If the signal has aborted,
 * there is none: the body will not be sent, and `fetch` lets go of it.
 */
function keepClone(call: Call): void {
  const { request, options, signal } = call;
  // Firefox has no `request.body`: there each Request is cloned, whether it has a body or not.
  if (request && request.body !== null && options.body == null && !signal?.aborted)
    call.clone = request.clone();
}

/** Reads a clone until its end, or until the signal aborts: a body may have no end. */
async function readClone(clone: Request, signal: AbortSignal | null | undefined): Promise<Blob> {
  // Firefox has no `body`, and no `Request` there has a body without an end.
  return (clone.body && (await readBody(clone.body, Infinity, signal))) ?? clone.blob();
}
