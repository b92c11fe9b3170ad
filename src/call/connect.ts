/**
 * Wires a client: settings → token → call. No declaration leads here, since platforms differ in the types
 * that a call is made of.
 * @module
 */
import { sessions } from '../config/attachment.ts';
import type { Session } from '../config/config.ts';
import { assertUsable, type Settings } from '../config/settings.ts';
import { type OAuthToken, reviveToken } from '../core/token.ts';
import { createClientState } from '../token/clientState.ts';
import { getToken } from '../token/getToken.ts';
import { rejectToken } from '../token/rejectedToken.ts';
import { authorizedFetch } from './authorizedFetch.ts';
import type { Client } from './client.ts';
import type { CallingState } from './send.ts';

/** Makes a client that starts from a token, or from nothing, and does what its entry hands in. */
export function connect(
  settings: Settings,
  token: OAuthToken | undefined,
  strategy: Pick<CallingState, 'grant' | 'nextHop'>,
): Client {
  const state: CallingState = createClientState(settings, token, strategy);
  const { onEvent, waitUntil, fetch, sessionUrl, tokenUrl, sessionToken } = settings;
  state.sessionToken =
    sessions.get(sessionToken as Session)?.({
      onEvent,
      waitUntil,
      fetch,
      sessionUrl,
      tokenUrl,
      getToken: (options) => getToken(state, options),
      rejectToken: (rejected) => rejectToken(state, rejected, 'call'),
    }) ?? (sessionToken as string | undefined);
  return Object.freeze<Client>({
    fetchToken: (options) => getToken(state, { signal: options?.signal, isForced: true }),
    getToken: (options) => getToken(state, { signal: options?.signal }),
    withToken: (other) => connect(settings, assertUsable(reviveToken(other), settings.dpop), strategy),
    authorizedFetch: (input, init) => authorizedFetch(state, input, init),
  });
}
