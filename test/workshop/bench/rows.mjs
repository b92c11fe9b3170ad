// The rows of all tables. Each has a file in rows/ whose `connect(world)` makes something that `call`s an API
// with a token, as `fetch` does; `packages` are what a user would install for it. `cache` says who wrote what
// keeps the token.

/** Without a token request: what others are compared with. */
export const BARE = [
  { name: 'bare fetch', file: 'bareFetch', packages: [] },
  { name: 'bare axios', file: 'bareAxios', packages: ['axios'] },
];

const BENCH = "the bench's: a shared promise";

export const OURS = {
  name: 'thingspace-auth',
  file: 'thingspaceAuth',
  packages: ['thingspace-auth'],
  cache: 'its own',
  store: 'fileStore',
};
export const BY_HAND = { name: 'by hand: a shared promise', file: 'byHand', packages: [], cache: 'by hand' };
export const THIRTY_LINES = {
  name: 'by hand: 30 lines',
  file: 'byHandInThirtyLines',
  packages: [],
  cache: 'by hand',
};

export const PEERS = [
  { name: 'oauth4webapi', file: 'oauth4webapi', packages: ['oauth4webapi'], cache: BENCH },
  {
    name: 'openid-client',
    file: 'openidClient',
    packages: ['openid-client'],
    cache: `${BENCH}; \`expiresIn()\``,
  },
  {
    name: '@badgateway/oauth2-client',
    file: 'badgateway',
    packages: ['@badgateway/oauth2-client'],
    cache: 'its own',
    store: 'storeToken',
  },
  {
    name: 'simple-oauth2',
    file: 'simpleOauth2',
    packages: ['simple-oauth2'],
    cache: `${BENCH}; \`expired(300)\``,
  },
  {
    name: 'axios-oauth-client',
    file: 'axiosOauthClient',
    packages: ['axios-oauth-client', 'axios-token-interceptor', 'axios'],
    cache: 'axios-token-interceptor',
  },
  // These two insist on https, which the bench leads to its own server: how they read an answer is then not
  // theirs.
  {
    name: '@azure/msal-node',
    file: 'msalNode',
    packages: ['@azure/msal-node'],
    cache: 'its own',
    store: 'cachePlugin',
    isLed: true,
  },
  {
    name: '@azure/identity',
    file: 'azureIdentity',
    packages: ['@azure/identity', '@azure/core-rest-pipeline'],
    cache: 'its own',
    isLed: true,
  },
  {
    name: 'client-oauth2',
    file: 'clientOauth2',
    packages: ['client-oauth2'],
    cache: `${BENCH}; \`expired()\``,
  },
  {
    name: '@apimatic/oauth-adapters',
    file: 'apimatic',
    packages: ['@apimatic/oauth-adapters'],
    cache: 'its own',
  },
];

/** Those that get tokens. */
export const ROWS = [OURS, BY_HAND, THIRTY_LINES, ...PEERS];

export const connectRow = async (file, world) => (await import(`./rows/${file}.mjs`)).connect(world);

/**
 * What `connect` of a row wants in its world to share its token among processes; nothing where it has no way
 * to.
 */
export async function sharedBy({ file, store }, folder) {
  return store ? (await import(`./rows/${file}.mjs`)).sharedBy(folder) : {};
}
