// The library under the vendor's generated SDK. The token request itself is generated code, so it is written
// by hand here.
import { requestAuthenticationProvider } from '@apimatic/oauth-adapters';
import { requestToken } from '../requestToken.mjs';

export function connect(world) {
  const provider = requestAuthenticationProvider(undefined, fetchToken);
  const intercept = provider(true);
  return {
    call: (url = world.apiUrl, { headers, signal } = {}) =>
      intercept({ method: 'GET', url, headers: { ...headers } }, undefined, (request) =>
        world.fetch(url, { headers: request.headers, signal }),
      ),
  };

  async function fetchToken() {
    const { access_token, token_type, expires_in } = await requestToken(world);
    const expiry = BigInt(Math.floor(Date.now() / 1000) + expires_in);
    return { accessToken: access_token, tokenType: token_type, expiresIn: BigInt(expires_in), expiry };
  }
}
