// The private key stays in a key management service, here the transit engine of HashiCorp Vault: the service
// signs, and nobody can read the key.
import { ApiError, createClient } from 'thingspace-auth';
import { privateKeyJwt } from 'thingspace-auth/jwt';

async function signInVault(input: Uint8Array): Promise<Uint8Array> {
  // `jws` asks for r and s as JWTs have them, instead of DER.
  const response = await fetch('https://vault.example.com/v1/transit/sign/my-service/sha2-256', {
    method: 'POST',
    headers: { 'x-vault-token': process.env.VAULT_TOKEN ?? '' },
    body: JSON.stringify({ input: Buffer.from(input).toString('base64'), marshaling_algorithm: 'jws' }),
  });
  // An ApiError with code 'network' is tried again, like a token request without an answer.
  if (!response.ok) throw new ApiError(`Vault answered ${response.status}`, { code: 'network' });
  const { data } = (await response.json()) as { data: { signature: string } };
  return Buffer.from(data.signature.replace(/^vault:v\d+:/, ''), 'base64url');
}

const { authorizedFetch } = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'my-service',
    oauthScopes: ['orders:read'],
    clientAuthentication: privateKeyJwt({ key: signInVault, algorithm: 'ES256' }),
  },
  environment: { tokenUrl: 'https://auth.example.com/oauth2/token', apiOrigins: ['https://api.example.com'] },
});

const response = await authorizedFetch('https://api.example.com/orders');
console.log(response.status, await response.json());
