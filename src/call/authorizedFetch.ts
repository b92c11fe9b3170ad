/**
 * `fetch` with credentials: obtains them, sends the call, and replaces what the answer finds spent, each kind once.
 * @module
 */
import type { SessionTokenSource } from '../config/config.ts';
import { report } from '../platform/events.ts';
import type { RejectedUse } from '../platform/rejections.ts';
import type { OAuthToken } from '../platform/token.ts';
import type { Fetch } from '../platform/transport.ts';
import { discard } from '../platform/transport.ts';
import type { TokenSource } from '../token/renewal.ts';
import { getToken, rejectToken, renewToken, validToken } from '../token/tokenSource.ts';
import type { Call } from './call.ts';
import { assertSendable, readCall, SESSION_HEADER } from './call.ts';
import { isAllowed } from './origins.ts';
import type { Sent } from './send.ts';
import { send } from './send.ts';

/** What an answer finds spent: the M2M session, the bearer, or the nonce of the proof. */
type Spent = 'session' | 'token' | 'nonce';

/** What was sent along. */
interface Credentials {
  readonly token: OAuthToken;
  readonly session: string | SessionTokenSource | undefined;
  readonly sessionToken: string | undefined;
}

/** Sends one call with the client's credentials; same arguments and results as `fetch`. */
export async function authorizedFetch(
  source: TokenSource,
  input: Parameters<Fetch>[0],
  init: RequestInit | undefined,
): Promise<Response> {
  const { settings } = source;
  const call = readCall(settings.apiOrigins, input, init);
  const { headers, signal } = call;
  // The caller's own session token wins; an empty one means that none is sent.
  const session = call.sessionToken ?? settings.sessionToken;
  const replaced: Spent[] = [];
  let token = typeof session === 'object' ? undefined : validToken(source);
  let sent: Sent | undefined;
  try {
    if (!token || signal?.aborted) assertSendable(call);
    for (;;) {
      const sessionToken = typeof session === 'object' ? await session.getSessionToken(source, signal) : session;
      // After the session, since a login may take longer than a bearer lives.
      token ??= validToken(source) ?? (await getToken(source, signal));
      headers.set('authorization', `${token.tokenType} ${token.accessToken}`);
      if (sessionToken) headers.set(SESSION_HEADER, sessionToken);
      const reason = replaced.at(-1);
      if (reason) report(settings, { type: 'request_replayed', reason });
      sent = await send(source, call, token, reason !== undefined);
      const spent = sent.response.ok ? undefined : await findSpent(settings.apiOrigins, session, sent);
      const use = spent && replaced.includes(spent) ? 'replay' : call.isOneShot ? 'stream' : 'call';
      const next = spent && (await replace(source, { token, session, sessionToken }, spent, use, signal));
      if (!next) return sent.response;
      discard(sent.response.body);
      replaced.push(spent);
      token = next.token;
    }
  } catch (error) {
    // As `fetch` does: an answer that nobody will get, and a body that an abort has kept from being sent, are let go.
    discard(sent?.response.body);
    if (signal?.aborted) discard((call.body ?? call.request?.body) as ReadableStream | null | undefined);
    throw error;
  } finally {
    discard(call.spare?.body);
  }
}

/** Which of the credentials an answer finds spent. Where redirects have led outside, it is no answer to them. */
async function findSpent(
  apiOrigins: readonly string[],
  session: Credentials['session'],
  { response, hop, asksForNonce }: Sent,
): Promise<Spent | undefined> {
  if (!hop.headers.has('authorization') || !isAllowed(apiOrigins, new URL(response.url, hop.url).origin)) return undefined;
  if (asksForNonce) return 'nonce';
  if (typeof session === 'object' && (await session.isLapse(response))) return 'session';
  return response.status === 401 ? 'token' : undefined;
}

/** With what the call is sent again, a token looked for anew where it has none; nothing where its answer is the caller's. */
async function replace(
  source: TokenSource,
  { token, session, sessionToken = '' }: Credentials,
  spent: Spent,
  use: RejectedUse,
  signal: Call['signal'],
): Promise<{ readonly token?: OAuthToken } | undefined> {
  const isWorthIt =
    spent === 'nonce' ||
    (spent === 'session' && typeof session === 'object' ? session.giveUp(sessionToken, use) : rejectToken(source, token.accessToken, use));
  if (!isWorthIt || use !== 'call') return undefined;
  if (spent === 'session') return {};
  const next = spent === 'nonce' ? token : await renewToken(source, token, signal);
  return next && { token: next };
}
