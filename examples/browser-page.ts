// A page that calls the API itself, with a token from your backend (browser-backend.ts). The page never
// has the secret. The API must allow the page's origin (CORS).
import { createClient, type OAuthToken } from 'thingspace-auth/browser';

async function askBackend(lastToken: OAuthToken | undefined): Promise<OAuthToken> {
  // POST: the token that this client has will not do any more.
  const response = await fetch('/thingspace-token', { method: lastToken ? 'POST' : 'GET' });
  if (!response.ok) throw new Error(`The backend answered ${response.status}`);
  return response.json();
}

const { authorizedFetch } = createClient({
  clientCredentialsAuthCredentials: { oauthClientId: 'your-key', oauthTokenProvider: askBackend },
});

try {
  const response = await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
  document.body.textContent = await response.text();
} catch (error) {
  document.body.textContent = String(error);
}
