import ClientOAuth2 from 'client-oauth2';

export function connect({ tokenUrl, apiUrl, fetch, request, clientId, clientSecret }) {
  const client = new ClientOAuth2({ clientId, clientSecret, accessTokenUri: tokenUrl }, request);
  let token;
  return {
    async call() {
      if (!token || token.expired()) token = await client.credentials.getToken();
      return fetch(apiUrl, token.sign({ headers: {} }));
    },
  };
}
