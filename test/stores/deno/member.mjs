// One process of the fleet: answers each line of input with its token, or with the result of a `compareAndSet` that it is told.
import { createClient } from 'thingspace-auth';
import { storedToken } from 'thingspace-auth/stores';
import { kvStore } from 'thingspace-auth/stores/kv';

const [tokenUrl, path] = Deno.args;
const store = kvStore(await Deno.openKv(path));
const { getToken } = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'invented-id',
    oauthClientSecret: 'invented-secret',
    oauthClockSkew: 0,
    oauthTokenProvider: storedToken(store),
  },
  environment: { tokenUrl, apiOrigins: [new URL(tokenUrl).origin] },
});
for await (const input of Deno.stdin.readable) {
  const [key, expected, value] = JSON.parse(new TextDecoder().decode(input));
  const answer = key ? await store.compareAndSet(key, expected ?? undefined, value, 60) : await getToken();
  const text = JSON.stringify(answer);
  await Deno.stdout.write(new TextEncoder().encode(text));
}
Deno.exit();
