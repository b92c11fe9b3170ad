// Errors as Verizon's SDKs throw them: a status of 400 and above rejects. One question then serves token
// server, network and API alike: is the failure temporary?
import { ApiError, configFromEnvironment, createClient } from 'thingspace-auth';

const { authorizedFetch } = createClient(configFromEnvironment());

async function call(...parameters: Parameters<typeof fetch>): Promise<Response> {
  const response = await authorizedFetch(...parameters);
  if (response.ok) return response;
  const { status: statusCode, headers } = response;
  const message = `The API answered ${statusCode}: ${(await response.text()).slice(0, 200)}`;
  throw new ApiError(message, { code: 'gateway_fault', statusCode, headers });
}

try {
  const response = await call('https://5gedge.verizon.com/api/mec/eds/regions');
  console.log(await response.json());
} catch (error) {
  if (!(error instanceof ApiError)) throw error;
  console.error(error.isTemporary ? 'Try again later:' : 'Do not repeat this:', error.message);
  process.exitCode = 1;
}
