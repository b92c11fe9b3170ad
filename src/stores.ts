/**
 * Stores: one token for many processes and restarts. A store is a handful of text operations; on top of it
 * stands a token provider, so that the core knows nothing of stores.
 * @module
 */
export { type EncryptionKey, encryptedStore } from './stores/encryptedStore.ts';
export { storedToken } from './stores/storedToken.ts';
export type { TokenStore } from './stores/tokenStore.ts';
