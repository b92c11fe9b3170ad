// Several accounts in one process: one client for each. Clients share nothing, so no token meets the wrong
// account; with a store the keys differ, since the client id is part of them.
import { type Client, createClient, OauthScopeEnum } from 'thingspace-auth';

const accounts: Record<string, { id: string; secret: string }> = JSON.parse(process.env.ACCOUNTS ?? '{}');
const clients = new Map<string, Client>();

function clientOf(name: string): Client {
  const account = accounts[name];
  if (!account) throw new Error(`No account ${name}`);
  const client =
    clients.get(name) ??
    createClient({
      clientCredentialsAuthCredentials: {
        oauthClientId: account.id,
        oauthClientSecret: account.secret,
        oauthScopes: [OauthScopeEnum.Discoveryread],
      },
    });
  clients.set(name, client);
  return client;
}

for (const name of Object.keys(accounts)) {
  const response = await clientOf(name).authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
  console.log(name, response.status);
}
