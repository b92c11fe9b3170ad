// The dozen lines that a careful person writes: the promise is shared, 30 s to spare.
import { requestToken } from '../requestToken.mjs';

export function connect(world) {
  const { apiUrl, fetch, timeout } = world;
  let endsAt = 0;
  let promise;
  return {
    async call(url = apiUrl, init = {}) {
      if (Date.now() >= endsAt) {
        endsAt = Infinity;
        promise = requestToken(world).then(keep, forget);
      }
      const headers = { ...init.headers, authorization: `Bearer ${await promise}` };
      return fetch(url, { ...init, headers, signal: limit(init.signal, timeout) });
    },
  };

  function keep({ access_token, expires_in }) {
    endsAt = Date.now() + (expires_in - 30) * 1000;
    return access_token;
  }

  function forget(error) {
    endsAt = 0;
    throw error;
  }
}

function limit(signal, timeout) {
  if (!timeout) return signal;
  const limited = AbortSignal.timeout(timeout);
  return signal ? AbortSignal.any([signal, limited]) : limited;
}
