// One process of the fleet: writes its token for each piece of input.
import { createClient } from 'thingspace-auth';
import { storedToken } from 'thingspace-auth/stores';
import { kvStore } from 'thingspace-auth/stores/kv';

const [tokenUrl, path] = Deno.args;
const { getToken } = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'invented-id',
    oauthClientSecret: 'invented-secret',
    oauthClockSkew: 0,
    oauthTokenProvider: storedToken(kvStore(await Deno.openKv(path))),
  },
  environment: { tokenUrl, apiOrigins: [new URL(tokenUrl).origin] },
});
for await (const _ of Deno.stdin.readable) {
  const text = JSON.stringify(await getToken());
  await Deno.stdout.write(new TextEncoder().encode(text));
}
Deno.exit();
