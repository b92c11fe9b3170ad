// The complete example of the vendor's documentation: ask for a token once, keep it, start from it the next
// time.

import {
  createClient,
  Environment,
  isExpired,
  OAuthProviderError,
  type OAuthToken,
  OauthScopeEnum,
  reviveToken,
} from 'thingspace-auth';

const database = new Map<string, string>(); // stands for yours

async function saveTokenToDatabase(token: OAuthToken): Promise<void> {
  // A secret: see encryptedStore of thingspace-auth/stores.
  database.set('thingspace-token', JSON.stringify(token));
}

async function loadTokenFromDatabase(): Promise<OAuthToken | undefined> {
  const saved = database.get('thingspace-token');
  return saved === undefined ? undefined : reviveToken(JSON.parse(saved));
}

let client = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: process.env.THINGSPACE_CLIENT_ID ?? 'OAuthClientId',
    oauthClientSecret: process.env.THINGSPACE_CLIENT_SECRET ?? 'OAuthClientSecret',
    oauthScopes: [OauthScopeEnum.Discoveryread, OauthScopeEnum.Serviceprofileread],
  },
  vZM2mToken: process.env.THINGSPACE_M2M_TOKEN ?? 'VZ-M2M-Token',
  timeout: 0,
  environment: Environment.Production,
});

try {
  const previousToken = await loadTokenFromDatabase();
  if (previousToken && !isExpired(previousToken)) client = client.withToken(previousToken);
  else await saveTokenToDatabase(await client.fetchToken());

  const response = await client.authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
  console.log(response.status, await response.json());
} catch (error) {
  if (!(error instanceof OAuthProviderError)) throw error;
  console.error(`The server refused the credentials: ${error.error}`);
}
