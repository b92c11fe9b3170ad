// Preloaded into a recipe: every connection of `fetch` and of `node:https`, to whatever host, goes to the
// plain HTTP server at STAND_IN.
import https from 'node:https';
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

https.Agent.prototype.createConnection = () => connect(Number(port), hostname);
