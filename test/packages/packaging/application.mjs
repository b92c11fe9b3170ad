// A small application, as a user would bundle it; the server it talks to is the test's.
import { createClient } from 'thingspace-auth';

const { authorizedFetch } = createClient({
  clientCredentialsAuthCredentials: { oauthClientId: 'invented-id', oauthClientSecret: 'invented-secret' },
  fetch: globalThis.fetchOfTheTest,
});

globalThis.shown = authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions').then((response) =>
  response.text(),
);
