/**
 * A ThingSpace made of one `fetch`-shaped function: token endpoint, revocation, M2M session, API calls and
 * their faults. It is written from the servers' documentation alone and shares no code with the client, so
 * that neither can hide the other's mistakes. It opens no socket. Before the first request it reads no clock
 * and draws no random number. Everything that it hands out is invented.
 *
 * @module
 */
export { createMockServer, type MockServer } from './testing/mockServer.ts';
export type { MockRequest, MockServerOptions } from './testing/options.ts';
export type { MockTarget } from './testing/state.ts';
