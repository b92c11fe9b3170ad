// Both ends of a store that does all its work elsewhere: in another process, a Worker, a tab.

/** This end: `call(method, args)` carries what it is given there as JSON, and brings back the result. */
export function remoteStore(call, { canCompare = true } = {}) {
  const methods = ['get', 'set', 'delete', ...(canCompare ? ['compareAndSet'] : [])];
  return Object.fromEntries(methods.map((method) => [method, (...args) => call(method, args)]));
}

/** The other end. JSON carries `undefined` as `null`. */
export function callStore(store, method, args) {
  return store[method](...args.map((arg) => arg ?? undefined));
}
