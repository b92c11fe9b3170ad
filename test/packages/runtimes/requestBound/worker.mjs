// The entry on workerd.
import { waitUntil } from 'cloudflare:workers';
import { handle, host } from './clients.mjs';

host.waitUntil = waitUntil;

export default { fetch: handle };
