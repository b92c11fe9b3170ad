// The world of a row: the same service through loopback sockets, or within the process for fake
// clocks.
import { CREDENTIALS, CUT_OFF } from './service.mjs';

/** Real sockets and each row's own transport. `origin` may be another process's. */
export function loopbackWorld(origin) {
  return {
    ...CREDENTIALS,
    tokenUrl: `${origin}/token`,
    apiUrl: `${origin}/api`,
    fetch: globalThis.fetch,
    axiosOptions: {},
  };
}

/** No socket: `fetch` is a function. Rows that cannot take one get an HTTP agent, or an axios adapter. */
export async function memoryWorld(service) {
  const origin = 'http://127.0.0.1:1';
  const fetch = async (input, init = {}) => {
    const { url, headers } = input.url
      ? input
      : { url: input.href ?? input, headers: new Headers(init.headers) };
    const { status, body } = await service.answer(
      new URL(url).pathname,
      headers.get('authorization') ?? undefined,
    );
    if (status === CUT_OFF)
      throw new TypeError('fetch failed', {
        cause: Object.assign(new Error('reset'), { code: 'ECONNRESET' }),
      });
    return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } });
  };
  const world = { ...loopbackWorld(origin), fetch };
  return Object.assign(world, {
    agent: await memoryAgent(service),
    axiosOptions: { adapter: (config) => sendAxios(world.fetch, config) },
    request: async (method, url, body, headers) => {
      const response = await world.fetch(url, { method, body: new URLSearchParams(body), headers });
      return { status: response.status, body: await response.text() };
    },
  });
}

/** Serves the loopback world. */
export async function listen(service) {
  const { createServer } = await import('node:http');
  // No connection is closed between two rounds, however slow the machine: a call would meet its end.
  const server = createServer({ keepAliveTimeout: 600_000 }, handlerOf(service));
  await new Promise((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 2000 }, resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function handlerOf(service) {
  return async (request, response) => {
    request.resume();
    const { status, body, location } = await service.answer(request.url, request.headers.authorization);
    if (status === CUT_OFF) return response.destroy(new Error('cut off'));
    response.writeHead(status, { 'content-type': 'application/json', ...(location ? { location } : {}) });
    response.end(JSON.stringify(body));
  };
}

/** An agent whose sockets end in a server of this process. */
async function memoryAgent(service) {
  const { Agent, createServer } = await import('node:http');
  const { duplexPair } = await import('node:stream');
  const server = createServer(handlerOf(service));
  return Object.assign(new Agent(), {
    createConnection() {
      const [near, far] = duplexPair();
      // Nobody tells one end that the other has been cut off.
      far.once('error', () => near.destroy());
      server.emit('connection', far);
      return near;
    },
  });
}

async function sendAxios(fetch, { url, method, data, headers, validateStatus }) {
  const { AxiosError } = await import('axios');
  const response = await fetch(url, { method, headers: headers.toJSON(), body: data });
  const { status } = response;
  if (validateStatus && !validateStatus(status)) throw new AxiosError(`status ${status}`);
  return { status, data: await response.clone().json(), headers: {}, config: {} };
}
