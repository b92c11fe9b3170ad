// Keeps the token in local storage, where all tabs of the page's origin share it. The secret stays on
// your backend, which hands out the token (browser-backend.ts) and passes the API calls on.
import { createClient, type OAuthToken } from 'thingspace-auth/browser';
import { storedToken } from 'thingspace-auth/stores';
import { webStore } from 'thingspace-auth/stores/web';

async function askBackend(lastToken: OAuthToken | undefined): Promise<OAuthToken> {
  // POST: the token that this client has will not do any more.
  const response = await fetch('/thingspace-token', { method: lastToken ? 'POST' : 'GET' });
  if (!response.ok) throw new Error(`The backend answered ${response.status}`);
  return response.json();
}

const shared = storedToken(webStore(localStorage, { locks: navigator.locks }));

const { authorizedFetch } = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'your-key',
    // If the store has no token, it asks the backend, since a page makes no token request.
    oauthTokenProvider: (lastToken, context) =>
      shared(lastToken, { ...context, fetchToken: () => askBackend(lastToken) }),
  },
  environment: { tokenUrl: `${location.origin}/thingspace-token`, apiOrigins: [location.origin] },
});

const response = await authorizedFetch('/api/mec/eds/regions');
document.body.textContent = await response.text();
