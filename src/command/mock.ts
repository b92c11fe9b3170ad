/**
 * `mock`: serves a mock ThingSpace on this machine, for programs in any language.
 * @module
 */
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import process from 'node:process';
import { buffer } from 'node:stream/consumers';
import { createMockServer, type MockServer } from '../testing.ts';
import type { MockOrder } from './commandLine.ts';
import { print, printAside } from './output.ts';
import { type ExitStatus, Stop } from './stop.ts';
import { escapeControls } from './text.ts';

/** Serves until Ctrl-C. */
export async function serveMock({ port }: MockOrder): Promise<ExitStatus> {
  const mock = createMockServer();
  const server = createServer((incoming, outgoing) => void answer(mock, incoming, outgoing));
  const origin = await listenOnLoopback(server, port);
  // Asked for before anything is printed: whoever reads that may end it at once.
  const ended = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  print(variablesFor(origin));
  for (const line of HOW_TO_USE) printAside(line);
  await ended;
  server.close();
  server.closeAllConnections();
  return 0;
}

/** Never on an address that other machines reach: whoever does gets in. */
async function listenOnLoopback(server: Server, port: number): Promise<string> {
  const error = await listenOn(server, port, '127.0.0.1');
  const isWithoutIpv4 = error?.code === 'EADDRNOTAVAIL' || error?.code === 'EAFNOSUPPORT';
  const failure = isWithoutIpv4 ? await listenOn(server, port, '::1') : error;
  if (failure) throw portFailure(port, failure);
  const { address, port: taken } = server.address() as AddressInfo;
  return `http://${address.includes(':') ? `[${address}]` : address}:${taken}`;
}

function listenOn(server: Server, port: number, host: string): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    server.once('error', resolve);
    server.listen(port, host, () => {
      server.off('error', resolve);
      resolve(undefined);
    });
  });
}

function portFailure(port: number, { code }: NodeJS.ErrnoException): Stop {
  const what = code === 'EADDRINUSE' ? 'is taken' : `cannot be used (${code})`;
  return new Stop(`Port ${port} ${what}`, 'Choose another one, or leave --port out for any free one.');
}

function variablesFor(origin: string): string {
  return `THINGSPACE_CLIENT_ID=mock-key
THINGSPACE_CLIENT_SECRET=mock-secret
THINGSPACE_TOKEN_URL=${origin}/api/ts/v1/oauth2/token
THINGSPACE_API_ORIGINS=${origin}
THINGSPACE_USERNAME=mock-user
THINGSPACE_PASSWORD=mock-password
`;
}

/** Beside the variables, so that whoever reads these finds nothing else. */
const HOW_TO_USE: readonly string[] = [
  '',
  'Keep these lines in a file, mock.env. Then, in another terminal:',
  '  npx thingspace-auth check --env mock.env',
  '  node --env-file=mock.env program.mjs',
  'Each request follows in a line. Ctrl-C ends the mock.',
];

async function answer(mock: MockServer, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const { method = 'GET', url = '/' } = incoming;
  const response = await askMock(mock, incoming);
  mock.requests.length = 0; // nobody looks at them here
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.end(Buffer.from(await response.arrayBuffer()));
  print(`${method} ${escapeControls(url.replace(/[?#].*/s, ''))} ${response.status}\n`);
}

/** What cannot be a request for `fetch` either (TRACE, an impossible host) is a bad request. */
async function askMock({ fetch }: MockServer, incoming: IncomingMessage): Promise<Response> {
  const { method = 'GET', url = '/', headers } = incoming;
  try {
    const body = await buffer(incoming);
    const hasBody = method !== 'GET' && method !== 'HEAD';
    const init = { method, headers: headers as Record<string, string>, body: hasBody ? body : null };
    return await fetch(new Request(`http://${headers.host}${url}`, init));
  } catch {
    return new Response('The mock cannot read this request.\n', { status: 400 });
  }
}
