// Watches a client while you develop: each event on one line. Events hold no secrets.
import { type ClientEvent, configFromEnvironment, createClient } from 'thingspace-auth';

function logEvent({ type, ...fields }: ClientEvent): void {
  const details = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
  console.log(`[thingspace-auth] ${type}`, ...details);
}

const { authorizedFetch } = createClient({ ...configFromEnvironment(), onEvent: logEvent });

const response = await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
console.log(response.status);
