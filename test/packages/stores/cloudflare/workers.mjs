// Several Workers, each an isolate of its own, that share one Durable Object and one Workers KV namespace.
import { join } from 'node:path';
import { Miniflare } from 'miniflare';
import { bundle } from '../../../support/bundle.mjs';
import { remoteStore } from '../remoteStore.mjs';

/**
 * `ask(body, worker)` sends one request to one of the Workers and gives the result it answers; `store(kind,
 * worker)` does all its work inside that Worker.
 */
export async function startWorkers({
  count = 1,
  compatibilityDate = '2026-07-01',
  useSQLite = true,
  persistTo,
} = {}) {
  const script = await bundle(join(import.meta.dirname, 'worker.mjs'));
  const names = Array.from({ length: count }, (_, index) => `worker-${index}`);
  const miniflare = new Miniflare({
    host: '127.0.0.1',
    cf: false,
    ...(persistTo ? { durableObjectsPersist: persistTo } : {}),
    workers: names.map((name) => ({
      name,
      modules: true,
      script,
      compatibilityDate,
      kvNamespaces: { TOKENS_KV: 'tokens' },
      durableObjects: { TOKENS: { className: 'TokenStoreObject', scriptName: names[0], useSQLite } },
    })),
  });
  const workers = await Promise.all(names.map((name) => miniflare.getWorker(name)));
  const ask = async (body, worker = 0, signal) => {
    const response = await workers[worker].fetch('http://worker/', {
      method: 'POST',
      body: JSON.stringify(body),
      signal,
    });
    const { result, error } = await response.json();
    if (error !== undefined) throw new Error(error);
    return result;
  };
  const store = (kind, worker) =>
    remoteStore((method, args) => ask({ kind, method, args }, worker), { canCompare: kind !== 'kv' });
  return { ask, store, dispose: () => miniflare.dispose() };
}
