// Keeps the token in local storage, where all tabs of the page's origin share it. The secret stays on
// your backend, which hands out the token (browser-backend.ts) and passes the API calls on.
import { createClient, type OAuthToken } from 'thingspace-auth/browser';
import { storedToken } from 'thingspace-auth/stores';
import { webStore } from 'thingspace-auth/stores/web';

async function askBackend(): Promise<OAuthToken> {
  const response = await fetch('/thingspace-token');
  if (!response.ok) throw new Error(`The backend answered ${response.status}`);
  return response.json();
}

const shared = storedToken(webStore(localStorage, { locks: navigator.locks }));

const { authorizedFetch } = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'your-key',
    // If the store has no token, it asks the backend, since a page makes no token request.
    oauthTokenProvider: (lastToken, context) => shared(lastToken, { ...context, fetchToken: askBackend }),
  },
  environment: { tokenUrl: `${location.origin}/thingspace-token`, apiOrigins: [location.origin] },
});

const response = await authorizedFetch('/api/mec/eds/regions');
document.body.textContent = await response.text();
