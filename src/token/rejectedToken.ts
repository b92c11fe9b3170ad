/**
 * What a 401 means for the client's token: whether another one is to be had, and how it is got.
 * @module
 */
import { ApiError, OAuthProviderError } from '../core/errors.ts';
import { isWorthReplacing, type RejectedUse } from '../core/rejections.ts';
import type { OAuthToken } from '../core/token.ts';
import type { ClientState } from './clientState.ts';
import { getToken } from './getToken.ts';

/** Takes note of a 401 that a call met, and says whether another token is to be had. */
export function rejectToken({ held, settings }: ClientState, accessToken: string, use: RejectedUse): boolean {
  // Another caller has renewed the token meanwhile.
  if (held?.token.accessToken !== accessToken) return true;
  const isWorthIt = settings.canRenew && isWorthReplacing(held, use);
  if (use === 'stream') held.isGivenUp ||= isWorthIt;
  if (use === 'replay') held.rejectedAgainAtMs = Date.now();
  return isWorthIt;
}

/**
 * Gets another token than the one that was answered with 401. Only for when {@link rejectToken} has said that
 * another one may help. `undefined`: the server has given the same token again. If the renewal fails, the
 * error says that the API had answered 401, unless it is a provider's own error.
 */
export async function renewToken(
  state: ClientState,
  { accessToken: rejected }: OAuthToken,
  signal?: AbortSignal | null,
): Promise<OAuthToken | undefined> {
  try {
    const token = await getToken(state, { signal, rejected });
    return token.accessToken === rejected ? undefined : token;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const Class = error instanceof OAuthProviderError ? OAuthProviderError : ApiError;
    throw new Class(`The API answered 401, then: ${error.message}`, error);
  }
}
