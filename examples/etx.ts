// ETX, the vendor's messages to vehicles, wants the M2M session in the header SessionToken, where all other
// APIs want VZ-M2M-Token. The client sends the right one, without any setting.
//   echo .thingspace-session >> .gitignore      (the session token is a secret)
import { join } from 'node:path';
import { configFromEnvironment, createClient } from 'thingspace-auth';
import { sessionFromEnvironment } from 'thingspace-auth/session';
import { fileStore } from 'thingspace-auth/stores/file';

const store = fileStore(join(import.meta.dirname, '.thingspace-session'));
const session = sessionFromEnvironment({ store });
const { authorizedFetch } = createClient({ ...configFromEnvironment(), vZM2mToken: session });

const response = await authorizedFetch(
  'https://imp.thingspace.verizon.com/api/v1/application/configurations/geofence/ids',
);
console.log(response.status, await response.json());
await session.logout();
