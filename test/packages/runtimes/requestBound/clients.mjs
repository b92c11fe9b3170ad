// Runs inside the runtime: one client for each scenario, all at module scope, and one handler.
import { createClient } from 'thingspace-auth';
import { createSession } from 'thingspace-auth/session';

/* global SETUP */
const { origin, nowSeconds, scenarios } = SETUP;

/** Set by the worker's entry: keeps the event that is being handled alive. */
export const host = { waitUntil: undefined };

const clients = Object.fromEntries(
  Object.entries(scenarios).map(([name, { hasWaitUntil, isEnding, hasSession }]) => [
    name,
    createClient({
      clientCredentialsAuthCredentials: {
        oauthClientId: name,
        oauthClientSecret: 'invented-secret',
        // A lifetime so long that its last 300 s are a small part, and they have begun.
        ...(isEnding && {
          oauthToken: {
            accessToken: 'stored-token',
            tokenType: 'Bearer',
            expiresIn: 86_400,
            expiry: nowSeconds + 250,
          },
        }),
      },
      environment: {
        tokenUrl: `${origin}/token`,
        apiOrigins: [origin],
        sessionUrl: `${origin}/session/${name}`,
      },
      ...(hasSession && {
        timeout: 8_000,
        vZM2mToken: createSession({ username: 'invented-user', password: 'invented-password' }),
      }),
      ...(hasWaitUntil && { waitUntil: (promise) => host.waitUntil(promise) }),
    }),
  ]),
);

/**
 * `/scenario/call` makes an authorized call, `/scenario/leave` begins an exchange and answers without
 * awaiting it.
 */
export async function handle(request) {
  const [, name, action] = new URL(request.url).pathname.split('/');
  const { authorizedFetch, getToken } = clients[name];
  if (action === 'leave') {
    getToken().catch(() => {});
    return new Response('left');
  }
  await fetch(`${origin}/arrived/${name}`);
  try {
    const response = await authorizedFetch(`${origin}/api`);
    return new Response(await response.text(), { status: response.status });
  } catch (error) {
    return new Response(String(error), { status: 502 });
  }
}
