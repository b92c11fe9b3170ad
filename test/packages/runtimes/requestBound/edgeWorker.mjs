// The entry in edge-runtime: its events bring their own waitUntil.
import { handle, host } from './clients.mjs';

addEventListener('fetch', (event) => {
  host.waitUntil = (promise) => event.waitUntil(promise);
  event.respondWith(handle(event.request));
});
