// Token endpoint, session endpoint and API on one loopback server, apart for each client: counts, waits for,
// and holds back exchanges and logins.
import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';

const LATENCY_MS = 300;
/** Nothing may take longer: a login that nobody ends has 30 s, and joiners wait 5 s for a lost one. */
export const LIMIT_MS = 45_000;

export async function startEndpoint() {
  const clients = new Map();
  const server = createServer((request, response) => {
    request.resume();
    const { authorization = '' } = request.headers;
    if (request.url === '/api')
      return void response.end([authorization, request.headers['vz-m2m-token']].filter(Boolean).join(' '));
    if (request.url.startsWith('/session/'))
      return void answerLogin(clientOf(request.url.split('/')[2]), response);
    if (request.url !== '/token') {
      clientOf(request.url.split('/')[2]).note('arrivals');
      return void response.end();
    }
    const [name] = Buffer.from(authorization.replace('Basic ', ''), 'base64').toString().split(':');
    const client = clientOf(name);
    client.note('exchanges');
    void client.answer(client.exchanges).then(({ status = 200, ...body }) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { origin: `http://127.0.0.1:${server.address().port}`, clientOf, close };

  function clientOf(name) {
    if (!clients.has(name)) clients.set(name, createClientRecord());
    return clients.get(name);
  }
}

async function answerLogin(client, response) {
  client.note('logins');
  const body = await client.answerLogin(client.logins);
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** What has come from one client, and how it is answered. */
function createClientRecord() {
  const emitter = new EventEmitter();
  const record = {
    arrivals: 0,
    exchanges: 0,
    logins: 0,
    note: (counter) => emitter.emit(counter, ++record[counter]),
    /** Until so many have come. */
    reached: async (counter, count) => {
      while (record[counter] < count) await once(emitter, counter, { signal: AbortSignal.timeout(LIMIT_MS) });
    },
    answer: async (number) => {
      await new Promise((resolve) => setTimeout(resolve, LATENCY_MS));
      return { access_token: `token-${number}`, token_type: 'Bearer', expires_in: 3600 };
    },
    answerLogin: async (number) => {
      await new Promise((resolve) => setTimeout(resolve, LATENCY_MS));
      return { sessionToken: `session-${number}` };
    },
  };
  return record;
}
