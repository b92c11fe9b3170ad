// Keeps the token in local storage, where all tabs of the page's origin share it. A client secret may never
// reach a browser: the page's own backend answers /token with its client's token, and passes the API calls
// on.
import { createClient, noClientAuthentication } from 'thingspace-auth';
import { storedToken } from 'thingspace-auth/stores';
import { webStore } from 'thingspace-auth/stores/web';

const client = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'OAuthClientId',
    clientAuthentication: noClientAuthentication,
    oauthTokenProvider: storedToken(webStore(localStorage, { locks: navigator.locks })),
  },
  environment: { tokenUrl: `${location.origin}/token`, apiOrigins: [location.origin] },
});

const response = await client.authorizedFetch(`${location.origin}/api/mec/eds/regions`);
document.body.textContent = await response.text();
