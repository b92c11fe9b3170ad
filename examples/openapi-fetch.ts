// openapi-fetch on top of authorizedFetch: calls with the types of an OpenAPI description.
//   npm install thingspace-auth openapi-fetch
import createOpenApiClient from 'openapi-fetch';
import { configFromEnvironment, createClient } from 'thingspace-auth';

// Stands for the file that `npx openapi-typescript description.yaml` makes.
interface paths {
  '/api/mec/eds/regions': {
    get: { responses: { 200: { content: { 'application/json': { regions: { regionId: string }[] } } } } };
  };
}

const { authorizedFetch } = createClient(configFromEnvironment());
const edge = createOpenApiClient<paths>({ baseUrl: 'https://5gedge.verizon.com', fetch: authorizedFetch });

const { data, response } = await edge.GET('/api/mec/eds/regions');
console.log(
  response.status,
  data?.regions.map(({ regionId }) => regionId),
);
