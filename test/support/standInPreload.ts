/**
 * Preloaded into a program under test: every connection, to whatever host and however secured, goes to the
 * plain HTTP server at STAND_IN. It sees the host in the `Host` header.
 */
import net from 'node:net';
import tls from 'node:tls';

const { hostname, port } = new URL(process.env.STAND_IN!);
const { connect } = net;

/** What Node's own `fetch` and a WebSocket of undici's call, as they find them in these modules. */
Object.assign(net, { connect: connectToStandIn });
Object.assign(tls, {
  connect: () => {
    const socket = connectToStandIn();
    return socket.once('connect', () => socket.emit('secureConnect'));
  },
});

function connectToStandIn(): net.Socket {
  return connect(Number(port), hostname);
}
