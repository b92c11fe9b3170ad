// Server-sent events: the EventSource of npm's eventsource takes a fetch, and reconnects by itself, each time
// with a valid token. `timeout` would cover the whole stream, so this client has none.
//   npm install thingspace-auth eventsource
import { EventSource } from 'eventsource';
import { createClient } from 'thingspace-auth';

const { authorizedFetch } = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'my-service',
    oauthClientSecret: process.env.CLIENT_SECRET,
  },
  environment: {
    tokenUrl: 'https://auth.example.com/oauth2/token',
    apiOrigins: ['https://events.example.com'],
  },
  timeout: 0,
});

const events = new EventSource('https://events.example.com/stream', { fetch: authorizedFetch });
events.addEventListener('message', ({ data }) => {
  console.log(data);
  if (data === 'last') events.close();
});
