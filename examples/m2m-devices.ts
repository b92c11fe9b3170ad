// The M2M APIs want a second token, for the account behind the devices: a session logs in when it is needed,
// with THINGSPACE_USERNAME and THINGSPACE_PASSWORD (the account's "UWS" credentials, not the portal's key).
//   echo .thingspace-session >> .gitignore      (the session token is a secret)
import { join } from 'node:path';
import { ApiError, configFromEnvironment, createClient } from 'thingspace-auth';
import { sessionFromEnvironment } from 'thingspace-auth/session';
import { fileStore } from 'thingspace-auth/stores/file';

// Without a store, a restarted program sends a refused login again, and five of them lock the account.
const store = fileStore(join(import.meta.dirname, '.thingspace-session'));
const session = sessionFromEnvironment({ store });
const { authorizedFetch } = createClient({ ...configFromEnvironment(), vZM2mToken: session });

type Attribute = { key: string; value: string };
type Device = { deviceIds: { id: string }[]; extendedAttributes?: Attribute[] };

/** All devices, in pages of 500. `filter` may have an accountName, a groupName, a servicePlan. */
async function* listDevices(filter: Record<string, unknown> = {}): AsyncGenerator<Device> {
  let largestDeviceIdSeen: number | undefined;
  for (let hasMoreData = true; hasMoreData; ) {
    const response = await authorizedFetch('https://thingspace.verizon.com/api/m2m/v1/devices/actions/list', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...filter, maxNumberOfDevices: 500, largestDeviceIdSeen }),
    });
    if (!response.ok) throw new Error(`The API answered ${response.status}: ${await response.text()}`);
    const page = (await response.json()) as { devices?: Device[]; hasMoreData?: boolean };
    const devices = page.devices ?? [];
    yield* devices;
    hasMoreData = page.hasMoreData === true;
    // The next page begins after this page's last device.
    const last = devices.at(-1)?.extendedAttributes?.find(({ key }) => key === 'DeviceId')?.value;
    if (hasMoreData && !last) throw new Error('There are more devices, but the last one has no DeviceId.');
    largestDeviceIdSeen = Number(last);
  }
}

try {
  for await (const { deviceIds } of listDevices()) console.log(deviceIds.map(({ id }) => id).join(', '));
  await session.logout(); // a program that ends has no more use for the session
} catch (error) {
  if (!(error instanceof ApiError) || error.code !== 'session_refused') throw error;
  console.error(error.message); // it says what to do, and that five failures lock the account
  process.exitCode = 1;
}
