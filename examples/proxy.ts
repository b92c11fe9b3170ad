// A corporate proxy. Most platforms need no code, only
// HTTPS_PROXY=http://user:password@proxy.example.com:3128:
//   Deno and Bun use it as it is; Node from 22.21 and 24.5 on with NODE_USE_ENV_PROXY=1 beside it.
// An older Node (npm install undici@7) wants the two lines with undici, which serve every fetch of the
// process.
import { configFromEnvironment, createClient } from 'thingspace-auth';
import { EnvHttpProxyAgent, setGlobalDispatcher } from 'undici';

setGlobalDispatcher(new EnvHttpProxyAgent());

const { authorizedFetch } = createClient(configFromEnvironment());

const response = await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
console.log(response.status, await response.json());
