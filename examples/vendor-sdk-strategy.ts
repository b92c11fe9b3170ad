// The other way: Verizon's newest SDK keeps a `fetch` of its own, and asks here for tokens only:
//   new VerizonClient({ thingspaceOauth, thingspaceOauthStrategy: strategyOf(createClient(…)) })
// `thingspaceOauth` must be given, and is not used. A call that meets a 401 fails, and the next one has
// another token. There is no session in it. Where you can, use vendor-sdk.ts.
import type { Client } from 'thingspace-auth';
import type { OAuth2TokenStrategy } from 'verizon';

/** The SDK asks again 30 s before the end of a token. Where it asks earlier, it has met a 401. */
const ASKS_BEFORE_END_S = 31;
/** So an API that always refuses does not cost a token request for each call. */
const RENEWS_EVERY_MS = 10_000;

export function strategyOf({ getToken, fetchToken }: Client): OAuth2TokenStrategy<unknown> {
  let given = '';
  let renewedAtMs = 0;
  return {
    // Without its signal, which is the first caller's: those who wait with that one would fail, too.
    async getToken() {
      let token = await getToken();
      const isRefused = token.accessToken === given && secondsLeft(token) > ASKS_BEFORE_END_S;
      if (isRefused && Date.now() - renewedAtMs > RENEWS_EVERY_MS) {
        renewedAtMs = Date.now();
        token = await fetchToken();
      }
      given = token.accessToken;
      const expiresIn = Math.max(1, Math.floor(secondsLeft(token))); // 0: no end, for the SDK
      return { accessToken: given, tokenType: 'Bearer', ...(token.expiry && { expiresIn }) };
    },
  };
}

function secondsLeft({ expiry = Infinity }: { expiry?: number }): number {
  return expiry - Date.now() / 1000;
}
