// ky 2 (Node 22 or later) on top of authorizedFetch: it retries API calls, which thingspace-auth leaves to
// you, and reads JSON. On Node 20, npm would bring ky 1.14, which has no `prefix`.
//   npm install thingspace-auth ky@2
import ky from 'ky';
import { configFromEnvironment, createClient } from 'thingspace-auth';

const { authorizedFetch } = createClient(configFromEnvironment());

const edge = ky.create({
  prefix: 'https://5gedge.verizon.com/api/mec/eds',
  fetch: authorizedFetch,
  retry: { limit: 3 }, // GET, PUT, DELETE after 408, 429, 500, 502, 503, 504, and after network errors
});

const { regions } = await edge.get('regions').json<{ regions: { regionId: string }[] }>();
console.log(regions.map(({ regionId }) => regionId));
