// Several Workers, each an isolate of its own, that share one Durable Object and one Workers KV namespace.
import { build } from 'esbuild';
import { Miniflare } from 'miniflare';

/** `ask(body, worker)` sends one request to one of the Workers and gives the result it answers. */
export async function startWorkers({ count = 1, compatibilityDate = '2026-07-01', useSQLite = true, persistTo } = {}) {
  const { outputFiles } = await build({
    entryPoints: [new URL('worker.mjs', import.meta.url).pathname],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  });
  const names = Array.from({ length: count }, (_, index) => `worker-${index}`);
  const miniflare = new Miniflare({
    host: '127.0.0.1',
    cf: false,
    ...(persistTo ? { durableObjectsPersist: persistTo } : {}),
    workers: names.map((name) => ({
      name,
      modules: true,
      script: outputFiles[0].text,
      compatibilityDate,
      kvNamespaces: { TOKENS_KV: 'tokens' },
      durableObjects: { TOKENS: { className: 'TokenStoreObject', scriptName: names[0], useSQLite } },
    })),
  });
  const workers = await Promise.all(names.map((name) => miniflare.getWorker(name)));
  return {
    ask: async (body, worker = 0, signal) => {
      const response = await workers[worker].fetch('http://worker/', { method: 'POST', body: JSON.stringify(body), signal });
      const { result, error } = await response.json();
      if (error !== undefined) throw new Error(error);
      return result;
    },
    dispose: () => miniflare.dispose(),
  };
}

/** A store that does all its work inside a Worker. */
export function remoteStore({ ask }, store, canCompare, worker = 0) {
  const send = (method, ...args) => ask({ store, method, args }, worker);
  return {
    get: (key) => send('get', key),
    set: (key, value, ttlSeconds) => send('set', key, value, ttlSeconds),
    delete: (key) => send('delete', key),
    ...(canCompare && { compareAndSet: (...args) => send('compareAndSet', ...args) }),
  };
}
