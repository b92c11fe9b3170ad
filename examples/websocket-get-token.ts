// getToken for what is not fetch: a WebSocket that asks for a valid token each time it connects.
import { createClient } from 'thingspace-auth';
import { WebSocket } from 'undici'; // takes headers; Node 20 has no global WebSocket, and browsers' take none

const { getToken } = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'my-service',
    oauthClientSecret: process.env.CLIENT_SECRET,
  },
  environment: {
    tokenUrl: 'https://auth.example.com/oauth2/token',
    apiOrigins: ['https://events.example.com'],
  },
});

async function connect(): Promise<WebSocket> {
  const { accessToken } = await getToken(); // the network only when there is no valid token
  return new WebSocket('wss://events.example.com/stream', {
    headers: { authorization: `Bearer ${accessToken}` },
  });
}

let reconnects = 2;

async function listen(): Promise<void> {
  const socket = await connect();
  socket.addEventListener('message', ({ data }) => console.log(data));
  socket.addEventListener('close', () => {
    if (reconnects-- > 0) void listen();
  });
}

await listen();
