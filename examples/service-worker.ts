// A service worker: pages call the API with plain fetch, and never see the token. It comes from your backend
// (browser-backend.ts). A page starts it with
//   navigator.serviceWorker.register('/service-worker.js', { type: 'module' })
import { createClient, type OAuthToken } from 'thingspace-auth/browser';

declare const self: ServiceWorkerGlobalScope;

async function askBackend(lastToken: OAuthToken | undefined): Promise<OAuthToken> {
  // POST: the token that this client has will not do any more.
  const response = await fetch('/thingspace-token', { method: lastToken ? 'POST' : 'GET' });
  if (!response.ok) throw new Error(`The backend answered ${response.status}`);
  return response.json();
}

const { authorizedFetch } = createClient({
  clientCredentialsAuthCredentials: { oauthClientId: 'your-key', oauthTokenProvider: askBackend },
});

self.addEventListener('install', () => void self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => {
  const { origin } = new URL(event.request.url);
  if (origin === 'https://5gedge.verizon.com') event.respondWith(authorizedFetch(event.request));
});
