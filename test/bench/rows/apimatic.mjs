// What the vendor's generated SDK is built on; the token request itself is generated code, so it is by hand here.
import { requestAuthenticationProvider } from '@apimatic/oauth-adapters';

export function connect({ tokenUrl, apiUrl, fetch, clientId, clientSecret }) {
  const provider = requestAuthenticationProvider(undefined, fetchToken);
  const intercept = provider(true);
  return { call: () => intercept({ method: 'GET', url: apiUrl }, undefined, ({ url, headers }) => fetch(url, { headers })) };

  async function fetchToken() {
    const response = await fetch(tokenUrl, {
      method: 'POST',
      headers: {
        authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: 'grant_type=client_credentials',
    });
    if (!response.ok) throw new Error(`The token endpoint answered ${response.status}`);
    const { access_token, token_type, expires_in } = await response.json();
    const expiry = BigInt(Math.floor(Date.now() / 1000) + expires_in);
    return { accessToken: access_token, tokenType: token_type, expiresIn: BigInt(expires_in), expiry };
  }
}
