// The answer of each application's route: the statuses of three calls at once, with a token and a session.
import { createClient } from 'thingspace-auth';
import { createSession } from 'thingspace-auth/session';

const { MOCK_ORIGIN } = process.env;

const { authorizedFetch } = createClient({
  clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthClientSecret: 'invented-secret' },
  vZM2mToken: createSession({ username: 'invented-user', password: 'invented-password' }),
  environment: {
    tokenUrl: `${MOCK_ORIGIN}/api/ts/v1/oauth2/token`,
    apiOrigins: [MOCK_ORIGIN],
    allowInsecureRequests: true,
  },
});

export async function callThreeTimes() {
  const calls = [1, 2, 3].map(() => authorizedFetch(`${MOCK_ORIGIN}/api/m2m/v1/devices`));
  return (await Promise.all(calls)).map(({ status }) => status).join();
}
