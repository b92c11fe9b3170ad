// axios (1.12 or later) on top of authorizedFetch: interceptors, errors for statuses, and the token in every
// call.
//   npm install thingspace-auth axios
import axios from 'axios';
import { configFromEnvironment, createClient } from 'thingspace-auth';

const { authorizedFetch } = createClient(configFromEnvironment());

const edge = axios.create({
  baseURL: 'https://5gedge.verizon.com/api/mec/eds',
  adapter: 'fetch', // the default one does not use fetch
  env: { fetch: authorizedFetch },
});

const { data } = await edge.get<{ regions: { regionId: string }[] }>('/regions');
console.log(data.regions.map(({ regionId }) => regionId));
