// A machine that is given no secret: its platform signs for it, and the authorization server trusts that
// platform. The source is asked anew for each token request, since such tokens are replaced while the program
// runs.
import { readFile } from 'node:fs/promises';
import { createClient } from 'thingspace-auth';
import { type AssertionSource, type ClientAssertionOptions, clientAssertion } from 'thingspace-auth/jwt';

const AUDIENCE = 'https://auth.example.com';
const { env } = process;

// Kubernetes: a projected volume with a `serviceAccountToken` for that audience, replaced by the kubelet.
const kubernetes: AssertionSource = () => readFile(env.TOKEN_FILE ?? '/var/run/secrets/tokens/auth', 'utf8');

// GitHub Actions: a job with the permission `id-token: write` asks for its token.
const github: AssertionSource = async ({ signal }) => {
  const url = `${env.ACTIONS_ID_TOKEN_REQUEST_URL}&audience=${encodeURIComponent(AUDIENCE)}`;
  const headers = { authorization: `Bearer ${env.ACTIONS_ID_TOKEN_REQUEST_TOKEN}` };
  const response = await fetch(url, { headers, signal });
  if (!response.ok) throw new Error(`GitHub answered ${response.status}`);
  return ((await response.json()) as { value: string }).value;
};

// SPIFFE: spiffe-helper keeps a JWT-SVID in a file.
const spiffe: AssertionSource = () => readFile(env.JWT_SVID_FILE ?? '', 'utf8');
const SPIFFE: ClientAssertionOptions = { type: 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe' };

function findIdentity() {
  if (env.ACTIONS_ID_TOKEN_REQUEST_URL) return clientAssertion(github);
  return env.JWT_SVID_FILE ? clientAssertion(spiffe, SPIFFE) : clientAssertion(kubernetes);
}

const { authorizedFetch } = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'my-service',
    oauthScopes: ['read'],
    clientAuthentication: findIdentity(),
  },
  environment: { tokenUrl: 'https://auth.example.com/token', apiOrigins: ['https://api.example.com'] },
});

const response = await authorizedFetch('https://api.example.com/orders');
console.log(response.status);
