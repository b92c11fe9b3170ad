// Preloaded into a recipe: every connection of `fetch`, to whatever host, goes to the plain HTTP server at
// STAND_IN.
import { connect } from 'node:net';
import { Agent, setGlobalDispatcher } from 'undici';

const { hostname, port } = new URL(process.env.STAND_IN);

setGlobalDispatcher(
  new Agent({
    connect: (_options, callback) => {
      const socket = connect(Number(port), hostname, () => callback(null, socket));
      socket.on('error', (error) => callback(error, null));
    },
  }),
);
