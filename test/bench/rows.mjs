// The rows of all tables. Each has a file in rows/ whose `connect(world)` makes something that `call`s an API with a
// token; `packages` are what a user would install for it.

/** Without credentials: what others are compared with. */
export const BARE = [
  { name: 'bare fetch', file: 'bareFetch', packages: [] },
  { name: 'bare axios', file: 'bareAxios', packages: ['axios'] },
];

export const OURS = { name: 'thingspace-auth', file: 'thingspaceAuth', packages: ['thingspace-auth'], cache: 'own' };
export const BY_HAND = { name: 'by hand', file: 'byHand', packages: [], cache: 'a variable' };

export const PEERS = [
  { name: 'oauth4webapi', file: 'oauth4webapi', packages: ['oauth4webapi'], cache: 'none; as by hand' },
  { name: 'openid-client', file: 'openidClient', packages: ['openid-client'], cache: 'none; `expiresIn()`' },
  { name: '@badgateway/oauth2-client', file: 'badgateway', packages: ['@badgateway/oauth2-client'], cache: 'own' },
  { name: 'simple-oauth2', file: 'simpleOauth2', packages: ['simple-oauth2'], cache: 'none; `expired(300)`' },
  {
    name: 'axios-oauth-client',
    file: 'axiosOauthClient',
    packages: ['axios-oauth-client', 'axios-token-interceptor', 'axios'],
    cache: 'axios-token-interceptor',
  },
  { name: '@azure/msal-node', file: 'msalNode', packages: ['@azure/msal-node'], cache: 'own' },
  { name: '@azure/identity', file: 'azureIdentity', packages: ['@azure/identity', '@azure/core-rest-pipeline'], cache: 'own' },
  { name: 'client-oauth2', file: 'clientOauth2', packages: ['client-oauth2'], cache: 'none; `expired()`' },
  { name: '@apimatic/oauth-adapters', file: 'apimatic', packages: ['@apimatic/oauth-adapters'], cache: 'own' },
];

/** Those that get tokens. */
export const ROWS = [OURS, BY_HAND, ...PEERS];

export const connectRow = async (file, world) => (await import(`./rows/${file}.mjs`)).connect(world);
