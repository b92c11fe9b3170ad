// The twenty lines that everybody writes.
import { variableCache } from '../variableCache.mjs';

export function connect({ tokenUrl, apiUrl, fetch, clientId, clientSecret, timeout }) {
  const accessToken = variableCache(async () => {
    const response = await fetch(tokenUrl, {
      method: 'POST',
      headers: {
        authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: 'grant_type=client_credentials',
    });
    if (!response.ok) throw new Error(`The token endpoint answered ${response.status}`);
    return response.json();
  });
  return {
    async call() {
      const init = { headers: { authorization: `Bearer ${await accessToken()}` } };
      if (timeout) init.signal = AbortSignal.timeout(timeout);
      return fetch(apiUrl, init);
    },
  };
}
