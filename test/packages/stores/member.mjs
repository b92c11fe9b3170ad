// One process of a fleet, in Node, Deno or Bun: answers each message `{ id, action, args }` with `{ id,
// result }` or `{ id, error }`, after a first answer once it can be asked.
import process from 'node:process';
import { createFleetClient, createSessionClient } from './fleetClient.mjs';
import { openStore } from './openStore.mjs';
import { callStore } from './remoteStore.mjs';

const { now } = Date;
let shiftedMs = 0;
Date.now = () => now() + shiftedMs;

let opened;
let client;
let failures = 0;

const actions = {
  /** Opens a store, with a client on it where there is a token server, and sets the clock right. */
  open: async (place, tokenUrl) => {
    shiftedMs = 0;
    const last = opened;
    // It must not be closed again where the new one cannot be opened.
    opened = undefined;
    await last?.close?.();
    opened = await openStore(place);
    const onEvent = ({ type }) => void (type === 'store_failed' && failures++);
    client = tokenUrl && createFleetClient(opened.store, tokenUrl, { onEvent });
  },
  /** Opens a store, with an M2M session on it. */
  openSession: async (place, origin, password) => {
    opened = await openStore(place);
    client = createSessionClient(opened.store, origin, password);
  },
  /** Makes a call that needs the session: `'ok'`, or the code of its error. */
  callSession: () =>
    client.authorizedFetch('/devices').then(
      () => 'ok',
      ({ code, message }) => code ?? message,
    ),
  shift: (ms) => void (shiftedMs += ms),
  /** Waits until the server of the store answers. */
  ping: async () => void (await opened.ping()),
  call: (method, args) => callStore(opened.store, method, args),
  getToken: async () => {
    failures = 0;
    const startedAt = performance.now();
    const { accessToken } = await client.getToken();
    return { accessToken, failures, waitedMs: Math.round(performance.now() - startedAt) };
  },
};

process.on('message', async ({ id, action, args }) => {
  try {
    process.send({ id, result: await actions[action](...args) });
  } catch (error) {
    process.send({ id, error: String(error) });
  }
});
process.send({ id: 0 });
