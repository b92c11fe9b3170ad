/**
 * `fetch` with credentials: gets them, sends the call, and replaces what the answer finds spent, each kind
 * once.
 * @module
 */
import type { SessionTokenSource } from '../config/config.ts';
import { report } from '../core/events.ts';
import type { OAuthToken } from '../core/token.ts';
import { discard, type Fetch } from '../platform/fetch.ts';
import type { ClientState } from '../token/clientState.ts';
import { getToken, validToken } from '../token/getToken.ts';
import { rejectToken, renewToken } from '../token/rejectedToken.ts';
import { assertSendable, type Call, copyOf, readCall, SESSION_HEADER } from './call.ts';
import { type Sent, send } from './send.ts';

/** What an answer may find spent: the M2M session, the bearer, or the nonce of the proof. */
type Kind = 'session' | 'token' | 'nonce';

/** The credentials that were sent along. */
interface Credentials {
  readonly token: OAuthToken;
  readonly session: string | SessionTokenSource | undefined;
  /** What has been replaced in this call. */
  readonly replaced: Kind[];
}

/** Sends one call with the client's credentials; same arguments and results as `fetch`. */
export async function authorizedFetch(
  source: ClientState,
  input: Parameters<Fetch>[0],
  init: RequestInit | undefined,
): Promise<Response> {
  const { settings } = source;
  const call = readCall(settings, input, init);
  const { signal } = call;
  // The caller's own session token wins. An empty one means that none is sent.
  const session = call.sessionToken ?? settings.sessionToken;
  const replaced: Kind[] = [];
  let token = typeof session === 'object' ? undefined : validToken(source);
  let sent: Sent | undefined;
  // What has to wait is judged before, and sends what its body says now.
  if (!token || settings.dpop || signal?.aborted) {
    assertSendable(call);
    call.body = copyOf(call.body);
    // For Bun and workerd, `null` is a body of its own and not that of the `Request`.
    if (call.body != null) call.options.body = call.body;
  }
  try {
    for (;;) {
      const sessionToken =
        typeof session === 'object' ? await session.getSessionToken(source, signal) : session;
      // The token comes after the session, since a login may take longer than a bearer lives.
      token ??= validToken(source) ?? (await getToken(source, { signal }));
      call.headers.set('authorization', `${token.tokenType} ${token.accessToken}`);
      if (sessionToken) call.headers.set(SESSION_HEADER, sessionToken);
      const reason = replaced.at(-1);
      if (reason) report(settings, { type: 'request_replayed', reason });
      sent = await send(source, call, token, reason);
      const spent = sent.response.ok
        ? undefined
        : await replace(source, call, sent, { token, session, replaced });
      if (!spent) return sent.response;
      sent.limit?.end();
      discard(sent.response.body);
      token = spent.next;
    }
  } catch (error) {
    // As `fetch` does, this lets go of an answer that nobody will get, and of a body that was not sent
    // because of an abort.
    sent?.limit?.end();
    discard(sent?.response.body);
    if (signal?.aborted)
      discard((call.body ?? call.request?.body) as ReadableStream | null | undefined, error);
    throw error;
  } finally {
    discard(call.spare?.body);
  }
}

/**
 * Says what an answer finds spent, and with which token the call is sent again; absent: the token is looked
 * for anew. Returns nothing if the answer goes to the caller. That is also so after redirects that have led
 * outside, where no credentials went.
 */
async function replace(
  source: ClientState,
  call: Call,
  { response, hop, asksForNonce, limit }: Sent,
  { token, session, replaced }: Credentials,
): Promise<{ readonly next?: OAuthToken | undefined } | undefined> {
  // A browser that follows by itself takes credentials along within one origin only.
  const { origin } = new URL(hop.redirect ? response.url : hop.url);
  if (!hop.headers.has('authorization') || origin !== new URL(hop.url).origin) return undefined;
  const lapsed = typeof session === 'object' && (await session.isLapse(response)) ? session : undefined;
  const refused = lapsed ? 'session' : 'token';
  const kind = asksForNonce ? 'nonce' : refused;
  if (kind === 'token' && response.status !== 401) return undefined;
  // A redirect that has changed the method says that what was asked for has been done.
  const isGone = call.isOneShot || hop.method !== call.method;
  const firstUse = isGone ? 'stream' : 'call';
  const use = replaced.includes(kind) ? 'replay' : firstUse;
  const sessionToken = call.headers.get(SESSION_HEADER) ?? '';
  const isWorthIt =
    asksForNonce || (lapsed ? lapsed.giveUp(sessionToken, use) : rejectToken(source, token.accessToken, use));
  if (!isWorthIt || use !== 'call') return undefined;
  replaced.push(kind);
  if (lapsed) return {};
  if (asksForNonce) return { next: token };
  limit?.pause();
  const next = await renewToken(source, token, call.signal);
  if (next) return { next };
  limit?.resume();
  return undefined;
}
