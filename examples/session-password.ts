// Changes the password of the M2M account. ThingSpace invents the new one, which holds at once, and tells it
// in one answer only. What to do before and after: "Changing the password" in session.md.
//   node session-password.ts      (with the store and the variables of the service)
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { configFromEnvironment, createClient } from 'thingspace-auth';
import { sessionFromEnvironment } from 'thingspace-auth/session';
import { fileStore } from 'thingspace-auth/stores/file';

const store = fileStore(join(import.meta.dirname, '.thingspace-session'));
const session = sessionFromEnvironment({ store });
// Without a time limit, which could end the call after the change: the new password would be lost.
const { authorizedFetch } = createClient({ ...configFromEnvironment(), timeout: 0, vZM2mToken: session });

function send(method: string, path: string, body: unknown): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  const url = `https://thingspace.verizon.com/api/m2m/v1/${path}`;
  return authorizedFetch(url, { method, headers, body: JSON.stringify(body) });
}

// A call that changes nothing. Where there is no session, the program ends here.
const first = await send('POST', 'devices/actions/list', { maxNumberOfDevices: 1 });
if (!first.ok) throw new Error(`The API answered ${first.status}: ${await first.text()}`);

// Opened before the change, since a full disk must not cost the password. An older file is not overwritten.
const path = join(import.meta.dirname, 'new-password.json');
const file = await open(path, 'wx', 0o600);
const oldPassword = process.env.THINGSPACE_PASSWORD;
const response = await send('PUT', 'session/password/actions/reset', { oldPassword });
await file.writeFile(await response.text());
await file.sync();
await file.close();
console.log(`The API answered ${response.status}. Its answer is in ${path}.`);
if (!response.ok) process.exitCode = 1;
