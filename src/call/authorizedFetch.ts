/**
 * `fetch` with credentials: gets them, sends the call, and replaces each kind that the answer shows to be
 * spent, once.
 * @module
 */
import type { AttachedSession } from '../config/attachment.ts';
import { report } from '../core/events.ts';
import type { OAuthToken } from '../core/token.ts';
import { discard, type Fetch } from '../platform/fetch.ts';
import type { Limit } from '../platform/waiting.ts';
import { getToken, validToken } from '../token/getToken.ts';
import { rejectToken, renewToken } from '../token/rejectedToken.ts';
import { type Call, prepareToWait, readCall, SESSION_HEADER, sentSession } from './call.ts';
import { type CallingState, type Sent, send } from './send.ts';

/**
 * A credential that an answer may show to be spent: the M2M session, the bearer, or the nonce of the proof.
 */
type Kind = 'session' | 'token' | 'nonce';

/** The credentials of one call. */
interface Credentials {
  readonly session: string | AttachedSession | undefined;
  /** The token to send along; absent: it is looked for. */
  token: OAuthToken | undefined;
  /** The credentials that this call has replaced. */
  readonly replaced: Kind[];
}

/** Sends one call with the client's credentials; same arguments and results as `fetch`. */
export async function authorizedFetch(
  state: CallingState,
  input: Parameters<Fetch>[0],
  init: RequestInit | undefined,
): Promise<Response> {
  const { settings } = state;
  const call = readCall(settings, input, init);
  const { signal, options } = call;
  const { headers } = options;
  // The caller's own session token wins. An empty one means that none is sent.
  const session = call.sessionToken ?? state.sessionToken;
  const isConstant = typeof session !== 'object';
  if (isConstant && session && call.sessionToken === null) headers.set(SESSION_HEADER, session);
  const credentials: Credentials = {
    session,
    token: isConstant ? validToken(state) : undefined,
    replaced: [],
  };
  if (!credentials.token || settings.dpop || signal?.aborted) prepareToWait(call);
  try {
    for (;;) {
      const token = (credentials.token ??= await obtainToken(state, call, session));
      headers.set('authorization', `${token.tokenType} ${token.accessToken}`);
      const reason = credentials.replaced.at(-1);
      if (reason) report(settings, { type: 'request_replayed', reason });
      const response = await send(state, call, token, (sent, limit) =>
        replaceSpent(state, call, credentials, sent, limit),
      );
      if (response) return response;
    }
  } catch (error) {
    discardUnsent(call, error);
    throw error;
  } finally {
    discard(call.clone?.body);
  }
}

/** As `fetch` does, this lets go of a body that was not sent because of an abort. */
function discardUnsent({ signal, request, options }: Call, reason: unknown): void {
  if (signal?.aborted) discard((options.body ?? request?.body) as ReadableStream | null | undefined, reason);
}

/** Gets the credentials that a call has to wait for. */
async function obtainToken(
  state: CallingState,
  { options, signal }: Call,
  session: Credentials['session'],
): Promise<OAuthToken> {
  if (typeof session === 'object') options.headers.set(SESSION_HEADER, await session.getSessionToken(signal));
  // The token comes after the session, since a login may take longer than a bearer lives.
  return validToken(state) ?? getToken(state, { signal });
}

/** Replaces what an answer finds spent. Returns whether it has: if not, the answer goes to the caller. */
async function replaceSpent(
  state: CallingState,
  call: Call,
  credentials: Credentials,
  sent: Sent,
  limit: Limit | undefined,
): Promise<boolean> {
  const { session, replaced } = credentials;
  const { hop, token } = sent;
  const kind = await findSpent(sent, session);
  if (!kind) return false;
  // A redirect that has changed the method says that what was asked for has been done.
  const isGone = call.isStream || hop.options.method !== call.options.method;
  const firstUse = isGone ? 'stream' : 'call';
  const use = replaced.includes(kind) ? 'replay' : firstUse;
  const sessionToken = sentSession(call.options.headers) ?? '';
  const isWorthIt =
    kind === 'nonce' ||
    (kind === 'session'
      ? (session as AttachedSession).giveUp(sessionToken, use)
      : rejectToken(state, token.accessToken, use));
  if (!isWorthIt || use !== 'call') return false;
  replaced.push(kind);
  if (kind === 'session') credentials.token = undefined;
  if (kind !== 'token') return true;
  const resume = limit?.pause();
  credentials.token = await renewToken(state, token, call.signal);
  resume?.();
  return Boolean(credentials.token);
}

/** The credential that an answer shows to be spent; none after a redirect that led outside without them. */
async function findSpent(
  { response, hop, asksForNonce }: Sent,
  session: Credentials['session'],
): Promise<Kind | undefined> {
  // A browser that follows by itself takes credentials along within one origin only.
  const { redirect, headers } = hop.options;
  const isOutside = redirect === 'follow' && new URL(response.url).origin !== new URL(hop.url).origin;
  if (isOutside || !headers.has('authorization')) return undefined;
  if (asksForNonce) return 'nonce';
  if (typeof session === 'object' && (await session.isLapse(response))) return 'session';
  return response.status === 401 ? 'token' : undefined;
}
