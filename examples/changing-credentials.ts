// A secret that rotates while the program runs, here in an AWS Lambda function: it is read from Secrets
// Manager for each token request, so a new one serves from the next on. Client and token stay as they are.
//   npm install thingspace-auth @aws-sdk/client-secrets-manager
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { ApiError, clientSecretBasic, configFromEnvironment, createClient } from 'thingspace-auth';

const manager = new SecretsManagerClient();

async function readSecret(): Promise<string> {
  const command = new GetSecretValueCommand({ SecretId: process.env.SECRET_ID });
  const { SecretString } = await manager.send(command);
  if (!SecretString) throw new ApiError('Secrets Manager has no secret', { code: 'no_credentials' });
  return SecretString;
}

// In place of THINGSPACE_CLIENT_SECRET; any other method can be wrapped in the same way.
const { authorizedFetch } = createClient(
  configFromEnvironment({
    clientAuthentication: async (request) =>
      clientSecretBasic({ ...request, clientSecret: await readSecret() }),
  }),
);

export async function handler(): Promise<{ statusCode: number; body: string }> {
  const response = await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
  return { statusCode: response.status, body: await response.text() };
}
