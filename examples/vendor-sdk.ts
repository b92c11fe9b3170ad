// Keep the types of Verizon's newest SDK (VerizonClient), with this package underneath. It is not on npm:
//   npm install FOLDER      (your copy of https://github.com/context-plugins/verizon-typescript-sdk, built)
//   echo .thingspace-session >> .gitignore      (the session token is a secret)
import { join } from 'node:path';
import { configFromEnvironment, createClient } from 'thingspace-auth';
import { sessionFromEnvironment } from 'thingspace-auth/session';
import { fileStore } from 'thingspace-auth/stores/file';
import { VerizonClient } from 'verizon';

const store = fileStore(join(import.meta.dirname, '.thingspace-session'));
const session = sessionFromEnvironment({ store });
const { authorizedFetch } = createClient({ ...configFromEnvironment(), vZM2mToken: session });

// Every call of the SDK goes through authorizedFetch, which adds both tokens, and sends it again after a 401
// or when the session has ended. Give the SDK no credentials. It retries some calls by itself.
const sdk = new VerizonClient({ fetch: authorizedFetch });

const { devices } = await sdk.deviceManagement.listDevicesInformation({ body: { maxNumberOfDevices: 10 } });
for (const { deviceIds } of devices ?? []) console.log(deviceIds?.map(({ id }) => id).join(', '));
await session.logout();
