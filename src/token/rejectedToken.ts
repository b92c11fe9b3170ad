/**
 * Decides after a 401 whether to get another token, and gets it.
 * @module
 */
import { ApiError, isApiError, OAuthProviderError } from '../core/errors.ts';
import { isWorthReplacing, type RejectedUse } from '../core/rejections.ts';
import type { OAuthToken } from '../core/token.ts';
import type { ClientState } from './clientState.ts';
import { getToken } from './getToken.ts';

/** Notes the 401 that a call met, and returns whether to get another token. */
export function rejectToken({ held, settings }: ClientState, accessToken: string, use: RejectedUse): boolean {
  // Another caller has renewed the token meanwhile.
  if (held?.token.accessToken !== accessToken) return true;
  const isWorthIt = settings.canRenew && isWorthReplacing(held, use);
  if (use === 'stream') held.isGivenUp ||= isWorthIt;
  if (use === 'replay') held.rejectedAgainAtMs = Date.now();
  return isWorthIt;
}

/**
 * Gets another token than the one that the API answered with 401. Call it only after {@link rejectToken} has
 * returned `true`. `undefined`: the server gave the same token again. If the renewal fails, the
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
    if (!isApiError(error)) throw error;
    const Class = error.code === 'oauth_error' ? OAuthProviderError : ApiError;
    throw new Class(`The API answered 401, then: ${error.message}`, error);
  }
}
