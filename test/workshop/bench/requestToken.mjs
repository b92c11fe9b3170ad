/** The token request, as it is written where there is no library. */
export async function requestToken({ tokenUrl, fetch, clientId, clientSecret }) {
  const response = await fetch(tokenUrl, {
    method: 'POST',
    headers: {
      authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: 'grant_type=client_credentials',
  });
  if (!response.ok) throw new Error(`The token endpoint answered ${response.status}`);
  return response.json();
}
